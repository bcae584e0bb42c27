//! `parapet logs`: search what is stored, look around a line, and ship files.

mod context;
mod patterns;
mod picture;
mod record;
mod search;
mod tail;

use anyhow::bail;
use clap::{Args, Subcommand};
use std::io::Write as _;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum Logs {
    /// Find lines: level:ERROR AND duration:>1
    Search(Box<search::Arguments>),
    /// Show what messages have in common, the most frequent first
    Patterns(Box<patterns::Arguments>),
    /// Show the lines of a stream around one of them
    Context(Box<context::Arguments>),
    /// Ship files, line by line, as they grow
    Tail(Box<tail::Arguments>),
}

/// Does what is asked for.
pub(crate) fn run(command: &Logs) -> anyhow::Result<ExitCode> {
    match command {
        Logs::Search(arguments) => search::run(arguments)?,
        Logs::Patterns(arguments) => patterns::run(arguments)?,
        Logs::Context(arguments) => context::run(arguments)?,
        Logs::Tail(arguments) => tail::run(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Which lines, and from when until when.
#[derive(Debug, Args)]
struct Selection {
    /// A query string: words, "phrases", field:value, level:>=ERROR, duration:>250ms, status:[500 TO 599], AND OR NOT
    #[arg(default_value = "", hide_default_value = true)]
    query: String,
    /// Only of these streams: {app="web"}
    #[arg(long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Only of this trace
    #[arg(long = "trace-id", value_name = "ID")]
    trace_id: Option<String>,
    /// How far back from the end
    #[arg(long, value_name = "DURATION", default_value = "1h", conflicts_with = "start")]
    since: String,
    /// From when: RFC 3339, Unix seconds, or before now (-6h)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start: Option<String>,
    /// Until when, in the same forms [default: now]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    end: Option<String>,
}

impl Selection {
    /// The parameters of the API.
    fn form(&self, now_ms: i64) -> anyhow::Result<Vec<(&'static str, String)>> {
        use crate::query::times::{format_seconds, parse};
        use anyhow::Context as _;
        let end_ms = parse(self.end.as_deref().unwrap_or("now"), now_ms).context("--end")?;
        let start_ms = match &self.start {
            Some(start) => parse(start, now_ms).context("--start")?,
            None => {
                let since = parapet_model::parse_duration_ms(&self.since);
                end_ms - since.map_err(|error| anyhow::anyhow!("--since: {error}; write for example 24h or 7d"))?
            }
        };
        if start_ms > end_ms {
            bail!("--start is after --end");
        }
        let mut form = vec![
            ("query", self.query.clone()),
            ("start", format_seconds(start_ms)),
            // The last millisecond is meant as a whole.
            ("end", format!("{}999999", format_seconds(end_ms))),
        ];
        form.extend(self.selector.iter().map(|selector| ("selector", selector.clone())));
        form.extend(self.trace_id.iter().map(|trace_id| ("trace_id", trace_id.clone())));
        Ok(form)
    }
}

/// A number of lines, in words.
fn lines(count: u64) -> String {
    match count {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    }
}

/// Writes to standard output; a reader that has seen enough ends it.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_search() {
        let selection = |since: &str, start: Option<&str>, end: Option<&str>| Selection {
            query: "x".to_owned(),
            selector: None,
            trace_id: Some("t".to_owned()),
            since: since.to_owned(),
            start: start.map(str::to_owned),
            end: end.map(str::to_owned),
        };
        let form = selection("1h", None, None).form(7_200_000).unwrap();
        assert_eq!(
            form,
            [
                ("query", "x".to_owned()),
                ("start", "3600.000".to_owned()),
                ("end", "7200.000999999".to_owned()),
                ("trace_id", "t".to_owned())
            ]
        );
        let form = selection("1h", Some("-2h"), Some("-1h")).form(7_200_000).unwrap();
        assert_eq!((form[1].1.as_str(), form[2].1.as_str()), ("0.000", "3600.000999999"));
        assert!(
            selection("soon", None, None)
                .form(0)
                .unwrap_err()
                .to_string()
                .contains("--since")
        );
        assert!(selection("1h", Some("now"), Some("-1h")).form(0).is_err());
    }
}

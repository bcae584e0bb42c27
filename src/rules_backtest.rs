//! `parapet rules backtest`: what would have fired.

mod history;
mod output;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use history::{Disk, History, Remote};
use parapet_function_kit::SystemClock;
use parapet_gotemplate::Time;
use parapet_ports::Clock as _;
use parapet_promql::Options;
use parapet_rules::Context;
use parapet_rules::replay::{Span, Timeline, replay};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet rules backtest --from 7d rules/*.yml                          over data/, a week back from now
  parapet rules backtest --from 2026-01-01T00:00:00Z --to 2026-01-08T00:00:00Z slo.yml -o json
  parapet rules backtest --from 1d --server http://127.0.0.1:9090 rules.yml

Rules are evaluated at their own intervals over what is stored, and see what they record. A server may be Parapet,
Prometheus or anything else that answers /api/v1/query_range. The storage of a process that runs is its own: ask it by
--server.")]
pub(crate) struct Arguments {
    /// Rule files and SLO files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The first time: RFC 3339, seconds since 1970, or how long ago (7d)
    #[arg(long)]
    from: String,
    /// The last time, in the same ways
    #[arg(long, default_value = "0s")]
    to: String,
    /// The directory that holds the data
    #[arg(long = "storage.path", value_name = "DIR", default_value = "data")]
    storage_path: PathBuf,
    /// Ask this server for the data instead
    #[arg(long, value_name = "URL", conflicts_with = "storage_path")]
    server: Option<String>,
    /// How often groups are evaluated that say nothing
    #[arg(long = "evaluation-interval", value_name = "DURATION", default_value = "1m")]
    evaluation_interval: String,
    /// What is printed
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line for each time that an alert fired
    Table,
    /// One JSON object
    Json,
}

/// Replays the rules and prints what fired.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let now_ms = SystemClock.now_ms();
    let span = Span {
        from_ms: time("--from", &arguments.from, now_ms)?,
        to_ms: time("--to", &arguments.to, now_ms)?,
    };
    if span.from_ms >= span.to_ms {
        bail!("--from is not before --to");
    }
    let interval_ms = parapet_model::parse_duration_ms(&arguments.evaluation_interval)
        .map_err(|error| anyhow::anyhow!("--evaluation-interval: {error}"))?;
    let mut groups = Vec::new();
    for file in &arguments.files {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        groups.extend(parapet_rules::parse(&name, &text)?);
    }
    let options = Options {
        default_subquery_step_ms: interval_ms,
        ..Options::default()
    };
    let history = match &arguments.server {
        Some(server) => {
            let shortest_ms = groups
                .iter()
                .map(|group| group.interval_ms.unwrap_or(interval_ms))
                .min();
            let step_ms = shortest_ms.unwrap_or(interval_ms);
            History::Remote(Remote::new(server, options.lookback_delta_ms, step_ms)?)
        }
        None => History::Disk(Disk::open(&arguments.storage_path)?),
    };
    let context = Context {
        external_url: arguments.server.clone().unwrap_or_default(),
        default_interval_ms: interval_ms,
        interruption_ms: i64::MAX / 4,
        ..Context::default()
    };
    let mut timeline = Timeline::default();
    let mut progress = output::Progress::new(span);
    replay(&groups, span, &context, options, history, &mut |evaluated| {
        progress.show(evaluated.at_ms);
        timeline.note(&evaluated);
    });
    progress.end();
    match arguments.output {
        Output::Table => output::table(&timeline, span),
        Output::Json => output::json(&timeline, span)?,
    }
    Ok(())
}

/// A time as it is written on a command line, milliseconds since 1970.
fn time(flag: &str, text: &str, now_ms: i64) -> anyhow::Result<i64> {
    if let Some(time) = Time::parse_rfc3339(text) {
        return Ok(time.millis());
    }
    if let Ok(ago_ms) = parapet_model::parse_duration_ms(text) {
        return Ok(now_ms - ago_ms);
    }
    match text.parse::<f64>() {
        #[allow(clippy::cast_possible_truncation)] // Bounded.
        Ok(seconds) if seconds.abs() < 1e12 => Ok((seconds * 1000.0) as i64),
        _ => bail!(
            "{flag}: {text} is no time; write 2026-01-02T15:04:05Z, seconds since 1970, or how long ago, as in 7d"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn reads_times() {
        let now_ms = 1_800_000_000_000;
        for (text, want) in [
            ("2026-01-01T00:00:00Z", 1_767_225_600_000),
            ("1767225600.5", 1_767_225_600_500),
            ("7d", now_ms - 604_800_000),
            ("0s", now_ms),
        ] {
            assert_eq!(time("--from", text, now_ms).unwrap(), want);
        }
        assert!(
            time("--from", "yesterday", now_ms)
                .unwrap_err()
                .to_string()
                .contains("yesterday is no time")
        );
    }
}

//! `parapet logs context`.

use super::print;
use super::record::{Record, Style};
use crate::query::client::{Client, Connection};
use crate::query::print::has_colours;
use clap::{Args, ValueEnum};
use serde::Deserialize;

#[derive(Debug, Args)]
#[command(after_help = "Example:
  parapet logs context 2026-01-05T10:00:00.123Z '{app=\"web\"}' -B 5 -A 20

`parapet logs search --fields` shows the time and the stream of a line.")]
pub(crate) struct Arguments {
    /// The line's time: RFC 3339, or nanoseconds since 1970
    time: String,
    /// Its stream: {app="web"}
    selector: String,
    /// Lines before it
    #[arg(short = 'B', long, value_name = "NUMBER", default_value_t = 10)]
    before: usize,
    /// Lines after it
    #[arg(short = 'A', long, value_name = "NUMBER", default_value_t = 10)]
    after: usize,
    /// How far away they may be
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    within: String,
    #[command(flatten)]
    connection: Connection,
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

#[derive(Debug, Deserialize)]
struct Answer {
    before: Vec<Record>,
    at: Vec<Record>,
    after: Vec<Record>,
}

/// Asks a server and prints the lines, those of the time itself marked.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let connection = &arguments.connection;
    let client = Client::new("--url", &connection.url, &connection.manner)?;
    let form = [
        ("time", arguments.time.clone()),
        ("selector", arguments.selector.clone()),
        ("before", arguments.before.to_string()),
        ("after", arguments.after.to_string()),
        ("within", arguments.within.clone()),
    ];
    let data = client.get(&["logs", "context"], &form)?;
    if arguments.output == Output::Json {
        return print(&format!("{data:#}\n"));
    }
    let answer: Answer = serde_json::from_value(data)?;
    let style = Style {
        colours: has_colours(),
        fields: false,
    };
    let lines = |records: &[Record], mark: &str| -> String {
        records
            .iter()
            .map(|record| format!("{mark}{}", record.text(style)))
            .collect()
    };
    let text = lines(&answer.before, "  ") + &lines(&answer.at, "> ") + &lines(&answer.after, "  ");
    print(if text.is_empty() { "no lines\n" } else { &text })
}

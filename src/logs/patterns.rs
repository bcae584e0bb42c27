//! `parapet logs patterns`.

use super::{Selection, print};
use crate::query::client::{Client, Connection};
use crate::table::Table;
use clap::{Args, ValueEnum};
use parapet_function_kit::SystemClock;
use parapet_ports::Clock as _;
use serde::Deserialize;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet logs patterns 'level:ERROR' --since 24h
  parapet logs patterns --selector '{app=\"web\"}' -n 20 -o json

<*> stands for what differs from message to message.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Patterns that are printed
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    connection: Connection,
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[derive(Debug, Deserialize)]
struct Answer {
    patterns: Vec<Pattern>,
    total: u64,
}

#[derive(Debug, Deserialize)]
struct Pattern {
    pattern: String,
    count: u64,
}

/// Asks a server and prints the patterns.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let connection = &arguments.connection;
    let client = Client::new("--url", &connection.url, &connection.manner)?;
    let mut form = arguments.selection.form(SystemClock.now_ms())?;
    form.push(("limit", arguments.limit.to_string()));
    let data = client.get(&["logs", "patterns"], &form)?;
    if arguments.output == Output::Json {
        return print(&format!("{data:#}\n"));
    }
    print(&table(&serde_json::from_value(data)?))
}

fn table(answer: &Answer) -> String {
    if answer.patterns.is_empty() {
        return "no lines\n".to_owned();
    }
    let mut table = Table::new(["lines", "share", "pattern"]).numbers(&["lines", "share"]);
    for pattern in &answer.patterns {
        let per_mille = pattern.count * 1000 / answer.total.max(1);
        let share = format!("{}.{}%", per_mille / 10, per_mille % 10);
        table.row([pattern.count.to_string(), share, pattern.pattern.clone()]);
    }
    table.aligned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_all_lines() {
        let pattern = |pattern: &str, count| Pattern {
            pattern: pattern.to_owned(),
            count,
        };
        let answer = Answer {
            patterns: vec![pattern("login of <*>", 2), pattern("down", 1)],
            total: 3,
        };
        assert_eq!(
            table(&answer),
            "LINES  SHARE  PATTERN\n    2  66.6%  login of <*>\n    1  33.3%  down\n"
        );
    }
}

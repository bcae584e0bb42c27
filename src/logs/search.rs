//! `parapet logs search`.

use super::picture::{self, Histogram};
use super::record::{Record, Style};
use super::{Selection, print};
use crate::query::client::{Client, Connection};
use crate::query::print::has_colours;
use crate::table::Table;
use clap::{Args, ValueEnum};
use parapet_function_kit::SystemClock;
use parapet_ports::Clock as _;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet logs search 'level:ERROR AND duration:>1'
  parapet logs search 'level:>=WARNING AND \"connection refused\"' --since 24h --top service --top host
  parapet logs search --trace-id 4bf92f3577b34da6a3ce929d0e0e4736 --fields
  parapet logs search 'status:[500 TO 599]' --selector '{app=\"web\"}' -o json

docs/logs.md has the whole language.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Lines that are printed, the latest of them; 0 for the picture alone
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
    /// The most frequent values of this field, too; may be repeated
    #[arg(long, value_name = "FIELD")]
    top: Vec<String>,
    /// Labels and fields below each line
    #[arg(long)]
    fields: bool,
    /// No picture
    #[arg(long = "no-histogram")]
    no_histogram: bool,
    #[command(flatten)]
    connection: Connection,
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Lines with their times and levels, and a picture
    Text,
    /// The lines alone, as they were written
    Raw,
    /// The whole answer as JSON
    Json,
}

#[derive(Debug, Deserialize)]
struct Answer {
    records: Vec<Record>,
    #[serde(default)]
    total: u64,
    histogram: Option<Histogram>,
    #[serde(default)]
    top: BTreeMap<String, Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct Value {
    value: String,
    count: u64,
}

/// Asks a server and prints what it finds.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let connection = &arguments.connection;
    let client = Client::new("--url", &connection.url, &connection.manner)?;
    let mut form = arguments.selection.form(SystemClock.now_ms())?;
    form.push(("limit", arguments.limit.to_string()));
    let with_histogram = !arguments.no_histogram && arguments.output != Output::Raw;
    form.push(("histogram", with_histogram.to_string()));
    form.extend(arguments.top.iter().map(|field| ("top", field.clone())));
    let data = client.get(&["logs", "search"], &form)?;
    if arguments.output == Output::Json {
        return print(&format!("{data:#}\n"));
    }
    let answer: Answer = serde_json::from_value(data)?;
    // The latest stands last, next to the prompt.
    let records = answer.records.iter().rev();
    if arguments.output == Output::Raw {
        return print(&records.map(|record| format!("{}\n", record.line)).collect::<String>());
    }
    let style = Style {
        colours: has_colours(),
        fields: arguments.fields,
    };
    let mut text: String = records.map(|record| record.text(style)).collect();
    if text.is_empty() && answer.total == 0 {
        text.push_str("no lines\n");
    }
    if let Some(histogram) = answer.histogram.filter(|_| answer.total > 0) {
        let _ = write!(
            text,
            "\n{}\n{}",
            super::lines(answer.total),
            picture::draw(&histogram, style.colours)
        );
    }
    for (field, values) in &answer.top {
        let mut table = Table::new([field.as_str(), "lines"]).numbers(&["lines"]);
        for value in values {
            table.row([value.value.clone(), value.count.to_string()]);
        }
        let _ = write!(text, "\n{}", table.aligned());
    }
    print(&text)
}

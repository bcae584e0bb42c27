//! `parapet query`: asks a server in PromQL, and prints tables, JSON, CSV or a graph.

mod answer;
pub(crate) mod client;
mod graph;
pub(crate) mod print;
pub(crate) mod times;

use answer::Answer;
use clap::{Args, Subcommand, ValueEnum};
use client::{Client, Connection};
use parapet_function_kit::SystemClock;
use parapet_ports::Clock as _;
use std::io::Write;
use times::Window;

#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  parapet query instant 'sum by (job) (up)'
  parapet query range 'rate(http_requests_total[5m])' --start -6h
  parapet query labels job
  parapet query series 'up{job=\"node\"}' -o csv"
)]
pub(crate) struct QueryOptions {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    query: Query,
}

#[derive(Debug, Subcommand)]
enum Query {
    /// The value of an expression at one time
    #[command(after_help = "Examples:
  parapet query instant 'topk(5, rate(http_requests_total[5m]))'
  parapet query instant up --time 2026-01-05T10:00:00Z -o json
  parapet query instant up --time -1h")]
    Instant(Instant),
    /// The values of an expression over time, as a graph where nothing else is asked for
    #[command(after_help = "Examples:
  parapet query range 'sum by (job) (rate(http_requests_total[5m]))'
  parapet query range up --start -7d --step 1h -o csv > up.csv
  parapet query range up --start 2026-01-05T10:00:00Z --end 2026-01-05T12:00:00Z")]
    Range(Range),
    /// Names of labels, or the values of one
    #[command(after_help = "Examples:
  parapet query labels
  parapet query labels instance --match 'up{job=\"node\"}'")]
    Labels(Labels),
    /// The series that a selector matches
    #[command(after_help = "Examples:
  parapet query series '{job=\"node\"}'
  parapet query series up http_requests_total --start -5m -o json")]
    Series(Series),
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Aligned columns
    Table,
    /// The server's data
    Json,
    /// With a header
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RangeOutput {
    /// Lines over time, drawn in text
    Graph,
    /// Aligned columns
    Table,
    /// The server's data
    Json,
    /// With a header
    Csv,
}

#[derive(Debug, Args)]
struct Instant {
    /// In PromQL
    expression: String,
    /// When: RFC 3339, Unix seconds, or before now (-1h) [default: now]
    #[arg(long, allow_hyphen_values = true)]
    time: Option<String>,
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct Range {
    /// In PromQL
    expression: String,
    #[command(flatten)]
    window: Window,
    /// Between two points (1m, 30s, 15) [default: a 250th of the time, at least 1s]
    #[arg(long)]
    step: Option<String>,
    #[arg(short, long, value_enum, default_value = "graph")]
    output: RangeOutput,
    /// Characters in a line of the graph [default: the terminal's width, else 100]
    #[arg(long, value_parser = clap::value_parser!(u16).range(40..=1000))]
    width: Option<u16>,
    /// Lines of the graph
    #[arg(long, default_value_t = 18, value_parser = clap::value_parser!(u16).range(5..=200))]
    height: u16,
}

#[derive(Debug, Args)]
struct Labels {
    /// A label, whose values are printed; without it the names of all labels
    name: Option<String>,
    /// Of these series alone; may be repeated
    #[arg(long = "match", value_name = "SELECTOR")]
    matches: Vec<String>,
    #[command(flatten)]
    window: Window,
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct Series {
    /// Which series: up, {job="node"}
    #[arg(required = true, value_name = "SELECTOR")]
    selectors: Vec<String>,
    #[command(flatten)]
    window: Window,
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// Asks and prints.
pub(crate) fn query(options: &QueryOptions) -> anyhow::Result<()> {
    let Connection { url, manner } = &options.connection;
    let client = Client::new("--url", url, manner)?;
    let now_ms = SystemClock.now_ms();
    let text = match &options.query {
        Query::Instant(query) => instant(&client, query, now_ms)?,
        Query::Range(query) => range(&client, query, now_ms)?,
        Query::Labels(query) => labels(&client, query, now_ms)?,
        Query::Series(query) => series(&client, query, now_ms)?,
    };
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // The reader has seen enough: `parapet query … | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn instant(client: &Client, query: &Instant, now_ms: i64) -> anyhow::Result<String> {
    let time = times::parse(query.time.as_deref().unwrap_or("now"), now_ms)?;
    let form = [
        ("query", query.expression.clone()),
        ("time", times::format_seconds(time)),
    ];
    let data = client.ask("query", &form, Some(&query.expression))?;
    match query.output {
        Output::Json => print::json(&data),
        Output::Table => Ok(print::table(&Answer::of(data)?)),
        Output::Csv => print::csv(&Answer::of(data)?),
    }
}

fn range(client: &Client, query: &Range, now_ms: i64) -> anyhow::Result<String> {
    let (start_ms, end_ms) = query.window.times(now_ms)?;
    let step_ms = match &query.step {
        Some(step) => times::parse_step(step)?,
        None => ((end_ms - start_ms) / 250 / 1000 * 1000).max(1000),
    };
    let form = [
        ("query", query.expression.clone()),
        ("start", times::format_seconds(start_ms)),
        ("end", times::format_seconds(end_ms)),
        ("step", times::format_seconds(step_ms)),
    ];
    let data = client.ask("query_range", &form, Some(&query.expression))?;
    match query.output {
        RangeOutput::Json => print::json(&data),
        RangeOutput::Table => Ok(print::table(&Answer::of(data)?)),
        RangeOutput::Csv => print::csv(&Answer::of(data)?),
        RangeOutput::Graph => {
            let frame = graph::Frame {
                width: query.width.unwrap_or_else(print::width),
                height: query.height,
                start_ms,
                end_ms,
                step_ms,
                colours: print::has_colours(),
            };
            Ok(graph::draw(&Answer::of(data)?, &frame))
        }
    }
}

fn labels(client: &Client, query: &Labels, now_ms: i64) -> anyhow::Result<String> {
    let mut form = query.window.form(now_ms)?;
    form.extend(query.matches.iter().map(|selector| ("match[]", selector.clone())));
    let data = match &query.name {
        Some(name) => client.get(&["label", &times::escape_label(name), "values"], &form)?,
        None => client.ask("labels", &form, None)?,
    };
    if query.output == Output::Json {
        return print::json(&data);
    }
    let values: Vec<String> = serde_json::from_value(data)?;
    match query.output {
        Output::Csv => print::csv_column(query.name.as_deref().unwrap_or("label"), &values),
        _ => Ok(values.iter().map(|value| format!("{value}\n")).collect()),
    }
}

fn series(client: &Client, query: &Series, now_ms: i64) -> anyhow::Result<String> {
    let mut form = query.window.form(now_ms)?;
    form.extend(query.selectors.iter().map(|selector| ("match[]", selector.clone())));
    let data = client.ask("series", &form, None)?;
    match query.output {
        Output::Json => print::json(&data),
        Output::Table => Ok(print::table(&Answer::of_series(data)?)),
        Output::Csv => print::csv(&Answer::of_series(data)?),
    }
}

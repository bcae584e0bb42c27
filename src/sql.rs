//! `parapet sql`: SQL over the stored files, without a server. The engine is DuckDB as it is installed
//! (docs/adr/0006-sql-engine.md); what it reads is decided here.

mod engine;
mod files;
mod views;

use crate::query::times;
use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use files::Window;
use parapet_function_kit::SystemClock;
use parapet_ports::Clock as _;
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet sql \"SELECT metric, count(DISTINCT series_id) AS series FROM series GROUP BY 1 ORDER BY 2 DESC LIMIT 10\"
  parapet sql \"SELECT labels['instance'] AS instance, max(value) FROM samples WHERE metric = 'node_load1' GROUP BY 1\" --start -1d
  parapet sql -o csv \"SELECT ts, value FROM samples WHERE metric = 'up'\" > up.csv
  parapet sql < report.sql
  parapet sql --bucket my-bucket \"SELECT dt, sum(samples) FROM metrics GROUP BY 1\"

Views:
  samples    a row for each sample, without staleness markers: tenant, dt, metric, labels, series_id, ts, value
  histograms a row for each native histogram: tenant, dt, metric, labels, series_id, ts, count, sum, buckets
  series     a row for each series and day: tenant, dt, metric, labels, series_id, type, first_ts, last_ts, samples
  exemplars  a row for each exemplar: tenant, dt, metric, labels, series_id, ts, value, exemplar
  metrics    the files' rows, one for an hour or so of a series: timestamps and values as lists, and their rollups
  ledger     a row for each decision about an alert, with --storage.path or --bucket alike

--start and --end choose files before any is opened, and what samples, histograms and exemplars show.
It runs DuckDB: the program duckdb (duckdb.org/install, or pip install duckdb-cli), else Python's module
(pip install duckdb). docs/athena.md has more to ask, and the same in Athena.")]
pub(crate) struct Arguments {
    /// Statements, separated by semicolons [default: those on standard input]
    #[arg(value_name = "SQL")]
    sql: Option<String>,
    /// What is printed
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
    /// The directory that holds the data
    #[arg(
        long = "storage.path",
        value_name = "DIR",
        default_value = "data",
        conflicts_with = "bucket"
    )]
    storage_path: PathBuf,
    /// Read this bucket of S3 instead, with the credentials of the environment, a profile or a role
    #[arg(long, value_name = "BUCKET")]
    bucket: Option<String>,
    /// With --bucket: an emulator of S3
    #[arg(long, value_name = "URL", env = "AWS_ENDPOINT_URL")]
    aws_endpoint_url: Option<String>,
    /// Whose data [default: PARAPET_TENANT, else default]
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    #[command(flatten)]
    bounds: times::Bounds,
    /// DuckDB's program, or a Python that has the module duckdb
    #[arg(long, value_name = "PROGRAM", env = "PARAPET_DUCKDB")]
    duckdb: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table in lines
    Table,
    /// An array of objects
    Json,
    /// With a header
    Csv,
}

/// Asks DuckDB, which prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let sql = match &arguments.sql {
        Some(sql) if sql != "-" => sql.clone(),
        _ => {
            let mut stdin = std::io::stdin();
            if stdin.is_terminal() {
                bail!("there is no SQL: write it as an argument, as in parapet sql \"SELECT count(*) FROM samples\"");
            }
            let mut sql = String::new();
            stdin.read_to_string(&mut sql).context("standard input")?;
            sql
        }
    };
    if sql.trim().is_empty() {
        bail!("there is no SQL in the argument or on standard input");
    }
    let engine = engine::Engine::find(arguments.duckdb.as_deref())?;
    let (start_ms, end_ms) = arguments.bounds.times(SystemClock.now_ms())?;
    let window = Window { start_ms, end_ms };
    let tenant = arguments.tenant.as_deref();
    let (access, files) = match &arguments.bucket {
        Some(bucket) => {
            let bucket = files::bucket(bucket, tenant, arguments.aws_endpoint_url.as_deref())?;
            let access = views::access(&bucket);
            let files = files::of_bucket(&bucket, window, |sql| engine.column(&access, sql))?;
            (access, files)
        }
        None => (String::new(), files::local(&arguments.storage_path, tenant, window)?),
    };
    let setup = format!(
        "SET enable_progress_bar = false;\n{access}{}",
        views::over(&files, window)
    );
    engine.run(arguments.output, &setup, &sql)
}

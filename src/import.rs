//! `parapet import`: blocks of Prometheus and text with timestamps, into the storage of this machine.

mod blocks;
mod sink;
mod text;

use crate::query::times;
use crate::storage::Storage;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use parapet_function_kit::SystemClock;
use parapet_ports::Clock as _;
use sink::{Report, Sink};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet import /var/lib/prometheus                   every block of Prometheus' data directory
  parapet import 01KB3N8R4T0000000000000000            one block
  parapet import --start -7d snapshots/20261126T1000   the last week of a snapshot
  promtool tsdb dump-openmetrics data | parapet import -
  parapet import --format prometheus history.prom

To have the newest hours too, which are in no block yet, import a snapshot
(POST /api/v1/admin/tsdb/snapshot makes one). What was imported already is left out, so that an import that was
interrupted is simply started again. parapet run deletes samples past its --storage.tsdb.retention.time, these too.")]
pub(crate) struct Arguments {
    /// Directories of Prometheus (with blocks, or one block), files of text, or - for text on standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The directory that holds the data; it is made where it does not exist, and no process may run on it
    #[arg(long = "storage.path", value_name = "DIR", default_value = "data")]
    storage_path: PathBuf,
    /// Whose samples they are [default: PARAPET_TENANT, else default]
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    #[command(flatten)]
    bounds: times::Bounds,
    /// What text is written in
    #[arg(long, value_enum, default_value = "auto")]
    format: Format,
    /// Samples that are stored together: more take more memory (about 100 bytes each) and make fewer files
    #[arg(long, value_name = "COUNT", default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1000..))]
    batch_samples: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// OpenMetrics where a file ends with # EOF, and on standard input; else Prometheus' text format
    Auto,
    /// OpenMetrics, with timestamps in seconds
    Openmetrics,
    /// Prometheus' text format, with timestamps in milliseconds
    Prometheus,
}

/// Which samples are taken: both times are included.
#[derive(Clone, Copy, Debug)]
struct Window {
    start_ms: i64,
    end_ms: i64,
}

impl Window {
    fn holds(&self, timestamp_ms: i64) -> bool {
        (self.start_ms..=self.end_ms).contains(&timestamp_ms)
    }
}

/// Imports, and says what came of it.
#[allow(clippy::print_stdout)]
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (start_ms, end_ms) = arguments.bounds.times(SystemClock.now_ms())?;
    let window = Window {
        start_ms: start_ms.unwrap_or(i64::MIN),
        end_ms: end_ms.unwrap_or(i64::MAX),
    };
    for path in arguments.paths.iter().filter(|path| path.as_os_str() != "-") {
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    let storage = Storage::create(&arguments.storage_path, arguments.tenant.as_deref())?;
    let mut sink = Sink::new(&storage, window, arguments.batch_samples as usize);
    for path in &arguments.paths {
        let outcome = match path.is_dir() {
            true => blocks::import(path, &mut sink),
            false => text::import(path, arguments.format, &mut sink),
        };
        outcome.with_context(|| match path.as_os_str() == "-" {
            true => "cannot import standard input".to_owned(),
            false => format!("cannot import {}", path.display()),
        })?;
    }
    let report = sink.finish(&arguments.storage_path)?;
    println!("{}", summary(&report));
    Ok(())
}

/// What happened, for people.
fn summary(report: &Report) -> String {
    let mut text = format!(
        "imported {} samples of {} series into {} files, {} bytes",
        report.samples,
        report.series.len(),
        report.files,
        report.bytes
    );
    if report.repeated > 0 {
        text.push_str(&format!(
            "\n{} samples were imported before and are left out",
            report.repeated
        ));
    }
    for (reason, count) in &report.refused {
        text.push_str(&format!("\n{count} samples were refused: {reason}"));
    }
    if let Some((first_ms, last_ms)) = report.times {
        let time = |ms| times::format_time(ms, "%Y-%m-%dT%H:%M:%SZ");
        text.push_str(&format!("\nthey are from {} to {}", time(first_ms), time(last_ms)));
    }
    text
}

//! `parapet export`: what is stored, as text or as blocks of Prometheus.

mod blocks;
mod source;
mod text;

use crate::query::times;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use parapet_function_kit::SystemClock;
use parapet_ports::Clock as _;
use source::Source;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parapet export -o blocks --to /var/lib/prometheus         back to Prometheus: it serves the blocks when it starts
  parapet export --match up --start -1d                     OpenMetrics on standard output
  parapet export --match '{job=\"node\"}' --match 'http_requests_total' -o csv --to requests.csv
  parapet export | promtool tsdb create-blocks-from openmetrics /dev/stdin blocks

Blocks hold every sample bit for bit. Text has no staleness markers and no native histograms: they are left out and
counted. Exemplars are in OpenMetrics alone. docs/import-export.md has all of what each form keeps.")]
pub(crate) struct Arguments {
    /// Which series: up, {job="node"}; may be repeated [default: all]
    #[arg(long = "match", value_name = "SELECTOR")]
    matches: Vec<String>,
    #[command(flatten)]
    bounds: times::Bounds,
    /// What is written
    #[arg(short, long, value_enum, default_value = "openmetrics")]
    output: Output,
    /// The file to write, or the directory that blocks are written into [default: standard output]
    #[arg(long, value_name = "PATH", required_if_eq("output", "blocks"))]
    to: Option<PathBuf>,
    /// The directory that holds the data; no process may run on it
    #[arg(long = "storage.path", value_name = "DIR", default_value = "data")]
    storage_path: PathBuf,
    /// Whose samples [default: PARAPET_TENANT, else default]
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// OpenMetrics with timestamps, as promtool tsdb create-blocks-from openmetrics reads it
    Openmetrics,
    /// A line for each sample, under a header
    Csv,
    /// An object a line: a series' samples, of a day where there are many
    Json,
    /// Blocks of Prometheus' storage
    Blocks,
}

/// What was written, and what the form cannot hold.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    series: u64,
    samples: u64,
    stale: u64,
    histograms: u64,
    exemplars: u64,
}

/// Exports, and says on standard error what came of it.
#[allow(clippy::print_stderr)]
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let asked = arguments.bounds.times(SystemClock.now_ms())?;
    let source = Source::open(
        &arguments.storage_path,
        arguments.tenant.as_deref(),
        &arguments.matches,
        asked,
    )?;
    let count = match (arguments.output, &arguments.to) {
        (Output::Blocks, Some(directory)) => blocks::write(&source, directory)?,
        (form, Some(path)) => {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            text::write(&source, form, &mut BufWriter::new(file))?
        }
        (form, None) => {
            let mut stdout = BufWriter::new(std::io::stdout().lock());
            match text::write(&source, form, &mut stdout).and_then(|count| Ok((count, stdout.flush()?))) {
                // The reader has seen enough: `parapet export … | head`.
                Err(error) if is_broken_pipe(&error) => return Ok(()),
                other => other?.0,
            }
        }
    };
    eprintln!("exported {} samples of {} series", count.samples, count.series);
    for (what, left_out) in [
        ("staleness markers", count.stale),
        ("native histograms", count.histograms),
        ("exemplars", count.exemplars),
    ] {
        if left_out > 0 {
            eprintln!("{left_out} {what} are left out: the form has none");
        }
    }
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

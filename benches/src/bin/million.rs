//! A million series for an hour: stored, merged and queried by the real writer, compactor and reader on the embedded
//! storage, with a driven clock. Prints the most memory that each step had.
#![allow(clippy::print_stdout)]

#[path = "../measure.rs"]
mod measure;

use clap::Parser;
use measure::{Row, cpu_seconds, print};
use parapet_adapter_local::Local;
use parapet_benches::process;
use parapet_compactor::Compactor;
use parapet_model::{BatchSeries, Labels, MetricType, Sample, SampleBatch};
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{ConfigFiles, FixedClock, Ports};
use parapet_promql::{Options, QueryRange, QueryValue};
use parapet_store::{Reader, ReaderSettings, Writer, WriterSettings};
use std::sync::Arc;

/// 2026-01-05 00:00 UTC.
const START_MS: i64 = 1_767_571_200_000;

/// Measures memory and prints a table.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example:\n  cargo build --workspace --bins --profile fast\n  target/fast/million --targets 1000 --series 1000 --minutes 60"
)]
struct Cli {
    /// Targets
    #[arg(long, default_value_t = 1000)]
    targets: usize,
    /// Series of each target
    #[arg(long, default_value_t = 1000)]
    series: usize,
    /// How long they are scraped
    #[arg(long, default_value_t = 60)]
    minutes: i64,
    /// Seconds between scrapes, a part of a minute
    #[arg(long, default_value_t = 60)]
    interval: i64,
    /// Targets whose scrapes are stored at once, as the messages of one call are
    #[arg(long, default_value_t = 200)]
    batch: usize,
}

/// The most memory and the CPU time of a step.
#[derive(Debug, Default)]
struct Step {
    peak_bytes: u64,
    cpu_seconds: f64,
}

impl Step {
    async fn measure<T>(&mut self, work: impl Future<Output = T>) -> T {
        process::forget_peak(std::process::id());
        let before = cpu_seconds();
        let done = work.await;
        self.cpu_seconds += cpu_seconds() - before;
        self.peak_bytes = self.peak_bytes.max(process::peak_bytes(std::process::id()));
        done
    }

    fn rows(&self, name: &str) -> [Row; 2] {
        let mebibytes = format!("{:.0}", self.peak_bytes as f64 / f64::from(1 << 20));
        let seconds = format!("{:.1}", self.cpu_seconds);
        [Row::new(name, mebibytes, "MiB"), Row::new(name, seconds, "CPU-seconds")]
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let directory = tempfile::tempdir()?;
    let clock = Arc::new(FixedClock::new(START_MS));
    let local = Local::open(directory.path(), clock.clone(), &Default::default())?;
    let ports = Ports {
        objects: local.objects.clone(),
        table: local.table.clone(),
        clock: clock.clone(),
        ..MemoryPorts::new(START_MS, ConfigFiles::default()).ports
    };
    let writer = Writer::new(&ports, WriterSettings::default());
    let compactor = Compactor::new(&ports, Default::default());
    let (mut storing, mut merging) = (Step::default(), Step::default());
    for minute in 0..cli.minutes {
        for slot in 0..60 / cli.interval {
            let at_ms = START_MS + minute * 60_000 + slot * cli.interval * 1000;
            clock.set_ms(at_ms);
            for first in (0..cli.targets).step_by(cli.batch) {
                let last = cli.targets.min(first + cli.batch);
                let batches = (first..last).map(|target| scrape(&cli, target, at_ms)).collect();
                let report = storing.measure(writer.commit(batches)).await;
                anyhow::ensure!(report.failed.is_empty(), "{report:?}");
            }
        }
        let end_ms = START_MS + (minute + 1) * 60_000;
        clock.set_ms(end_ms);
        merging.measure(compactor.handle_tick(end_ms)).await?;
    }
    let status = Reader::new(&ports, ReaderSettings::default()).status("default").await?;
    let mut rows = Vec::new();
    for (level, files) in &status.levels {
        let text = format!(
            "{} files, {} samples, {} bytes",
            files.files, files.samples, files.bytes
        );
        rows.push(Row::new(&format!("level {level}"), text, ""));
    }
    rows.extend(storing.rows("flush"));
    rows.extend(merging.rows("merge"));
    let end_ms = START_MS + cli.minutes * 60_000;
    for text in [
        r#"sum by (zone) (rate(bench_7_total[5m]))"#,
        r#"count by (zone) ({job="bench"})"#,
        r#"sum by (zone) (last_over_time({job="bench"}[5m]))"#,
    ] {
        let mut step = Step::default();
        let series = step.measure(query(&ports, text, end_ms)).await?;
        anyhow::ensure!(series == 3, "{text} gives {series} series");
        rows.extend(step.rows(text));
    }
    print(&rows);
    Ok(())
}

/// One scrape of a target: as many series as it has metrics.
fn scrape(cli: &Cli, target: usize, at_ms: i64) -> SampleBatch {
    let instance = format!("10.{}.{}.{}:9100", target / 65536, target / 256 % 256, target % 256);
    let zone = format!("eu-west-{}", target % 3);
    let series = (0..cli.series).map(|number| {
        let pace = (target + number * 7) % 40;
        let value = (at_ms - START_MS) / 1000 * pace as i64 + (at_ms / 1000 * 31 + number as i64) % 13;
        BatchSeries {
            labels: Labels::from_sorted([
                ("__name__", &*format!("bench_{number}_total")),
                ("instance", &*instance),
                ("job", "bench"),
                ("zone", &*zone),
            ]),
            kind: MetricType::Counter,
            samples: vec![Sample::float(at_ms, value as f64)],
            exemplars: Vec::new(),
        }
    });
    SampleBatch {
        id: format!("{target}/{at_ms}"),
        tenant: "default".to_owned(),
        series: series.collect(),
    }
}

/// How many series an instant query gives.
async fn query(ports: &Ports, text: &str, at_ms: i64) -> anyhow::Result<usize> {
    let reader = Reader::new(ports, ReaderSettings::default());
    let expr = parapet_promql::parse(text).map_err(|error| anyhow::anyhow!("{error}"))?;
    let (options, range) = (
        Options::default(),
        QueryRange {
            start_ms: at_ms,
            end_ms: at_ms,
            step_ms: 0,
        },
    );
    let mut fetched = Vec::new();
    for selector in parapet_promql::selectors(&expr, &range, &options) {
        fetched.push(
            reader
                .select("default", &selector.matchers, selector.start_ms, selector.end_ms)
                .await?,
        );
    }
    let answer =
        parapet_promql::evaluate(&expr, &range, &options, &fetched).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(match answer.value {
        QueryValue::Vector(samples) => samples.len(),
        _ => 0,
    })
}

//! The main job, measured: a generated fleet is scraped, stored and merged by the real functions on the embedded
//! storage, with a driven clock, and then queried. CPU-seconds are the process's own, of all threads.
#![allow(clippy::print_stdout)]

mod fleet;
mod measure;

use clap::Parser;
use fleet::{Fleet, START_MS};
use measure::{Row, cpu_seconds, print};
use parapet_adapter_local::Local;
use parapet_benches::host::pump;
use parapet_compactor::Compactor;
use parapet_ingest::Ingest;
use parapet_ports::memory::CountingEntropy;
use parapet_ports::{FixedClock, FixedConfig, Ports, Queue};
use parapet_promql::{Options, QueryRange};
use parapet_scraper::Scraper;
use parapet_store::{Reader, ReaderSettings};
use std::sync::Arc;
use std::time::Instant;

/// Measures the main job and prints a table.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example:\n  cargo run --profile fast -p parapet-benches -- --targets 50 --series 1000 --minutes 10"
)]
struct Cli {
    /// Targets in the fleet
    #[arg(long, default_value_t = 50)]
    targets: usize,
    /// Series of each target
    #[arg(long, default_value_t = 1000)]
    series: usize,
    /// How long the fleet is scraped, every 15 s
    #[arg(long, default_value_t = 10)]
    minutes: i64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let directory = tempfile::tempdir()?;
    let clock = Arc::new(FixedClock::new(START_MS));
    let local = Local::open(directory.path(), clock.clone(), &Default::default())?;
    let fleet = Arc::new(Fleet::new(cli.targets, cli.series, clock.clone()));
    let ports = Ports {
        objects: local.objects.clone(),
        queues: local.queues.clone(),
        table: local.table.clone(),
        http: fleet.clone(),
        clock: clock.clone(),
        entropy: Arc::new(CountingEntropy::default()),
        config: Arc::new(FixedConfig(Arc::new(fleet.config()))),
    };
    let scraper = Scraper::new(ports.clone(), Default::default());
    let ingest = Ingest::new(&ports, Default::default());
    let compactor = Compactor::new(&ports, Default::default());

    let (mut scraping, mut storing, mut merging) = (0.0, 0.0, 0.0);
    let mut flushed_bytes = 0;
    for minute in 0..cli.minutes {
        let minute_ms = START_MS + minute * 60_000;
        clock.set_ms(minute_ms);
        scraper.handle_tick(minute_ms).await?;
        for second in 0..60 {
            clock.set_ms(minute_ms + second * 1000);
            let before = cpu_seconds();
            pump(&local, &scraper, Queue::ScrapeTasks, 64).await?;
            let between = cpu_seconds();
            pump(&local, &ingest, Queue::Samples, 200).await?;
            scraping += between - before;
            storing += cpu_seconds() - between;
        }
        let before = cpu_seconds();
        flushed_bytes += bytes(&ports, |level| level == 0).await?;
        compactor.handle_tick(minute_ms + 60_000).await?;
        merging += cpu_seconds() - before;
    }
    let samples = fleet.samples();
    let merged_bytes = bytes(&ports, |_| true).await?;
    let per_second = |seconds: f64| format!("{:.0}", samples as f64 / seconds);
    let mut rows = vec![
        Row::new("samples scraped", samples.to_string(), "samples"),
        Row::new(
            "scrape: HTTP body to queue",
            per_second(scraping),
            "samples per CPU-second",
        ),
        Row::new(
            "ingest: queue to committed Parquet",
            per_second(storing),
            "samples per CPU-second",
        ),
        Row::new(
            "scrape to stored, both",
            per_second(scraping + storing),
            "samples per CPU-second",
        ),
        Row::new("merge", per_second(merging), "samples per CPU-second"),
        Row::new(
            "flushed files",
            format!("{:.2}", flushed_bytes as f64 / samples as f64),
            "bytes per sample",
        ),
        Row::new(
            "after merging",
            format!("{:.2}", merged_bytes as f64 / samples as f64),
            "bytes per sample",
        ),
    ];
    rows.extend(queries(&ports, cli.minutes).await?);
    print(&rows);
    Ok(())
}

/// The size of the live files of some levels.
async fn bytes(ports: &Ports, wanted: impl Fn(u8) -> bool) -> anyhow::Result<u64> {
    let status = Reader::new(ports, ReaderSettings::default()).status("default").await?;
    Ok(status
        .levels
        .iter()
        .filter(|(level, _)| wanted(**level))
        .map(|(_, files)| files.bytes)
        .sum())
}

/// How often a query is asked again after the first time.
const WARM_RUNS: u32 = 20;

/// Query latencies: the first run with an empty cache, and the median and the mean CPU time of those after it.
async fn queries(ports: &Ports, minutes: i64) -> anyhow::Result<Vec<Row>> {
    let end_ms = START_MS + minutes * 60_000;
    let instant = QueryRange {
        start_ms: end_ms,
        end_ms,
        step_ms: 0,
    };
    let range = QueryRange {
        start_ms: START_MS,
        end_ms,
        step_ms: 15_000,
    };
    let mut rows = Vec::new();
    for (name, text, range) in [
        (
            "one series, instant",
            r#"bench_requests_total{instance="10.0.0.1:9100",shard="0"}"#,
            &instant,
        ),
        (
            "sum by (code) of rate[5m], instant, all series",
            "sum by (code) (rate(bench_requests_total[5m]))",
            &instant,
        ),
        (
            "sum by (code) of rate[1m], whole range, one path",
            r#"sum by (code) (rate(bench_requests_total{path="/api/v1/resource/1"}[1m]))"#,
            &range,
        ),
    ] {
        let reader = Reader::new(ports, ReaderSettings::default());
        let mut times = Vec::new();
        let mut warm_from = 0.0;
        for _ in 0..=WARM_RUNS {
            let started = Instant::now();
            let answered = answer(&reader, text, range).await?;
            anyhow::ensure!(answered, "{text} has no answer");
            if times.is_empty() {
                warm_from = cpu_seconds();
            }
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        let cpu_ms = (cpu_seconds() - warm_from) * 1000.0 / f64::from(WARM_RUNS);
        let cold = times.remove(0);
        times.sort_by(f64::total_cmp);
        rows.push(Row::new(&format!("{name}: cold"), format!("{cold:.1}"), "ms"));
        rows.push(Row::new(
            &format!("{name}: warm"),
            format!("{:.1}", times[times.len() / 2]),
            "ms",
        ));
        rows.push(Row::new(
            &format!("{name}: warm"),
            format!("{cpu_ms:.1}"),
            "CPU-milliseconds",
        ));
    }
    Ok(rows)
}

async fn answer(reader: &Reader, text: &str, range: &QueryRange) -> anyhow::Result<bool> {
    let (expr, options) = (
        parapet_promql::parse(text).map_err(|error| anyhow::anyhow!("{error}"))?,
        Options::default(),
    );
    let mut fetched = Vec::new();
    for selector in parapet_promql::selectors(&expr, range, &options) {
        fetched.push(
            reader
                .select("default", &selector.matchers, selector.start_ms, selector.end_ms)
                .await?,
        );
    }
    let answer =
        parapet_promql::evaluate(&expr, range, &options, &fetched).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(match answer.value {
        parapet_promql::QueryValue::Vector(samples) => !samples.is_empty(),
        parapet_promql::QueryValue::Matrix(series) => !series.is_empty(),
        _ => false,
    })
}

//! Long ranges: a month of counters written and merged by the real store, then asked for 30 days at once. Time is that
//! of one cold reader on the directory; bytes are those that it asked the directory for.
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

#[path = "../counting.rs"]
mod counting;
#[path = "../measure.rs"]
mod measure;

use clap::Parser;
use counting::CountingObjects;
use measure::{Row, cpu_seconds, print};
use parapet_adapter_local::Local;
use parapet_model::{BatchSeries, Labels, MetricType, Run, Sample, SampleBatch, Series};
use parapet_ports::memory::CountingEntropy;
use parapet_ports::{Error, FixedClock, FixedConfig, Http, HttpRequest, HttpResponse, Kind, Ports};
use parapet_promql::{Beside, Options, QueryRange, QueryValue, evaluate_beside, parse, selectors};
use parapet_store::day::{DAY_MS, Day};
use parapet_store::{Compaction, CompactionSettings, Reader, ReaderSettings, SummedUp, Writer, WriterSettings};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Midnight.
const START_MS: i64 = 1_767_571_200_000;
const SCRAPE_MS: i64 = 15_000;
const HOUR_MS: i64 = 3_600_000;

/// Measures 30-day queries and prints a table.
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  target/fast/rollups --series 1000 --directory /tmp/month")]
struct Cli {
    /// Series of http_requests_total
    #[arg(long, default_value_t = 1000)]
    series: usize,
    /// Days of samples; the last one is not over
    #[arg(long, default_value_t = 31)]
    days: i64,
    /// Where to keep the data; what is there already is used again
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Ask every query of all samples, too, and compare
    #[arg(long)]
    compare: bool,
}

/// Nobody is called.
#[derive(Debug)]
struct NoHttp;

#[async_trait::async_trait]
impl Http for NoHttp {
    async fn call(&self, _: HttpRequest) -> Result<HttpResponse, Error> {
        Err(Error::new(Kind::Unavailable, "no network here"))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let temporary = tempfile::tempdir()?;
    let directory = cli.directory.clone().unwrap_or_else(|| temporary.path().to_owned());
    let is_new = !directory.join("state.redb").exists();
    let clock = Arc::new(FixedClock::new(START_MS));
    let local = Local::open(&directory, clock.clone(), &Default::default())?;
    let objects = Arc::new(CountingObjects::new(local.objects.clone()));
    let ports = Ports {
        objects: objects.clone(),
        queues: local.queues.clone(),
        table: local.table.clone(),
        http: Arc::new(NoHttp),
        clock: clock.clone(),
        entropy: Arc::new(CountingEntropy::default()),
        config: Arc::new(FixedConfig(Arc::default())),
    };
    // In the last day: an edge of a window that ends here stands within a row, and so does the other.
    let now_ms = START_MS + (cli.days - 1) * DAY_MS + 10 * HOUR_MS + 1_234_567;
    if is_new {
        fill(&cli, &ports, &clock, now_ms).await?;
    }
    clock.set_ms(now_ms);
    let status = Reader::new(&ports, ReaderSettings::default()).status("default").await?;
    let (bytes, samples) = status.levels.values().fold((0, 0), |(bytes, samples), level| {
        (bytes + level.bytes, samples + level.samples)
    });
    let mut rows = vec![
        Row::new("stored", format!("{:.1}", bytes as f64 / 1e6), "MB"),
        Row::new("stored", samples.to_string(), "samples"),
        Row::new(
            "stored",
            format!("{:.3}", bytes as f64 / samples as f64),
            "bytes per sample",
        ),
    ];
    for query in [
        "sum(rate(http_requests_total[30d]))",
        "sum(increase(http_requests_total{code=\"500\"}[30d])) / sum(increase(http_requests_total[30d]))",
        "sum by (job) (increase(http_requests_total[28d]))",
        "max(max_over_time(http_requests_total[30d]))",
    ] {
        drop_caches();
        let (read_before, requests_before) = (objects.read_bytes(), objects.requests());
        let (cpu_before, started) = (cpu_seconds(), Instant::now());
        let reader = Reader::new(&ports, ReaderSettings::default());
        let answer = ask(&reader, query, now_ms, true).await?;
        let (took, cpu) = (started.elapsed(), cpu_seconds() - cpu_before);
        let share = (objects.read_bytes() - read_before) as f64 / bytes as f64;
        rows.push(Row::new(query, format!("{:.0}", took.as_secs_f64() * 1e3), "ms"));
        rows.push(Row::new("", format!("{cpu:.2}"), "CPU-seconds"));
        rows.push(Row::new("", format!("{:.2}", share * 100.0), "% of the bytes read"));
        rows.push(Row::new(
            "",
            (objects.requests() - requests_before).to_string(),
            "ranges read",
        ));
        if cli.compare {
            let whole = Reader::new(
                &ports,
                ReaderSettings {
                    max_samples: 0,
                    ..ReaderSettings::default()
                },
            );
            let (cpu_before, started) = (cpu_seconds(), Instant::now());
            let all = ask(&whole, query, now_ms, false).await?;
            let took = started.elapsed().as_secs_f64();
            anyhow::ensure!(
                all.len() == answer.len(),
                "{query}: {} series, not {}",
                answer.len(),
                all.len()
            );
            let apart = all
                .iter()
                .zip(&answer)
                .map(|(a, b)| (a - b).abs() / a.abs())
                .fold(0.0, f64::max);
            rows.push(Row::new("  of all samples", format!("{took:.1}"), "s"));
            rows.push(Row::new(
                "",
                format!("{:.1}", cpu_seconds() - cpu_before),
                "CPU-seconds",
            ));
            rows.push(Row::new("", format!("{apart:.1e}"), "relative difference"));
        }
    }
    print(&rows);
    Ok(())
}

/// Starts cold, where that is allowed.
fn drop_caches() {
    let _ = std::process::Command::new("sync").status();
    let _ = std::fs::write("/proc/sys/vm/drop_caches", "3");
}

/// Series, and the runs of each.
type Fetched = (Vec<Arc<Series>>, Vec<Vec<Run>>);

async fn ask(reader: &Reader, query: &str, at_ms: i64, from_rollups: bool) -> anyhow::Result<Vec<f64>> {
    let (expr, range) = (parse(query)?, QueryRange::instant(at_ms));
    let options = Options {
        max_samples: usize::MAX,
        threads: 2,
        ..Options::default()
    };
    let wanted = selectors(&expr, &range, &options);
    let (mut fetched, mut runs) = (Vec::new(), Vec::new());
    // As the API does it: what the widest selector has fetched answers those that it covers.
    let widest = wanted.iter().find(|one| wanted.iter().all(|other| one.covers(other)));
    let mut shared: Option<Fetched> = None;
    for selector in &wanted {
        let read = widest.unwrap_or(selector);
        if shared.is_none() || widest.is_none() {
            let (matchers, start_ms, end_ms) = (&read.matchers, read.start_ms, read.end_ms);
            let SummedUp { series, runs } = match read.hints.windows.as_ref().filter(|_| from_rollups) {
                Some(windows) => {
                    reader
                        .select_runs("default", matchers, start_ms, end_ms, windows)
                        .await?
                }
                None => SummedUp::from(reader.select("default", matchers, start_ms, end_ms).await?),
            };
            shared = Some((series.into_iter().map(Arc::new).collect(), runs));
        }
        let (series, of_series) = shared
            .as_ref()
            .map(|(series, runs)| (&series[..], &runs[..]))
            .unwrap_or_default();
        let passes = |labels: &Labels| selector.matchers.iter().all(|matcher| matcher.matches_labels(labels));
        let chosen: Vec<usize> = (0..series.len()).filter(|at| passes(&series[*at].labels)).collect();
        fetched.push(chosen.iter().map(|at| series[*at].clone()).collect::<Vec<_>>());
        runs.push(
            chosen
                .iter()
                .filter_map(|at| of_series.get(*at).cloned())
                .collect::<Vec<_>>(),
        );
    }
    let beside = Beside {
        runs: &runs,
        ..Beside::default()
    };
    let answer = evaluate_beside(&expr, &range, &options, &fetched, beside)?;
    let QueryValue::Vector(samples) = answer.value else {
        anyhow::bail!("no vector")
    };
    Ok(samples
        .into_iter()
        .map(|sample| match sample.value {
            parapet_model::Value::Float(value) => value,
            parapet_model::Value::Histogram(_) => f64::NAN,
        })
        .collect())
}

/// Writes hour by hour, and merges as the compactor does.
async fn fill(cli: &Cli, ports: &Ports, clock: &FixedClock, now_ms: i64) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(1);
    let labels: Vec<Labels> = (0..cli.series)
        .map(|number| {
            Labels::from_pairs([
                ("__name__", "http_requests_total"),
                ("job", &format!("service-{}", number % 10)),
                ("instance", &format!("10.0.{}.{}:8080", number / 40, number / 10 % 4)),
                ("code", ["200", "404", "500"][number / 10 % 3]),
            ])
        })
        .collect();
    let mut counters: Vec<(f64, u32)> = (0..cli.series).map(|_| (0.0, random.random_range(1..200))).collect();
    let writer = Writer::new(ports, WriterSettings::default());
    let compaction = Compaction::new(ports, CompactionSettings::default());
    let mut hour_ms = START_MS;
    while hour_ms < now_ms {
        let until_ms = (hour_ms + HOUR_MS).min(now_ms);
        let series = labels.iter().zip(&mut counters).map(|(labels, (value, pace))| {
            let mut samples = Vec::with_capacity(240);
            let mut at_ms = hour_ms;
            while at_ms < until_ms {
                // A process that starts anew about once a week, after a scrape or two without it.
                if random.random_range(0..40_000) == 0 {
                    samples.push(Sample::float(at_ms, parapet_model::stale_nan()));
                    (*value, at_ms) = (0.0, at_ms + 3 * SCRAPE_MS);
                    continue;
                }
                *value += f64::from(random.random_range(0..=*pace));
                samples.push(Sample::float(at_ms, *value));
                at_ms += SCRAPE_MS;
            }
            BatchSeries {
                labels: labels.clone(),
                kind: MetricType::Counter,
                samples,
                exemplars: Vec::new(),
            }
        });
        let batch = SampleBatch {
            id: format!("hour-{hour_ms}"),
            tenant: "default".to_owned(),
            series: series.collect(),
        };
        clock.set_ms(until_ms);
        let report = writer.commit(vec![batch]).await;
        anyhow::ensure!(report.failed.is_empty(), "{:?}", report.failed);
        compaction
            .compact("default", Day::of_ms(until_ms - 2 * HOUR_MS))
            .await?;
        hour_ms = until_ms;
    }
    for _ in 0..3 {
        compaction.compact("default", Day::FIRST_NAMED).await?;
    }
    clock.set_ms(now_ms + HOUR_MS);
    compaction.delete_due().await?;
    Ok(())
}

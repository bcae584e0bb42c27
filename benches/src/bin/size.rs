//! Bytes per sample: a day of replayed scrapes through the real writer and the compactor down to a closed day, beside
//! the same samples in a block of Prometheus.
#![allow(clippy::print_stdout)]

#[path = "../measure.rs"]
mod measure;

use anyhow::Context as _;
use clap::Parser;
use futures::TryStreamExt as _;
use measure::{Row, cpu_seconds, print};
use parapet_adapter_local::Local;
use parapet_benches::peer::Prometheus;
use parapet_benches::replay::{Fleet, Target, targets};
use parapet_compactor::Compactor;
use parapet_model::{BatchSeries, Labels, Sample, SampleBatch};
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{ConfigFiles, FixedClock, Ports};
use parapet_store::{Reader, ReaderSettings, Writer, WriterSettings};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 2026-01-05 00:00 UTC.
const START_MS: i64 = 1_767_571_200_000;
const HOUR_MS: i64 = 3_600_000;

/// Measures bytes per sample and prints a table.
#[derive(Debug, Parser)]
#[command(
    after_help = "Example:\n  cargo build --workspace --bins --profile fast\n  target/fast/size --scrapes ../shared/conformance/scrapes --prometheus prometheus"
)]
struct Cli {
    /// Folder of captured scrapes
    #[arg(long)]
    scrapes: PathBuf,
    /// A Prometheus to store the same samples
    #[arg(long)]
    prometheus: Option<String>,
    /// Targets of node_exporter
    #[arg(long, default_value_t = 4)]
    nodes: usize,
    /// Targets of cAdvisor
    #[arg(long, default_value_t = 1)]
    cadvisors: usize,
    /// Targets of kube-state-metrics
    #[arg(long, default_value_t = 1)]
    kube_states: usize,
    /// How long they are scraped
    #[arg(long, default_value_t = 24)]
    hours: i64,
    /// Seconds between scrapes
    #[arg(long, default_value_t = 15)]
    interval: i64,
    /// Keep the stored files in this folder
    #[arg(long)]
    keep: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let fleet = Fleet {
        nodes: cli.nodes,
        cadvisors: cli.cadvisors,
        kube_states: cli.kube_states,
    };
    let mut targets = targets(&cli.scrapes, fleet)?;
    let temporary = tempfile::tempdir()?;
    let directory = cli.keep.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(directory)?;
    let clock = Arc::new(FixedClock::new(START_MS));
    let local = Local::open(directory, clock.clone(), &Default::default())?;
    let ports = Ports {
        objects: local.objects.clone(),
        table: local.table.clone(),
        clock: clock.clone(),
        ..MemoryPorts::new(START_MS, ConfigFiles::default()).ports
    };
    let writer = Writer::new(&ports, WriterSettings::default());
    let compactor = Compactor::new(&ports, Default::default());
    let prometheus = match &cli.prometheus {
        Some(program) => Some(peer(program, temporary.path()).await?),
        None => None,
    };
    let series: usize = targets.iter().map(|target| target.series.len()).sum();
    let (mut step, mut samples) = (0u64, 0u64);
    let (mut stored, mut merged) = (0.0, 0.0);
    // Ten minutes are one commit, so that the run takes minutes: the day's files are cut anew by the last merge.
    for window in 0..cli.hours * 6 {
        let times: Vec<i64> = (0..600 / cli.interval)
            .map(|n| START_MS + window * 600_000 + n * cli.interval * 1000)
            .collect();
        let mut batches = Vec::new();
        for (number, target) in targets.iter_mut().enumerate() {
            let batch = scrape(target, number, step, &times);
            samples += batch.sample_count() as u64;
            batches.push(batch);
        }
        step += times.len() as u64;
        if let Some(prometheus) = &prometheus {
            for batch in &batches {
                prometheus.peer.write(&batch.series).await?;
            }
        }
        clock.set_ms(START_MS + (window + 1) * 600_000);
        let before = cpu_seconds();
        let report = writer.commit(batches).await;
        anyhow::ensure!(report.failed.is_empty(), "{report:?}");
        let between = cpu_seconds();
        compactor.handle_tick(START_MS + (window + 1) * 600_000).await?;
        (stored, merged) = (stored + between - before, merged + cpu_seconds() - between);
    }
    let end_ms = START_MS + cli.hours * HOUR_MS;
    // The day is over: it is merged once more. Later, what the merges replaced is gone.
    let before = cpu_seconds();
    for hours in 2..5 {
        clock.set_ms(end_ms + hours * HOUR_MS);
        compactor.handle_tick(end_ms + hours * HOUR_MS).await?;
    }
    merged += cpu_seconds() - before;
    let status = Reader::new(&ports, ReaderSettings::default()).status("default").await?;
    let (mut files, mut bytes, mut ours) = (0, 0, 0);
    for level in status.levels.values() {
        (files, bytes, ours) = (files + level.files, bytes + level.bytes, ours + level.samples);
    }
    anyhow::ensure!(ours == samples, "{ours} samples are stored instead of {samples}");
    let rollups: Vec<_> = ports.objects.list(Some(&"metrics-rollup".into())).try_collect().await?;
    let rollup_bytes: u64 = rollups.iter().map(|rollup| rollup.size).sum();
    let each = |bytes: u64| format!("{:.3}", bytes as f64 / samples as f64);
    let mut rows = vec![
        Row::new("series", series.to_string(), ""),
        Row::new("samples", samples.to_string(), ""),
        Row::new("Parapet: files of the day", files.to_string(), "files"),
        Row::new("Parapet: all of them", bytes.to_string(), "bytes"),
        Row::new("Parapet", each(bytes), "bytes per sample"),
        Row::new("Parapet: rollups of the day", each(rollup_bytes), "bytes per sample"),
        Row::new("Parapet: stored", format!("{stored:.1}"), "CPU-seconds"),
        Row::new("Parapet: merged", format!("{merged:.1}"), "CPU-seconds"),
    ];
    if let Some(prometheus) = &prometheus {
        let snapshot = prometheus
            .peer
            .call(
                http::Method::POST,
                "api/v1/admin/tsdb/snapshot",
                http::HeaderMap::new(),
                Vec::new(),
            )
            .await?;
        let snapshot: serde_json::Value = serde_json::from_slice(&snapshot)?;
        let name = snapshot["data"]["name"].as_str().context("the snapshot has no name")?;
        rows.extend(blocks(&temporary.path().join("data/snapshots").join(name), samples)?);
    }
    print(&rows);
    Ok(())
}

/// The next scrapes of a target, as one batch.
fn scrape(target: &mut Target, number: usize, step: u64, times: &[i64]) -> SampleBatch {
    // Each target has its own place in the interval.
    let offset = (number as i64 * 7919) % 15_000;
    let (job, instance) = (target.job, target.instance.clone());
    let series = target.series.iter_mut().map(|series| {
        let samples = (step..).zip(times).map(|(step, at_ms)| {
            series.advance(step, *at_ms);
            Sample::float(at_ms + offset, series.value)
        });
        BatchSeries {
            samples: samples.collect(),
            labels: labels(&series.labels, job, &instance),
            kind: series.kind,
            exemplars: Vec::new(),
        }
    });
    SampleBatch {
        id: format!("{number}-{step}"),
        tenant: "default".to_owned(),
        series: series.collect(),
    }
}

fn labels(shown: &Labels, job: &str, instance: &str) -> Labels {
    shown.with("job", job).with("instance", instance)
}

/// A Prometheus that keeps the day in its head, and then writes one block of it.
async fn peer(program: &str, directory: &Path) -> anyhow::Result<Prometheus> {
    let flags = [
        "--web.enable-remote-write-receiver",
        "--web.enable-admin-api",
        "--storage.tsdb.retention.time=100y",
        "--storage.tsdb.min-block-duration=36h",
        "--storage.tsdb.max-block-duration=36h",
    ];
    Prometheus::start(&[program.to_owned()], directory, "global: {}\n", &flags).await
}

/// The parts of the blocks in a folder.
fn blocks(folder: &Path, samples: u64) -> anyhow::Result<Vec<Row>> {
    let (mut count, mut chunks, mut index, mut meta, mut stored) = (0, 0, 0, 0, 0);
    for block in std::fs::read_dir(folder)? {
        let block = block?.path();
        count += 1;
        for file in std::fs::read_dir(block.join("chunks"))? {
            chunks += file?.metadata()?.len();
        }
        index += std::fs::metadata(block.join("index"))?.len();
        let text = std::fs::read(block.join("meta.json"))?;
        meta += text.len() as u64;
        let read: serde_json::Value = serde_json::from_slice(&text)?;
        stored += read["stats"]["numSamples"].as_u64().context("a block has no samples")?;
    }
    anyhow::ensure!(
        stored == samples,
        "the peer stored {stored} samples instead of {samples}"
    );
    let each = |bytes: u64| format!("{:.3}", bytes as f64 / samples as f64);
    Ok(vec![
        Row::new("Prometheus: blocks of the day", count.to_string(), "blocks"),
        Row::new("Prometheus: all of them", (chunks + index + meta).to_string(), "bytes"),
        Row::new("Prometheus: chunks", each(chunks), "bytes per sample"),
        Row::new("Prometheus: index", each(index), "bytes per sample"),
        Row::new("Prometheus: meta.json", meta.to_string(), "bytes"),
        Row::new("Prometheus", each(chunks + index + meta), "bytes per sample"),
    ])
}

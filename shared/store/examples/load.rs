//! The load of 200 targets × 1,000 series at 15 s for 10 minutes, as fast as the machine goes: flushes of 13 batches,
//! a merge each minute, rule queries beside them, and a query over everything at the end.
//!
//! `cargo run --profile fast -p parapet-store --example load -- [targets] [rounds]`
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use parapet_model::{BatchSeries, Labels, Matcher, MetricType, Sample, SampleBatch};
use parapet_ports::{ConfigFiles, memory::MemoryPorts};
use parapet_store::day::Day;
use parapet_store::{Compaction, CompactionSettings, Reader, ReaderSettings, Writer, WriterSettings};
use std::collections::BTreeMap;

const NOW_MS: i64 = 1_795_262_400_000;

/// CPU seconds of the whole process, and its resident memory in MiB.
fn usage() -> (f64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |place: usize| fields[place].parse::<f64>().unwrap() / 100.0;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap();
    let peak = line("VmHWM").split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
    (ticks(11) + ticks(12), peak / 1024)
}

fn batch(target: usize, round: i64) -> SampleBatch {
    let at = NOW_MS + round * 15_000 + target as i64 * 70;
    let series = (0..1_000).map(|number| BatchSeries {
        labels: Labels::from_pairs([
            ("__name__", format!("metric_{:03}_total", number / 5)),
            ("instance", format!("10.0.0.{target}:9100")),
            ("job", "node".to_owned()),
            ("mode", format!("mode-{}", number % 5)),
            ("cluster", "eu-1".to_owned()),
        ]),
        kind: MetricType::Counter,
        samples: vec![Sample::float(at, (round * (number + 1)) as f64 + target as f64)],
        exemplars: Vec::new(),
    });
    SampleBatch {
        id: format!("{target}-{round}"),
        tenant: "default".to_owned(),
        series: series.collect(),
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let argument = |place: usize, default: usize| {
        std::env::args()
            .nth(place)
            .map_or(default, |text| text.parse().unwrap())
    };
    let (targets, rounds) = (argument(1, 200), argument(2, 40) as i64);
    let world = MemoryPorts::new(NOW_MS, ConfigFiles::default());
    let writer = Writer::new(&world.ports, WriterSettings::default());
    let reader = Reader::new(&world.ports, ReaderSettings::default());
    let compaction = Compaction::new(&world.ports, CompactionSettings::default());
    let mut spent: BTreeMap<&str, f64> = BTreeMap::new();
    let mut clock = usage().0;
    let mut lap = |spent: &mut BTreeMap<&str, f64>, name: &'static str| {
        let now = usage().0;
        *spent.entry(name).or_default() += now - clock;
        clock = now;
    };
    for round in 0..rounds {
        let all: Vec<usize> = (0..targets).collect();
        for flush in all.chunks(13) {
            let batches: Vec<SampleBatch> = flush.iter().map(|target| batch(*target, round)).collect();
            lap(&mut spent, "0 making batches");
            let report = writer.commit(batches).await;
            assert!(report.failed.is_empty());
            lap(&mut spent, "1 commit");
        }
        world.clock.advance_ms(15_000);
        let now = NOW_MS + (round + 1) * 15_000;
        for rule in 0..20 {
            let metric = format!("metric_{:03}_total", rule * 9);
            let series = reader
                .select("default", &[Matcher::equal("__name__", metric)], now - 300_000, now)
                .await
                .unwrap();
            assert_eq!(series.len(), targets * 5);
        }
        lap(&mut spent, "2 rule queries (20 a round, 5 minutes)");
        if round % 4 == 3 {
            compaction.compact("default", Day::of_ms(NOW_MS)).await.unwrap();
            compaction.delete_due().await.unwrap();
            lap(&mut spent, "3 compaction");
        }
    }
    println!("peak before the last query: {} MiB", usage().1);
    let status = reader.status("default").await.unwrap();
    for (level, figures) in &status.levels {
        println!(
            "level {level}: {figures:?}, {:.2} bytes/sample",
            figures.bytes as f64 / figures.samples as f64
        );
    }
    let wall = std::time::Instant::now();
    let series = reader
        .select("default", &[], NOW_MS, NOW_MS + rounds * 15_000)
        .await
        .unwrap();
    let samples: usize = series.iter().map(|series| series.timestamps.len()).sum();
    assert_eq!(samples, targets * 1_000 * usize::try_from(rounds).unwrap());
    assert!(series.iter().all(|series| series.timestamps.len() == rounds as usize));
    lap(&mut spent, "4 everything");
    println!("everything: {samples} samples in {:.2} s", wall.elapsed().as_secs_f64());
    drop(series);
    let total = (targets * 1_000) as f64 * rounds as f64;
    for (name, seconds) in &spent {
        println!(
            "{name}: {seconds:.2} CPU s, {:.2} M samples/CPU s",
            total / seconds / 1e6
        );
    }
    println!("peak: {} MiB", usage().1);
}

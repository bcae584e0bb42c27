//! A day past its retention, in whose retirement each process dies before or after each of its effects, or is overtaken
//! there by another that does the same: each sample is in the day's files, or the day's rollups are sealed and sum up all
//! samples of the day; once the rollups are past theirs, nothing is left.

use crate::crash::Samples;
use crate::death::{Event, Life};
use crate::history::{Data as _, HOUR_MS, MINUTE_MS, another_compactor, settings};
use crate::keys;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use object_store::ObjectStoreExt as _;
use parapet_compactor::{Compactor, Settings};
use parapet_model::SampleBatch;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{ConfigFiles, Ports};
use parapet_store::day::{DAY_MS, Day};
use parapet_store::{Dataset, Writer, WriterSettings};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;

/// Samples by day and metric.
type Counts = BTreeMap<(Day, String), i64>;

fn keeping() -> Settings {
    let mut settings = settings();
    settings.compaction.five_minutes_retention_ms = 8 * DAY_MS;
    settings.compaction.hour_retention_ms = 8 * DAY_MS;
    settings
}

async fn tick(ports: &Ports) -> bool {
    Compactor::new(ports, keeping()).handle_tick(HOUR_MS).await.is_ok()
}

fn batches() -> Vec<SampleBatch> {
    let ago = |minutes: i64| HOUR_MS - minutes * MINUTE_MS;
    vec![
        Samples::batch("a", &["m1", "m2"], &[ago(9), ago(8)]),
        Samples::batch("b", &["m1", "m3"], &[ago(13 * 60 + 7), ago(13 * 60), ago(7)]),
    ]
}

fn counts(samples: impl IntoIterator<Item = (String, i64)>) -> Counts {
    let mut counts = Counts::new();
    for (metric, at) in samples {
        *counts.entry((Day::of_ms(at), metric)).or_default() += 1;
    }
    counts
}

/// How many samples the rows of a file stand for, by metric.
async fn read(ports: &Ports, day: Day, key: &str, context: &str) -> Counts {
    let object = ports.objects.get(&key.into()).await;
    let object = object.unwrap_or_else(|_| panic!("{context}: {key} is gone"));
    let reader = ParquetRecordBatchReaderBuilder::try_new(object.bytes().await.unwrap()).unwrap();
    let mut counts = Counts::new();
    for rows in reader.build().unwrap() {
        let rows = rows.unwrap();
        let metrics = rows.column_by_name("metric").unwrap().as_string::<i32>().clone();
        let samples = rows.column_by_name("samples").unwrap().as_primitive::<Int32Type>();
        for (metric, samples) in metrics.iter().zip(samples.values()) {
            *counts.entry((day, metric.unwrap().to_owned())).or_default() += i64::from(*samples);
        }
    }
    counts
}

/// The sealed rollups: day, resolution, object.
fn sealed(world: &MemoryPorts) -> Vec<(Day, String, String)> {
    let items = world.table.items();
    let rollups = items.iter().filter(|item| item.key.pk == "rollups#default");
    rollups
        .filter_map(|item| {
            let entry: serde_json::Value = serde_json::from_str(&item.value).unwrap();
            let (day, resolution) = item.key.sk.split_once('/').unwrap();
            let key = entry["file"]["key"].as_str().unwrap().to_owned();
            (entry["sealed"] == true).then(|| (Day::parse(day).unwrap(), resolution.to_owned(), key))
        })
        .collect()
}

/// What holds at any time until the rollups are past their retention.
async fn check(world: &MemoryPorts, context: &str) {
    let want = counts(batches().iter().flat_map(Samples::found));
    let days: Vec<Day> = [HOUR_MS - DAY_MS, HOUR_MS].into_iter().map(Day::of_ms).collect();
    for day in days {
        let want: Counts = want
            .iter()
            .filter(|((of, _), _)| *of == day)
            .map(|(k, v)| (k.clone(), *v))
            .collect();
        let files = Dataset::Metrics.files(world.ports.table.as_ref(), "default", day).await;
        let mut live = Counts::new();
        for file in files.unwrap() {
            for (place, count) in read(&world.ports, day, &file.key, context).await {
                *live.entry(place).or_default() += count;
            }
        }
        if live == want {
            continue;
        }
        for (place, count) in &live {
            assert!(want[place] >= *count, "{context}: {place:?} is doubled");
        }
        let rollups: Vec<_> = sealed(world).into_iter().filter(|(of, ..)| *of == day).collect();
        for resolution in ["5m", "1h"] {
            let found = rollups.iter().find(|(_, of, _)| of == resolution);
            let (.., key) =
                found.unwrap_or_else(|| panic!("{context}: samples went and no rollup of {resolution} is sealed"));
            assert_eq!(
                read(&world.ports, day, key, context).await,
                want,
                "{context}: {resolution}"
            );
        }
    }
}

/// A life in which the process of one tick meets the event; false where it did not get as far.
async fn live_through(process: usize, at: usize, event: Event) -> bool {
    let context = format!("{event:?} at effect {at} of tick {process}");
    let world = MemoryPorts::new(HOUR_MS, ConfigFiles::default());
    let report = Writer::new(&world.ports, WriterSettings::default())
        .commit(batches())
        .await;
    assert!(report.failed.is_empty(), "{context}");
    let minutes = 11 * MINUTE_MS;
    for (number, wait_ms) in [0, minutes, 5 * DAY_MS, minutes, minutes].into_iter().enumerate() {
        world.clock.advance_ms(wait_ms);
        if number == process {
            let other = (event == Event::IsOvertaken).then(|| another_compactor(keeping(), &world.ports));
            let (ports, life) = Life::of(&world.ports, at, event, other);
            tick(&ports).await;
            if !life.was_met() {
                return false;
            }
            check(&world, &context).await;
        }
        assert!(tick(&world.ports).await, "{context}");
        check(&world, &context).await;
    }
    assert!(
        keys(&world.ports, "metrics").await.is_empty(),
        "{context}: files are left"
    );
    assert!(sealed(&world).len() >= 4, "{context}: {:?}", sealed(&world));
    // The rollups' own end.
    for wait_ms in [5 * DAY_MS, minutes, 20 * DAY_MS, minutes] {
        world.clock.advance_ms(wait_ms);
        assert!(tick(&world.ports).await, "{context}");
    }
    for prefix in ["metrics", "metrics-manifest", "metrics-rollup"] {
        let left = keys(&world.ports, prefix).await;
        assert!(left.is_empty(), "{context}: {left:?} is left in the bucket");
    }
    true
}

async fn each_effect(event: Event) {
    let mut events = 0;
    for process in 0..5 {
        let mut at = 0;
        while live_through(process, at, event).await {
            at += 1;
        }
        events += at;
    }
    assert!(events > 20, "only {events} events");
}

#[tokio::test]
async fn a_process_dies_before_each_effect() {
    each_effect(Event::DiesBefore).await;
}

#[tokio::test]
async fn a_process_dies_after_each_effect() {
    each_effect(Event::DiesAfter).await;
}

#[tokio::test]
async fn two_retire_a_day_at_once() {
    each_effect(Event::IsOvertaken).await;
}

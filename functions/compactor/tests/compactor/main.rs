//! The compactor over memory ports: answers never change, whatever is cut off, repeated or run at once.
#![allow(clippy::unwrap_used)]

mod crash;
mod history;
mod logs;
mod retire;

#[path = "../../../../shared/store/tests/store/death.rs"]
mod death;

use death::{Event, Life};
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, PutPayload};
use parapet_compactor::{Compactor, Settings};
use parapet_model::{BatchSeries, Labels, MetricType, Sample, SampleBatch, Series};
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{ConfigFiles, Error, Item, Key, Page, Ports, SkRange, Table, Write};
use parapet_store::day::DAY_MS;
use parapet_store::{Reader, ReaderSettings, Writer, WriterSettings};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// 2026-11-21 12:00:30 UTC: not on the hour.
const NOW_MS: i64 = 1_795_262_400_000 + 90_000;
/// An hour's tick.
const HOUR_MS: i64 = 1_795_262_400_000;

async fn world(flushes: i64) -> MemoryPorts {
    let world = MemoryPorts::new(NOW_MS, ConfigFiles::default());
    let writer = Writer::new(&world.ports, WriterSettings::default());
    for flush in 0..flushes {
        let series = (0..5).map(|number| BatchSeries {
            labels: Labels::from_pairs([("__name__", "m".to_owned()), ("n", number.to_string())]),
            kind: MetricType::Counter,
            // Out of order between flushes, and a sample that two flushes have.
            samples: vec![
                Sample::float(NOW_MS - 3_600_000 + (flush * 37 % 11) * 1000, flush as f64),
                Sample::float(NOW_MS - 60_000, 7.0),
            ],
            exemplars: Vec::new(),
        });
        let batch = SampleBatch {
            id: flush.to_string(),
            tenant: "default".to_owned(),
            series: series.collect(),
        };
        assert!(writer.commit(vec![batch]).await.failed.is_empty());
    }
    world
}

async fn answer(ports: &Ports) -> Vec<Series> {
    Reader::new(ports, ReaderSettings::default())
        .select("default", &[], 0, i64::MAX)
        .await
        .unwrap()
}

async fn keys(ports: &Ports, prefix: &str) -> BTreeSet<String> {
    let objects: Vec<_> = ports.objects.list(Some(&prefix.into())).try_collect().await.unwrap();
    objects.into_iter().map(|object| object.location.to_string()).collect()
}

async fn live(ports: &Ports) -> BTreeSet<String> {
    let day = parapet_store::day::Day::of_ms(NOW_MS);
    let files = parapet_store::Dataset::Metrics
        .files(ports.table.as_ref(), "default", day)
        .await
        .unwrap();
    files.into_iter().map(|file| file.key).collect()
}

async fn published(ports: &Ports) -> BTreeSet<String> {
    let path = "metrics-manifest/tenant=default/dt=2026-11-21/manifest".into();
    let bytes = ports.objects.get(&path).await.unwrap().bytes().await.unwrap();
    String::from_utf8(bytes.to_vec())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn flushes_become_one_file_and_go_after_the_grace_period() {
    let world = world(20).await;
    let before = answer(&world.ports).await;
    let compactor = Compactor::new(&world.ports, Settings::default());
    compactor.handle_tick(NOW_MS).await.unwrap();
    assert_eq!(answer(&world.ports).await, before);
    assert_eq!(live(&world.ports).await.len(), 1);
    assert_eq!(published(&world.ports).await, live(&world.ports).await);
    // A query that read the manifest before still finds its files, until the grace period is over.
    assert_eq!(keys(&world.ports, "metrics").await.len(), 21);
    world.clock.advance_ms(9 * 60_000);
    compactor.handle_tick(NOW_MS).await.unwrap();
    assert_eq!(keys(&world.ports, "metrics").await.len(), 21);
    world.clock.advance_ms(2 * 60_000);
    compactor.handle_tick(NOW_MS).await.unwrap();
    assert_eq!(keys(&world.ports, "metrics").await, live(&world.ports).await);
    assert_eq!(answer(&world.ports).await, before);
}

/// A table whose first answer about a manifest is from before the merge.
#[derive(Debug)]
struct StaleOnce {
    inner: Arc<dyn Table>,
    page: Mutex<Option<(String, Page)>>,
}

#[async_trait::async_trait]
impl Table for StaleOnce {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        self.inner.get(key).await
    }

    async fn query_page(&self, pk: &str, range: &SkRange, limit: usize) -> Result<Page, Error> {
        let stale = self.page.lock().unwrap().take_if(|(stale, _)| stale == pk);
        match stale {
            Some((_, page)) => Ok(page),
            None => self.inner.query_page(pk, range, limit).await,
        }
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        self.inner.transact(writes).await
    }
}

#[tokio::test]
async fn a_reader_goes_on_when_files_vanish_under_it() {
    let world = world(3).await;
    let before = answer(&world.ports).await;
    let manifest = "manifest#default#2026-11-21".to_owned();
    let page = world
        .ports
        .table
        .query_page(&manifest, &SkRange::all(), 0)
        .await
        .unwrap();
    assert_eq!(page.items.len(), 3);
    let mut settings = Settings::default();
    settings.compaction.grace_ms = -1;
    let compactor = Compactor::new(&world.ports, settings);
    compactor.handle_tick(NOW_MS).await.unwrap();
    compactor.handle_tick(NOW_MS).await.unwrap();
    assert_eq!(keys(&world.ports, "metrics").await.len(), 1, "inputs are gone at once");
    let table = Arc::new(StaleOnce {
        inner: world.ports.table.clone(),
        page: Mutex::new(Some((manifest, page))),
    });
    let stale = Ports {
        table: table.clone(),
        ..world.ports.clone()
    };
    // Two days, so that the manifest is read directly.
    let reader = Reader::new(&stale, ReaderSettings::default());
    let answered = reader
        .select("default", &[], NOW_MS - DAY_MS / 2, NOW_MS)
        .await
        .unwrap();
    assert!(table.page.lock().unwrap().is_none(), "the stale page was read");
    assert_eq!(answered, before);
    // A file that is gone for good is told, not passed over.
    for key in live(&world.ports).await {
        world.ports.objects.delete(&key.as_str().into()).await.unwrap();
    }
    let reader = Reader::new(&world.ports, ReaderSettings::default());
    let error = reader.select("default", &[], 0, i64::MAX).await.unwrap_err();
    assert_eq!(error.kind(), parapet_ports::Kind::Corrupt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_merge_once() {
    let world = world(30).await;
    let before = answer(&world.ports).await;
    let compactor = Compactor::new(&world.ports, Settings::default());
    let runs = (0..6).map(|run| {
        let compactor = compactor.clone();
        tokio::spawn(async move { compactor.handle_tick(if run % 2 == 0 { NOW_MS } else { HOUR_MS }).await })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap().unwrap();
    }
    assert_eq!(answer(&world.ports).await, before);
    assert_eq!(live(&world.ports).await.len(), 1);
    compactor.handle_tick(NOW_MS).await.unwrap();
    assert_eq!(published(&world.ports).await, live(&world.ports).await);
}

/// The tick is cut off at its n-th effect, before or after the effect took place, for every n; then another process
/// goes on. At no moment does an answer change, and in the end nothing is left that is not live.
#[tokio::test]
async fn cut_off_at_any_effect_answers_never_change() {
    let mut cut = 0;
    loop {
        let mut reached = false;
        for event in [Event::DiesBefore, Event::DiesAfter] {
            let world = world(12).await;
            let before = answer(&world.ports).await;
            let samples: u64 = 12 * 10;
            // An earlier merge is due for deletion, and there are flushes to merge.
            Compactor::new(&world.ports, Settings::default())
                .handle_tick(NOW_MS)
                .await
                .unwrap();
            world.clock.advance_ms(11 * 60_000);
            let more = Writer::new(&world.ports, WriterSettings::default());
            for id in ["x", "y"] {
                let series = vec![BatchSeries {
                    labels: Labels::from_pairs([("__name__", "late")]),
                    kind: MetricType::Gauge,
                    samples: vec![Sample::float(NOW_MS, 1.0)],
                    exemplars: Vec::new(),
                }];
                more.commit(vec![SampleBatch {
                    id: id.to_owned(),
                    tenant: "default".to_owned(),
                    series,
                }])
                .await;
            }
            let (ports, life) = Life::of(&world.ports, cut, event, None);
            let _ = Compactor::new(&ports, Settings::default()).handle_tick(HOUR_MS).await;
            reached |= life.was_met();
            let answered = answer(&world.ports).await;
            assert_eq!(answered.len(), before.len() + 1, "cut {cut}");
            assert!(
                before.iter().all(|series| answered.contains(series)),
                "cut {cut}, {event:?}"
            );
            // What Athena sees never names an object that is not there.
            let present = keys(&world.ports, "metrics").await;
            assert!(
                published(&world.ports).await.is_subset(&present),
                "cut {cut}, {event:?}"
            );

            let second = Compactor::new(&world.ports, Settings::default());
            second.handle_tick(HOUR_MS).await.unwrap();
            // Far enough for every grace period; objects in memory carry the time of the machine.
            world.clock.advance_ms(DAY_MS * 3650);
            let mut settings = Settings::default();
            settings.compaction.retention_ms = i64::MAX;
            let last = Compactor::new(&world.ports, settings);
            last.handle_tick(HOUR_MS).await.unwrap();
            last.handle_tick(HOUR_MS).await.unwrap();
            assert_eq!(
                keys(&world.ports, "metrics").await,
                live(&world.ports).await,
                "cut {cut}, {event:?}"
            );
            assert_eq!(published(&world.ports).await, live(&world.ports).await);
            assert_eq!(answer(&world.ports).await, answered);
            let status = Reader::new(&world.ports, ReaderSettings::default())
                .status("default")
                .await
                .unwrap();
            let stored: u64 = status.levels.values().map(|level| level.samples).sum();
            assert!(stored <= samples + 2);
        }
        if !reached {
            break;
        }
        cut += 1;
    }
    assert!(cut >= 6, "only {cut} effects were met");
}

#[tokio::test]
async fn orphans_are_collected_and_their_commit_writes_anew() {
    let world = world(1).await;
    let batch = || SampleBatch {
        id: "late".to_owned(),
        tenant: "default".to_owned(),
        series: vec![BatchSeries {
            labels: Labels::from_pairs([("__name__", "late")]),
            kind: MetricType::Gauge,
            samples: vec![Sample::float(NOW_MS, 1.0)],
            exemplars: Vec::new(),
        }],
    };
    // The writer dies between the file and the transaction (its only one: the day is known already).
    let (ports, _) = Life::of(&world.ports, 1, Event::DiesBefore, None);
    let report = Writer::new(&ports, WriterSettings::default())
        .commit(vec![batch()])
        .await;
    assert_eq!(report.failed.len(), 1);
    assert_eq!(keys(&world.ports, "metrics").await.len(), 2);
    let mut settings = Settings::default();
    settings.compaction.orphan_grace_ms = -DAY_MS * 3650;
    let compactor = Compactor::new(&world.ports, settings);
    compactor.handle_tick(HOUR_MS).await.unwrap();
    assert_eq!(keys(&world.ports, "metrics").await, live(&world.ports).await);
    // Its name is taken: the repeated commit finds another.
    let report = Writer::new(&world.ports, WriterSettings::default())
        .commit(vec![batch()])
        .await;
    assert!(report.failed.is_empty(), "{report:?}");
    compactor.handle_tick(HOUR_MS).await.unwrap();
    assert_eq!(answer(&world.ports).await.len(), 6);
    // Deleted without grace for the sake of the test, but only what was replaced or orphaned.
    assert!(live(&world.ports).await.is_subset(&keys(&world.ports, "metrics").await));
}

#[tokio::test]
async fn retention_takes_whole_days_and_their_objects() {
    let world = world(4).await;
    let claims = world
        .ports
        .objects
        .put(&"claims/2026-11-21/x".into(), PutPayload::from_static(b"x"))
        .await;
    claims.unwrap();
    let mut settings = Settings::default();
    settings.compaction.five_minutes_retention_ms = settings.compaction.retention_ms;
    settings.compaction.hour_retention_ms = settings.compaction.retention_ms;
    let compactor = Compactor::new(&world.ports, settings);
    compactor.handle_tick(NOW_MS).await.unwrap();
    world.clock.advance_ms(30 * DAY_MS);
    compactor.handle_tick(HOUR_MS).await.unwrap();
    assert_eq!(answer(&world.ports).await.len(), 5, "the day is not over for 30 days");
    world.clock.advance_ms(DAY_MS);
    compactor.handle_tick(HOUR_MS).await.unwrap();
    assert!(answer(&world.ports).await.is_empty());
    assert!(
        !keys(&world.ports, "metrics").await.is_empty(),
        "objects have their grace period"
    );
    world.clock.advance_ms(DAY_MS);
    compactor.handle_tick(HOUR_MS).await.unwrap();
    let role = include_str!("../../../../template.yaml")
        .split_once("  CompactorRole:")
        .unwrap()
        .1;
    let role = role.split_once("  CompactorLogs:").unwrap().0;
    for prefix in ["metrics", "metrics-manifest", "metrics-rollup", "claims"] {
        assert!(keys(&world.ports, prefix).await.is_empty(), "{prefix}");
        let may = format!("${{Bucket.Arn}}/{prefix}/*");
        assert!(role.contains(&may), "the compactor's role does not reach {prefix}/");
    }
}

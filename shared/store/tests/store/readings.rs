//! Readings give what the same samples as series give.

use crate::world::NOW_MS;
use parapet_model::{BatchSeries, Labels, MetricType, Sample, stale_nan};
use parapet_ports::ConfigFiles;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{Ports, Queue};
use parapet_store::envelope::{self, FetchError};
use parapet_store::{
    Batch, Layout, Layouts, Reader, ReaderSettings, Readings, Samples, Times, Writer, WriterSettings, day::DAY_MS,
    outbox::send_samples,
};
use proptest::prelude::*;
use std::sync::Arc;

/// The targets share the series `both`.
fn layout(target: usize) -> Arc<Layout> {
    let mut series: Vec<(Labels, MetricType)> = (0..5)
        .map(|n| {
            let labels = [
                ("__name__", format!("m{}", n % 3)),
                ("n", n.to_string()),
                ("target", target.to_string()),
            ];
            (Labels::from_pairs(labels), MetricType::Counter)
        })
        .collect();
    series.push((Labels::from_pairs([("__name__", "both")]), MetricType::Gauge));
    Arc::new(Layout::of(&series).unwrap().unwrap().0)
}

/// A batch of a commit.
#[derive(Clone, Debug)]
enum Sent {
    Readings {
        target: usize,
        times: Vec<i64>,
        values: Vec<f64>,
    },
    Series(i64, f64),
}

fn sent() -> impl Strategy<Value = Sent> {
    // Some of another day, some that are refused.
    let at = prop::sample::select(vec![0, 0, 0, 15_000, 15_000, 30_000, -DAY_MS, -8 * DAY_MS, DAY_MS]);
    let value = || prop::sample::select(vec![0.0, -0.0, 1.0, 2.5, f64::NAN, f64::INFINITY, stale_nan()]);
    let times = prop_oneof![8 => prop::collection::vec(at.clone(), 1), 1 => prop::collection::vec(at.clone(), 6)];
    prop_oneof![
        8 => (0..3usize, times, prop::collection::vec(value(), 6))
            .prop_map(|(target, times, values)| Sent::Readings { target, times, values }),
        1 => (at, value()).prop_map(|(at, value)| Sent::Series(at, value)),
    ]
}

fn batch(id: usize, sent: &Sent, layouts: &[Arc<Layout>]) -> Batch {
    let samples = match sent {
        Sent::Readings { target, times, values } => Samples::Readings(Readings {
            layout: layouts[*target].clone(),
            times: match &**times {
                [at] => Times::All(NOW_MS + at),
                times => Times::Each(times.iter().map(|at| NOW_MS + at).collect()),
            },
            values: values.clone(),
        }),
        Sent::Series(at, value) => Samples::Series(vec![BatchSeries {
            labels: Labels::from_pairs([("__name__", "both")]),
            kind: MetricType::Gauge,
            samples: vec![Sample::float(NOW_MS + at, *value)],
            exemplars: Vec::new(),
        }]),
    };
    Batch {
        id: id.to_string(),
        tenant: "default".to_owned(),
        samples,
    }
}

/// The batches that the queue holds.
async fn received(world: &MemoryPorts, layouts: &Layouts) -> Vec<Batch> {
    let mut batches = Vec::new();
    for (_, message) in world.queues.drain(Queue::Samples) {
        for parcel in envelope::open(&message.body).unwrap() {
            batches.push(parcel.batch(world.ports.objects.as_ref(), layouts).await.unwrap());
        }
    }
    batches
}

/// All that is stored, to the bit.
async fn stored(ports: &Ports) -> Vec<(String, Vec<(i64, u64)>)> {
    let reader = Reader::new(ports, ReaderSettings::default());
    let all = reader.select("default", &[], i64::MIN, i64::MAX).await.unwrap();
    let samples = |series: &parapet_model::Series| {
        let values = series.values.iter().map(|value| value.to_bits());
        series.timestamps.iter().copied().zip(values).collect()
    };
    all.iter()
        .map(|series| (series.labels.to_string(), samples(series)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readings_are_stored_as_series_are(commits in prop::collection::vec(prop::collection::vec(sent(), 1..4), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (one, other) = (crate::world::world(), crate::world::world());
            let (writer, plain) = (
                Writer::new(&one.ports, WriterSettings::default()),
                Writer::new(&other.ports, WriterSettings::default()),
            );
            let (sending, receiving) = ((0..3).map(layout).collect::<Vec<_>>(), Layouts::new(1000));
            let mut id = 0;
            for commit in &commits {
                let batches: Vec<Batch> = commit
                    .iter()
                    .map(|sent| {
                        id += 1;
                        batch(id, sent, &sending)
                    })
                    .collect();
                send_samples(&one.ports, batches.clone()).await.unwrap();
                let (report, want) = (
                    writer.commit(received(&one, &receiving).await).await,
                    plain.commit(batches.into_iter().map(Batch::into_series).collect()).await,
                );
                assert!(report.failed.is_empty() && want.failed.is_empty());
                assert_eq!((report.samples, report.refused), (want.samples, want.refused));
            }
            assert_eq!(stored(&one.ports).await, stored(&other.ports).await);
        });
    }
}

#[tokio::test]
async fn a_message_has_numbers_only_and_the_series_are_put_once_a_day() {
    let world = MemoryPorts::new(NOW_MS, ConfigFiles::default());
    let layouts = [layout(0)];
    let sent = Sent::Readings {
        target: 0,
        times: vec![0],
        values: vec![1.0; 6],
    };
    for at_ms in [NOW_MS, NOW_MS + 15_000, NOW_MS + DAY_MS] {
        world.clock.set_ms(at_ms);
        send_samples(&world.ports, vec![batch(1, &sent, &layouts)])
            .await
            .unwrap();
    }
    let messages = world.queues.drain(Queue::Samples);
    assert!(messages.iter().all(|(_, message)| !message.body.contains("target")));
    let list = world.ports.objects.list(Some(&"claims".into()));
    let objects: Vec<_> = futures::TryStreamExt::try_collect(list).await.unwrap();
    let keys: Vec<String> = objects
        .iter()
        .map(|object: &object_store::ObjectMeta| object.location.to_string())
        .collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    // Without the object the message has to wait; with another one in its place it says nothing.
    let open = || envelope::open(&messages[0].1.body).unwrap().remove(0);
    let key = object_store::path::Path::from(&*keys[0]);
    let objects = &world.ports.objects;
    object_store::ObjectStoreExt::put(objects, &key, "x".into())
        .await
        .unwrap();
    let fetched = open().batch(objects, &Layouts::new(1000)).await;
    assert!(matches!(fetched, Err(FetchError::Poison(_))), "{fetched:?}");
    object_store::ObjectStoreExt::delete(objects, &key).await.unwrap();
    let fetched = open().batch(objects, &Layouts::new(1000)).await;
    assert!(matches!(fetched, Err(FetchError::Missing(_))), "{fetched:?}");
}

#[test]
fn a_series_twice_makes_no_layout() {
    let twice = vec![(Labels::from_pairs([("__name__", "a")]), MetricType::Gauge); 2];
    assert!(Layout::of(&twice).unwrap().is_none());
}

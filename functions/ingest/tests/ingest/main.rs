//! The ingest function over memory ports: dispositions, repeats, crashes at every step.
#![allow(clippy::unwrap_used)]

#[path = "../../../../shared/store/tests/store/death.rs"]
mod death;

use death::{Event, Life};
use futures::TryStreamExt as _;
use parapet_ingest::{Ingest, Settings};
use parapet_model::{BatchSeries, Labels, MetricType, Sample, SampleBatch};
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{ConfigFiles, Disposition, Message, Ports, Queue};
use parapet_store::{Dataset, Reader, ReaderSettings, keys, outbox::send_samples};

const NOW_MS: i64 = 1_795_262_400_000;

fn world() -> MemoryPorts {
    MemoryPorts::new(NOW_MS, ConfigFiles::default())
}

fn batch(tenant: &str, id: u32, series: u32) -> SampleBatch {
    let one = |number: u32| BatchSeries {
        labels: Labels::from_pairs([
            ("__name__".to_owned(), format!("m{number}")),
            ("batch".to_owned(), "same".to_owned()),
        ]),
        kind: MetricType::Gauge,
        // Two days: a file for each, in one transaction.
        samples: vec![
            Sample::float(NOW_MS - 86_400_000 + i64::from(id), f64::from(id)),
            Sample::float(NOW_MS + i64::from(id), f64::from(id)),
        ],
        exemplars: Vec::new(),
    };
    SampleBatch {
        id: format!("b{id}"),
        tenant: tenant.to_owned(),
        series: (0..series).map(one).collect(),
    }
}

async fn messages(world: &MemoryPorts, batches: Vec<SampleBatch>) -> Vec<Message> {
    send_samples(&world.ports, batches).await.unwrap();
    world
        .queues
        .drain(Queue::Samples)
        .into_iter()
        .map(|(_, message)| message)
        .collect()
}

/// Every sample of a tenant as (metric, time).
async fn stored(ports: &Ports, tenant: &str) -> Vec<(String, i64)> {
    let reader = Reader::new(ports, ReaderSettings::default());
    let series = reader.select(tenant, &[], 0, i64::MAX).await.unwrap();
    let times = |s: &parapet_model::Series| {
        s.timestamps
            .iter()
            .map(|at| (s.labels.to_string(), *at))
            .collect::<Vec<_>>()
    };
    series.iter().flat_map(times).collect()
}

/// Samples in live files, duplicates counted: what a plain SQL count would give.
async fn counted(ports: &Ports, tenant: &str) -> u64 {
    let status = Reader::new(ports, ReaderSettings::default())
        .status(tenant)
        .await
        .unwrap();
    status.levels.values().map(|level| level.samples).sum()
}

/// A batch as a claim check holds it.
fn zstd_of(batch: &SampleBatch) -> Vec<u8> {
    zstd::bulk::compress(&parapet_remote_write::encode_v2(&batch.series), 1).unwrap()
}

async fn claims(ports: &Ports) -> Vec<String> {
    let objects: Vec<_> = ports.objects.list(Some(&"claims".into())).try_collect().await.unwrap();
    objects.into_iter().map(|object| object.location.to_string()).collect()
}

fn message(body: &str) -> Message {
    Message {
        id: "x".to_owned(),
        body: body.to_owned(),
        receive_count: 1,
    }
}

#[tokio::test]
async fn poison_is_rejected_and_its_mates_are_stored() {
    let world = world();
    let mut messages = messages(&world, vec![batch("default", 1, 2)]).await;
    let poisons = [
        "",
        "{}",
        r#"{"v":2,"batches":[]}"#,
        r#"{"v":1,"batches":[{"id":"a","tenant":"default","body":"%"}]}"#,
        r#"{"v":1,"batches":[{"id":"a","tenant":"default","body":"AAAA"}]}"#,
        r#"{"v":1,"batches":[{"id":"a","tenant":"../x","body":""}]}"#,
        r#"{"v":1,"batches":[{"id":"a","tenant":"default","claim":"metrics/x"}]}"#,
        r#"{"v":1,"batches":[{"id":"","tenant":"default","body":""}]}"#,
        r#"{"v":1,"batches":[{"id":"a","tenant":"default","readings":{"layout":"metrics/x","body":""}}]}"#,
        r#"{"v":1,"batches":[{"id":"a","tenant":"default","readings":{"layout":"claims/x","body":"%"}}]}"#,
    ];
    messages.extend(poisons.map(message));
    messages.push(message(
        r#"{"v":1,"batches":[{"id":"a","tenant":"default","claim":"claims/2026-11-21/x"}]}"#,
    ));
    let answers = Ingest::new(&world.ports, Settings::default())
        .handle_batch(messages)
        .await;
    assert_eq!(answers[0], Disposition::Done);
    for answer in &answers[1..answers.len() - 1] {
        assert!(
            matches!(answer, Disposition::Reject { reason } if !reason.is_empty()),
            "{answer:?}"
        );
    }
    assert!(
        matches!(answers.last(), Some(Disposition::Retry { .. })),
        "a claim may yet appear"
    );
    assert_eq!(stored(&world.ports, "default").await.len(), 4);
}

#[tokio::test]
async fn a_large_batch_travels_as_a_claim_check() {
    let world = world();
    let mut large = batch("default", 1, 1_000);
    for (number, series) in large.series.iter_mut().enumerate() {
        // Hashes do not compress.
        let noise: String = (0..120u64)
            .map(|n| {
                format!(
                    "{:016x}",
                    (number as u64 * 977 + n + 1)
                        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                        .rotate_left(29)
                        .wrapping_mul(0xBF58_476D_1CE4_E5B9)
                )
            })
            .collect();
        series.labels = series.labels.with("noise", &noise);
    }
    let messages = messages(&world, vec![large, batch("default", 2, 1)]).await;
    assert!(
        messages
            .iter()
            .any(|message| message.body.contains("claims/2026-11-21/")),
        "no claim check"
    );
    let ingest = Ingest::new(&world.ports, Settings::default());
    assert!(
        ingest
            .handle_batch(messages.clone())
            .await
            .iter()
            .all(|answer| *answer == Disposition::Done)
    );
    assert_eq!(stored(&world.ports, "default").await.len(), 2_002);
    // Once the batch is stored its claim check is gone, and a repeat of the message is still done.
    assert!(claims(&world.ports).await.is_empty());
    assert!(
        ingest
            .handle_batch(messages)
            .await
            .iter()
            .all(|answer| *answer == Disposition::Done)
    );
    assert_eq!(counted(&world.ports, "default").await, 2_002);
}

#[tokio::test]
async fn a_message_that_is_not_done_keeps_its_claim_checks() {
    let world = world();
    let key = object_store::path::Path::from("claims/2026-11-21/x");
    let body = zstd_of(&batch("default", 1, 1));
    object_store::ObjectStoreExt::put(&world.ports.objects, &key, body.into())
        .await
        .unwrap();
    let mixed = message(
        r#"{"v":1,"batches":[{"id":"b1","tenant":"default","claim":"claims/2026-11-21/x"},{"id":"y","tenant":"default","claim":"claims/2026-11-21/y"}]}"#,
    );
    let answers = Ingest::new(&world.ports, Settings::default())
        .handle_batch(vec![mixed])
        .await;
    assert!(matches!(answers[..], [Disposition::Retry { .. }]), "{answers:?}");
    assert_eq!(stored(&world.ports, "default").await.len(), 2);
    assert_eq!(claims(&world.ports).await, ["claims/2026-11-21/x"]);
}

#[tokio::test]
async fn repeats_in_one_call_and_over_calls_count_once() {
    let world = world();
    let first = messages(&world, vec![batch("default", 1, 3), batch("b", 1, 1)]).await;
    let again = messages(&world, vec![batch("default", 1, 3), batch("default", 2, 3)]).await;
    let all: Vec<Message> = first.iter().chain(&again).chain(&first).cloned().collect();
    let ingest = Ingest::new(&world.ports, Settings::default());
    for _ in 0..2 {
        assert!(
            ingest
                .handle_batch(all.clone())
                .await
                .iter()
                .all(|answer| *answer == Disposition::Done)
        );
    }
    assert_eq!(counted(&world.ports, "default").await, 12);
    assert_eq!(counted(&world.ports, "b").await, 2, "ids are of a tenant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_calls_on_overlapping_messages_count_once() {
    let world = world();
    let ingest = Ingest::new(&world.ports, Settings::default());
    let mut calls = Vec::new();
    for start in 0..8u32 {
        let batches = (start..start + 5).map(|id| batch("default", id, 4)).collect();
        let messages = messages(&world, batches).await;
        let ingest = ingest.clone();
        calls.push(tokio::spawn(async move { ingest.handle_batch(messages).await }));
    }
    for call in calls {
        for answer in call.await.unwrap() {
            assert_eq!(answer, Disposition::Done);
        }
    }
    assert_eq!(counted(&world.ports, "default").await, 12 * 4 * 2);
    assert_eq!(stored(&world.ports, "default").await.len(), 12 * 4 * 2);
}

/// Cuts a call off at its n-th effect, before or after the effect took place, for every n; then gives the messages
/// again until they are done. Whatever the place, every sample is there once, and nothing was seen half.
#[tokio::test]
async fn cut_off_at_any_effect_every_sample_is_stored_once() {
    let mut cut = 0;
    loop {
        let mut reached = false;
        for event in [Event::DiesBefore, Event::DiesAfter] {
            let world = world();
            let messages = messages(
                &world,
                vec![batch("default", 1, 2), batch("default", 2, 2), batch("b", 3, 2)],
            )
            .await;
            let (ports, life) = Life::of(&world.ports, cut, event, None);
            let answers = Ingest::new(&ports, Settings::default())
                .handle_batch(messages.clone())
                .await;
            reached |= life.was_met();
            for tenant in ["default", "b"] {
                let half = stored(&world.ports, tenant).await.len();
                assert!(
                    half == 0 || half == if tenant == "b" { 4 } else { 8 },
                    "cut {cut}: saw {half} of {tenant}"
                );
            }
            if answers.iter().all(|answer| *answer == Disposition::Done) {
                assert_eq!(
                    counted(&world.ports, "default").await + counted(&world.ports, "b").await,
                    12
                );
            }
            // Given again, shuffled among newer messages, to another process.
            let mut again = self::messages(&world, vec![batch("default", 4, 1)]).await;
            again.extend(messages.into_iter().rev());
            let answers = Ingest::new(&world.ports, Settings::default()).handle_batch(again).await;
            assert!(
                answers.iter().all(|answer| *answer == Disposition::Done),
                "cut {cut}: {answers:?}"
            );
            assert_eq!(counted(&world.ports, "default").await, 8 + 2, "cut {cut}, {event:?}");
            assert_eq!(counted(&world.ports, "b").await, 4, "cut {cut}, {event:?}");
            assert_eq!(stored(&world.ports, "default").await.len(), 8 + 2);
        }
        if !reached {
            break;
        }
        cut += 1;
    }
    assert!(cut >= 6, "only {cut} effects were met");
}

#[tokio::test]
async fn a_batch_of_too_many_days_is_rejected_alone() {
    let world = world();
    let mut wide = batch("default", 1, 1);
    wide.series[0].samples = (0..120)
        .map(|day| Sample::float(NOW_MS - day * 86_400_000, 1.0))
        .collect();
    let mut all = messages(&world, vec![wide]).await;
    all.extend(messages(&world, vec![batch("default", 2, 1)]).await);
    let mut settings = Settings::default();
    settings.writer.limits.max_age_ms = i64::MAX;
    let answers = Ingest::new(&world.ports, settings).handle_batch(all).await;
    assert!(
        matches!(&answers[0], Disposition::Reject { reason } if reason.contains("days")),
        "{answers:?}"
    );
    assert_eq!(answers[1], Disposition::Done);
    assert!(
        world
            .table
            .items()
            .iter()
            .any(|item| item.key == keys::batch(Dataset::Metrics, "default", "b2"))
    );
}

//! The embedded adapter keeps every port's contract, and what it acknowledged survives.
#![allow(clippy::unwrap_used)]

use object_store::integration;
use parapet_adapter_local::{Local, LocalSettings};
use parapet_ports::contract::{QueueLimits, queue_contract, table_contract};
use parapet_ports::{Condition, FixedClock, Key, Kind, Outgoing, Queue, QueueReader, Queues, SkRange, Table};
use std::sync::Arc;
use std::time::Duration;

/// 2026-01-01, in milliseconds.
const START_MS: i64 = 1_767_225_600_000;

fn open(directory: &std::path::Path, clock: &Arc<FixedClock>) -> Local {
    let settings = LocalSettings {
        visibility_timeout_ms: 2_000,
        max_receives: 3,
        ..LocalSettings::default()
    };
    Local::open(directory, clock.clone(), &settings).unwrap()
}

fn fresh() -> (tempfile::TempDir, Arc<FixedClock>, Local) {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Arc::new(FixedClock::new(START_MS)));
    let local = open(directory.path(), &clock);
    (directory, clock, local)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_keeps_its_contract() {
    let (_directory, _clock, local) = fresh();
    table_contract(&*local.table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queues_keep_their_contract() {
    let (_directory, clock, local) = fresh();
    let limits = QueueLimits {
        visibility_seconds: 2,
        max_receives: 3,
    };
    let pass = async |time: Duration| {
        clock.advance_ms(i64::try_from(time.as_millis()).unwrap());
        tokio::task::yield_now().await;
    };
    queue_contract(&*local.queues, &*local.queues, limits, pass).await;
}

#[tokio::test]
async fn the_objects_keep_their_contract() {
    let (_directory, _clock, local) = fresh();
    let objects = &*local.objects;
    integration::put_get_delete_list(objects).await;
    integration::put_opts(objects, false).await;
    integration::get_opts(objects).await;
    integration::list_uses_directories_correctly(objects).await;
    integration::list_with_delimiter(objects).await;
    integration::rename_and_copy(objects).await;
    integration::copy_if_not_exists(objects).await;
    integration::stream_get(objects).await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening() {
    let (directory, clock, local) = fresh();
    local
        .table
        .put(Key::new("p", "s"), "v".into(), None, Condition::Absent)
        .await
        .unwrap();
    local
        .queues
        .send_batch(
            Queue::Alerts,
            vec![
                Outgoing::now("a"),
                Outgoing {
                    body: "b".into(),
                    delay_seconds: 60,
                },
            ],
        )
        .await
        .unwrap();
    let in_flight = local.queues.receive(Queue::Alerts, 10, 0).await.unwrap();
    assert_eq!(in_flight.len(), 1);
    drop(local);

    let local = reopen(directory.path(), &clock).await;
    let item = local.table.get(&Key::new("p", "s")).await.unwrap().unwrap();
    assert_eq!(item.value, "v");
    // What was in flight comes again at once; what was delayed keeps its delay.
    let again = local.queues.receive(Queue::Alerts, 10, 0).await.unwrap();
    assert_eq!(again.iter().map(|r| r.message.body.as_str()).collect::<Vec<_>>(), ["a"]);
    local
        .queues
        .delete(Queue::Alerts, vec![again[0].receipt.clone()])
        .await
        .unwrap();
    clock.advance_ms(60_000);
    assert_eq!(
        local.queues.receive(Queue::Alerts, 10, 0).await.unwrap()[0]
            .message
            .body,
        "b"
    );
    let version = local
        .table
        .put(Key::new("p", "s"), "w".into(), None, Condition::Version(item.version))
        .await
        .unwrap();
    assert!(version > item.version, "versions go on after a restart");
}

/// The writer thread lets go of the file a moment after the last handle is dropped.
async fn reopen(directory: &std::path::Path, clock: &Arc<FixedClock>) -> Local {
    for _ in 0..1000 {
        match Local::open(directory, clock.clone(), &LocalSettings::default()) {
            Ok(local) => return local,
            Err(_) => tokio::task::yield_now().await,
        }
    }
    open(directory, clock)
}

#[tokio::test]
async fn a_second_opener_is_refused_with_what_to_do() {
    let (directory, clock, _local) = fresh();
    let error = Local::open(directory.path(), clock, &LocalSettings::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("another process has it open"), "{error}");
}

#[tokio::test]
async fn expired_items_are_gone_and_swept() {
    let (_directory, clock, local) = fresh();
    let expires_at = Some(START_MS / 1000 + 10);
    for number in 0..200 {
        local
            .table
            .put(
                Key::new("p", format!("{number:03}")),
                "v".into(),
                expires_at,
                Condition::Any,
            )
            .await
            .unwrap();
    }
    local
        .table
        .put(Key::new("p", "kept"), "v".into(), None, Condition::Any)
        .await
        .unwrap();
    clock.advance_ms(11_000);
    let left = local.table.query("p", SkRange::all()).await.unwrap();
    assert_eq!(left.len(), 1);
    // A new item may take an expired one's place.
    local
        .table
        .put(Key::new("p", "000"), "new".into(), None, Condition::Absent)
        .await
        .unwrap();
    for _ in 0..5 {
        local
            .table
            .put(Key::new("q", "x"), "v".into(), None, Condition::Any)
            .await
            .unwrap();
    }
    clock.set_ms(START_MS);
    let seen_with_the_clock_back = local.table.query("p", SkRange::all()).await.unwrap();
    assert_eq!(
        seen_with_the_clock_back.len(),
        2,
        "the sweep has removed the expired items"
    );
}

//! What is sent to queues: messages about objects, metrics made of lines, what CloudWatch delivers, dead letters. The
//! process dies before or after each effect, sends included; what was not done is done again, late and out of order.

use super::crashes::{PIPELINES, batches, want};
use super::death::{Event, Life};
use super::objects::{gzip, put, settings, settle};
use super::world::{NOW_MS, lines, messages, waiting, world};
use parapet_function_kit::settle as settle_messages;
use parapet_log_parse::{LogParse, Settings};
use parapet_model::{BatchSeries, Value};
use parapet_ports::function::Function as _;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{Message, Queue, QueueReader as _};
use parapet_store::day::DAY_MS;
use parapet_store::envelope;
use std::collections::{BTreeMap, HashSet};

const MINUTE_MS: i64 = 60_000;
const DEATHS: [Event; 2] = [Event::DiesBefore, Event::DiesAfter];

/// Dies at the effects of a piece of work, one after the other, until there are no more.
async fn each_death(least: usize, mut live_through: impl AsyncFnMut(Event, usize) -> bool) {
    for event in DEATHS {
        let mut at = 0;
        while live_through(event, at).await {
            at += 1;
        }
        assert!(at >= least, "only {at} effects");
    }
}

#[tokio::test]
async fn what_is_dropped_is_told_of() {
    each_death(6, async |event, at| {
        let world = world("");
        for name in ["a", "b", "c"] {
            put(&world, &format!("logs-in/{name}"), name.as_bytes().to_vec()).await;
        }
        let (ports, life) = Life::of(&world.ports, at, event, None);
        let done = LogParse::new(&ports, settings()).handle_tick(NOW_MS).await.is_ok();
        if !life.was_met() {
            return false;
        }
        assert!(!done, "{event:?} at effect {at}");
        LogParse::new(&world.ports, settings())
            .handle_tick(NOW_MS)
            .await
            .unwrap();
        settle(&world, &world.ports).await;
        assert_eq!(lines(&world.ports).await, ["a", "b", "c"], "{event:?} at effect {at}");
        true
    })
    .await;
}

/// The samples of a series by time, each batch once: the one that came first.
async fn sent(world: &MemoryPorts, name: &str) -> BTreeMap<i64, f64> {
    let (mut samples, mut seen) = (BTreeMap::new(), HashSet::new());
    for (_, message) in world.queues.drain(Queue::Samples) {
        for parcel in envelope::open::<Vec<BatchSeries>>(&message.body).unwrap() {
            let first = seen.insert(parcel.id.clone());
            let series = parcel.payload(world.ports.objects.as_ref()).await.unwrap();
            let of_name = series.iter().filter(|series| series.labels.metric_name() == Some(name));
            for sample in of_name.flat_map(|series| &series.samples).filter(|_| first) {
                let Value::Float(value) = sample.value else { continue };
                samples.insert(sample.timestamp_ms, value);
            }
        }
    }
    samples
}

#[tokio::test]
async fn a_metric_made_of_lines_never_falls() {
    each_death(3, async |event, at| {
        let context = format!("{event:?} at effect {at}");
        let world = world(PIPELINES);
        let all = messages(&world, batches()).await;
        let handle = async || {
            LogParse::new(&world.ports, Settings::default())
                .handle_batch(all.clone())
                .await;
        };
        let tick = async |minute: i64| {
            let at_ms = NOW_MS + minute * MINUTE_MS;
            LogParse::new(&world.ports, Settings::default())
                .handle_tick(at_ms)
                .await
                .unwrap();
        };
        handle().await;
        tick(0).await;
        let (ports, life) = Life::of(&world.ports, at, event, None);
        // A day has gone by since the lines came: the series is sent once more, and forgotten.
        world.clock.advance_ms(DAY_MS + 2 * MINUTE_MS);
        let late = DAY_MS / MINUTE_MS + 1;
        let dying = LogParse::new(&ports, Settings::default());
        drop(dying.handle_tick(NOW_MS + late * MINUTE_MS).await);
        if !life.was_met() {
            return false;
        }
        // A later minute comes first; then the one that failed, again, and an old one.
        tick(late + 1).await;
        tick(late).await;
        tick(1).await;
        let samples = sent(&world, "took_count").await;
        let values: Vec<f64> = samples.values().copied().collect();
        assert!(values.iter().all(|value| *value == 4.0), "{context}: {samples:?}");
        assert!(values.len() >= 2, "{context}: {samples:?}");
        // Forgotten, it does not come back where lines that are stored are given again.
        tick(late + 2).await;
        handle().await;
        tick(late + 3).await;
        let again = sent(&world, "took_count").await;
        assert!(again.is_empty(), "{context}: {again:?}");
        true
    })
    .await;
}

#[tokio::test]
async fn what_cloudwatch_delivers_is_queued_once() {
    let events: Vec<String> = (0..3)
        .map(|number| format!(r#"{{"id":"e{number}","timestamp":{NOW_MS},"message":"line {number}"}}"#))
        .collect();
    let delivery = gzip(&format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{}]}}"#,
        events.join(",")
    ));
    each_death(1, async |event, at| {
        let world = world("");
        let (ports, life) = Life::of(&world.ports, at, event, None);
        let dying = LogParse::new(&ports, Settings::default());
        let done = dying.handle_delivery(delivery.clone().into()).await.is_ok();
        if !life.was_met() {
            return false;
        }
        assert!(!done, "{event:?} at effect {at}");
        // It is delivered again, at another time.
        world.clock.advance_ms(5_000);
        let function = LogParse::new(&world.ports, Settings::default());
        function.handle_delivery(delivery.clone().into()).await.unwrap();
        settle(&world, &world.ports).await;
        assert_eq!(lines(&world.ports).await, ["line 0", "line 1", "line 2"]);
        true
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_handled_is_among_the_dead_letters() {
    each_death(8, async |event, at| {
        let context = format!("{event:?} at effect {at}");
        let world = world(PIPELINES);
        let mut all = messages(&world, batches()).await;
        for (id, body) in [
            ("p", "nonsense"),
            ("q", r#"{"object":"elsewhere/x","version":"","start":0}"#),
        ] {
            all.insert(
                0,
                Message {
                    id: id.to_owned(),
                    body: body.to_owned(),
                    receive_count: 1,
                },
            );
        }
        let (ports, life) = Life::of(&world.ports, at, event, None);
        let answers = LogParse::new(&ports, Settings::default())
            .handle_batch(all.clone())
            .await;
        let again = settle_messages(&*ports.queues, Queue::Logs, &all, answers).await;
        if !life.was_met() {
            assert!(again.is_empty(), "{again:?}");
            return false;
        }
        // A dead process takes nothing from the queue: all of it comes again.
        let answers = LogParse::new(&world.ports, Settings::default())
            .handle_batch(all.clone())
            .await;
        let again = settle_messages(&*world.ports.queues, Queue::Logs, &all, answers).await;
        assert!(again.is_empty(), "{context}: {again:?}");
        assert_eq!(lines(&world.ports).await, want(), "{context}");
        let dead = world.queues.dead_letters(Queue::Logs, 99).await.unwrap();
        for body in ["nonsense", "elsewhere/x"] {
            assert!(dead.iter().any(|(dead, _)| dead.contains(body)), "{context}: {dead:?}");
        }
        assert!(waiting(&world).is_empty(), "{context}");
        true
    })
    .await;
}

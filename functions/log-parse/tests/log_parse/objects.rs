//! Objects dropped in the bucket, and what CloudWatch delivers.

use super::death::{Event, Life};
use super::world::{NOW_MS, lines, search, waiting, world};
use object_store::ObjectStoreExt as _;
use parapet_log_parse::{LogParse, Settings};
use parapet_ports::function::Function as _;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{Disposition, Message, Ports};
use std::io::Write as _;

/// Small pieces, few at a time.
pub(crate) fn settings() -> Settings {
    Settings {
        piece_bytes: 100,
        max_line_bytes: 300,
        pieces_per_message: 2,
        watch_dropped: true,
        ..Settings::default()
    }
}

fn text() -> String {
    let mut text: String = (0..50).map(|number| format!("line {number} of a file\n")).collect();
    text.push_str(&"x".repeat(700));
    text.push_str("\n\nlast, without an end");
    text
}

/// The lines, long ones cut.
fn want() -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text().split('\n') {
        match line.len() > 300 {
            true => lines.extend([300, 300, 100].map(|length| "x".repeat(length))),
            false => lines.push(line.to_owned()),
        }
    }
    lines.sort();
    lines
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

pub(crate) async fn put(world: &MemoryPorts, key: &str, bytes: Vec<u8>) {
    world.ports.objects.put(&key.into(), bytes.into()).await.unwrap();
}

/// Handles what waits until nothing does; what is not done is given again.
pub(crate) async fn settle(world: &MemoryPorts, ports: &Ports) -> usize {
    settle_with(world, ports, &settings()).await
}

pub(crate) async fn settle_with(world: &MemoryPorts, ports: &Ports, settings: &Settings) -> usize {
    let (mut rounds, mut left) = (0, Vec::<Message>::new());
    loop {
        left.extend(waiting(world));
        if left.is_empty() || rounds > 100 {
            return rounds;
        }
        rounds += 1;
        let answers = LogParse::new(ports, settings.clone()).handle_batch(left.clone()).await;
        let again = left
            .into_iter()
            .zip(answers)
            .filter(|(_, answer)| *answer != Disposition::Done);
        left = again.map(|(message, _)| message).collect();
    }
}

#[tokio::test]
async fn objects_are_taken_in_once_whatever_their_form() {
    for (name, bytes) in [
        ("plain.log", text().into_bytes()),
        ("packed.log.gz", gzip(&text())),
        ("packed.zst", zstd::bulk::compress(text().as_bytes(), 1).unwrap()),
    ] {
        let world = world("");
        put(&world, &format!("logs-in/tenant=default/a/{name}"), bytes).await;
        let function = LogParse::new(&world.ports, settings());
        function.handle_tick(NOW_MS).await.unwrap();
        assert!(settle(&world, &world.ports).await > 5, "{name}: some pieces at a time");
        assert_eq!(lines(&world.ports).await, want(), "{name}");
        // Nothing is new.
        function.handle_tick(NOW_MS + 60_000).await.unwrap();
        assert_eq!(settle(&world, &world.ports).await, 0);
        // The notification comes too, and twice.
        let key = format!("logs-in/tenant%3Ddefault/a/{name}");
        let body = format!(r#"{{"Records":[{{"s3":{{"object":{{"key":"{key}"}}}}}}]}}"#);
        let notification = Message {
            id: "n".to_owned(),
            body,
            receive_count: 1,
        };
        for _ in 0..2 {
            let answers = function.handle_batch(vec![notification.clone()]).await;
            assert_eq!(answers, [Disposition::Done]);
            settle(&world, &world.ports).await;
        }
        let (records, _) = search(&world.ports, &super::world::everything()).await;
        assert_eq!(records[0].stream.get("filename"), Some(format!("a/{name}").as_str()));
        assert_eq!(records.len(), want().len(), "{name}: nothing is taken in twice");
    }
}

#[tokio::test]
async fn an_object_that_is_damaged_gives_what_it_has() {
    let world = world("");
    let whole = gzip(&text());
    put(&world, "logs-in/x.gz", whole[..whole.len() - 9].to_vec()).await;
    LogParse::new(&world.ports, settings())
        .handle_tick(NOW_MS)
        .await
        .unwrap();
    let mut answers = Vec::new();
    loop {
        let messages = waiting(&world);
        if messages.is_empty() {
            break;
        }
        answers = LogParse::new(&world.ports, settings()).handle_batch(messages).await;
    }
    let [Disposition::Reject { reason }] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert!(reason.contains("does not decompress"), "{reason}");
    assert!(lines(&world.ports).await.len() > 40);
}

#[tokio::test]
async fn an_object_survives_a_death_at_each_effect() {
    for event in [Event::DiesBefore, Event::DiesAfter] {
        for at in 0.. {
            let world = world("");
            put(&world, "logs-in/x.log", text().into_bytes()).await;
            let tick = || async {
                LogParse::new(&world.ports, settings())
                    .handle_tick(NOW_MS)
                    .await
                    .unwrap();
            };
            tick().await;
            let (ports, life) = Life::of(&world.ports, at, event, None);
            let messages = waiting(&world);
            LogParse::new(&ports, settings()).handle_batch(messages.clone()).await;
            if !life.was_met() {
                assert!(at > 5, "only {at} effects");
                break;
            }
            // The message comes again, beside what was sent on.
            LogParse::new(&world.ports, settings()).handle_batch(messages).await;
            tick().await;
            settle(&world, &world.ports).await;
            assert_eq!(lines(&world.ports).await, want(), "{event:?} at effect {at}");
        }
    }
}

#[tokio::test]
async fn what_cloudwatch_delivers() {
    let world = world("");
    let function = LogParse::new(&world.ports, settings());
    let delivery = r#"{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"/aws/lambda/f","logStream":"s",
        "logEvents":[{"id":"e1","timestamp":1795262400000,"message":"START RequestId: 1"},
                     {"id":"e2","timestamp":1795262400001,"message":"{\"level\":\"error\",\"msg\":\"broke\"}"}]}"#;
    for _ in 0..2 {
        function.handle_delivery(gzip(delivery).into()).await.unwrap();
    }
    function
        .handle_delivery(gzip(r#"{"messageType":"CONTROL_MESSAGE"}"#).into())
        .await
        .unwrap();
    settle(&world, &world.ports).await;
    let (records, _) = search(&world.ports, &super::world::everything()).await;
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].stream.get("log_group"), Some("/aws/lambda/f"));
    assert_eq!(records[1].message, "broke");
    for bad in [b"x".to_vec(), gzip("{"), gzip(&" ".repeat(70 << 20))] {
        assert!(function.handle_delivery(bad.into()).await.is_err());
    }
}

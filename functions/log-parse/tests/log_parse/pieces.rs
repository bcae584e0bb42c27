//! Large objects in pieces: records are not cut at their borders, and a piece is of the same lines however often it is
//! read, though settings and pipelines change meanwhile.

use super::death::{Event, Life};
use super::objects::{gzip, put, settings, settle, settle_with};
use super::world::{NOW_MS, NOW_NS, everything, lines, search, waiting, world};
use object_store::ObjectStoreExt as _;
use parapet_log_parse::{LogParse, Settings};
use parapet_ports::function::Function as _;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{ConfigFiles, FixedConfig, Ports, SourceFile};
use parapet_store::day::DAY_MS;
use std::sync::Arc;

const JOINING: &str = r"
pipelines:
- name: traces
  multiline: {starts: '^\d'}
  stages:
  - regex: '^(?P<at>\d+) '
  - timestamp: {field: at, format: UnixMs, when: 'at:*'}
";

/// Records of one to four lines, of five days.
fn records() -> Vec<String> {
    let record = |number: i64| {
        let head = format!("{} request {number} failed", NOW_MS - number % 5 * DAY_MS + number);
        let frames = (0..number % 4).map(|frame| format!("\n    at frame {frame} of request {number}"));
        frames.fold(head, |record, frame| record + &frame)
    };
    (0..40).map(record).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

async fn tick(world: &MemoryPorts) {
    let function = LogParse::new(&world.ports, settings());
    function.handle_tick(NOW_MS).await.unwrap();
}

#[tokio::test]
async fn joined_lines_go_over_the_borders_of_pieces() {
    for (name, body) in [
        ("x.log", (records().join("\n") + "\n").into_bytes()),
        ("x.log.gz", gzip(&records().join("\n"))),
    ] {
        let world = world(JOINING);
        put(&world, &format!("logs-in/{name}"), body).await;
        tick(&world).await;
        let settings = with_pieces(300);
        assert!(settle_with(&world, &world.ports, &settings).await > 3, "{name}");
        assert_eq!(lines(&world.ports).await, sorted(records()), "{name}");
    }
}

/// Ports whose pipelines join nothing, as after a change of the configuration.
fn without_joining(ports: &Ports) -> Ports {
    let config = ConfigFiles {
        pipelines: Some(SourceFile {
            path: "pipelines.yml".to_owned(),
            text: JOINING.replace("multiline: {starts: '^\\d'}\n  ", ""),
        }),
        version: "2".to_owned(),
        ..ConfigFiles::default()
    };
    Ports {
        config: Arc::new(FixedConfig(Arc::new(config))),
        ..ports.clone()
    }
}

/// Pieces that hold any record.
fn with_pieces(piece_bytes: usize) -> Settings {
    Settings {
        piece_bytes,
        ..settings()
    }
}

#[tokio::test]
async fn a_piece_of_many_days_is_stored_whole() {
    let mut in_parts = with_pieces(600);
    in_parts.writer.max_commit_days = 2;
    for event in [Event::DiesBefore, Event::DiesAfter] {
        for at in 0.. {
            let world = world(JOINING);
            put(&world, "logs-in/x.log", records().join("\n").into_bytes()).await;
            tick(&world).await;
            let (ports, life) = Life::of(&world.ports, at, event, None);
            let messages = waiting(&world);
            LogParse::new(&ports, in_parts.clone())
                .handle_batch(messages.clone())
                .await;
            if !life.was_met() {
                assert!(at > 10, "only {at} effects");
                break;
            }
            LogParse::new(&world.ports, in_parts.clone())
                .handle_batch(messages)
                .await;
            settle_with(&world, &world.ports, &in_parts).await;
            assert_eq!(lines(&world.ports).await, sorted(records()), "{event:?} at effect {at}");
        }
    }
}

#[tokio::test]
async fn a_death_and_a_new_configuration_lose_and_double_nothing() {
    let want = sorted(records().join("\n").split('\n').map(str::to_owned).collect());
    for event in [Event::DiesBefore, Event::DiesAfter] {
        for at in 0.. {
            let world = world(JOINING);
            put(&world, "logs-in/x.log", records().join("\n").into_bytes()).await;
            tick(&world).await;
            let (ports, life) = Life::of(&world.ports, at, event, None);
            let messages = waiting(&world);
            let function = LogParse::new(&ports, with_pieces(300));
            function.handle_batch(messages.clone()).await;
            if !life.was_met() {
                assert!(at > 10, "only {at} effects");
                break;
            }
            // The message comes again, to a process with other pipelines and pieces; so does what was sent on.
            let ports = without_joining(&world.ports);
            LogParse::new(&ports, with_pieces(170)).handle_batch(messages).await;
            settle_with(&world, &ports, &with_pieces(170)).await;
            let found = lines(&world.ports).await;
            let found: Vec<String> = found
                .iter()
                .flat_map(|record| record.split('\n'))
                .map(str::to_owned)
                .collect();
            assert_eq!(sorted(found), want, "{event:?} at effect {at}");
        }
    }
}

#[tokio::test]
async fn an_object_that_is_overwritten_is_of_one_version() {
    let world = world("");
    put(&world, "logs-in/x.log", "old line\n".repeat(40).into_bytes()).await;
    tick(&world).await;
    // Some pieces of the old one are taken in; then another stands there.
    let function = LogParse::new(&world.ports, settings());
    function.handle_batch(waiting(&world)).await;
    put(&world, "logs-in/x.log", "new line\n".repeat(30).into_bytes()).await;
    tick(&world).await;
    settle(&world, &world.ports).await;
    let found = lines(&world.ports).await;
    assert_eq!(found.iter().filter(|line| *line == "new line").count(), 30);
    assert!(
        found.iter().all(|line| line == "new line" || line == "old line"),
        "{found:?}"
    );
    // What is gone holds up nothing.
    world.ports.objects.delete(&"logs-in/x.log".into()).await.unwrap();
    tick(&world).await;
    assert_eq!(settle(&world, &world.ports).await, 0);
    // A name as long as a bucket allows is told by its hash.
    put(
        &world,
        &format!("logs-in/{}/y.log", "n".repeat(1000)),
        b"long name".to_vec(),
    )
    .await;
    tick(&world).await;
    settle(&world, &world.ports).await;
    let (records, _) = search(&world.ports, &everything()).await;
    assert!(records.iter().any(|record| &*record.raw == b"long name"));
    assert!(
        records
            .iter()
            .all(|record| record.timestamp_ns > NOW_NS - 365 * DAY_MS * 1_000_000)
    );
}

//! Bodies that mean harm: the scrape fails, says why, and costs no more than its limits.

use crate::world::{Answer, TEXT, World, job, of};
use parapet_ports::BodyMemory;
use parapet_scraper::{Scraper, Settings};

async fn outcome(world: &World) -> (String, String) {
    world.scrape(0).await;
    let state = parapet_scraper::read_targets(world.ports.table.as_ref()).await.unwrap();
    let up = world.values(&of("up")).remove(0);
    (up, state.values().next().unwrap().last_error.clone())
}

#[tokio::test]
async fn hostile_bodies_fail_the_scrape_with_a_reason() {
    let million_labels: String = (0..1_000_000).map(|at| format!("l{at}=\"\",")).collect();
    let bodies: [(&str, Vec<u8>, &str); 8] = [
        (
            "a series of a million labels",
            format!("a{{{million_labels}}} 1\n").into_bytes(),
            "more than 1000 labels in one series",
        ),
        (
            "a value that is not UTF-8",
            b"a{b=\"\xff\"} 1\n".to_vec(),
            "invalid UTF-8 label value",
        ),
        (
            "a name that is not UTF-8",
            b"{\"\xff\"} 1\n".to_vec(),
            "invalid metric name or label names",
        ),
        (
            "no end of a label",
            [b"a{b=\"".to_vec(), vec![b'x'; 5_000_000]].concat(),
            "expected label value",
        ),
        (
            "bytes",
            (0..100_000u32).map(|at| ((at * 7919) >> 3) as u8 | 1).collect(),
            "expected",
        ),
        (
            "a page for people",
            b"<html><body>It works!</body></html>".to_vec(),
            "line 1, column 1: expected a valid start token",
        ),
        (
            "a marker as a value",
            b"a 0x1p-2\n".to_vec(),
            "unsupported character in float",
        ),
        (
            "a label twice",
            b"a{b=\"1\",b=\"2\"} 1\n".to_vec(),
            "label name \"b\" is not unique",
        ),
    ];
    for (what, body, reason) in bodies {
        let world = World::new(&job(&["h:1"], ""));
        world.answer("h:1", Answer::Bytes(TEXT, body));
        let (up, error) = outcome(&world).await;
        assert_eq!(up, "0", "{what}");
        assert!(error.contains(reason), "{what}: {error}");
        assert!(
            error.chars().count() <= 1_001,
            "{what}: the reason is as long as the body"
        );
        assert_eq!(world.series().len(), 5, "{what}: nothing of it is stored");
    }
}

#[tokio::test]
async fn more_samples_than_allowed_are_counted_but_not_kept() {
    let settings = Settings {
        max_samples: 1_000,
        ..Settings::default()
    };
    let world = World::with_settings(&job(&["h:1"], ""), settings);
    let body: String = (0..200_000).map(|at| format!("a{{i=\"{at}\"}} 1\n")).collect();
    world.expose("h:1", &body);
    assert_eq!(
        outcome(&world).await,
        ("0".to_owned(), "sample limit exceeded".to_owned())
    );
    assert_eq!(world.values(&of("scrape_samples_scraped")), ["200000"]);
    assert_eq!(world.series().len(), 5);
}

#[tokio::test]
async fn a_body_over_its_limit_is_told_so() {
    let world = World::new(&job(&["h:1"], "  body_size_limit: 1KB\n"));
    world.expose("h:1", &"a 1\n".repeat(1_000));
    assert_eq!(
        outcome(&world).await,
        ("0".to_owned(), "body size limit exceeded".to_owned())
    );
}

/// Other bodies take all the memory that there is: where the scrape's time ends meanwhile, it fails and says why, be it
/// while it reads or when it is to parse. What it took itself is there again when it ends.
#[tokio::test]
async fn a_scrape_without_memory_fails_and_says_why() {
    const BODY: &str = "a 1\nb 1\n";
    const BUDGET: usize = 2_000;
    for left in [BODY.len() - 1, BODY.len()] {
        let mut world = World::new(&job(&["h:1"], ""));
        let memory = BodyMemory::new(BUDGET);
        world.scraper = Scraper::new(world.ports.clone(), Settings::default()).with_body_memory(memory.clone());
        let others = [memory.share(), memory.share(), memory.share()];
        for (other, bytes) in others.iter().zip([BUDGET / 2 - left, BUDGET / 2, BUDGET]) {
            assert!(other.try_draw(bytes));
        }
        let at_the_end = Answer::After(10_000, Box::new(Answer::Text(TEXT, BODY.to_owned())));
        world.answer("h:1", at_the_end);
        let (up, error) = outcome(&world).await;
        assert_eq!(up, "0");
        assert!(
            error.contains("no memory for the body") && error.contains("PARAPET_BODY_MEMORY_BYTES"),
            "{error}"
        );
        drop(others);
        world.expose("h:1", BODY);
        world.scrape(1).await;
        assert_eq!(world.values(&of("up")), ["0", "1"]);
        let all = [memory.share(), memory.share()];
        assert!(all.iter().all(|half| half.try_draw(BUDGET / 2)), "it is given back");
        assert!(all[0].try_draw(1) && !memory.share().try_draw(1), "and so is the turn");
    }
}

/// Targets whose bodies the memory does not hold at once: what is read is stored early, and each has its turn.
#[tokio::test]
async fn little_memory_makes_scrapes_wait_for_one_another_alone() {
    const BODY: &str = "a 1\nb 1\n";
    let hosts = ["h:1", "h:2", "h:3", "h:4", "h:5", "h:6"];
    let settings = Settings {
        // Longer than any scrape may take.
        slow_ms: 3_600_000,
        ..Settings::default()
    };
    let mut world = World::with_settings(&job(&hosts, ""), settings.clone());
    world.scraper = Scraper::new(world.ports.clone(), settings).with_body_memory(BodyMemory::new(100));
    hosts.iter().for_each(|host| world.expose(host, BODY));
    world.scrape(0).await;
    for host in hosts {
        let up = format!(r#"up{{instance="{host}", job="j"}}"#);
        assert_eq!(world.values(&up), ["1"], "{host}");
    }
}

/// A small message that would unfold to gigabytes: empty messages within messages, and numbers of one byte.
#[tokio::test]
async fn protobuf_that_would_grow_is_refused() {
    const PROTOBUF: &str =
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let wrapped = |inner: Vec<u8>, kind: u64| {
        let (mut metric, mut family, mut body) = (Vec::new(), Vec::new(), Vec::new());
        parapet_protobuf::put_bytes(&mut metric, 7, &inner);
        parapet_protobuf::put_bytes(&mut family, 1, b"h");
        parapet_protobuf::put_key(&mut family, 3, 0);
        parapet_protobuf::put_varint(&mut family, kind);
        parapet_protobuf::put_bytes(&mut family, 4, &metric);
        parapet_protobuf::put_varint(&mut body, family.len() as u64);
        body.extend(family);
        body
    };
    let empty_buckets: Vec<u8> = [3 << 3 | 2, 0].repeat(2_000_000);
    let mut deltas = Vec::new();
    parapet_protobuf::put_bytes(&mut deltas, 13, &vec![0; 4_000_000]);
    let mut span = Vec::new();
    parapet_protobuf::put_key(&mut span, 2, 0);
    parapet_protobuf::put_varint(&mut span, u64::from(u32::MAX));
    let mut spans = Vec::new();
    parapet_protobuf::put_bytes(&mut spans, 12, &span);
    for (inner, reason) in [
        (empty_buckets, "more than 65536 buckets in one histogram"),
        (deltas, "more than 65536 buckets in one histogram"),
        (spans, "positive side: spans require 4294967295 buckets, have 0"),
    ] {
        let world = World::new(&job(&["h:1"], "  scrape_native_histograms: true\n"));
        world.answer("h:1", Answer::Bytes(PROTOBUF, wrapped(inner, 4)));
        let (up, error) = outcome(&world).await;
        assert_eq!(up, "0");
        assert!(error.contains(reason), "{error}");
    }
    // A thousand empty families and metrics are nothing.
    let world = World::new(&job(&["h:1"], ""));
    world.answer("h:1", Answer::Bytes(PROTOBUF, vec![0; 1_000_000]));
    assert_eq!(outcome(&world).await.0, "1");
}

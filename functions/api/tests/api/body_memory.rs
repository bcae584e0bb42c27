//! Pushes when other bodies take the memory that all may have.

use crate::harness::{Answer, Harness};
use http::Request;
use parapet_ports::{BodyMemory, BodyShare};
use std::io::Write as _;

const NOW_MS: i64 = 1_700_000_000_000;
const BUDGET: usize = 4_000;
const LINE: &[u8] = b"cpu,host=a v=1 1700000000000000000";

/// Takes all but so many bytes, and the turn.
fn others(memory: &BodyMemory, left: usize) -> [BodyShare; 3] {
    let others = [memory.share(), memory.share(), memory.share()];
    for (other, bytes) in others.iter().zip([BUDGET / 2 - left, BUDGET / 2, BUDGET]) {
        assert!(other.try_draw(bytes));
    }
    others
}

async fn push(harness: &Harness, path: &str, encoding: &str, body: &[u8]) -> Answer {
    let content_type = match path {
        "/_bulk" | "/loki/api/v1/push" => "application/json",
        _ => "application/x-protobuf",
    };
    let request = Request::post(path)
        .header("content-type", content_type)
        .header("content-encoding", encoding);
    harness.call(request.body(body.to_vec().into()).unwrap()).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn every_way_in_is_told_to_come_again() {
    let memory = BodyMemory::new(BUDGET);
    let harness = Harness::with_body_memory(NOW_MS, memory.clone());
    let others = others(&memory, 0);
    for (path, encoding) in [
        ("/api/v1/write", "snappy"),
        ("/v1/metrics", ""),
        ("/write", ""),
        ("/api/v2/write", ""),
        ("/metrics/job/a", ""),
        ("/loki/api/v1/push", ""),
        ("/v1/logs", ""),
        ("/_bulk", ""),
    ] {
        let answer = push(&harness, path, encoding, b"body").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("retry-after")),
            (429, Some("5")),
            "{path}"
        );
        let text = answer.text();
        assert!(
            text.contains("PARAPET_BODY_MEMORY_BYTES") && text.contains("send again later"),
            "{path}: {text}"
        );
    }
    drop(others);
    assert_eq!(push(&harness, "/write", "", LINE).await.status, 204);
    assert_eq!(memory_left(&memory), BUDGET);
}

/// What is not taken of the budget, where nobody has the turn.
fn memory_left(memory: &BodyMemory) -> usize {
    let shares = [memory.share(), memory.share()];
    assert!(memory.share().try_draw(10 * BUDGET), "somebody has the turn");
    shares.iter().filter(|half| half.try_draw(BUDGET / 2)).count() * (BUDGET / 2)
}

#[tokio::test]
async fn what_a_body_unfolds_to_is_counted_as_well() {
    let line = [LINE, b"\n"].concat();
    let (unfolded, snappy) = (
        line.repeat(50),
        parapet_remote_write::snappy_encode(&[0; 1_500]).unwrap(),
    );
    let packed = gzip(&unfolded);
    // Enough for the body, then for it decompressed but not for its samples; enough for all.
    for (path, encoding, body, left, status) in [
        ("/write", "gzip", &packed, packed.len(), 429),
        ("/write", "gzip", &packed, packed.len() + unfolded.len(), 429),
        ("/write", "", &line, line.len(), 429),
        ("/write", "", &line, 5 * line.len(), 204),
        ("/api/v1/write", "snappy", &snappy, snappy.len(), 429),
        ("/api/v1/write", "snappy", &snappy, snappy.len() + 1_500, 429),
        ("/loki/api/v1/push", "snappy", &snappy, snappy.len(), 429),
    ] {
        let memory = BodyMemory::new(BUDGET);
        let harness = Harness::with_body_memory(NOW_MS, memory.clone());
        let others = others(&memory, left);
        let answer = push(&harness, path, encoding, body).await;
        assert_eq!(answer.status, status, "{path} {encoding} {left}: {}", answer.text());
        drop(others);
        assert_eq!(memory_left(&memory), BUDGET, "{path}");
    }
}

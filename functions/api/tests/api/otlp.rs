//! OTLP metrics pushed over HTTP: encodings, answers, deltas that come twice.

use crate::harness::{Answer, Harness, get};
use http::Request;
use parapet_ports::memory::mortal::{Effect, Fate, MortalQueues, MortalTable, Verdict};
use parapet_ports::table::SkRange;
use prost::Message as _;
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tower::ServiceExt as _;

const NOW_MS: i64 = 1_700_000_000_000;

fn nanoseconds(at_ms: i64) -> String {
    (at_ms * 1_000_000).to_string()
}

fn sum(temporality: i32, points: &[(i64, i64)]) -> Value {
    let points: Vec<Value> = points
        .iter()
        .map(|(at_ms, value)| json!({"timeUnixNano": nanoseconds(*at_ms), "asInt": value.to_string()}))
        .collect();
    json!({"resourceMetrics": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeMetrics": [{"metrics": [{"name": "requests", "sum": {
            "aggregationTemporality": temporality, "isMonotonic": true, "dataPoints": points}}]}],
    }]})
}

fn request(content_type: &str, encoding: &str, body: Vec<u8>) -> Request<axum::body::Body> {
    Request::post("/api/v1/otlp/v1/metrics")
        .header("content-type", content_type)
        .header("content-encoding", encoding)
        .body(body.into())
        .unwrap()
}

async fn push(harness: &Harness, body: &Value) -> Answer {
    harness
        .call(request("application/json", "", body.to_string().into_bytes()))
        .await
}

async fn samples(harness: &Harness) -> Value {
    harness.ingest().await;
    let query = "/api/v1/query?query=requests_total[1h]";
    harness.call(get(query)).await.json()["data"]["result"][0]["values"].clone()
}

#[tokio::test]
async fn both_encodings_and_compressions_are_read() {
    let text = sum(2, &[(NOW_MS - 1_000, 5)]).to_string().into_bytes();
    let binary = parapet_otlp::decode_json(&text).unwrap().encode_to_vec();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    for (content_type, encoding, body, want) in [
        ("application/json", "", text.clone(), "{}"),
        ("application/json; charset=utf-8", "gzip", gzip(&text), "{}"),
        ("application/x-protobuf", "", binary.clone(), ""),
        ("application/x-protobuf", "gzip", gzip(&binary), ""),
        (
            "application/x-protobuf",
            "zstd",
            zstd::encode_all(&binary[..], 1).unwrap(),
            "",
        ),
    ] {
        let harness = Harness::new(NOW_MS);
        let answer = harness.call(request(content_type, encoding, body)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (200, want),
            "{content_type} {encoding}"
        );
        assert_eq!(answer.header("content-type"), content_type.split(';').next());
        assert_eq!(samples(&harness).await, json!([[1_699_999_999, "5"]]));
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_the_reason() {
    let harness = Harness::with(NOW_MS, |settings| {
        settings.max_write_bytes = 1_000;
        settings.max_decompressed_write_bytes = 2_000;
    });
    let bomb = zstd::encode_all(&vec![b' '; 1 << 20][..], 1).unwrap();
    for (content_type, encoding, body, status, reason) in [
        (
            "text/plain",
            "",
            b"{}".to_vec(),
            400,
            "unsupported content type: text/plain",
        ),
        (
            "application/json",
            "br",
            b"{}".to_vec(),
            400,
            "unsupported compression: br",
        ),
        ("application/json", "gzip", b"{}".to_vec(), 400, "gzip"),
        ("application/json", "", b"{".to_vec(), 400, "JSON: EOF while parsing"),
        ("application/x-protobuf", "", b"\xff".to_vec(), 400, "protobuf: "),
        ("application/json", "", vec![b' '; 1_001], 413, "1000 bytes"),
        ("application/json", "zstd", bomb, 413, "2000 bytes decompressed"),
    ] {
        let answer = harness.call(request(content_type, encoding, body)).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        assert!(answer.text().contains(reason), "{}", answer.text());
    }
}

#[tokio::test]
async fn points_are_refused_alone() {
    let harness = Harness::new(NOW_MS);
    let old = NOW_MS - 30 * 24 * 3_600_000;
    let answer = push(&harness, &sum(2, &[(old, 1), (NOW_MS, 2)])).await;
    assert_eq!(answer.status, 200);
    let partial = &answer.json()["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "1");
    assert!(
        partial["errorMessage"].as_str().unwrap().contains("too old sample"),
        "{partial}"
    );
    assert_eq!(samples(&harness).await, json!([[1_700_000_000, "2"]]));
    let answer = push(&harness, &sum(2, &[(old, 1)])).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[tokio::test]
async fn deltas_are_added_up_once() {
    let harness = Harness::new(NOW_MS);
    let (first, second) = (
        sum(1, &[(NOW_MS - 30_000, 1), (NOW_MS - 20_000, 2)]),
        sum(1, &[(NOW_MS - 10_000, 4)]),
    );
    for body in [&first, &first, &second, &second, &first] {
        assert_eq!(push(&harness, body).await.status, 200);
    }
    let want = json!([[1_699_999_970, "1"], [1_699_999_980, "3"], [1_699_999_990, "7"]]);
    assert_eq!(samples(&harness).await, want);
    let late = push(&harness, &first).await.json();
    assert_eq!(late["partialSuccess"]["rejectedDataPoints"], "2");
    let kept = harness
        .memory
        .ports
        .table
        .query("delta#default", SkRange::all())
        .await
        .unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].expires_at, Some((NOW_MS + 2 * 3_600_000) / 1000));
}

#[tokio::test]
async fn deltas_of_requests_side_by_side_all_count() {
    let harness = Harness::new(NOW_MS);
    let bodies: Vec<Value> = (0..8).map(|at| sum(1, &[(NOW_MS - 10_000 + at, 1)])).collect();
    let answers = futures::future::join_all(bodies.iter().map(|body| push(&harness, body))).await;
    let late: u64 = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 200);
            let rejected = answer.json()["partialSuccess"]["rejectedDataPoints"].clone();
            rejected.as_str().map_or(0, |count| count.parse().unwrap())
        })
        .sum();
    let values = samples(&harness).await;
    let last = values.as_array().unwrap().last().unwrap()[1]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(last.parse::<u64>().unwrap() + late, 8);
}

/// Effects happen until a certain one, which nobody hears of; after it nothing does.
#[derive(Debug)]
struct DiesAt {
    effects_left: AtomicI64,
    last_happens: bool,
}

impl Fate for DiesAt {
    fn verdict(&self, _effect: Effect<'_>) -> Verdict {
        let left = self.effects_left.fetch_sub(1, Ordering::Relaxed);
        Verdict {
            happens: left > 0 || (left == 0 && self.last_happens),
            heard: left > 0,
        }
    }
}

#[tokio::test]
async fn a_process_that_dies_between_two_effects_loses_and_repeats_nothing() {
    let (first, second) = (sum(1, &[(NOW_MS - 20_000, 3)]), sum(1, &[(NOW_MS - 10_000, 4)]));
    for dies_at in 0..2 {
        for last_happens in [false, true] {
            let harness = Harness::new(NOW_MS);
            assert_eq!(push(&harness, &first).await.status, 200);
            let fate = Arc::new(DiesAt {
                effects_left: AtomicI64::new(dies_at),
                last_happens,
            });
            let mut ports = harness.memory.ports.clone();
            ports.table = Arc::new(MortalTable(ports.table, fate.clone()));
            ports.queues = Arc::new(MortalQueues(ports.queues, fate));
            let dying = Harness::over(ports);
            let sent = request("application/json", "", second.to_string().into_bytes());
            let answer = dying.oneshot(sent).await.unwrap();
            assert_eq!(answer.status().as_u16(), 503, "effect {dies_at}");
            assert_eq!(push(&harness, &second).await.status, 200);
            let want = json!([[1_699_999_980, "3"], [1_699_999_990, "7"]]);
            assert_eq!(
                samples(&harness).await,
                want,
                "effect {dies_at}, happens: {last_happens}"
            );
        }
    }
}

#[tokio::test]
async fn deltas_are_stored_as_they_are_where_that_is_asked_for() {
    let harness = Harness::with(NOW_MS, |settings| settings.otlp_native_deltas = true);
    push(&harness, &sum(1, &[(NOW_MS - 20_000, 2), (NOW_MS - 10_000, 2)])).await;
    assert_eq!(
        samples(&harness).await,
        json!([[1_699_999_980, "2"], [1_699_999_990, "2"]])
    );
}

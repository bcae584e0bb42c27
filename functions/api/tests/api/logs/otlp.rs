//! OTLP logs.

use super::{NOW_MS, gzip, queued, send};
use crate::harness::Harness;

fn body(age_ms: i64) -> String {
    let nanos = (NOW_MS - age_ms) * 1_000_000;
    serde_json::json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeLogs": [{"logRecords": [
            {"timeUnixNano": nanos.to_string(), "severityNumber": 17, "body": {"stringValue": "it failed"}},
            {"timeUnixNano": ((NOW_MS) * 1_000_000).to_string(), "body": {"stringValue": "fine"}},
        ]}],
    }]})
    .to_string()
}

#[tokio::test]
async fn records_are_queued_and_partly_refused() {
    let harness = Harness::new(NOW_MS);
    let json = [("content-type", "application/json")];
    let answer = send(&harness, "/v1/logs", &json, body(0)).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "{}"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let zipped = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let answer = send(&harness, "/otlp/v1/logs", &zipped, gzip(&body(365 * 86_400_000))).await;
    assert_eq!(answer.json()["partialSuccess"]["rejectedLogRecords"], "1");
    assert!(answer.text().contains("too old"), "{}", answer.text());
    // field 1 (resource logs) { field 2 (scope logs) { field 2 (record) { body "hi" } } }
    let protobuf = b"\x0a\x0a\x12\x08\x12\x06\x2a\x04\x0a\x02hi".to_vec();
    let headers = [("content-type", "application/x-protobuf")];
    for _ in 0..2 {
        let answer = send(&harness, "/v1/logs", &headers, protobuf.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));
    }
    let batches = queued(&harness).await;
    let counts: Vec<usize> = batches.iter().map(|(_, _, records)| records.len()).collect();
    assert_eq!(counts, [2, 1, 1, 1]);
    assert_eq!(batches[0].2[0].service, "shop");
    assert_ne!(
        batches[2].1, batches[3].1,
        "lines without a time may be the same and meant twice"
    );
}

#[tokio::test]
async fn faults_are_told_in_the_form_of_the_request() {
    let harness = Harness::new(NOW_MS);
    let answer = send(&harness, "/v1/logs", &[("content-type", "application/json")], "[").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &3.into()));
    let answer = send(
        &harness,
        "/v1/logs",
        &[("content-type", "application/x-protobuf")],
        "\x0a\x7f",
    )
    .await;
    assert_eq!((answer.status.as_u16(), &answer.body[..2]), (400, &b"\x08\x03"[..]));
    let answer = send(&harness, "/v1/logs", &[("content-type", "text/plain")], "x").await;
    assert_eq!(answer.status, 415);
}

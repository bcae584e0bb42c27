//! Loki's push.

use super::{NOW_MS, gzip, queued, queued_lines, send};
use crate::harness::Harness;
use prost::Message as _;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// A push of one stream with lines at times before now.
fn json(lines: &[(i64, &str)]) -> String {
    let values: Vec<[String; 2]> = lines
        .iter()
        .map(|(age_ms, line)| [format!("{}", (NOW_MS - age_ms) * 1_000_000), (*line).to_owned()])
        .collect();
    serde_json::json!({"streams": [{"stream": {"app": "web"}, "values": values}]}).to_string()
}

#[derive(Clone, PartialEq, prost::Message)]
struct Push {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Time>,
    #[prost(string, tag = "2")]
    line: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

fn protobuf(labels: &str, line: &str) -> Vec<u8> {
    let push = Push {
        streams: vec![Stream {
            labels: labels.to_owned(),
            entries: vec![Entry {
                timestamp: Some(Time { seconds: NOW_MS / 1000 }),
                line: line.to_owned(),
            }],
        }],
    };
    snap::raw::Encoder::new().compress_vec(&push.encode_to_vec()).unwrap()
}

#[tokio::test]
async fn both_forms_are_queued_before_the_answer() {
    let harness = Harness::new(NOW_MS);
    let answer = send(&harness, "/loki/api/v1/push", JSON, json(&[(1, "a"), (0, "b")])).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (204, ""));
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("content-encoding", "gzip"),
        ("x-scope-orgid", "team"),
    ];
    let answer = send(&harness, "/loki/api/v1/push", &headers, gzip(&json(&[(0, "zipped")]))).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    for headers in [
        &[("content-type", "application/x-protobuf")][..],
        &[
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "snappy"),
        ],
        &[],
    ] {
        let answer = send(&harness, "/api/prom/push", headers, protobuf(r#"{app="api"}"#, "c")).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
    let batches = queued(&harness).await;
    assert_eq!(batches.len(), 5);
    let (tenant, id, records) = &batches[0];
    assert_eq!((tenant.as_str(), records.len()), ("default", 2));
    assert_eq!(records[0].stream.to_string(), r#"{app="web", service_name="web"}"#);
    assert_eq!(records[0].timestamp_ns, (NOW_MS - 1) * 1_000_000);
    assert_eq!(batches[1].0, "team");
    assert_eq!(batches[2].1, batches[3].1, "the same lines are the same batch");
    assert_ne!(id, &batches[2].1);
    assert_eq!(batches[4].2[0].stream.to_string(), r#"{app="api", service_name="api"}"#);
}

#[tokio::test]
async fn bad_lines_are_refused_alone() {
    let harness = Harness::with(NOW_MS, |settings| settings.logs.max_line_bytes = 10);
    let day_ms = 86_400_000;
    let body = json(&[
        (0, "fine"),
        (0, "much too long"),
        (100 * day_ms, "old"),
        (-3_600_000, "ahead"),
    ]);
    let answer = send(&harness, "/loki/api/v1/push", JSON, body).await;
    assert_eq!(answer.status, 400);
    let text = answer.text();
    for want in [
        "Max entry size '10' bytes exceeded",
        "timestamp too old",
        "timestamp too new",
    ] {
        assert!(text.contains(want), "{text}");
    }
    assert_eq!(queued_lines(&harness).await, ["fine"]);
}

#[tokio::test]
async fn requests_that_are_refused() {
    let harness = Harness::with(NOW_MS, |settings| {
        settings.max_write_bytes = 400;
        settings.max_decompressed_write_bytes = 1_000;
        settings.logs.bytes_per_second = 1;
    });
    let long = "x".repeat(2_000);
    let many = json(&[(0, long.as_str())]);
    for (headers, body, status, want) in [
        (JSON, b"{".to_vec(), 400, "JSON"),
        (JSON, many.clone().into_bytes(), 413, "400 bytes"),
        (
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
            gzip(&many),
            413,
            "1000 bytes decompressed",
        ),
        (&[], protobuf("{}", &long), 413, "1000 bytes decompressed"),
        (&[], b"\xff".to_vec(), 400, "snappy"),
        (&[], protobuf("{app=~\"x\"}", "x"), 400, "no label"),
        (&[("content-type", "text/plain")], Vec::new(), 415, "Content-Type"),
        (
            &[("content-type", "application/json"), ("content-encoding", "br")],
            Vec::new(),
            415,
            "Content-Encoding",
        ),
        (
            &[("content-type", "application/json"), ("x-scope-orgid", "a/b")],
            Vec::new(),
            400,
            "tenant",
        ),
    ] {
        let answer = send(&harness, "/loki/api/v1/push", headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{want}: {}", answer.text());
        assert!(answer.text().contains(want), "{want}: {}", answer.text());
    }
    assert_eq!(queued_lines(&harness).await, [""; 0]);
    let answer = send(&harness, "/loki/api/v1/push", JSON, json(&[(0, "four")])).await;
    assert_eq!(answer.status, 204);
    let answer = send(&harness, "/loki/api/v1/push", JSON, json(&[(0, "five")])).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("3")));
    assert!(
        answer.text().contains("Ingestion rate limit exceeded for user default"),
        "{}",
        answer.text()
    );
    let other = [("content-type", "application/json"), ("x-scope-orgid", "other")];
    assert_eq!(
        send(&harness, "/loki/api/v1/push", &other, json(&[(0, "five")]))
            .await
            .status,
        204
    );
    harness.memory.clock.advance_ms(3_000);
    assert_eq!(
        send(&harness, "/loki/api/v1/push", JSON, json(&[(0, "five")]))
            .await
            .status,
        204
    );
}

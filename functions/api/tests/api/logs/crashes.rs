//! The ways in of a process that dies before or after each of its effects: it answers that it has taken lines when the
//! queue has them, and the same request sent again stores each line once.

use super::query::store;
use super::{NOW_MS, queued};
use crate::harness::{Harness, get};
use http::Request;
use parapet_ports::memory::mortal::{Effect, Fate, MortalObjects, MortalQueues, MortalTable, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tower::ServiceExt as _;

#[derive(Debug)]
struct DiesAt {
    effects_left: AtomicI64,
    last_happens: bool,
}

impl Fate for DiesAt {
    fn verdict(&self, _: Effect<'_>) -> Verdict {
        let left = self.effects_left.fetch_sub(1, Ordering::Relaxed);
        Verdict {
            happens: left > 0 || (left == 0 && self.last_happens),
            heard: left > 0,
        }
    }
}

/// Lines that do not compress, so that they go through the bucket: two effects.
fn large(number: usize) -> String {
    let mut seed = 1 + number as u64;
    let mut letter = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + 2 + u8::try_from((seed >> 57) % 56).unwrap())
    };
    let noise: String = (0..120_000)
        .map(|_| letter())
        .filter(|letter| *letter != '\\')
        .collect();
    format!("line {number} {noise}")
}

const LINES: usize = 12;

/// The same lines by each way.
fn requests() -> Vec<(&'static str, &'static str, String)> {
    let now = NOW_MS * 1_000_000;
    let lines: Vec<String> = (0..LINES).map(large).collect();
    let values: Vec<_> = lines
        .iter()
        .map(|line| serde_json::json!([now.to_string(), line]))
        .collect();
    let loki = serde_json::json!({"streams": [{"stream": {"app": "a"}, "values": values}]});
    let records: Vec<_> = lines
        .iter()
        .map(|line| serde_json::json!({"timeUnixNano": now.to_string(), "body": {"stringValue": line}}))
        .collect();
    let otlp = serde_json::json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]});
    let documents = lines.iter().map(|line| {
        let document = serde_json::json!({"@timestamp": "2023-11-14T22:13:20.000Z", "message": line});
        format!("{{\"create\":{{}}}}\n{document}\n")
    });
    vec![
        ("/loki/api/v1/push", "application/json", loki.to_string()),
        ("/v1/logs", "application/json", otlp.to_string()),
        ("/elasticsearch/_bulk", "application/x-ndjson", documents.collect()),
    ]
}

fn request(path: &str, content_type: &str, body: &str) -> Request<axum::body::Body> {
    let request = Request::post(path).header("content-type", content_type);
    request.body(body.to_owned().into()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_queued_and_stored_once() {
    for (path, content_type, body) in requests() {
        let mut effects = 0;
        for dies_at in 0.. {
            let mut reached = false;
            for last_happens in [false, true] {
                let context = format!("{path}, effect {dies_at}, happens: {last_happens}");
                let harness = Harness::new(NOW_MS);
                let fate = Arc::new(DiesAt {
                    effects_left: AtomicI64::new(dies_at),
                    last_happens,
                });
                let mut ports = harness.memory.ports.clone();
                ports.objects = Arc::new(MortalObjects(ports.objects, fate.clone()));
                ports.table = Arc::new(MortalTable(ports.table, fate.clone()));
                ports.queues = Arc::new(MortalQueues(ports.queues, fate.clone()));
                let dying = Harness::over(ports);
                let answer = dying.oneshot(request(path, content_type, &body)).await.unwrap();
                let died = fate.effects_left.load(Ordering::Relaxed) < 0;
                reached |= died;
                assert_eq!(answer.status().is_success(), !died, "{context}");
                if !died {
                    assert!(!queued(&harness).await.is_empty(), "{context}");
                    continue;
                }
                // A sender tries again after a 5xx; perhaps it does so once more than needed.
                assert_eq!(answer.status().as_u16(), 503, "{context}");
                for _ in 0..2 {
                    let answer = harness.call(request(path, content_type, &body)).await;
                    assert!(answer.status.is_success(), "{context}: {}", answer.text());
                }
                store(&harness).await;
                let stats = harness.call(get("/loki/api/v1/index/stats?query=%7B%7D")).await.json();
                assert_eq!(stats["entries"], LINES, "{context}");
                let found = harness
                    .call(get("/api/v1/logs/search?limit=100&histogram=false"))
                    .await
                    .json();
                assert_eq!(found["data"]["records"].as_array().unwrap().len(), LINES, "{context}");
            }
            if !reached {
                break;
            }
            effects += 1;
        }
        assert!(effects >= 2, "{path}: only {effects} effects");
    }
}

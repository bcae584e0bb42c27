//! The ledger through the API.

use crate::harness::{Harness, get};
use http::{Request, StatusCode};
use parapet_model::{Alert, Labels};
use parapet_notifier::{Notifier, Settings};
use parapet_ports::{ConfigFiles, Disposition, Function as _, Message, Queue, SourceFile};

/// 2026-11-21 12:00:00 UTC
const NOW_MS: i64 = 1_795_262_400_000;

async fn harness() -> Harness {
    let alertmanager = SourceFile {
        path: "alertmanager.yml".to_owned(),
        text: "route: {receiver: ops}\nreceivers: [{name: ops, webhook_configs: [{url: 'http://h/xyzzy'}]}]\n"
            .to_owned(),
    };
    let config = ConfigFiles {
        alertmanager: Some(alertmanager),
        version: "1".to_owned(),
        ..ConfigFiles::default()
    };
    let harness = Harness::configured(NOW_MS, config, |_| ());
    let alert = |name: &str| Alert {
        labels: Labels::from_pairs([("alertname", name), ("job", "x")]),
        starts_at_ms: NOW_MS,
        ends_at_ms: NOW_MS + 300_000,
        updated_at_ms: NOW_MS,
        ..Alert::default()
    };
    let message = Message {
        id: "1".to_owned(),
        body: serde_json::to_string(&[alert("Down"), alert("Slow")]).unwrap(),
        receive_count: 1,
    };
    let notifier = Notifier::new(harness.memory.ports.clone(), Settings::default());
    assert_eq!(
        notifier.handle_batch(Queue::Alerts, vec![message]).await,
        [Disposition::Done]
    );
    harness
}

const DOWN: &str = "/api/v1/explain/alerts?filter=alertname%3DDown";

#[tokio::test]
async fn rows_of_matching_alerts_are_told() {
    let harness = harness().await;
    let answer = harness.call(get(DOWN)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(!answer.text().contains("xyzzy"), "{}", answer.text());
    let json = answer.json();
    let rows = json["data"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{json}");
    assert_eq!(rows[0]["event"], "grouped");
    assert_eq!(rows[0]["ts"], "2026-11-21T12:00:00.000Z");
    assert_eq!(rows[0]["labels"]["job"], "x");
    assert_eq!(rows[0]["detail"], "ops tells webhook/0");
    let both = harness
        .call(get("/api/v1/explain/alerts?filter=job%3D%22x%22"))
        .await
        .json();
    assert_eq!(both["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn times_and_tenants_bound_it() {
    let harness = harness().await;
    for path in [
        format!("{DOWN}&filter=job%3Dy"),
        format!("{DOWN}&end={}", NOW_MS / 1000 - 1),
        format!("{DOWN}&start={}", NOW_MS / 1000 + 1),
    ] {
        let answer = harness.call(get(&path)).await;
        assert_eq!(answer.json()["data"], serde_json::json!([]), "{path}");
    }
    let other = Request::get(DOWN)
        .header("x-scope-orgid", "other")
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(harness.call(other).await.json()["data"], serde_json::json!([]));
}

#[tokio::test]
async fn bad_requests_are_told_what_to_write() {
    let harness = harness().await;
    for (query, want) in [
        ("", "write filter=alertname="),
        ("?filter=a", "invalid parameter \\\"filter\\\""),
        ("?filter=a%3Db&start=yesterday", "invalid parameter \\\"start\\\""),
    ] {
        let answer = harness.call(get(&format!("/api/v1/explain/alerts{query}"))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.text().contains(want), "{}", answer.text());
    }
}

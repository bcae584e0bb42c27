//! Alertmanager's API, version 2.

use crate::harness::{Answer, Harness, get};
use http::{Request, StatusCode};
use parapet_ports::{ConfigFiles, Queue, SourceFile};
use serde_json::{Value, json};

/// 2026-11-21 12:00:00 UTC
const NOW_MS: i64 = 1_795_262_400_000;

pub(crate) fn harness() -> Harness {
    let alertmanager = SourceFile {
        path: "alertmanager.yml".to_owned(),
        text: "route: {receiver: ops, routes: [{receiver: db, matchers: [team=db]}]}\n\
               receivers: [{name: ops, webhook_configs: [{url: 'http://h/secret'}]}, {name: db}]\n"
            .to_owned(),
    };
    let config = ConfigFiles {
        alertmanager: Some(alertmanager),
        version: "1".to_owned(),
        ..ConfigFiles::default()
    };
    Harness::configured(NOW_MS, config, |_| ())
}

pub(crate) async fn post(harness: &Harness, path: &str, body: Value) -> Answer {
    let request = Request::post(path).header("content-type", "application/json");
    harness.call(request.body(body.to_string().into()).unwrap()).await
}

fn silence() -> Value {
    json!({
        "matchers": [{"name": "alertname", "value": "Disk", "isRegex": false, "isEqual": true}],
        "startsAt": "2026-11-21T12:00:00Z", "endsAt": "2026-11-21T13:00:00Z", "createdBy": "me", "comment": "work",
    })
}

#[tokio::test]
async fn a_silence_is_made_shown_changed_and_ended() {
    let harness = harness();
    let made = post(&harness, "/api/v2/silences", silence()).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let id = made.json()["silenceID"].as_str().unwrap().to_owned();
    let one = format!("/api/v2/silence/{id}");
    let shown = harness.call(get(&one)).await.json();
    assert_eq!(
        (&shown["status"]["state"], &shown["comment"]),
        (&json!("active"), &json!("work"))
    );
    // The same silence with another comment keeps its id.
    let mut changed = silence();
    changed["id"] = id.clone().into();
    changed["comment"] = "more work".into();
    assert_eq!(
        post(&harness, "/api/v2/silences", changed).await.json()["silenceID"],
        id
    );
    let all = harness
        .call(get("/api/v2/silences?filter=alertname%3D%22Disk%22"))
        .await
        .json();
    assert_eq!(
        (all.as_array().unwrap().len(), &all[0]["comment"]),
        (1, &json!("more work"))
    );
    let others = harness
        .call(get("/api/v2/silences?filter=alertname%3D%22Other%22"))
        .await
        .json();
    assert_eq!(others, json!([]));
    let gone = harness
        .call(Request::delete(&one).body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(gone.status, StatusCode::OK);
    assert_eq!(harness.call(get(&one)).await.json()["status"]["state"], "expired");
}

#[tokio::test]
async fn a_wrong_silence_is_refused() {
    let harness = harness();
    let without = |name: &str| {
        let mut silence = silence();
        silence.as_object_mut().unwrap().remove(name);
        silence
    };
    let with = |name: &str, value: Value| {
        let mut silence = silence();
        silence[name] = value;
        silence
    };
    for (silence, status, told) in [
        (without("matchers"), 422, "silence.matchers in body is required"),
        (without("endsAt"), 422, "silence.endsAt in body is required"),
        (
            with("endsAt", json!("2026-11-21T11:00:00Z")),
            400,
            "start time must be before end time",
        ),
        (
            with(
                "matchers",
                json!([{"name": "a", "value": "(", "isRegex": true, "isEqual": true}]),
            ),
            400,
            "invalid silence",
        ),
        (
            with("id", json!("00000000-0000-4000-8000-000000000000")),
            404,
            "not found",
        ),
    ] {
        let answer = post(&harness, "/api/v2/silences", silence).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        assert!(answer.text().contains(told), "{}", answer.text());
    }
    assert_eq!(harness.call(get("/api/v2/silences")).await.json(), json!([]));
}

#[tokio::test]
async fn sound_alerts_are_queued_and_the_others_told() {
    let harness = harness();
    let alerts = json!([
        {"labels": {"alertname": "Disk", "team": "db"}, "annotations": {"summary": "full"}},
        {"labels": {}},
        {"labels": {"alertname": "Late"}, "startsAt": "2026-11-21T12:00:00Z", "endsAt": "2026-11-21T11:00:00Z"},
    ]);
    let answer = post(&harness, "/api/v2/alerts", alerts).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    let queued = harness.memory.queues.drain(Queue::Alerts);
    assert_eq!(queued.len(), 1);
    let body = &queued[0].1.body;
    assert!(body.contains("Disk") && !body.contains("Late"), "{body}");
}

#[tokio::test]
async fn status_shows_the_configuration_without_its_secrets() {
    let harness = harness();
    let status = harness.call(get("/api/v2/status")).await;
    assert_eq!(status.json()["cluster"]["status"], "disabled");
    assert!(status.text().contains("receiver: ops") && !status.text().contains("http://h/secret"));
    let receivers = harness.call(get("/api/v2/receivers")).await.json();
    let names: Vec<&Value> = receivers.as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["ops", "db"]);
}

//! Acknowledgements: an extra beside Prometheus' and Alertmanager's APIs.

use crate::harness::{Answer, Harness, get, post};
use crate::openapi::notify;
use crate::v2;
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

async fn firing() -> Harness {
    let harness = v2::harness();
    let alerts = json!([
        {"labels": {"alertname": "Disk", "team": "db", "instance": "a"}},
        {"labels": {"alertname": "Up", "instance": "b"}},
    ]);
    v2::post(&harness, "/api/v2/alerts", alerts).await;
    notify(&harness).await;
    harness
}

async fn acknowledge(harness: &Harness, form: &str) -> Answer {
    harness.call(post("/api/v1/acknowledgements", form)).await
}

async fn list(harness: &Harness) -> Value {
    harness.call(get("/api/v1/acknowledgements")).await.json()["data"].clone()
}

#[tokio::test]
async fn a_group_is_acknowledged_shown_and_let_go() {
    let harness = firing().await;
    assert_eq!(list(&harness).await, json!([]));
    let form = "match[]=alertname%3DDisk&created_by=alice&comment=on+it&duration=4h";
    let made = acknowledge(&harness, form).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.json()["data"].clone();
    let one = &made[0];
    assert_eq!(made.as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &one["receiver"],
            &one["groupKey"],
            &one["createdBy"],
            &one["comment"],
            &one["createdAt"],
            &one["endsAt"]
        ),
        (
            &json!("db"),
            &json!("{}/{team=\"db\"}:{}"),
            &json!("alice"),
            &json!("on it"),
            &json!("2026-11-21T12:00:00Z"),
            &json!("2026-11-21T16:00:00Z"),
        )
    );
    assert_eq!(list(&harness).await, made);
    // Said again, until it resolves: one acknowledgement a group.
    let again = acknowledge(&harness, "match[]=team%3Ddb&receiver=db&created_by=bob")
        .await
        .json()["data"]
        .clone();
    assert_eq!(list(&harness).await, again);
    assert_eq!((&again[0]["id"], &again[0]["endsAt"]), (&one["id"], &Value::Null));

    let path = format!("/api/v1/acknowledgements/{}", one["id"].as_str().unwrap());
    let end = || Request::delete(&path).body(Body::empty()).unwrap();
    assert_eq!(harness.call(end()).await.status, 200);
    assert_eq!(list(&harness).await, json!([]));
    assert_eq!(harness.call(end()).await.status, 404);
    // One with an end of its own is over then.
    acknowledge(&harness, form).await;
    harness.memory.clock.advance_ms(4 * 3_600_000);
    assert_eq!(list(&harness).await, json!([]));
}

#[tokio::test]
async fn a_wrong_acknowledgement_is_refused() {
    let harness = firing().await;
    for (form, status, told) in [
        ("created_by=a", 400, "no match[] parameter provided"),
        ("match[]=alertname%3DDisk", 400, "no created_by parameter provided"),
        ("match[]=%7B%7D%7D&created_by=a", 400, "invalid parameter \"match[]\""),
        (
            "match[]=alertname%3DDisk&created_by=a&duration=soon",
            400,
            "invalid parameter \"duration\"",
        ),
        (
            "match[]=alertname%3DDisk&created_by=a&duration=0s",
            400,
            "it is not above 0",
        ),
        (
            "match[]=alertname%3DOther&created_by=a",
            404,
            "no group with such an alert fires",
        ),
        (
            "match[]=alertname%3DDisk&created_by=a&receiver=ops",
            404,
            "no group with such an alert fires",
        ),
    ] {
        let answer = acknowledge(&harness, form).await;
        assert_eq!(answer.status.as_u16(), status, "{form}: {}", answer.text());
        assert!(
            answer.text().contains(told) || answer.json()["error"].as_str().unwrap().contains(told),
            "{}",
            answer.text()
        );
    }
    assert_eq!(list(&harness).await, json!([]));
}

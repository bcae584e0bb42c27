//! Every answer of `/api/v2` has the shape that Alertmanager's own description of its API gives it.

use crate::harness::{Harness, get};
use crate::v2::{harness, post};
use parapet_notifier::{Notifier, Settings};
use parapet_ports::{Function as _, Queue, QueueReader as _};
use serde_json::{Value, json};

/// The description, or why there is none.
fn description() -> Option<Value> {
    let text = crate::conformance::text("http_api/alertmanager_openapi_v2.yaml")?;
    Some(serde_saphyr::from_str(&text).unwrap())
}

/// What a value has that its schema does not allow, by place.
fn faults(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = root.pointer(&reference[1..]).unwrap();
        return faults(root, schema, value, place, found);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        faults(root, part, value, place, found);
    }
    let is_kind = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some(other) => panic!("{place}: type {other}"),
        None => true,
    };
    if !is_kind {
        found.push(format!("{place} is no {}: {value}", schema["type"]));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        found.push(format!("{place} is none of {allowed:?}: {value}"));
    }
    if schema["format"] == "date-time" && chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).is_err() {
        found.push(format!("{place} is no time: {value}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            found.push(format!("{place} lacks {name}"));
        }
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            faults(root, schema, value, &format!("{place}.{name}"), found);
        }
    }
    if schema["additionalProperties"].is_object() {
        for (name, value) in value.as_object().unwrap() {
            faults(
                root,
                &schema["additionalProperties"],
                value,
                &format!("{place}.{name}"),
                found,
            );
        }
    }
    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
        faults(root, &schema["items"], value, &format!("{place}[{index}]"), found);
    }
}

/// Takes what is queued, as the notifier does.
pub(crate) async fn notify(harness: &Harness) {
    let notifier = Notifier::new(harness.memory.ports.clone(), Settings::default());
    let received = harness.memory.queues.receive(Queue::Alerts, 10, 0).await.unwrap();
    let (messages, receipts): (_, Vec<_>) = received.into_iter().map(|one| (one.message, one.receipt)).unzip();
    for disposition in notifier.handle_batch(Queue::Alerts, messages).await {
        assert_eq!(disposition, parapet_ports::Disposition::Done);
    }
    harness.memory.queues.delete(Queue::Alerts, receipts).await.unwrap();
}

#[tokio::test]
async fn answers_have_the_shapes_that_alertmanager_describes() {
    let Some(root) = description() else { return };
    let harness = harness();
    let alerts = json!([
        {"labels": {"alertname": "Disk", "team": "db"}, "annotations": {"summary": "full"}, "generatorURL": "http://p/g"},
        {"labels": {"alertname": "Up"}},
    ]);
    assert_eq!(post(&harness, "/api/v2/alerts", alerts).await.status, 200);
    notify(&harness).await;
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "D.*", "isRegex": true}], "annotations": {"ticket": "7"},
        "startsAt": "2026-11-21T12:00:00Z", "endsAt": "2026-11-21T13:00:00Z", "createdBy": "me", "comment": "work",
    });
    let made = post(&harness, "/api/v2/silences", silence).await.json();
    let one = format!("/silence/{}", made["silenceID"].as_str().unwrap());
    let mut checked = 0;
    for (path, template, least) in [
        ("/status", "/status", 1),
        ("/receivers", "/receivers", 2),
        ("/silences", "/silences", 1),
        (one.as_str(), "/silence/{silenceID}", 1),
        ("/alerts", "/alerts", 2),
        ("/alerts/groups", "/alerts/groups", 2),
    ] {
        let answer = harness.call(get(&format!("/api/v2{path}"))).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let value = answer.json();
        assert!(value.as_array().map_or(1, Vec::len) >= least, "{path}: {value}");
        let schema = &root["paths"][template]["get"]["responses"]["200"]["schema"];
        assert!(schema.is_object(), "{template} is not described");
        let mut found = Vec::new();
        faults(&root, schema, &value, path, &mut found);
        assert!(found.is_empty(), "{found:#?}");
        checked += 1;
    }
    // Every GET of the description was looked at.
    let gets = root["paths"]
        .as_object()
        .unwrap()
        .values()
        .filter(|path| path["get"].is_object());
    assert_eq!(checked, gets.count());
    let silenced = harness.call(get("/api/v2/alerts?filter=alertname=Disk")).await.json();
    assert_eq!(silenced[0]["status"]["state"], "suppressed");
    assert_eq!(silenced[0]["status"]["silencedBy"], json!([made["silenceID"]]));
}

#[tokio::test]
async fn an_alert_larger_than_a_message_arrives() {
    let harness = harness();
    let large = "x".repeat(3 << 20);
    let alerts = json!([
        {"labels": {"alertname": "Large"}, "annotations": {"summary": large}},
        {"labels": {"alertname": "Small"}},
    ]);
    let answer = post(&harness, "/api/v2/alerts", alerts).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    notify(&harness).await;
    let shown = harness.call(get("/api/v2/alerts")).await.json();
    let sizes: Vec<(&Value, usize)> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| {
            let summary = alert["annotations"]["summary"].as_str();
            (&alert["labels"]["alertname"], summary.map_or(0, str::len))
        })
        .collect();
    assert!(
        sizes.contains(&(&json!("Large"), 3 << 20)) && sizes.contains(&(&json!("Small"), 0)),
        "{sizes:?}"
    );
}

//! Rules and alerts, with states as the evaluation stores them.

use crate::harness::{Harness, get};
use parapet_ports::{Condition, ConfigFiles, SourceFile, Table};
use serde_json::{Value, json};

const A: &str = r#"
groups:
- name: live
  interval: 5s
  limit: 3
  rules:
  - {record: "job:up:sum", expr: "sum by(job)(up)", labels: {team: a}}
  - {alert: Down, expr: "up==0", for: 10s, keep_firing_for: 1m, labels: {severity: page}, annotations: {summary: "{{ $value }}"}}
- name: fresh
  rules:
  - {alert: Never, expr: vector(0) > 1}
"#;
const B: &str = "groups: [{name: live, rules: [{record: b, expr: '1', labels: {severity: page}}]}]";

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

pub(crate) fn files() -> Vec<SourceFile> {
    vec![file("b.yml", B), file("a.yml", A)]
}

async fn harness() -> Harness {
    let config = ConfigFiles {
        prometheus: file("prometheus.yml", "global: {evaluation_interval: 30s}"),
        rules: files(),
        ..ConfigFiles::default()
    };
    let harness = Harness::configured(0, config, |_| ());
    store_state(&harness).await;
    harness
}

/// Stores the state of the group `live` of `a.yml`.
pub(crate) async fn store_state(harness: &Harness) {
    let rules = parapet_rules::parse("a.yml", A).unwrap();
    let alert = |state: &str, instance: &str| {
        json!({
            "labels": {"alertname": "Down", "instance": instance}, "annotations": {"summary": "0"},
            "state": state, "value": "0", "active_at_ms": 1_433_337_718_555_i64
        })
    };
    let mut resolved = alert("inactive", "gone");
    resolved["resolved_at_ms"] = 1.into();
    let mut kept = alert("firing", "kept");
    kept["keep_firing_since_ms"] = 1_433_337_718_000_i64.into();
    let state = json!({
        "file": "a.yml", "group": "live",
        "state": {"last_slot_ms": 1_433_337_718_555_i64, "evaluation_seconds": 0.25, "rules": [
            {
                "identity": rules[0].rules[0].identity(), "health": "err", "last_error": "no luck",
                "evaluated_at_ms": 1_433_337_718_555_i64, "evaluation_seconds": 0.125
            },
            {
                "identity": rules[0].rules[1].identity(), "health": "ok",
                "alerts": [alert("pending", "a"), kept, resolved]
            },
        ]}
    });
    let key = parapet_store::keys::rule_state("default", "a.yml;live");
    let table = &harness.memory.table;
    table.put(key, state.to_string(), None, Condition::Any).await.unwrap();
}

async fn data(harness: &Harness, path: &str) -> Value {
    let answer = harness.call(get(path)).await.json();
    assert_eq!(answer["status"], "success", "{answer}");
    answer["data"].clone()
}

/// `file/group: rules` of an answer.
fn outline(data: &Value) -> Vec<String> {
    let groups = data["groups"].as_array().unwrap().iter();
    groups
        .map(|group| {
            let rules = group["rules"].as_array().unwrap().iter();
            let names: Vec<&str> = rules.map(|rule| rule["name"].as_str().unwrap()).collect();
            format!(
                "{}/{}: {}",
                group["file"].as_str().unwrap(),
                group["name"].as_str().unwrap(),
                names.join(" ")
            )
        })
        .collect()
}

fn alert(state: &str, instance: &str) -> Value {
    json!({
        "labels": {"alertname": "Down", "instance": instance}, "annotations": {"summary": "0"},
        "state": state, "activeAt": "2015-06-03T13:21:58.555Z", "value": "0e+00"
    })
}

#[tokio::test]
async fn rules_with_their_state() {
    let harness = harness().await;
    let all = data(&harness, "/api/v1/rules").await;
    assert_eq!(
        outline(&all),
        ["a.yml/fresh: Never", "a.yml/live: job:up:sum Down", "b.yml/live: b"]
    );
    let mut kept = alert("firing", "kept");
    kept["keepFiringSince"] = "2015-06-03T13:21:58Z".into();
    assert_eq!(
        all["groups"][1],
        json!({
            "name": "live", "file": "a.yml", "interval": 5, "limit": 3,
            "evaluationTime": 0.25, "lastEvaluation": "2015-06-03T13:21:58.555Z",
            "rules": [
                {
                    "name": "job:up:sum", "query": "sum by (job) (up)", "labels": {"team": "a"}, "health": "err",
                    "lastError": "no luck", "evaluationTime": 0.125, "lastEvaluation": "2015-06-03T13:21:58.555Z",
                    "type": "recording"
                },
                {
                    "state": "firing", "name": "Down", "query": "up == 0", "duration": 10, "keepFiringFor": 60,
                    "labels": {"severity": "page"}, "annotations": {"summary": "{{ $value }}"},
                    "alerts": [alert("pending", "a"), kept], "health": "ok", "evaluationTime": 0,
                    "lastEvaluation": "0001-01-01T00:00:00Z", "type": "alerting"
                }
            ]
        })
    );
    let fresh = &all["groups"][0];
    assert_eq!(fresh["interval"], 30);
    assert_eq!(fresh["lastEvaluation"], "0001-01-01T00:00:00Z");
    assert_eq!(
        (&fresh["rules"][0]["health"], &fresh["rules"][0]["state"]),
        (&json!("unknown"), &json!("inactive"))
    );
    assert_eq!(
        data(&harness, "/api/v1/alerts").await,
        json!({"alerts": [alert("pending", "a"), kept]})
    );
}

#[tokio::test]
async fn rules_are_filtered() {
    let harness = harness().await;
    for (query, want) in [
        ("type=alert", vec!["a.yml/fresh: Never", "a.yml/live: Down"]),
        ("type=record", vec!["a.yml/live: job:up:sum", "b.yml/live: b"]),
        (
            "rule_name[]=b&rule_name[]=Never",
            vec!["a.yml/fresh: Never", "b.yml/live: b"],
        ),
        ("rule_group[]=fresh", vec!["a.yml/fresh: Never"]),
        ("file[]=b.yml", vec!["b.yml/live: b"]),
        (
            "match[]={severity=%22page%22}",
            vec!["a.yml/live: Down", "b.yml/live: b"],
        ),
        (
            "match[]={team=%22a%22}&match[]={team=%22b%22}",
            vec!["a.yml/live: job:up:sum"],
        ),
        ("group_limit=1", vec!["a.yml/fresh: Never"]),
    ] {
        let answer = data(&harness, &format!("/api/v1/rules?{query}")).await;
        assert_eq!(outline(&answer), want, "{query}");
    }
    let first = data(&harness, "/api/v1/rules?group_limit=2").await;
    let token = first["groupNextToken"].as_str().unwrap();
    let second = data(
        &harness,
        &format!("/api/v1/rules?group_limit=2&group_next_token={token}"),
    )
    .await;
    assert_eq!(outline(&second), ["b.yml/live: b"]);
    assert_eq!(second.get("groupNextToken"), None);
    let without = data(&harness, "/api/v1/rules?exclude_alerts=true&type=alert").await;
    assert_eq!(without["groups"][1]["rules"][0]["alerts"], Value::Null);
    let refused = harness.call(get("/api/v1/rules?type=x")).await.json();
    assert_eq!(refused["error"], r#"invalid parameter "type": not supported value "x""#);
}

#[tokio::test]
async fn another_tenant_has_no_rules() {
    let harness = harness().await;
    let mut request = get("/api/v1/rules");
    request.headers_mut().insert("x-scope-orgid", "other".parse().unwrap());
    assert_eq!(harness.call(request).await.json()["data"], json!({"groups": []}));
}

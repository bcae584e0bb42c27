//! Loki's query API over lines that were pushed and stored.

use super::{NOW_MS, send};
use crate::harness::{Answer, Harness, get, post};
use parapet_log_parse::LogParse;
use parapet_ports::{Disposition, Queue, QueueReader as _};

/// Stores what is queued, as log-parse does.
pub(crate) async fn store(harness: &Harness) {
    let log_parse = LogParse::new(&harness.memory.ports, parapet_log_parse::Settings::default());
    loop {
        let received = harness.memory.queues.receive(Queue::Logs, 10, 0).await.unwrap();
        if received.is_empty() {
            return;
        }
        let (messages, receipts): (_, Vec<_>) = received.into_iter().map(|one| (one.message, one.receipt)).unzip();
        for disposition in log_parse.handle_batch(messages).await {
            assert_eq!(disposition, Disposition::Done);
        }
        harness.memory.queues.delete(Queue::Logs, receipts).await.unwrap();
    }
}

/// Lines of two streams: `web` each second, every third an error; `db` each ten seconds.
pub(crate) async fn stored() -> Harness {
    let harness = Harness::new(NOW_MS);
    let line = |second: i64, line: String| [((NOW_MS - 60_000 + second * 1000) * 1_000_000).to_string(), line];
    let web: Vec<_> = (0..60)
        .map(|n| {
            let (level, status) = if n % 3 == 0 { ("error", 500) } else { ("info", 200) };
            line(
                n,
                format!(
                    "level={level} status={status} took={}ms msg=\"request {n} of cart\"",
                    10 * (n + 1)
                ),
            )
        })
        .collect();
    let db: Vec<_> = (0..6)
        .map(|n| line(n * 10, format!("checkpoint {n} complete")))
        .collect();
    let body = serde_json::json!({"streams": [
        {"stream": {"app": "web", "env": "prod"}, "values": web},
        {"stream": {"app": "db", "env": "prod"}, "values": db},
    ]});
    let json = [("content-type", "application/json")];
    let answer = send(&harness, "/loki/api/v1/push", &json, body.to_string()).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    store(&harness).await;
    harness
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

async fn ask(harness: &Harness, path: &str, pairs: &[(&str, &str)]) -> Answer {
    harness
        .call(get(&format!("/loki/api/v1{path}?{}", encoded(pairs))))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_by_limit_and_direction() {
    let harness = stored().await;
    let query = r#"{app="web"} |= "cart" | logfmt | status=500"#;
    let answer = ask(&harness, "/query_range", &[("query", query), ("limit", "2")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let data = &answer.json()["data"];
    assert_eq!(data["resultType"], "streams");
    let lines: Vec<String> = data["result"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|stream| stream["values"].as_array().unwrap().clone())
        .map(|value| value[1].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines.iter().any(|line| line.contains("request 57 of cart")),
        "{lines:?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("request 54 of cart")),
        "{lines:?}"
    );
    assert_eq!(data["stats"]["summary"]["totalEntriesReturned"], 2);
    let form = encoded(&[("query", r#"{app="db"}"#), ("direction", "forward"), ("limit", "1")]);
    let answer = harness.call(post("/loki/api/v1/query_range", &form)).await.json();
    let value = &answer["data"]["result"][0]["values"][0];
    assert_eq!(value[1], "checkpoint 0 complete");
    assert_eq!(value[0], ((NOW_MS - 60_000) * 1_000_000).to_string());
    let spaced = [
        ("query", r#"{app="web"}"#),
        ("interval", "30s"),
        ("direction", "forward"),
    ];
    let answer = ask(&harness, "/query_range", &spaced).await.json();
    let values = answer["data"]["result"].as_array().unwrap().iter();
    assert_eq!(
        values
            .map(|stream| stream["values"].as_array().unwrap().len())
            .sum::<usize>(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_at_one_time_and_over_time() {
    let harness = stored().await;
    let now = (NOW_MS / 1000).to_string();
    let instant = [
        ("query", r#"sum by (app) (count_over_time({env="prod"}[5m]))"#),
        ("time", now.as_str()),
    ];
    let data = ask(&harness, "/query", &instant).await.json()["data"].clone();
    assert_eq!(data["resultType"], "vector");
    assert_eq!(
        data["result"],
        serde_json::json!([
            {"metric": {"app": "db"}, "value": [1_700_000_000, "6"]},
            {"metric": {"app": "web"}, "value": [1_700_000_000, "60"]},
        ])
    );
    // How Grafana tests a data source.
    let health = [("query", "vector(1)+vector(1)"), ("time", "4000000000")];
    let data = ask(&harness, "/query", &health).await.json()["data"].clone();
    assert_eq!(data["result"][0]["value"][1], "2");
    let range = [
        (
            "query",
            r#"sum(count_over_time({app="web"} | logfmt | level="error" [20s]))"#,
        ),
        ("start", "1699999960"),
        ("end", "1700000000"),
        ("step", "20"),
    ];
    let data = ask(&harness, "/query_range", &range).await.json()["data"].clone();
    assert_eq!(data["resultType"], "matrix");
    let values = data["result"][0]["values"].as_array().unwrap();
    let counts: Vec<_> = values.iter().map(|value| value[1].as_str().unwrap()).collect();
    // Windows are open on the left and closed on the right: (0, 20], (20, 40], (40, 60].
    assert_eq!(counts, ["6", "7", "6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is() {
    let harness = stored().await;
    let names = ask(&harness, "/labels", &[]).await.json();
    let names: Vec<&str> = names["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert!(names.contains(&"app") && names.contains(&"env"), "{names:?}");
    let values = ask(&harness, "/label/app/values", &[]).await.json();
    assert_eq!(values["data"], serde_json::json!(["db", "web"]));
    let values = ask(&harness, "/label/app/values", &[("query", r#"{app=~"w.*"}"#)])
        .await
        .json();
    assert_eq!(values["data"], serde_json::json!(["web"]));
    let series = ask(&harness, "/series", &[("match[]", r#"{app="db"}"#)]).await.json();
    assert_eq!(series["data"][0]["env"], "prod");
    let stats = ask(&harness, "/index/stats", &[("query", r#"{app="db"}"#)])
        .await
        .json();
    assert_eq!((&stats["streams"], &stats["entries"]), (&1.into(), &6.into()));
    assert_eq!(stats["bytes"], 6 * "checkpoint 0 complete".len());
    let volume = ask(
        &harness,
        "/index/volume",
        &[("query", r#"{env="prod"}"#), ("targetLabels", "app")],
    )
    .await
    .json();
    let result = &volume["data"]["result"];
    assert_eq!(result[0]["metric"], serde_json::json!({"app": "web"}));
    assert_eq!(result[1]["value"][1], (6 * "checkpoint 0 complete".len()).to_string());
    let range = [("query", r#"{app="db"}"#), ("step", "30s")];
    let volume = ask(&harness, "/index/volume_range", &range).await.json();
    assert_eq!(volume["data"]["resultType"], "matrix");
    let patterns = ask(&harness, "/patterns", &[("query", r#"{app="db"}"#)]).await.json();
    assert_eq!(patterns["data"][0]["pattern"], "checkpoint <_> complete");
    let samples = patterns["data"][0]["samples"].as_array().unwrap().iter();
    assert_eq!(samples.map(|sample| sample[1].as_u64().unwrap()).sum::<u64>(), 6);
    let labels = ask(&harness, "/detected_labels", &[]).await.json();
    let labels = labels["detectedLabels"].as_array().unwrap().clone();
    assert!(
        labels.contains(&serde_json::json!({"label": "app", "cardinality": 2})),
        "{labels:?}"
    );
    let fields = ask(&harness, "/detected_fields", &[("query", r#"{app="web"}"#)])
        .await
        .json();
    let fields = fields["fields"].as_array().unwrap();
    let took = fields.iter().find(|field| field["label"] == "took").unwrap();
    assert_eq!((&took["type"], &took["cardinality"]), (&"duration".into(), &60.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_beside_queries_and_faults() {
    let harness = stored().await;
    let build = ask(&harness, "/status/buildinfo", &[]).await.json();
    assert!(build["version"].as_str().unwrap().starts_with("3."));
    assert_eq!(harness.call(get("/ready")).await.text(), "ready\n");
    assert_eq!(
        ask(&harness, "/drilldown-limits", &[]).await.json()["limits"]["volume_enabled"],
        true
    );
    let formatted = ask(&harness, "/format_query", &[("query", r#"{app="web"}|="x""#)])
        .await
        .json();
    assert_eq!(formatted["data"], r#"{app="web"} |= "x""#);
    for (path, pairs, want) in [
        ("/query_range", &[("query", "{app=")][..], "parse error"),
        (
            "/query_range",
            &[("query", r#"{app="web"}"#), ("limit", "9999")],
            "max entries limit",
        ),
        (
            "/query_range",
            &[("query", r#"{app="web"}"#), ("start", "5"), ("end", "4")],
            "end timestamp must not be before",
        ),
        (
            "/query_range",
            &[("query", r#"{app="web"}"#), ("direction", "up")],
            "invalid direction",
        ),
        (
            "/query",
            &[("query", r#"{app="web"}"#)],
            "log queries are not supported as an instant query",
        ),
        ("/tail", &[("query", r#"{app="web"}"#)], "WebSocket"),
        (
            "/patterns",
            &[("query", r#"rate({app="web"}[1m])"#)],
            "only log queries",
        ),
    ] {
        let answer = ask(&harness, path, pairs).await;
        assert_eq!(answer.status, 400, "{path} {pairs:?}");
        assert!(answer.text().contains(want), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_see_their_own() {
    let harness = stored().await;
    let request = http::Request::get("/loki/api/v1/labels").header("x-scope-orgid", "other");
    let answer = harness.call(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.json()["data"], serde_json::json!([]));
}

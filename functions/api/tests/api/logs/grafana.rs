//! What Grafana's Loki data source and Logs Drilldown ask, as their source has it (grafana/grafana-loki-datasource,
//! `pkg/loki/api.go`, `pkg/loki/healthcheck.go`, `src/LanguageProvider.ts`, `src/datasource.ts`).

use super::query::{store, stored};
use super::{NOW_MS, send};
use crate::harness::{Answer, Harness, get};
use http::Request;
use serde_json::{Value, json};

const FLAGS: (&str, &str) = ("X-Loki-Response-Encoding-Flags", "categorize-labels");

async fn ask(harness: &Harness, path: &str, pairs: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let request = headers.iter().fold(
        Request::get(format!("/loki/api/v1/{path}?{query}")),
        |request, (name, value)| request.header(*name, *value),
    );
    harness.call(request.body(axum::body::Body::empty()).unwrap()).await
}

/// The bounds that its backend sends, in nanoseconds.
fn bounds() -> [(&'static str, String); 2] {
    [
        ("start", ((NOW_MS - 3_600_000) * 1_000_000).to_string()),
        ("end", ((NOW_MS + 1_000) * 1_000_000).to_string()),
    ]
}

/// A query as `makeDataRequest` builds it.
async fn query_range(harness: &Harness, expr: &str, limit: &str) -> Value {
    let [start, end] = bounds();
    let pairs = [
        ("query", expr),
        ("direction", "backward"),
        ("limit", limit),
        ("start", &start.1),
        ("end", &end.1),
        ("step", "15000ms"),
    ];
    let headers = [FLAGS, ("X-Query-Tags", "Source=grafana")];
    let answer = ask(harness, "query_range", &pairs, &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].clone()
}

/// A record with fields of its own.
async fn with_metadata() -> Harness {
    let harness = Harness::new(NOW_MS);
    let at = ((NOW_MS - 1_000) * 1_000_000).to_string();
    let body = json!({"streams": [{"stream": {"app": "shop", "service_name": "cart"}, "values": [
        [at, "GET /pay 500 other", {"trace_id": "4bf92f", "http.route": "/pay"}],
    ]}]});
    let json = [("content-type", "application/json")];
    let answer = send(&harness, "/loki/api/v1/push", &json, body.to_string()).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    store(&harness).await;
    harness
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_told_by_where_they_come_from() {
    let harness = with_metadata().await;
    let data = query_range(&harness, r#"{app="shop"}"#, "1000").await;
    assert_eq!(data["encodingFlags"], json!(["categorize-labels"]));
    let stream = &data["result"][0];
    assert_eq!(stream["stream"], json!({"app": "shop", "service_name": "cart"}));
    let labels = &stream["values"][0][2];
    assert_eq!(labels["structuredMetadata"]["http_route"], "/pay");
    assert_eq!(labels["structuredMetadata"]["trace_id"], "4bf92f");
    assert_eq!(labels.get("parsed"), None);
    let data = query_range(
        &harness,
        r#"{app="shop"} | pattern "<method> <_> <status> <app>" | label_format code=status, route=http_route, kind="x" | drop trace_id"#,
        "1000",
    )
    .await;
    let stream = &data["result"][0];
    assert_eq!(stream["stream"], json!({"app": "shop", "service_name": "cart"}));
    let labels = &stream["values"][0][2];
    // What is renamed counts as parsed, wherever it came from.
    let parsed = json!({"app_extracted": "other", "code": "500", "kind": "x", "method": "GET", "route": "/pay"});
    assert_eq!(labels["parsed"], parsed, "{labels}");
    assert_eq!(labels["structuredMetadata"].get("route"), None);
    assert_eq!(labels["structuredMetadata"].get("trace_id"), None);
    let data = query_range(&harness, r#"{app="shop"} | json"#, "1000").await;
    let labels = &data["result"][0]["values"][0][2];
    assert_eq!(labels["parsed"]["__error__"], "JSONParserErr", "{data}");
    // An entry without labels of its own has an empty object; without the flag there is none.
    let data = query_range(&harness, r#"{app="shop"} | keep app"#, "1000").await;
    assert_eq!(data["result"][0]["values"][0][2], json!({}));
    let plain = ask(&harness, "query_range", &[("query", r#"{app="shop"} | keep app"#)], &[])
        .await
        .json();
    assert_eq!(plain["data"].get("encodingFlags"), None);
    assert_eq!(plain["data"]["result"][0]["values"][0].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_as_without_the_flag() {
    let harness = stored().await;
    let volume = r#"sum by (level, detected_level) (count_over_time({app="web"} | logfmt | drop __error__ [15s]))"#;
    let data = query_range(&harness, volume, "1000").await;
    assert_eq!(data["resultType"], "matrix");
    let levels: Vec<_> = data["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["metric"]["level"])
        .collect();
    assert_eq!(levels, ["error", "info"]);
    let health = [
        ("query", "vector(1)+vector(1)"),
        ("direction", "backward"),
        ("time", "4000000000"),
    ];
    let answer = ask(&harness, "query", &health, &[FLAGS]).await.json();
    assert_eq!(answer["data"]["resultType"], "vector");
    assert_eq!(
        answer["data"]["result"],
        json!([{"metric": {}, "value": [4_000_000_000_i64, "2"]}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_editor_asks() {
    let harness = stored().await;
    let [start, end] = bounds();
    let within = [("start", start.1.as_str()), ("end", end.1.as_str())];
    let with = |more: &[(&'static str, &'static str)]| [&within[..], more].concat();
    let of = async |path: &str, more: &[(&'static str, &'static str)]| {
        let answer = ask(&harness, path, &with(more), &[]).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    };
    let names = of("labels", &[("query", r#"{app="db"}"#)]).await;
    assert_eq!(
        (&names["status"], &names["data"]),
        (&json!("success"), &json!(["app", "env", "service_name"]))
    );
    let values = of("label/app/values", &[("query", r#"{env="prod"}"#)]).await;
    assert_eq!(values["data"], json!(["db", "web"]));
    let series = of("series", &[("match[]", r#"{app="db"}"#)]).await;
    assert_eq!(
        series["data"],
        json!([{"app": "db", "env": "prod", "service_name": "db"}])
    );
    let stats = of("index/stats", &[("query", r#"{app="web"}"#)]).await;
    assert_eq!(
        (&stats["streams"], &stats["chunks"], &stats["entries"]),
        (&json!(1), &json!(1), &json!(60))
    );
    let volume = of(
        "index/volume",
        &[("query", r#"{env=~".+"}"#), ("aggregateBy", "labels"), ("limit", "5")],
    )
    .await;
    // Each label that the streams have.
    let volumes = volume["data"]["result"].as_array().unwrap().iter();
    let names: Vec<_> = volumes.map(|one| one["metric"].clone()).collect();
    assert_eq!(
        names,
        [json!({"app": ""}), json!({"env": ""}), json!({"service_name": ""})]
    );
    let range = of(
        "index/volume_range",
        &[
            ("query", r#"{env=~".+"}"#),
            ("targetLabels", "app"),
            ("step", "20000ms"),
        ],
    )
    .await;
    let web = &range["data"]["result"][0];
    assert_eq!(web["metric"], json!({"app": "web"}));
    let spread: u64 = web["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point[1].as_str().unwrap().parse::<u64>().unwrap())
        .sum();
    let whole = of("index/volume", &[("query", r#"{app="web"}"#)]).await;
    let whole: u64 = whole["data"]["result"][0]["value"][1]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(whole.abs_diff(spread) <= 4, "{whole} {spread}");
    let patterns = of("patterns", &[("query", r#"{app="db"}"#), ("step", "10s")]).await;
    assert_eq!(patterns["data"][0]["pattern"], "checkpoint <_> complete");
    let labels = of("detected_labels", &[("query", r#"{env="prod"}"#)]).await;
    assert_eq!(labels["detectedLabels"][0], json!({"label": "app", "cardinality": 2}));
    let fields = of("detected_fields", &[("query", r#"{app="web"}"#), ("limit", "1000")]).await;
    let field = |name: &str| {
        let fields = fields["fields"].as_array().unwrap();
        fields.iter().find(|field| field["label"] == name).unwrap().clone()
    };
    assert_eq!(
        field("detected_level"),
        json!({"label": "detected_level", "type": "string", "cardinality": 2, "parsers": null})
    );
    assert_eq!(fields["limit"], 1000);
    let values = of(
        "detected_field/detected_level/values",
        &[("query", r#"{app="web"}"#), ("limit", "1000")],
    )
    .await;
    assert_eq!(values, json!({"values": ["error", "info"], "limit": 1000}));
    let none = of("detected_field/nothing/values", &[("query", r#"{app="web"}"#)]).await;
    assert_eq!(none["values"], json!([]));
    let limits = of("drilldown-limits", &[]).await;
    assert_eq!(limits["limits"]["volume_enabled"], true);
    // A series or two of many points is refused before it is reckoned.
    let fine = with(&[("query", r#"{app="web"}"#), ("step", "1ms")]);
    let answer = ask(&harness, "index/volume_range", &fine, &[]).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("maximum resolution"), "{}", answer.text());
    let answer = harness
        .call(get("/loki/api/v1/tail?query=%7Bapp%3D%22web%22%7D&delay_for=2"))
        .await;
    assert!(answer.text().contains("WebSocket"), "{}", answer.text());
}

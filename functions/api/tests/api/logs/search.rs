//! The search.

use super::NOW_MS;
use super::query::stored;
use crate::harness::{Harness, get};
use serde_json::{Value, json};

async fn ask(harness: &Harness, path: &str, pairs: &[(&str, &str)]) -> Value {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let answer = harness.call(get(&format!("/api/v1/logs/{path}?{form}"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_with_what_they_have_in_common() {
    let harness = stored().await;
    let asked = [
        ("query", "level:ERROR AND took:>100ms"),
        ("limit", "3"),
        ("top", "status"),
        ("top", "level"),
        ("patterns", "5"),
        ("step", "30s"),
    ];
    let data = ask(&harness, "search", &asked).await;
    let records = data["records"].as_array().unwrap();
    assert_eq!(records.len(), 3);
    assert_eq!(
        (&records[0]["level"], &records[0]["stream"]["app"]),
        (&"ERROR".into(), &"web".into())
    );
    assert!(records[0]["line"].as_str().unwrap().contains("request 57 of cart"));
    assert_eq!(records[0]["timestamp_ns"], ((NOW_MS - 3_000) * 1_000_000).to_string());
    // Errors are requests 0, 3, 6, …; those from 12 on took longer.
    assert_eq!(data["total"], 16);
    assert_eq!(data["top"]["status"], json!([{"value": "500", "count": 16}]));
    assert_eq!(data["top"]["level"], json!([{"value": "ERROR", "count": 16}]));
    let buckets = data["histogram"]["buckets"].as_array().unwrap();
    let counts = buckets.iter().filter_map(|bucket| bucket["levels"]["ERROR"].as_u64());
    assert_eq!(counts.sum::<u64>(), 16);
    assert_eq!(data["patterns"][0]["count"], 16);
    let data = ask(
        &harness,
        "search",
        &[
            ("query", "checkpoint"),
            ("histogram", "false"),
            ("direction", "forward"),
        ],
    )
    .await;
    assert_eq!(data["records"].as_array().unwrap().len(), 6);
    assert_eq!(data["records"][0]["line"], "checkpoint 0 complete");
    assert!(data.get("total").is_none());
    let data = ask(&harness, "search", &[("selector", r#"{app="db"}"#), ("limit", "0")]).await;
    assert_eq!(
        (&data["total"], data["records"].as_array().unwrap().len()),
        (&6.into(), 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn around_a_line_and_an_alert() {
    let harness = stored().await;
    let time = ((NOW_MS - 30_000) * 1_000_000).to_string();
    let asked = [
        ("time", time.as_str()),
        ("selector", r#"{app="web"}"#),
        ("before", "2"),
        ("after", "1"),
    ];
    let data = ask(&harness, "context", &asked).await;
    let lines = |name: &str| -> Vec<String> {
        let records = data[name].as_array().unwrap().iter();
        records
            .map(|record| record["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(lines("before"), ["request 28 of cart", "request 29 of cart"]);
    assert_eq!(lines("at"), ["request 30 of cart"]);
    assert_eq!(lines("after"), ["request 31 of cart"]);
    let around = (NOW_MS / 1000).to_string();
    let alert = [
        ("alert", r#"{alertname="Down",job="db",severity="page"}"#),
        ("around", around.as_str()),
    ];
    let data = ask(&harness, "search", &alert).await;
    assert_eq!(data["total"], 6);
    let patterns = ask(&harness, "patterns", &[("query", "checkpoint")]).await;
    assert_eq!(patterns["patterns"][0]["pattern"], "checkpoint <*> complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_say_what_to_write() {
    let harness = stored().await;
    for (path, form, want) in [
        ("search", "query=level:", "character"),
        ("search", "selector=x", "selector"),
        ("search", "step=0", "step"),
        ("search", "alert=%7Balertname%3D%22Down%22%7D", "labels of streams are"),
        ("context", "selector=%7Bapp%3D%22web%22%7D", "time is missing"),
        ("context", "time=1", "selector is missing"),
    ] {
        let answer = harness.call(get(&format!("/api/v1/logs/{path}?{form}"))).await;
        assert_eq!(answer.status, 400, "{path}?{form}");
        let told = answer.json();
        assert_eq!(told["errorType"], "bad_data");
        assert!(told["error"].as_str().unwrap().contains(want), "{told}");
    }
}

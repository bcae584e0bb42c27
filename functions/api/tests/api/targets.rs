//! Targets and metadata, after a scrape by the real scraper.

use crate::harness::{Harness, get};
use serde_json::{Value, json};

const AT_MS: i64 = 1_433_337_720_000;
const BODY: &str = "# HELP a_total Some \"help\".\n# TYPE a_total counter\na_total 1\n";

async fn scraped() -> Harness {
    Harness::scraped(AT_MS, &[("good", Some(BODY)), ("bad", Some("a{")), ("away", None)]).await
}

async fn data(harness: &Harness, path: &str) -> Value {
    let answer = harness.call(get(path)).await.json();
    assert_eq!(answer["status"], "success", "{answer}");
    answer["data"].clone()
}

#[tokio::test]
async fn targets_say_how_they_are() {
    let harness = scraped().await;
    let all = data(&harness, "/api/v1/targets").await;
    let of = |pool: &str| {
        let active = all["activeTargets"].as_array().unwrap();
        active
            .iter()
            .find(|target| target["scrapePool"] == pool)
            .unwrap()
            .clone()
    };
    let good = of("good");
    assert_eq!(good["health"], "up");
    assert_eq!(good["labels"], json!({"instance": "good:80", "job": "good"}));
    assert_eq!(good["discoveredLabels"]["__address__"], "good:80");
    assert_eq!(good["scrapeUrl"], "http://good:80/metrics");
    assert_eq!(good["globalUrl"], "http://good:80/metrics");
    assert_eq!(good["lastError"], "");
    assert_eq!(
        (&good["scrapeInterval"], &good["scrapeTimeout"]),
        (&json!("1m"), &json!("10s"))
    );
    let last = good["lastScrape"].as_str().unwrap();
    assert!(last.starts_with("2015-06-03T13:2"), "{last}");
    for (pool, reason) in [("bad", ""), ("away", "connection refused")] {
        let target = of(pool);
        assert_eq!(target["health"], "down", "{target}");
        let error = target["lastError"].as_str().unwrap();
        assert!(!error.is_empty() && error.contains(reason), "{error}");
    }
    let dropped = all["droppedTargets"].as_array().unwrap();
    assert_eq!(dropped.len(), 3);
    assert_eq!(dropped[0]["discoveredLabels"]["__address__"], "away-dropped:80");
    assert_eq!(dropped[0]["scrapePool"], "away");
    assert!(all.get("faultyTargets").is_none() && dropped[0].get("reason").is_none());
    let all = data(&harness, "/api/v1/targets?reasons=true").await;
    let reason = all["droppedTargets"][0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("relabel_configs, rule 1: drop, __address__ is \"away-dropped:80\", which matches "),
        "{reason}"
    );
    assert_eq!(all["faultyTargets"], json!([]));
    assert_eq!(all["droppedTargetCounts"], json!({"away": 1, "bad": 1, "good": 1}));
}

#[tokio::test]
async fn targets_are_filtered() {
    let harness = scraped().await;
    for (query, active, dropped) in [
        ("scrapePool=good", 1, 1),
        ("state=ACTIVE", 3, 0),
        ("state=any&scrapePool=away", 1, 1),
        ("state=dropped", 0, 3),
        ("state=nosuch", 0, 0),
    ] {
        let answer = data(&harness, &format!("/api/v1/targets?{query}")).await;
        let count = |field: &str| answer[field].as_array().unwrap().len();
        assert_eq!(
            (count("activeTargets"), count("droppedTargets")),
            (active, dropped),
            "{query}"
        );
    }
    assert_eq!(
        data(&harness, "/api/v1/scrape_pools").await,
        json!({"scrapePools": ["away", "bad", "good"]})
    );
}

#[tokio::test]
async fn another_tenant_has_no_targets() {
    let harness = scraped().await;
    for path in ["/api/v1/targets", "/api/v1/metadata"] {
        let mut request = get(path);
        request.headers_mut().insert("x-scope-orgid", "other".parse().unwrap());
        let answer = harness.call(request).await.json();
        assert!(!answer.to_string().contains("good"), "{answer}");
    }
}

#[tokio::test]
async fn metadata_of_metrics() {
    let harness = scraped().await;
    let entry = json!({"type": "counter", "unit": "", "help": "Some \"help\"."});
    assert_eq!(data(&harness, "/api/v1/metadata").await, json!({"a_total": [entry]}));
    assert_eq!(data(&harness, "/api/v1/metadata?limit=0").await, json!({}));
    assert_eq!(data(&harness, "/api/v1/metadata?metric=b").await, json!({}));
    let answer = harness.call(get("/api/v1/metadata?limit=x")).await.json();
    assert_eq!(answer["error"], "limit must be a number");
    let path = "/api/v1/targets/metadata?match_target=%7Bjob%3D%22good%22%7D";
    assert_eq!(
        data(&harness, path).await,
        json!([{
            "target": {"instance": "good:80", "job": "good"},
            "metric": "a_total", "type": "counter", "unit": "", "help": "Some \"help\"."
        }])
    );
}

//! InfluxDB's line protocol: what is stored, and how faults are told.

use crate::harness::{Answer, Harness, get};
use http::Request;
use serde_json::{Value, json};

const NOW_MS: i64 = 1_700_000_000_000;

async fn write(harness: &Harness, path: &str, body: &str) -> Answer {
    harness
        .call(Request::post(path).body(body.to_owned().into()).unwrap())
        .await
}

async fn stored(harness: &Harness, query: &str) -> Value {
    harness.ingest().await;
    let answer = harness.call(get(&format!("/api/v1/query?query={query}"))).await.json();
    answer["data"]["result"].clone()
}

#[tokio::test]
async fn fields_become_series() {
    for (path, body) in [
        (
            "/write?db=telegraf&precision=s&u=me&p=secret",
            "cpu,host=a usage_idle=97.5,n=3i,ok=t,text=\"x\" 1699999990\n",
        ),
        (
            "/api/v2/write?org=o&bucket=b&precision=ms",
            "cpu,host=a,db=telegraf usage_idle=97.5,n=3i,ok=t 1699999990000\n",
        ),
        (
            "/write?db=telegraf",
            "cpu,host=a usage_idle=97.5,n=3i,ok=t 1699999990000000000",
        ),
    ] {
        let harness = Harness::new(NOW_MS);
        assert_eq!(write(&harness, path, body).await.status, 204, "{path}");
        let found = stored(&harness, "%7Bhost=%22a%22%7D[1h]").await;
        let mut shown: Vec<String> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|series| {
                format!(
                    "{} {} {}",
                    series["metric"]["__name__"], series["metric"]["db"], series["values"]
                )
            })
            .collect();
        shown.sort();
        assert_eq!(
            shown,
            [
                r#""cpu_n" "telegraf" [[1699999990,"3"]]"#,
                r#""cpu_ok" "telegraf" [[1699999990,"1"]]"#,
                r#""cpu_usage_idle" "telegraf" [[1699999990,"97.5"]]"#,
            ],
            "{path}"
        );
    }
}

#[tokio::test]
async fn lines_with_faults_are_refused_alone() {
    let harness = Harness::new(NOW_MS);
    let body = "a v=1 1700000000\nb x\nc v=1 1000000000\n# d\ne v=\"1\n";
    let answer = write(&harness, "/write?precision=s", body).await;
    assert_eq!(answer.status, 400);
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    for part in [
        "partial write: ",
        "line 2: missing field value",
        "line 5: ",
        "unbalanced quotes",
        "too old sample for series c_v",
        "dropped=3",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(answer.header("x-influxdb-version"), Some("1.8.10"));
    assert_eq!(
        stored(&harness, "%7B__name__=~%22.%2B%22%7D")
            .await
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let answer = write(&harness, "/api/v2/write?precision=s", "b x\n").await.json();
    assert_eq!(answer["code"], "invalid");
    let answer = write(&harness, "/write?precision=days", "").await;
    assert!(answer.text().contains("invalid precision"), "{}", answer.text());
}

#[tokio::test]
async fn the_same_lines_are_stored_once_with_times_and_each_time_without() {
    let harness = Harness::new(NOW_MS);
    for _ in 0..2 {
        write(&harness, "/write", "timed v=1 1699999990000000000\n").await;
        write(&harness, "/write", "timeless v=1\n").await;
        harness.memory.clock.advance_ms(1_000);
    }
    assert_eq!(
        stored(&harness, "timed_v[1h]").await[0]["values"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        stored(&harness, "timeless_v[1h]").await[0]["values"],
        json!([[1_700_000_000, "1"], [1_700_000_001, "1"]])
    );
}

#[tokio::test]
async fn clients_find_what_they_ask_first() {
    let harness = Harness::new(NOW_MS);
    let ping = harness.call(get("/ping")).await;
    assert_eq!(
        (ping.status.as_u16(), ping.header("x-influxdb-version")),
        (204, Some("1.8.10"))
    );
    let create = write(&harness, "/query?q=CREATE%20DATABASE%20x", "").await;
    assert_eq!(create.json(), json!({"results": [{"statement_id": 0}]}));
}

#[tokio::test]
async fn tags_that_would_fill_the_memory_are_refused() {
    let harness = Harness::new(NOW_MS);
    let fields: Vec<String> = (0..5_000).map(|number| format!("f{number}=1")).collect();
    let line = format!("m,t={} {} 1\n", "x".repeat(100_000), fields.join(","));
    let answer = write(&harness, "/write", &line).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
}

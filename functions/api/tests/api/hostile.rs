//! Whatever a request says, the answer is JSON of a known status, and nothing panics.

use crate::harness::{Harness, get, post};
use parapet_model::{BatchSeries, Labels, MetricType, Sample};
use proptest::prelude::*;

fn query() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "up",
        "sum",
        "rate",
        "by",
        "on",
        "offset",
        "bool",
        "and",
        "topk",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "5m",
        "-1h",
        "1e308",
        "NaN",
        "Inf",
        "0x",
        "+",
        "-",
        "*",
        "/",
        "%",
        "^",
        "==",
        "!=",
        "=~",
        "\"a\"",
        "'",
        "`",
        ",",
        ":",
        "@",
        "start()",
        "job",
        "=",
        "{__name__=~\".+\"}",
        "vector(1)",
        "\u{1F600}",
        "\0",
        " ",
        "\n",
        "#",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        (0..2_000i64).prop_map(|n| n.to_string()),
        "[0-9]{1,3}[smhdwy]{1,2}",
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_request_is_answered(
        path in prop::sample::select(vec![
            "query", "query_range", "query_exemplars", "series", "labels", "format_query", "parse_query",
        ]),
        query in query(),
        numbers in prop::collection::vec(number(), 6),
    ) {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", &query).append_pair("match[]", &query);
        for (name, value) in ["time", "start", "end", "step", "lookback_delta", "limit"].iter().zip(&numbers) {
            form.append_pair(name, value);
        }
        let form = form.finish();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (status, answer) = runtime.block_on(async {
            let harness = Harness::with(60_000, |settings| settings.max_samples = 100_000);
            let answer = harness.call(post(&format!("/api/v1/{path}"), &form)).await;
            (answer.status.as_u16(), answer.json_or_text())
        });
        prop_assert!(matches!(status, 200 | 204 | 400 | 422 | 503), "{status} {form}: {answer}");
        let word = answer["status"].as_str().unwrap_or("none");
        prop_assert_eq!(word, match status { 200 => "success", 204 => "none", _ => "error" });
    }
}

fn series(count: usize, samples: i32) -> Vec<BatchSeries> {
    let one = |number: usize| BatchSeries {
        labels: Labels::from_pairs([("__name__", "m".to_owned()), ("n", number.to_string())]),
        kind: MetricType::Gauge,
        samples: (0..samples)
            .map(|n| Sample::float(i64::from(n) * 1_000, f64::from(n)))
            .collect(),
        exemplars: Vec::new(),
    };
    (0..count).map(one).collect()
}

#[tokio::test]
async fn queries_over_their_limits_stop() {
    let harness = Harness::with(600_000, |settings| settings.max_samples = 1_000);
    harness.store(series(20, 100)).await;
    let within = harness
        .call(get("/api/v1/query?query=count_over_time(m{n=%221%22}[10m])&time=100"))
        .await;
    assert_eq!(within.status.as_u16(), 200, "{}", within.text());
    let over = harness
        .call(get("/api/v1/query?query=count_over_time(m[10m])&time=100"))
        .await;
    assert_eq!(over.status.as_u16(), 422);
    assert_eq!(
        over.json()["error"],
        "query processing would load too many samples into memory in query execution"
    );
    for timeout in ["0", "-1", "0.0001"] {
        let late = harness
            .call(get(&format!("/api/v1/query?query=m&timeout={timeout}")))
            .await;
        assert_eq!(
            (late.status.as_u16(), &late.json()["errorType"]),
            (503, &"timeout".into())
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_nobody_waits_for_stops() {
    let harness = Harness::with(600_000, |settings| {
        settings.max_concurrent_queries = 1;
        settings.max_samples = usize::MAX;
    });
    harness.store(series(300, 300)).await;
    // Minutes of work, were it not stopped: a quantile has to go through each of its windows.
    let nested = (0..4).fold("m".to_owned(), |inner, _| {
        format!("quantile_over_time(0.5, {inner}[10m:1s])")
    });
    let heavy = format!("query=sum({nested})&start=0&end=600&step=1&timeout=0.2");
    let answer = harness.call(post("/api/v1/query_range", &heavy)).await;
    assert_eq!(answer.status.as_u16(), 503, "{}", answer.text());
    // The one permit is free again soon.
    let next = harness.call(get("/api/v1/query?query=1&timeout=5")).await;
    assert_eq!(next.status.as_u16(), 200, "{}", next.text());
}

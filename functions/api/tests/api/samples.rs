//! Answers of a real Prometheus: ours have the same status, type and shape, and its errors word for word.

use crate::harness::{Harness, get};
use crate::{conformance, rules};
use serde_json::Value;
use std::collections::BTreeSet;

/// Objects whose names are data.
const OPEN: [&str; 7] = [
    "metric",
    "target",
    "labels",
    "annotations",
    "discoveredLabels",
    "droppedTargetCounts",
    "yaml",
];

/// What 3.14 has beyond 3.5, of which the samples are.
const NEWER: [&str; 9] = [
    "samplesRead",
    "labels",
    "anchored",
    "smoothed",
    "fillValues",
    "offsetExpr",
    "rangeExpr",
    "stepExpr",
    "infos",
];

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Where the shapes differ.
fn compare(path: &str, got: &Value, want: &Value) -> Result<(), String> {
    match (got, want) {
        (Value::Object(got), Value::Object(want)) => {
            let field = path.rsplit('.').next().unwrap_or_default();
            if OPEN.contains(&field) {
                return Ok(());
            }
            let names = |object: &serde_json::Map<String, Value>| -> BTreeSet<String> {
                object
                    .keys()
                    .filter(|name| !NEWER.contains(&name.as_str()))
                    .cloned()
                    .collect()
            };
            if names(got) != names(want) {
                return Err(format!("{path}: fields {:?}, want {:?}", names(got), names(want)));
            }
            want.iter()
                .filter_map(|(name, want)| Some((name, got.get(name)?, want)))
                .try_for_each(|(name, got, want)| compare(&format!("{path}.{name}"), got, want))
        }
        (Value::Array(got), Value::Array(want)) => {
            let Some(want) = want.first() else { return Ok(()) };
            // Rules are of two kinds: one of ours must be like the first of theirs.
            let mut compared = got
                .iter()
                .map(|got| compare(&format!("{path}[]"), got, want))
                .peekable();
            let first = compared.peek().cloned().unwrap_or(Ok(()));
            if compared.any(|result| result.is_ok()) {
                Ok(())
            } else {
                first
            }
        }
        (got, want) if kind(got) == kind(want) => Ok(()),
        (got, want) => Err(format!("{path}: {got}, want {want}")),
    }
}

#[tokio::test]
async fn answers_have_the_shape_of_prometheus() {
    let Some(samples) = conformance::read("http_api/samples/prometheus-3.5.3.json") else {
        return;
    };
    let body =
        "# HELP node_cpu_seconds_total Seconds.\n# TYPE node_cpu_seconds_total counter\nnode_cpu_seconds_total 1\n";
    let jobs = [("away", None), ("node", Some(body))];
    let harness = Harness::scraped_with_rules(1_795_216_260_000, &jobs, rules::files()).await;
    rules::store_state(&harness).await;
    let mut faults = Vec::new();
    let mut count = 0;
    for sample in samples.as_array().unwrap() {
        let request = sample["request"].as_str().unwrap();
        let answer = harness.call(get(request.strip_prefix("GET ").unwrap())).await;
        let want = &sample["body"];
        let got = answer.json_or_text();
        assert_eq!(sample["status"], answer.status.as_u16(), "{request}: {got}");
        assert_eq!(
            sample["content_type"].as_str(),
            answer.header("content-type"),
            "{request}"
        );
        count += 1;
        match want.get("$text") {
            Some(text) => assert_eq!(*text, got, "{request}"),
            None if want["status"] == "error" => assert_eq!(got, *want, "{request}"),
            // The names are data.
            None if request.contains("/metadata") || request.contains("/flags") => {
                assert_eq!(kind(&got["data"]), kind(&want["data"]), "{request}");
            }
            None => faults.extend(compare("", &got, want).map_err(|why| format!("{request}: {why}")).err()),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!("answers of Prometheus 3.5.3: {count} alike");
}

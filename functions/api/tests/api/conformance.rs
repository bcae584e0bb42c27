//! The endpoint cases of Prometheus' own test suite, over samples that came in by remote write and were stored.

use crate::harness::{Harness, get, post};
use crate::load::parse_load;
use parapet_model::{BatchSeries, Exemplar, Labels};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A file of the conformance data, JSON.
pub(crate) fn read(name: &str) -> Option<Value> {
    text(name).map(|text| serde_json::from_str(&text).unwrap())
}

/// A file of the conformance data.
pub(crate) fn text(name: &str) -> Option<String> {
    #[allow(clippy::disallowed_methods)] // where the conformance data is, is the machine's affair
    let folder = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            println!("skipped: {}: {error}", path.display());
            None
        }
    }
}

fn data() -> Option<Value> {
    read("http_api/v1_endpoint_cases.json")
}

/// Form parameters of a case.
fn parameters(case: &Value) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    let named: BTreeMap<String, Vec<String>> = match case.get("params") {
        Some(named) => serde_json::from_value(named.clone()).unwrap(),
        None => BTreeMap::new(),
    };
    for (name, values) in named {
        for value in values {
            form.append_pair(&name, &value);
        }
    }
    form.finish()
}

/// A path with what does not belong in one escaped.
fn path(case: &Value) -> String {
    let escape = |bytes: &[u8]| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._:-".contains(&byte);
        bytes
            .iter()
            .map(|byte| {
                if plain(*byte) {
                    char::from(*byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    let path = case["path"].as_str().unwrap();
    let Some(hex) = case.pointer("/name_hex/$bytes_hex").and_then(Value::as_str) else {
        return escape(path.as_bytes());
    };
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    path.replace("{name}", &escape(&bytes))
}

/// Numbers are compared as floats, sets of series in any order; no list and an empty one are the same.
fn same(path: &str, got: &Value, want: &Value, now: f64) -> bool {
    match (got, want) {
        (got, Value::String(want)) if want == "now" => got.as_f64() == Some(now),
        (Value::Number(got), Value::Number(want)) => got.as_f64() == want.as_f64(),
        (Value::Array(got), Value::Array(want)) => {
            let in_order = |got: &[Value]| got.iter().zip(want).all(|(got, want)| same(path, got, want, now));
            got.len() == want.len()
                && (in_order(got)
                    || path.ends_with("/series") && want.iter().all(|want| got.iter().any(|got| same(path, got, want, now)))
                    // Metadata of one metric is a set.
                    || path.ends_with("/metadata") && want.iter().all(|want| got.iter().any(|got| same(path, got, want, now))))
        }
        (Value::Object(got), Value::Object(want)) => {
            got.len() == want.len()
                && want
                    .iter()
                    .all(|(name, want)| got.get(name).is_some_and(|got| same(path, got, want, now)))
        }
        (got, want) => got == want,
    }
}

fn check(case: &Value, answer: &Value, now: f64) -> Result<(), String> {
    let expect = &case["expect"];
    if let Some(kind) = expect.get("errorType") {
        return if answer.get("errorType") == Some(kind) {
            Ok(())
        } else {
            Err(format!("no {kind}: {answer}"))
        };
    }
    if answer["status"] != "success" {
        return Err(answer.to_string());
    }
    let data = &answer["data"];
    if let Some(want) = expect
        .get("data")
        .filter(|want| !same(case["path"].as_str().unwrap(), data, want, now))
    {
        return Err(format!("got {data}, want {want}"));
    }
    let length = data
        .as_array()
        .map(Vec::len)
        .or_else(|| data.as_object().map(serde_json::Map::len));
    if let Some(want) = expect
        .get("data_length")
        .and_then(Value::as_u64)
        .filter(|want| length != usize::try_from(*want).ok())
    {
        return Err(format!("length {length:?}, want {want}"));
    }
    let warnings = answer.get("warnings").and_then(Value::as_array).map_or(0, Vec::len);
    match expect.get("warnings").and_then(Value::as_u64) {
        Some(want) if usize::try_from(want) != Ok(warnings) => Err(format!("{warnings} warnings, want {want}")),
        _ => Ok(()),
    }
}

/// A series for each exemplar of the setup, as a sender has them: apart from the samples.
fn exemplars(setup: &Value) -> Vec<BatchSeries> {
    let labels = |value: &Value| {
        let pairs: BTreeMap<String, String> = serde_json::from_value(value.clone()).unwrap();
        Labels::from_pairs(pairs)
    };
    let series = |one: &Value| BatchSeries {
        labels: labels(&one["series"]),
        exemplars: vec![Exemplar {
            labels: labels(&one["labels"]),
            value: one["value"].as_f64().unwrap(),
            timestamp_ms: one["ts_ms"].as_i64().unwrap(),
            has_timestamp: true,
        }],
        ..BatchSeries::default()
    };
    setup.as_array().unwrap().iter().map(series).collect()
}

/// Targets whose bodies say what the case has them know. A body says one thing of a metric: what a case has a target
/// say besides comes from a second target of that kind.
async fn scrape_metadata(now_ms: i64, setup: &Value) -> Harness {
    let mut bodies: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for target in setup.as_array().unwrap() {
        for metadata in target["metadata"].as_array().unwrap() {
            let [metric, kind, help] = ["metric", "type", "help"].map(|name| metadata[name].as_str().unwrap());
            let suffix = if kind == "summary" { "_count" } else { "" };
            let text = format!("# HELP {metric} {help}\n# TYPE {metric} {kind}\n{metric}{suffix} 1\n");
            let mut job = target["target"].as_str().unwrap().to_owned();
            while bodies.entry(job.clone()).or_default().contains_key(metric) {
                job.push_str("-again");
            }
            bodies.entry(job).or_default().insert(metric, text);
        }
    }
    let jobs: Vec<(String, String)> = bodies
        .into_iter()
        .map(|(job, families)| (job, families.into_values().collect()))
        .collect();
    let jobs: Vec<(&str, Option<&str>)> = jobs
        .iter()
        .map(|(job, body)| (job.as_str(), Some(body.as_str())))
        .collect();
    Harness::scraped(now_ms, &jobs).await
}

/// Targets of the cases have no `instance`, which every target that is scraped has; `up` and its like have no metadata.
fn without_instance(mut answer: Value) -> Value {
    for entry in answer
        .pointer_mut("/data")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(target) = entry.get_mut("target").and_then(Value::as_object_mut) {
            assert!(target.remove("instance").is_some());
        }
    }
    answer
}

#[tokio::test]
async fn endpoint_cases() {
    let Some(data) = data() else { return };
    let now_ms = 6_000_000;
    let loaded = Harness::new(now_ms);
    let mut series = parse_load(data["setup"]["promqltest_load"].as_str().unwrap());
    series.extend(exemplars(&data["setup"]["exemplars"]));
    loaded.store(series).await;
    let mut failed = Vec::new();
    let cases = data["cases"].as_array().unwrap();
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let with_targets;
        let harness = match case.get("target_metadata_setup") {
            Some(setup) => {
                with_targets = scrape_metadata(now_ms, setup).await;
                &with_targets
            }
            None => &loaded,
        };
        let (path, form) = (path(case), parameters(case));
        let mut result = Ok(());
        for method in case["method"].as_str().unwrap().split('|') {
            let request = match method {
                "GET" => get(&format!("{path}?{form}")),
                _ => post(&path, &form),
            };
            let answer = harness.call(request).await;
            #[allow(clippy::cast_precision_loss)]
            let checked = check(case, &without_instance(answer.json_or_text()), now_ms as f64 / 1000.0);
            result = result.and(checked.map_err(|why| format!("{id} {method} {path}?{form}: {why}")));
        }
        failed.extend(result.err());
    }
    println!("endpoint cases: {} of {} pass", cases.len() - failed.len(), cases.len());
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test]
async fn times_and_durations() {
    let Some(data) = data() else { return };
    let harness = Harness::new(0);
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut count = 0;
    for (list, parameter) in [("parse_duration", "step"), ("parse_time", "start")] {
        for case in data[list].as_array().unwrap() {
            let input = case["input"].as_str().unwrap();
            let form = match parameter {
                "step" => format!("query=1&start=0&end=0&step={}", encode(input)),
                _ => format!("query=1&start={0}&end={0}&step=1", encode(input)),
            };
            let answer = harness.call(get(&format!("/api/v1/query_range?{form}"))).await.json();
            let text = format!("{answer}");
            let refused = text.contains(&format!("invalid parameter \\\"{parameter}\\\": cannot parse"));
            assert_eq!(
                refused,
                case["fail"].as_bool().unwrap(),
                "{parameter} {input:?}: {text}"
            );
            count += 1;
        }
    }
    println!("times and durations: {count} pass");
}

//! What requests become: names, labels, samples and exemplars, as Prometheus' own tests of the translator have them.
#![allow(clippy::unwrap_used)]

use parapet_model::{CounterReset, MetricType, Sample, Value};
use parapet_otlp::{Deltas, Promotion, Settings, Translated, decode_json, decode_protobuf, translate};
use prost::Message as _;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

const AT: &str = "1700000000123456789";

fn attributes(pairs: &[(&str, &str)]) -> Json {
    pairs
        .iter()
        .map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}))
        .collect()
}

fn request(resource: &[(&str, &str)], metrics: Json) -> Json {
    json!({"resourceMetrics": [{
        "resource": {"attributes": attributes(resource)},
        "scopeMetrics": [{"scope": {"name": "lib", "version": "1.2", "attributes": attributes(&[("a.b", "c")])},
                          "schemaUrl": "http://s", "metrics": metrics}],
    }]})
}

/// Translates a body, which must say the same in JSON and in protobuf.
fn translated(body: &Json, settings: &Settings) -> Translated {
    let request = decode_json(body.to_string().as_bytes()).unwrap();
    assert_eq!(decode_protobuf(&request.encode_to_vec()).unwrap(), request);
    translate(&request, settings)
}

/// Each sample as a line.
fn lines(translated: &Translated) -> Vec<String> {
    let mut lines = Vec::new();
    for series in &translated.series {
        for sample in &series.samples {
            let value = match &sample.value {
                Value::Float(value) => parapet_model::format_float(*value),
                Value::Histogram(one) => format!("schema {} count {} sum {}", one.schema, one.count, one.sum),
            };
            lines.push(format!("{} {value} {}", series.labels, sample.timestamp_ms));
        }
    }
    lines
}

const SERVICE: [(&str, &str); 4] = [
    ("service.name", "shop"),
    ("service.namespace", "web"),
    ("service.instance.id", "pod-1"),
    ("cloud.region", "eu"),
];

#[test]
fn gauges_and_sums() {
    let metrics = json!([
        {"name": "temperature", "unit": "Cel", "gauge": {"dataPoints": [
            {"timeUnixNano": AT, "asDouble": 21.5, "attributes": attributes(&[("room.no", "1"), ("room_no", "2"), ("job", "own")])}]}},
        {"name": "http.requests", "sum": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE", "isMonotonic": true,
            "dataPoints": [{"timeUnixNano": AT, "asInt": "7",
                "exemplars": [{"timeUnixNano": AT, "asDouble": 1, "traceId": "0102030405060708090a0b0c0d0e0f10",
                    "spanId": "0102030405060708", "filteredAttributes": attributes(&[("user", "x")])}]}]}},
        {"name": "queue", "sum": {"aggregationTemporality": 2, "dataPoints": [{"time_unix_nano": AT, "as_int": -3}]}},
        {"name": "gone", "gauge": {"dataPoints": [{"timeUnixNano": AT, "asDouble": 1, "flags": 1}]}},
    ]);
    let made = translated(&request(&SERVICE, metrics), &Settings::default());
    assert_eq!(
        lines(&made),
        [
            r#"temperature_celsius{instance="pod-1", job="web/shop", room_no="1;2"} 21.5 1700000000123"#,
            r#"http_requests_total{instance="pod-1", job="web/shop"} 7 1700000000123"#,
            r#"queue{instance="pod-1", job="web/shop"} -3 1700000000123"#,
            r#"gone{instance="pod-1", job="web/shop"} NaN 1700000000123"#,
            r#"target_info{cloud_region="eu", instance="pod-1", job="web/shop"} 1 1700000000123"#,
        ]
    );
    assert!(made.series[3].samples[0].value.is_stale());
    let kinds: Vec<MetricType> = made.series.iter().map(|series| series.kind).collect();
    use MetricType::{Counter, Gauge};
    assert_eq!(kinds, [Gauge, Counter, Gauge, Gauge, Gauge]);
    let exemplar = &made.series[1].exemplars[0];
    assert_eq!(
        exemplar.labels.to_string(),
        r#"{span_id="0102030405060708", trace_id="0102030405060708090a0b0c0d0e0f10", user="x"}"#
    );
    assert_eq!((made.rejected_points, made.faults.len()), (0, 0));
}

#[test]
fn histograms_and_summaries() {
    let metrics = json!([
        {"name": "latency", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            {"timeUnixNano": AT, "count": "6", "sum": 9.5, "bucketCounts": ["1", "2", "3"], "explicitBounds": [0.5, 1],
             "exemplars": [{"timeUnixNano": AT, "asDouble": 0.7}, {"timeUnixNano": AT, "asInt": "100"}]}]}},
        {"name": "wait", "unit": "ms", "summary": {"dataPoints": [
            {"timeUnixNano": AT, "count": "2", "sum": 3, "quantileValues": [{"quantile": 0.99, "value": 2.5}]}]}},
        {"name": "size", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
            {"timeUnixNano": AT, "count": "3", "sum": 4, "scale": 1, "zeroCount": "1",
             "positive": {"offset": -1, "bucketCounts": ["1", "1"]}}]}},
    ]);
    let body = request(&[("service.name", "s")], metrics);
    let made = translated(&body, &Settings::default());
    assert_eq!(
        lines(&made),
        [
            r#"latency_seconds_sum{job="s"} 9.5 1700000000123"#,
            r#"latency_seconds_count{job="s"} 6 1700000000123"#,
            r#"latency_seconds_bucket{job="s", le="0.5"} 1 1700000000123"#,
            r#"latency_seconds_bucket{job="s", le="1"} 3 1700000000123"#,
            r#"latency_seconds_bucket{job="s", le="+Inf"} 6 1700000000123"#,
            r#"wait_milliseconds_sum{job="s"} 3 1700000000123"#,
            r#"wait_milliseconds_count{job="s"} 2 1700000000123"#,
            r#"wait_milliseconds{job="s", quantile="0.99"} 2.5 1700000000123"#,
            r#"size{job="s"} schema 1 count 3 sum 4 1700000000123"#,
        ]
    );
    let exemplars: Vec<usize> = made.series.iter().map(|series| series.exemplars.len()).collect();
    assert_eq!(exemplars, [0, 0, 0, 1, 1, 0, 0, 0, 0]);
    let settings = Settings {
        convert_histograms_to_nhcb: true,
        ..Settings::default()
    };
    let native = translated(&body, &settings);
    assert_eq!(
        lines(&native)[0],
        r#"latency_seconds{job="s"} schema -53 count 6 sum 9.5 1700000000123"#
    );
    assert_eq!(native.series[0].exemplars.len(), 2);
}

#[test]
fn numbers_of_json_arrive_to_the_last_bit() {
    for text in [
        "0.39047855113892316",
        "5e-324",
        "123456789.12345679",
        "-7.450580596923828e-9",
    ] {
        let point = format!(r#"{{"asDouble": {text}, "timeUnixNano": "1000000"}}"#);
        let body = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[{point}]}}}}]}}]}}]}}"#
        );
        let made = translate(&decode_json(body.as_bytes()).unwrap(), &Settings::default());
        let want: f64 = text.parse().unwrap();
        assert_eq!(made.series[0].samples, [Sample::float(1, want)], "{text}");
    }
}

#[test]
fn exemplars_of_a_point_without_a_value_are_none() {
    let exemplars = json!([{"timeUnixNano": AT, "asDouble": 0.7}]);
    let of = |flags: u32| {
        let sum = json!({"timeUnixNano": AT, "asInt": "1", "flags": flags, "exemplars": exemplars});
        let classic = json!({"timeUnixNano": AT, "count": "1", "bucketCounts": ["1", "0"], "explicitBounds": [1],
            "flags": flags, "exemplars": exemplars});
        let native = json!({"timeUnixNano": AT, "count": "1", "zeroCount": "1", "scale": 1, "flags": flags,
            "exemplars": exemplars});
        let metrics = json!([
            {"name": "s", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [sum]}},
            {"name": "c", "histogram": {"aggregationTemporality": 2, "dataPoints": [classic]}},
            {"name": "n", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [native]}},
        ]);
        let made = translated(&request(&[], metrics), &Settings::default());
        made.series.iter().map(|series| series.exemplars.len()).sum::<usize>()
    };
    assert_eq!((of(0), of(1)), (3, 0));
}

#[test]
fn the_configuration_says_which_labels_there_are() {
    let gauge = json!([{"name": "a.b", "unit": "By", "gauge": {"dataPoints": [
        {"timeUnixNano": AT, "asInt": 1, "attributes": attributes(&[("x.y", "z")])}]}}]);
    let body = request(&SERVICE, gauge);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    for (settings, want) in [
        (
            Settings {
                promotion: Promotion::Only(names(&["cloud.region", "absent"])),
                ..Settings::default()
            },
            r#"a_b_bytes{cloud_region="eu", instance="pod-1", job="web/shop", x_y="z"}"#,
        ),
        (
            Settings {
                promotion: Promotion::AllBut(names(&["cloud.region"])),
                allow_utf8: true,
                ..Settings::default()
            },
            r#"{"a.b_bytes", instance="pod-1", job="web/shop", "service.instance.id"="pod-1", "service.name"="shop", "service.namespace"="web", "x.y"="z"}"#,
        ),
        (
            Settings {
                promote_scope_metadata: true,
                add_suffixes: false,
                ..Settings::default()
            },
            r#"a_b{instance="pod-1", job="web/shop", otel_scope_a_b="c", otel_scope_name="lib", otel_scope_schema_url="http://s", otel_scope_version="1.2", x_y="z"}"#,
        ),
    ] {
        assert_eq!(translated(&body, &settings).series[0].labels.to_string(), want);
    }
    let keeping = Settings {
        keep_identifying_resource_attributes: true,
        ..Settings::default()
    };
    let info = &translated(&body, &keeping).series[1];
    assert_eq!(
        info.labels.to_string(),
        r#"target_info{cloud_region="eu", instance="pod-1", job="web/shop", service_instance_id="pod-1", service_name="shop", service_namespace="web"}"#
    );
    // Nothing to tell beyond job and instance, or nobody to tell of.
    for resource in [&SERVICE[..3], &SERVICE[3..]] {
        let body = request(
            resource,
            json!([{"name": "a", "gauge": {"dataPoints": [{"timeUnixNano": AT}]}}]),
        );
        assert_eq!(translated(&body, &Settings::default()).series.len(), 1, "{resource:?}");
    }
}

#[test]
fn attributes_that_become_one_label() {
    let point = |pairs: &[(&str, &str)]| {
        json!([{"name": "m", "gauge": {"dataPoints": [
            {"timeUnixNano": AT, "asInt": "1", "attributes": attributes(pairs)}]}}])
    };
    let settings = Settings {
        promotion: Promotion::AllBut(BTreeSet::new()),
        ..Settings::default()
    };
    let of = |resource: &[(&str, &str)], own: &[(&str, &str)]| {
        let made = translated(&request(resource, point(own)), &settings);
        let metric = |series: &&parapet_model::BatchSeries| series.labels.metric_name() == Some("m");
        made.series.iter().find(metric).unwrap().labels.to_string()
    };
    // A point's are joined in order of their names, empty ones aside.
    assert_eq!(of(&[], &[("a_b", "2"), ("a.b", "1")]), r#"m{a_b="1;2"}"#);
    assert_eq!(of(&[], &[("a_b", "2"), ("a.b", "")]), r#"m{a_b="2"}"#);
    // Of a resource's the last one counts, where the point says nothing.
    assert_eq!(of(&[("a_b", "2"), ("a.b", "1")], &[]), r#"m{a_b="1"}"#);
    assert_eq!(of(&[("a.b", "1")], &[("a_b", "")]), r#"m{a_b="1"}"#);
    assert_eq!(of(&[("a.b", "1")], &[("a_b", "2")]), r#"m{a_b="2"}"#);
    assert_eq!(of(&[("service.name", "")], &[("job", "j")]), r#"m{job="j"}"#);
}

#[test]
fn target_info_stands_wherever_a_query_between_looks() {
    let points = |times: &[u64]| {
        let points: Vec<Json> = times
            .iter()
            .map(|ms| json!({"timeUnixNano": (ms * 1_000_000).to_string(), "asInt": "1"}))
            .collect();
        json!([{"name": "m", "gauge": {"dataPoints": points}}])
    };
    let resource = [("service.name", "s"), ("a", "b")];
    let of = |bodies: Vec<Json>| -> Vec<i64> {
        let mut all = json!({"resourceMetrics": []});
        for mut body in bodies {
            let one = body["resourceMetrics"][0].take();
            all["resourceMetrics"].as_array_mut().unwrap().push(one);
        }
        let made = translated(&all, &Settings::default());
        let info = |series: &&parapet_model::BatchSeries| series.labels.metric_name() == Some("target_info");
        let found = made.series.iter().find(info).unwrap();
        found.samples.iter().map(|sample| sample.timestamp_ms).collect()
    };
    assert_eq!(of(vec![request(&resource, points(&[1_000]))]), [1_000]);
    let spread = request(&resource, points(&[400_000, 1_000, 200_000]));
    assert_eq!(of(vec![spread.clone()]), [1_000, 151_000, 301_000, 400_000]);
    let ends_with_a_step = request(&resource, points(&[1_000, 151_000]));
    assert_eq!(of(vec![ends_with_a_step, spread]), [1_000, 151_000, 301_000, 400_000]);
    // Of points that are decades apart, those before the last are made up to a limit.
    let ages = of(vec![request(&resource, points(&[0, 1_700_000_000_000]))]);
    assert_eq!((ages.len(), ages[10_000]), (10_001, 1_700_000_000_000));
    assert!(ages.is_sorted() && ages[0] > 1_698_000_000_000, "{}", ages[0]);
}

#[test]
fn deltas_are_given_apart_or_as_they_are() {
    let sum = |temporality: i32| {
        json!([{"name": "a", "sum": {"aggregationTemporality": temporality, "isMonotonic": true,
            "dataPoints": [{"timeUnixNano": AT, "asInt": 1}]}},
            {"name": "h", "exponentialHistogram": {"aggregationTemporality": temporality, "dataPoints": [{"timeUnixNano": AT}]}}])
    };
    let made = translated(&request(&SERVICE[..1], sum(1)), &Settings::default());
    assert_eq!((made.series.len(), made.deltas.len(), made.rejected_points), (0, 2, 0));
    let native = Settings {
        deltas: Deltas::AsTheyAre,
        ..Settings::default()
    };
    let made = translated(&request(&SERVICE[..1], sum(1)), &native);
    assert_eq!(made.deltas, []);
    assert_eq!(made.series[0].kind, MetricType::Unknown);
    let Value::Histogram(histogram) = &made.series[1].samples[0].value else {
        panic!("a float")
    };
    assert_eq!(histogram.counter_reset, CounterReset::Gauge);
    let made = translated(&request(&SERVICE[..1], sum(0)), &native);
    assert_eq!((made.series.len(), made.rejected_points), (0, 2));
    assert!(
        made.faults[0].contains("invalid temporality and type combination"),
        "{:?}",
        made.faults
    );
}

#[test]
fn a_point_that_makes_no_sense_is_left_out_alone() {
    let metrics = json!([
        {"name": "h", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
            {"timeUnixNano": AT, "scale": -5}, {"timeUnixNano": AT, "count": "1"}, {"timeUnixNano": AT, "zeroCount": 1, "count": 1}]}},
        {"name": "empty", "gauge": {}},
        {"name": "nothing"},
        {"name": "...", "gauge": {"dataPoints": [{"timeUnixNano": AT}]}},
    ]);
    let made = translated(&request(&SERVICE[..1], metrics), &Settings::default());
    assert_eq!(
        lines(&made),
        [r#"h{job="s"} schema 0 count 1 sum 0 1700000000123"#.replace("\"s\"", "\"shop\"")]
    );
    assert_eq!(made.rejected_points, 3);
    assert_eq!(made.faults.len(), 5);
}

#[test]
fn attributes_that_would_fill_the_memory_are_refused() {
    let long = "x".repeat(1 << 20);
    let points: Vec<Json> = (0..1_000).map(|_| json!({"timeUnixNano": AT})).collect();
    let body = request(
        &[("service.name", &long)],
        json!([{"name": "a", "gauge": {"dataPoints": points}}]),
    );
    let made = translated(&body, &Settings::default());
    assert_eq!((made.rejected_points, made.series.len()), (1_000, 0));
}

#[test]
fn bodies_that_are_none() {
    for body in [
        "",
        "[]",
        "{\"resourceMetrics\": 1}",
        "{\"resourceMetrics\": [{\"scopeMetrics\": [{\"metrics\": [{\"sum\": {\"dataPoints\": [{\"asInt\": \"x\"}]}}]}]}]}",
    ] {
        assert!(decode_json(body.as_bytes()).is_err(), "{body}");
    }
    assert!(decode_protobuf(b"\x0a\xff").is_err());
    assert_eq!(
        decode_json(br#"{"resourceMetrics": null, "more": 1}"#)
            .unwrap()
            .resource_metrics
            .len(),
        0
    );
}

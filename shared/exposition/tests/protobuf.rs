//! The scrape parser's own table for the protobuf format, real bodies in it, and damage.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod textproto;

use parapet_exposition::{Entry, Exemplar, Format, LabelPair, Limits, Options, Parser, Place, collect};
use parapet_model::{CounterReset, Histogram, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

#[allow(clippy::disallowed_methods)]
fn conformance(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let path = root.join(folder);
    if !path.is_dir() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// A body of families in protobuf's text form.
fn encode(families: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    for family in families {
        let message = textproto::encode(family);
        parapet_protobuf::put_varint(&mut body, message.len() as u64);
        body.extend(message);
    }
    body
}

fn labels(name: &str, labels: &[LabelPair<'_>]) -> BTreeMap<String, String> {
    let own = labels.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    own.chain([("__name__".to_owned(), name.to_owned())]).collect()
}

fn exemplars<'e>(found: impl IntoIterator<Item = Exemplar<'e, 'e>>) -> Vec<Json> {
    let each = found.into_iter().map(|exemplar| {
        let labels: BTreeMap<_, _> = exemplar.labels.iter().cloned().collect();
        let mut out = json!({"labels": labels, "value": exemplar.value});
        if let Some(timestamp_ms) = exemplar.timestamp_ms {
            out["ts_ms"] = timestamp_ms.into();
        }
        out
    });
    each.collect()
}

/// Every entry of a body in the words of the table.
fn entries(body: &[u8], options: Options) -> Vec<Json> {
    let mut parser = Parser::new(body, Format::Protobuf, &Limits::default()).with_options(options);
    let mut out = Vec::new();
    while let Some(entry) = parser.next_entry().unwrap() {
        let (mut told, found, timestamp_ms, start_ms) = match entry {
            Entry::Help { family, text } => {
                out.push(json!({"entry": "help", "metric": family, "help": text}));
                continue;
            }
            Entry::Type { family, kind } => {
                out.push(json!({"entry": "type", "metric": family, "type": kind.as_str()}));
                continue;
            }
            Entry::Unit { family, unit } => {
                out.push(json!({"entry": "unit", "metric": family, "unit": unit}));
                continue;
            }
            Entry::Comment(_) => panic!("no comments in protobuf"),
            Entry::Series(series) => {
                let told = json!({
                    "entry": "series",
                    "labels": labels(&series.name, series.labels),
                    "value": if series.value.is_nan() { json!("NaN") } else { json!(series.value) },
                });
                (
                    told,
                    exemplars(series.exemplar),
                    series.timestamp_ms,
                    series.start_timestamp_ms,
                )
            }
            Entry::Histogram(series) => {
                let told = json!({
                    "entry": "histogram",
                    "labels": labels(&series.name, series.labels),
                    "histogram": shown(&series.histogram),
                });
                (
                    told,
                    exemplars(series.exemplars),
                    series.timestamp_ms,
                    series.start_timestamp_ms,
                )
            }
        };
        if let Some(timestamp_ms) = timestamp_ms {
            told["ts_ms"] = timestamp_ms.into();
        }
        if let Some(start_ms) = start_ms {
            told["start_ts_ms"] = start_ms.into();
        }
        if !found.is_empty() {
            told["exemplars"] = found.into();
        }
        out.push(told);
    }
    out
}

fn shown(histogram: &Histogram) -> Json {
    let spans = |spans: &[parapet_model::Span]| -> Vec<Json> {
        let each = spans.iter().map(|span| json!([span.offset, span.length]));
        each.collect()
    };
    json!({
        "gauge": histogram.counter_reset == CounterReset::Gauge,
        "count": histogram.count,
        "sum": histogram.sum,
        "schema": histogram.schema,
        "zero": [histogram.zero_threshold, histogram.zero_count],
        "positive": [spans(&histogram.positive_spans), json!(histogram.positive_buckets)],
        "negative": [spans(&histogram.negative_spans), json!(histogram.negative_buckets)],
        "custom": histogram.custom_values,
    })
}

/// An entry of the table without what the parser does not tell: the series' bytes, and whether counts were integers.
fn normalised(entry: &Json) -> Json {
    let mut entry = entry.clone();
    let fields = entry.as_object_mut().unwrap();
    fields.remove("raw");
    let float = fields.remove("float") == Some(true.into());
    let Some(histogram) = fields.get_mut("histogram") else {
        return entry;
    };
    let number = |name: &str| histogram[name].as_f64().unwrap_or_default();
    let spans = |name: &str| -> Vec<Json> {
        let each = histogram[name].as_array().into_iter().flatten();
        each.map(|span| {
            json!([
                span["offset"].as_i64().unwrap_or(0),
                span["length"].as_i64().unwrap_or(0)
            ])
        })
        .collect()
    };
    let buckets = |name: &str| -> Vec<f64> {
        let numbers = histogram[name].as_array().into_iter().flatten();
        let mut count = 0.0;
        numbers
            .map(|number| {
                let number = number.as_f64().unwrap();
                count = if float { number } else { count + number };
                count
            })
            .collect()
    };
    *histogram = json!({
        "gauge": histogram["CounterResetHint"] == "gauge",
        "count": number("Count"),
        "sum": number("Sum"),
        "schema": histogram["Schema"].as_i64().unwrap_or_default(),
        "zero": [number("ZeroThreshold"), number("ZeroCount")],
        "positive": [json!(spans("PositiveSpans")), json!(buckets("PositiveBuckets"))],
        "negative": [json!(spans("NegativeSpans")), json!(buckets("NegativeBuckets"))],
        "custom": histogram["CustomValues"].as_array().cloned().unwrap_or_default(),
    });
    entry
}

/// Numbers compare as numbers.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[test]
fn the_table_of_prometheus() {
    let Some(folder) = conformance("exposition") else {
        return;
    };
    let table: Json = serde_json::from_slice(&std::fs::read(folder.join("protobuf_cases.json")).unwrap()).unwrap();
    let families = table["families_textproto"].as_array().unwrap();
    let families: Vec<&str> = families.iter().map(|family| family.as_str().unwrap()).collect();
    let body = encode(&families);
    let (mut scenarios, mut compared) = (0, 0);
    for scenario in table["scenarios"].as_array().unwrap() {
        let name = scenario["name"].as_str().unwrap();
        let options = Options {
            native_histograms: name.contains("ignoreNativeHistograms=false"),
            classic_histograms: name.contains("parseClassicHistograms=true"),
            type_and_unit_labels: name.contains("enableTypeAndUnitLabels=true"),
            start_timestamps: true,
            ..Options::default()
        };
        let got = entries(&body, options);
        let want: Vec<Json> = scenario["entries"].as_array().unwrap().iter().map(normalised).collect();
        for (got, want) in got.iter().zip(&want) {
            assert!(same(got, want), "{name}\ngot  {got}\nwant {want}");
            compared += 1;
        }
        assert_eq!(got.len(), want.len(), "{name}");
        scenarios += 1;
    }
    println!("protobuf: {scenarios} scenarios, {compared} entries agree");
    assert!(scenarios >= 4 && compared >= 400);
}

fn gunzip(path: &Path) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

/// Both formats of the same scrape have the same series.
#[test]
fn real_bodies_hold_what_their_texts_hold() {
    let Some(folder) = conformance("scrapes/live") else {
        return;
    };
    let mut bodies = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let Some(stem) = path.to_str().unwrap().strip_suffix(".pb.gz") else {
            continue;
        };
        let names = |format, path: &Path| {
            let body = gunzip(path);
            let parsed = collect(Parser::new(&body, format, &Limits::default())).unwrap();
            let names: Vec<String> = parsed.series.iter().map(|series| series.labels.to_string()).collect();
            names.into_iter().collect::<std::collections::BTreeSet<_>>()
        };
        let text = names(Format::PrometheusText, Path::new(&format!("{stem}.prom.gz")));
        let protobuf = names(Format::Protobuf, &path);
        // The two were scraped one after the other: the first of them made a few series about itself.
        let different = text.symmetric_difference(&protobuf).count();
        assert!(
            different * 10 <= text.len(),
            "{}: {different} of {}",
            path.display(),
            text.len()
        );
        bodies += 1;
    }
    assert!(bodies >= 10);
}

const HISTOGRAM: &str = r#"name: "h" type: HISTOGRAM metric: <
    label: < name: "a" value: "b" >
    histogram: < sample_count: 6 sample_sum: 7.5
      bucket: < cumulative_count: 1 upper_bound: 1 >
      bucket: < cumulative_count: 1 upper_bound: 2 exemplar: < value: 1.5 timestamp: < seconds: 9 > > >
      bucket: < cumulative_count: 4 upper_bound: 4 exemplar: < value: 3 > >
    > >"#;

#[test]
fn classic_histograms_become_native_ones_with_custom_buckets() {
    let body = encode(&[HISTOGRAM]);
    let convert = |classic_histograms| Options {
        native_histograms: true,
        convert_classic_histograms: true,
        classic_histograms,
        ..Options::default()
    };
    let told = entries(&body, convert(false));
    let want = json!({
        "entry": "histogram", "labels": {"__name__": "h", "a": "b"},
        "histogram": {
            "gauge": false, "count": 6.0, "sum": 7.5, "schema": -53, "zero": [0.0, 0.0],
            "positive": [[[0, 4]], [1.0, 0.0, 3.0, 2.0]], "negative": [[], []], "custom": [1.0, 2.0, 4.0],
        },
        "exemplars": [{"labels": {}, "value": 1.5, "ts_ms": 9000}],
    });
    assert_eq!(told.len(), 3);
    assert!(same(&told[2], &want), "{}", told[2]);
    // With the classic series before it.
    let told = entries(&body, convert(true));
    let names: Vec<&str> = told[2..]
        .iter()
        .map(|entry| entry["labels"]["__name__"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["h_count", "h_sum", "h_bucket", "h_bucket", "h_bucket", "h_bucket", "h"]
    );
    assert!(same(&told[8], &want));
}

#[test]
fn says_where_the_fault_is() {
    let fault = |body: &[u8], options| {
        let mut parser = Parser::new(body, Format::Protobuf, &Limits::default()).with_options(options);
        loop {
            match parser.next_entry() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("no fault"),
                Err(error) => return error,
            }
        }
    };
    let native = Options {
        native_histograms: true,
        ..Options::default()
    };
    let mut cut = encode(&[HISTOGRAM]);
    cut.pop();
    let error = fault(&cut, native);
    assert_eq!(
        (error.place, error.message.as_str()),
        (Place::Byte(1), "message ends too early")
    );
    for (family, message) in [
        (r#"name: "" metric: < >"#, "invalid metric name: "),
        (
            r#"name: "a" type: 7 metric: < >"#,
            "unknown metric type for metric \"a\": 7",
        ),
        (r#"name: "a" metric: < label: < name: "" > >"#, "invalid label name: "),
        (
            r#"name: "a" type: HISTOGRAM metric: < histogram: < positive_span: < length: 2 > positive_delta: 1 > >"#,
            "histogram \"a\": positive side: spans require 2 buckets, have 1",
        ),
        (
            r#"name: "a" type: HISTOGRAM metric: < histogram: < sample_count: 1 bucket: < cumulative_count: 2 > > >"#,
            "histogram \"a\": positive bucket with a negative count",
        ),
    ] {
        let convert = Options {
            convert_classic_histograms: true,
            ..native
        };
        assert_eq!(fault(&encode(&[family]), convert).message, message, "{family}");
    }
    let twice = encode(&[r#"name: "a" metric: < label: < name: "b" > label: < name: "b" > >"#]);
    let error = collect(Parser::new(&twice, Format::Protobuf, &Limits::default())).unwrap_err();
    assert_eq!(error.message, "label name \"b\" is not unique: invalid sample");
}

#[test]
fn a_small_message_does_not_grow_beyond_limits() {
    let limits = Limits {
        labels_per_series: 2,
        buckets_per_histogram: 3,
    };
    for (family, message) in [
        (
            r#"name: "a" metric: < label: < name: "b" > label: < name: "c" > label: < name: "d" > >"#,
            "more than 2 labels in one series",
        ),
        (
            r#"name: "a" type: HISTOGRAM metric: < histogram: < bucket: < > bucket: < > bucket: < > bucket: < > > >"#,
            "more than 3 buckets in one histogram",
        ),
        (
            r#"name: "a" type: SUMMARY metric: < summary: < quantile: < > quantile: < > quantile: < > quantile: < > > >"#,
            "more than 3 buckets in one histogram",
        ),
        (
            r#"name: "a" type: HISTOGRAM metric: < histogram: < negative_delta: 0 negative_delta: 0 negative_delta: 0 negative_delta: 0 > >"#,
            "more than 3 buckets in one histogram",
        ),
    ] {
        let error = collect(Parser::new(&encode(&[family]), Format::Protobuf, &limits)).unwrap_err();
        assert_eq!(error.message, message, "{family}");
    }
}

#[test]
fn empty_families_and_unknown_fields_are_passed_over() {
    let mut body = encode(&[r#"name: "none" help: "no metrics""#]);
    let mut family = textproto::encode(r#"name: "a" type: GAUGE metric: < gauge: < value: 2 > >"#);
    parapet_protobuf::put_bytes(&mut family, 99, b"of a later version");
    parapet_protobuf::put_varint(&mut body, family.len() as u64);
    body.extend(family);
    let parsed = collect(Parser::new(&body, Format::Protobuf, &Limits::default())).unwrap();
    assert_eq!(parsed.series.len(), 1);
    assert_eq!(parsed.series[0].value, Value::Float(2.0));
    assert!(
        collect(Parser::new(b"", Format::Protobuf, &Limits::default()))
            .unwrap()
            .series
            .is_empty()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn answers_whatever_comes(
        mut body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..100),
            Just(encode(&[HISTOGRAM])),
        ],
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        options in (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        for (at, byte) in changes {
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        let options = Options {
            native_histograms: options.0,
            classic_histograms: options.1,
            convert_classic_histograms: options.2,
            type_and_unit_labels: options.3,
            start_timestamps: true,
        };
        let mut parser = Parser::new(&body, Format::Protobuf, &Limits::default()).with_options(options);
        while let Ok(Some(_)) = parser.next_entry() {}
        prop_assert!(matches!(parser.next_entry(), Ok(None)));
    }
}

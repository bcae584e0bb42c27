//! The scrape parser's own tables, the OpenMetrics suite and real scrapes.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use parapet_exposition::{Entry, Format, Limits, Options, Parser, collect};
use serde_json::Value as Json;
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

fn read_json(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bytes_of(input: &Json) -> Vec<u8> {
    match input {
        Json::String(text) => text.clone().into_bytes(),
        Json::Object(map) => {
            let digits = map["$bytes_hex"].as_str().unwrap();
            (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                .collect()
        }
        other => panic!("unknown input {other}"),
    }
}

/// Every entry of a body in the words of the tables.
fn entries(body: &[u8], format: Format) -> Result<Vec<Json>, String> {
    let mut parser = Parser::new(body, format, &Limits::default()).with_options(Options {
        start_timestamps: true,
        ..Options::default()
    });
    let mut out = Vec::new();
    while let Some(entry) = parser.next_entry().map_err(|error| error.message)? {
        out.push(match entry {
            Entry::Help { family, text } => serde_json::json!({"entry": "help", "metric": family, "help": text}),
            Entry::Type { family, kind } => {
                serde_json::json!({"entry": "type", "metric": family, "type": kind.as_str()})
            }
            Entry::Unit { family, unit } => serde_json::json!({"entry": "unit", "metric": family, "unit": unit}),
            Entry::Comment(text) => {
                serde_json::json!({"entry": "comment", "text": String::from_utf8_lossy(text)})
            }
            Entry::Histogram(_) => panic!("no native histograms in a text"),
            Entry::Series(series) => {
                let labels: BTreeMap<_, _> = series
                    .to_labels()
                    .unwrap()
                    .iter()
                    .map(|(n, v)| (n.to_owned(), v.to_owned()))
                    .collect();
                let mut out = serde_json::json!({
                    "entry": "series",
                    "raw": String::from_utf8_lossy(series.raw),
                    "labels": labels,
                    "value": number(series.value),
                });
                if let Some(timestamp_ms) = series.timestamp_ms {
                    out["ts_ms"] = timestamp_ms.into();
                }
                if let Some(start_ms) = series.start_timestamp_ms {
                    out["start_ts_ms"] = start_ms.into();
                }
                if let Some(exemplar) = series.exemplar {
                    let labels: BTreeMap<_, _> = exemplar.labels.iter().cloned().collect();
                    let mut found = serde_json::json!({"labels": labels, "value": exemplar.value});
                    if let Some(timestamp_ms) = exemplar.timestamp_ms {
                        found["ts_ms"] = timestamp_ms.into();
                    }
                    out["exemplars"] = Json::Array(vec![found]);
                }
                out
            }
        });
    }
    Ok(out)
}

fn number(value: f64) -> Json {
    if value.is_finite() {
        value.into()
    } else {
        parapet_model::format_float(value).into()
    }
}

/// Numbers compare as numbers: the tables write `17` and `17.0`.
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
fn textparse_tables() {
    let Some(folder) = conformance("exposition") else {
        return;
    };
    let table = read_json(&folder.join("textparse_cases.json"));
    let mut count = 0;
    for (name, format) in [
        ("prom_text", Format::PrometheusText),
        ("openmetrics", Format::OpenMetrics),
    ] {
        let cases = &table["cases"][name];
        for case in cases["valid"].as_array().unwrap() {
            let got = entries(&bytes_of(&case["input"]), format).unwrap();
            let want = case["entries"].as_array().unwrap();
            for (got, want) in got.iter().zip(want) {
                assert!(same(got, want), "{name} {}\ngot  {got}\nwant {want}", case["name"]);
            }
            assert_eq!(got.len(), want.len());
            count += 1;
        }
        for case in cases["errors"].as_array().unwrap() {
            let got = entries(&bytes_of(&case["input"]), format);
            assert_eq!(
                got.as_ref().err().map(String::as_str),
                case["error"].as_str(),
                "{name} {}",
                case["input"]
            );
            count += 1;
        }
        for case in cases["start_timestamp_edge_cases"].as_array().into_iter().flatten() {
            let got = entries(&bytes_of(&case["input"]), format).unwrap();
            let brief = |entry: &Json| {
                (
                    entry["entry"].clone(),
                    entry["raw"].clone(),
                    entry["start_ts_ms"].as_i64(),
                )
            };
            let got: Vec<_> = got.iter().map(brief).collect();
            let want: Vec<_> = case["entries"].as_array().unwrap().iter().map(brief).collect();
            assert_eq!(got, want, "{}", case["name"]);
            count += 1;
        }
    }
    println!("textparse: {count} cases agree");
    assert!(count >= 115);
}

#[test]
fn openmetrics_suite_valid_bodies() {
    let Some(folder) = conformance("exposition/openmetrics_suite") else {
        return;
    };
    let (mut parsed, mut refused, mut lenient) = (0, Vec::new(), 0);
    for directory in std::fs::read_dir(&folder).unwrap() {
        let directory = directory.unwrap().path();
        if !directory.join("test.json").is_file() {
            continue;
        }
        let valid = read_json(&directory.join("test.json"))["shouldParse"]
            .as_bool()
            .unwrap();
        let body = std::fs::read(directory.join("metrics")).unwrap();
        match (
            valid,
            collect(Parser::new(&body, Format::OpenMetrics, &Limits::default())),
        ) {
            (true, Ok(_)) => parsed += 1,
            (true, Err(error)) => refused.push(format!("{}: {error}", directory.display())),
            (false, Ok(_)) => lenient += 1,
            (false, Err(_)) => {}
        }
    }
    println!("openmetrics suite: {parsed} valid bodies parse; {lenient} invalid ones too, as in Prometheus");
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(parsed >= 40);
}

#[test]
fn real_scrapes() {
    let Some(folder) = conformance("scrapes") else { return };
    let index = read_json(&folder.join("index.json"));
    let (mut bodies, mut series, mut wrong) = (0, 0, Vec::new());
    for file in index.as_array().unwrap() {
        let path = folder.join(file["file"].as_str().unwrap());
        let mut body = std::fs::read(&path).unwrap();
        if path.extension().is_some_and(|e| e == "gz") {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(body.as_slice())
                .read_to_end(&mut plain)
                .unwrap();
            body = plain;
        }
        let format = if body.trim_ascii_end().ends_with(b"# EOF") {
            Format::OpenMetrics
        } else {
            Format::PrometheusText
        };
        match collect(Parser::new(&body, format, &Limits::default())) {
            Ok(found) => {
                bodies += 1;
                series += found.series.len();
                if Some(found.series.len() as u64) != file["series"].as_u64() {
                    wrong.push(format!(
                        "{}: {} series, not {}",
                        path.display(),
                        found.series.len(),
                        file["series"]
                    ));
                }
            }
            Err(error) => wrong.push(format!("{}: {error}", path.display())),
        }
    }
    println!(
        "scrapes: {bodies} bodies, {series} series; {} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(wrong.is_empty());
}

#[test]
fn expfmt_bodies_that_the_client_side_parser_reads() {
    let Some(folder) = conformance("exposition") else {
        return;
    };
    let table = read_json(&folder.join("expfmt_cases.json"));
    let (mut count, mut refused) = (0, Vec::new());
    for (case, body) in ["parse_valid", "create_text"]
        .into_iter()
        .flat_map(|list| table["cases"][list].as_array().unwrap())
        .map(|case| (case, case.get("text").unwrap_or(&case["input"])))
    {
        match collect(Parser::new(&bytes_of(body), Format::PrometheusText, &Limits::default())) {
            Ok(_) => count += 1,
            Err(error) => refused.push((error.message, case)),
        }
    }
    println!("expfmt: {count} bodies");
    // The scrape parser takes no negative time, and in the text format no kind of OpenMetrics.
    for (message, case) in &refused {
        assert!(
            message.starts_with("expected timestamp or new record, got \"-\"")
                || message.starts_with("invalid metric type \"gauge"),
            "{message} in {case}"
        );
    }
    assert_eq!(refused.len(), 4);
}

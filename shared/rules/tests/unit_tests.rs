//! promtool's unit tests and the alert timelines, run on the step and the engine together.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use parapet_model::{Labels, Value};
use parapet_promql::Options;
use parapet_rules::unit_test::UnitTests;
use parapet_rules::{Answerer, Context, GroupState, MemorySeries, ParseOptions, parse, parse_with, step};
use std::path::{Path, PathBuf};

#[allow(clippy::disallowed_methods)]
fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        Into::into,
    );
    let folder = root.join("rules");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

/// Runs a file of unit tests; gives how many points it checks and what is not as expected.
fn run_file(path: &Path, run: &[&str], options: ParseOptions) -> Result<(usize, Vec<String>), String> {
    let text = std::fs::read_to_string(path).unwrap();
    let points = text.matches("eval_time").count();
    let tests = UnitTests::parse(&path.display().to_string(), &text).map_err(|error| error.to_string())?;
    let mut groups = Vec::new();
    for name in tests.rule_files() {
        let text = std::fs::read_to_string(path.parent().unwrap().join(name)).unwrap();
        groups.extend(parse_with(name, &text, options).map_err(|error| error.to_string())?);
    }
    let chosen = |name: &str| run.is_empty() || run.iter().any(|part| name.contains(part));
    let outcomes = tests.run(&groups, chosen);
    let failures = outcomes.iter().flat_map(|outcome| &outcome.failures);
    Ok((points, failures.map(ToString::to_string).collect()))
}

#[test]
fn mixin_unit_tests() {
    let Some(folder) = folder() else { return };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder.join("unit_tests/kubernetes-mixin/tests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let (mut total, mut failures) = (0, Vec::new());
    for path in &paths {
        match run_file(path, &[], ParseOptions::default()) {
            Ok((points, failed)) => {
                total += points;
                failures.extend(failed);
            }
            Err(error) => failures.push(format!("{}: {error}", path.display())),
        }
    }
    eprintln!("mixin unit tests: {total} points, {} disagree", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(total, 198);
}

#[test]
fn promtool_unit_tests() {
    let Some(folder) = folder() else { return };
    let table: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("promtool_unit_tests.json")).unwrap()).unwrap();
    let (mut total, mut failures) = (0, Vec::new());
    for case in table["cases"].as_array().unwrap() {
        // These two want features switched off that promtool itself has always on.
        if case["name"].as_str().unwrap().starts_with("Disabled feature") {
            continue;
        }
        total += 1;
        let run: Vec<&str> = case["run"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pattern| pattern.as_str().unwrap())
            .collect();
        let options = ParseOptions {
            ignore_unknown_fields: case["ignore_unknown_fields"] == true,
        };
        let outcomes: Vec<_> = case["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| run_file(&folder.join(file.as_str().unwrap()), &run, options))
            .collect();
        let passes = outcomes
            .iter()
            .all(|outcome| outcome.as_ref().is_ok_and(|(_, failures)| failures.is_empty()));
        if passes != (case["exit_code"] == 0) {
            failures.push(format!("{}: {outcomes:?}", case["name"]));
        }
    }
    eprintln!("promtool unit tests: {} of {total} agree", total - failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(total, 19);
}

#[test]
fn what_promtool_prints() {
    let Some(folder) = folder() else { return };
    let (_, failures) = run_file(
        &folder.join("promtool_testdata/failing.yml"),
        &[],
        ParseOptions::default(),
    )
    .unwrap();
    assert_eq!(
        failures[1],
        "    expr: \"test\", time: 0s,\n        exp: {__name__=\"test\"} 1E+00\n        got: {__name__=\"test\"} 0E+00"
    );
    assert!(
        failures[0].starts_with("    name: Failing test,\n    alertname: Test, time: 0s, \n        exp:[\n            0:\n              Labels:{alertname=\"Test\"}\n              Annotations:{}\n            ], \n        got:[]"),
        "{}",
        failures[0]
    );
}

#[test]
fn alert_timelines() {
    let Some(folder) = folder() else { return };
    let folder = folder.join("alert_generator");
    let table: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("cases.json")).unwrap()).unwrap();
    let groups = parse(
        "rules.yaml",
        &std::fs::read_to_string(folder.join("rules.yaml")).unwrap(),
    )
    .unwrap();
    let (mut total, mut failures) = (0, Vec::new());
    for case in table["cases"].as_array().unwrap() {
        let group = groups
            .iter()
            .find(|group| group.name == case["rule_group"].as_str().unwrap())
            .unwrap();
        let map = |json: &serde_json::Value| {
            Labels::from_pairs(
                json.as_object()
                    .unwrap()
                    .iter()
                    .map(|(n, v)| (n.as_str(), v.as_str().unwrap())),
            )
        };
        let mut answerer = Answerer::new(MemorySeries::default(), Options::default());
        let mut samples = Vec::new();
        for series in case["series"].as_array().unwrap() {
            for (value, index) in series["values"].as_array().unwrap().iter().zip(0..) {
                if let Some(value) = value.as_f64() {
                    let at_ms = index * case["sample_interval_s"].as_i64().unwrap() * 1000;
                    samples.push((at_ms, map(&series["labels"]), value));
                }
            }
        }
        let mut state = GroupState::default();
        for point in case["timeline_30s"].as_array().unwrap() {
            let at_ms = point["t_s"].as_i64().unwrap() * 1000;
            for (sample_ms, labels, value) in samples.extract_if(.., |(sample_ms, ..)| *sample_ms <= at_ms) {
                answerer.source().push(&labels, sample_ms, &Value::Float(value));
            }
            let outcome = step(group, state, at_ms, &Context::default(), &mut |query| {
                answerer.answer(query)
            });
            let live = |series: &&parapet_model::BatchSeries| {
                series.labels.metric_name() == Some("ALERTS") && !series.samples[0].value.is_stale()
            };
            let mut got: Vec<Labels> = outcome
                .samples
                .iter()
                .filter(live)
                .map(|s| s.labels.with("__name__", ""))
                .collect();
            let mut want: Vec<Labels> = point["ALERTS"].as_array().unwrap().iter().map(map).collect();
            got.sort();
            want.sort();
            total += 1;
            if got != want {
                failures.push(format!("{} at {at_ms}: want {want:?}, got {got:?}", case["case"]));
            }
            for series in &outcome.samples {
                answerer.source().push(&series.labels, at_ms, &series.samples[0].value);
            }
            state = outcome.state;
        }
    }
    eprintln!("alert timelines: {total} points, {} disagree", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(total, 95);
}

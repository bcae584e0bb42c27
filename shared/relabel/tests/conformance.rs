//! The cases of Prometheus' own tests of relabelling.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use parapet_model::{Labels, NameValidation};
use parapet_relabel::{Fields, Rule, process};
use serde_json::Value;
use std::path::PathBuf;

fn read(file: &str) -> Option<Value> {
    #[allow(clippy::disallowed_methods)] // where the conformance data is, is the machine's affair
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let path = root.join("relabel").join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(error) => {
            println!("skipped: {}: {error}", path.display());
            None
        }
    }
}

/// A rule of a case over the fields that hold where it says nothing.
fn rule(case: &Value, default: Fields) -> Result<Rule, parapet_relabel::RuleError> {
    let text = |name: &str, default: String| case[name].as_str().map_or(default, str::to_owned);
    let source_labels = case["source_labels"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = match case["name_validation_scheme"].as_str() {
        Some("legacy") => NameValidation::Legacy,
        _ => NameValidation::Utf8,
    };
    let fields = Fields {
        source_labels: source_labels
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect(),
        separator: text("separator", default.separator),
        regex: text("regex", default.regex),
        modulus: case["modulus"].as_u64().unwrap_or(default.modulus),
        target_label: text("target_label", default.target_label),
        replacement: text("replacement", default.replacement),
        action: text("action", default.action),
    };
    Rule::new(fields, names)
}

fn labels(of: &Value) -> Labels {
    let pairs = of.as_object().unwrap().iter();
    Labels::from_pairs(pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap())))
}

#[test]
fn every_case_of_relabelling() {
    let Some(data) = read("relabel_cases.json") else { return };
    let cases = data["cases"].as_array().unwrap();
    for case in cases {
        let rules = case["relabel_configs"].as_array().unwrap().iter();
        let rules: Vec<Rule> = rules.map(|one| rule(one, Fields::default()).unwrap()).collect();
        let kept = case["expect"]["kept"].as_bool().unwrap();
        let want = kept.then(|| labels(&case["expect"]["labels"]));
        assert_eq!(process(&labels(&case["input"]), &rules), want, "{}", case["id"]);
    }
    println!("{} cases", cases.len());
    assert!(cases.len() >= 34);
}

#[test]
fn every_case_of_validation() {
    let Some(data) = read("relabel_validate.json") else {
        return;
    };
    let (mut count, nothing) = (0, || Fields {
        separator: String::new(),
        replacement: String::new(),
        action: String::new(),
        ..Fields::default()
    });
    for case in data["validate"].as_array().unwrap() {
        let outcome = rule(&case["config"], nothing());
        match case["expect_error_contains"].as_str() {
            None => assert!(outcome.is_ok(), "{}: {outcome:?}", case["id"]),
            Some(want) => {
                let error = outcome.unwrap_err().to_string();
                assert!(error.contains(want), "{}: {error}", case["id"]);
            }
        }
        count += 1;
    }
    for case in data["target_label_legacy"].as_array().unwrap() {
        let fields = Fields {
            target_label: case["target_label"].as_str().unwrap().to_owned(),
            ..Fields::default()
        };
        let valid = Rule::new(fields, NameValidation::Legacy).is_ok();
        assert_eq!(Value::Bool(valid), case["valid_in_legacy_scheme"], "{case}");
        count += 1;
    }
    println!("{count} cases");
    assert!(count >= 26);
}

#[test]
fn wrong_rules_name_their_field() {
    for (action, regex, modulus, field) in [
        ("Replace", "(", 0, "regex"),
        ("remove", ".*", 0, "action"),
        ("hashmod", ".*", 0, "modulus"),
    ] {
        let fields = Fields {
            regex: regex.to_owned(),
            modulus,
            target_label: "x".to_owned(),
            action: action.to_owned(),
            ..Fields::default()
        };
        assert_eq!(Rule::new(fields, NameValidation::Utf8).unwrap_err().field, field);
    }
}

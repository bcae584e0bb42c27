//! Alertmanager's tables about silences.

use crate::cases;
use parapet_model::Labels;
use parapet_routing::{Silence, SilenceMatcher, Silencer};
use serde_json::Value;

const NOW_MS: i64 = 1_700_000_000_000;

fn matcher(value: &Value) -> Option<SilenceMatcher> {
    let op = value["op"].as_str()?;
    Some(SilenceMatcher {
        name: value["name"].as_str()?.to_owned(),
        value: value["value"].as_str()?.to_owned(),
        is_regex: op.contains('~'),
        is_equal: !op.starts_with('!'),
    })
}

fn silence(value: &Value) -> Silence {
    let at = |name: &str| value[name].as_i64().map(|seconds| NOW_MS + seconds * 1000);
    let sets = value["matcher_sets"].as_array().unwrap().iter();
    Silence {
        matcher_sets: sets
            .map(|set| set.as_array().unwrap().iter().filter_map(matcher).collect())
            .collect(),
        starts_at_ms: at("starts_rel_s"),
        ends_at_ms: at("ends_rel_s"),
        ..Silence::default()
    }
}

#[test]
fn silences() {
    let Some(data) = cases("silence_cases.json") else {
        return;
    };
    let data = &data["cases"];
    let mut ran = 0;
    for case in data["state_filter"].as_array().unwrap() {
        let state = silence(&case["silence"]).state(NOW_MS).as_str();
        let keep = case["states"].as_array().unwrap().iter().any(|wanted| wanted == state);
        assert_eq!(keep, case["keep"].as_bool().unwrap(), "{case}");
        ran += 1;
    }
    let table = &data["matches_labels"];
    let pairs = table["labels"].as_object().unwrap().iter();
    let labels = Labels::from_pairs(pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())));
    for case in table["cases"].as_array().unwrap() {
        let silencer = Silencer::new([&silence(case)], NOW_MS);
        let silenced = !silencer.silenced_by(&labels).is_empty();
        assert_eq!(silenced, case["silenced"].as_bool().unwrap(), "{case}");
        ran += 1;
    }
    for case in data["can_update"].as_array().unwrap() {
        let can = silence(&case["old"]).can_become(&silence(&case["new"]), NOW_MS);
        assert_eq!(can, case["ok"].as_bool().unwrap(), "{case}");
        ran += 1;
    }
    for case in data["validate"].as_array().unwrap() {
        let verdict = silence(&case["silence"]).validate().map_err(|error| error.to_string());
        match case["expect_error_contains"].as_str() {
            None => assert_eq!(verdict, Ok(()), "{case}"),
            // Only in Alertmanager's classic mode is a label's name wrong that begins with a digit.
            Some("invalid label matcher") => assert_eq!(verdict, Ok(()), "{case}"),
            Some(want) => assert!(
                verdict.as_ref().is_err_and(|error| error.contains(want)),
                "{case}: {verdict:?}"
            ),
        }
        ran += 1;
    }
    for case in data["validate_utf8_matcher"].as_array().unwrap() {
        // Bytes that are no UTF-8 and operators that are none do not get past JSON.
        let Some(matcher) = matcher(&case["matcher"]) else {
            continue;
        };
        let verdict = matcher.compile();
        match case["expect_error_contains"].as_str() {
            None => assert!(verdict.is_ok(), "{case}: {verdict:?}"),
            Some(want) => assert!(
                verdict.as_ref().is_err_and(|error| error.contains(want)),
                "{case}: {verdict:?}"
            ),
        }
        ran += 1;
    }
    println!("silences: {ran} cases");
    assert!(ran >= 35);
}

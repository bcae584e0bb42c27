//! Alertmanager's own tables. Each test prints how many cases it ran; where the data is missing it says so.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod silences;
mod times;

use parapet_model::{Labels, MatchOp};
use parapet_routing::{
    Fingerprint, InhibitRule, Inhibitor, LogEntry, Matcher, Matchers, needs_update, parse, parse_classic_matchers,
    parse_matchers, parse_utf8_matchers,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn folder() -> Option<PathBuf> {
    #[allow(clippy::disallowed_methods)]
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let folder = root.join("alertmanager");
    if !folder.is_dir() {
        println!("skipped: no conformance data in {}", folder.display());
        return None;
    }
    Some(folder)
}

pub(crate) fn cases(name: &str) -> Option<Value> {
    let text = std::fs::read_to_string(folder()?.join(name)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

fn op(text: &str) -> MatchOp {
    match text {
        "=" => MatchOp::Equal,
        "!=" => MatchOp::NotEqual,
        "=~" => MatchOp::Regex,
        "!~" => MatchOp::NotRegex,
        other => panic!("operator {other}"),
    }
}

fn labels(value: &Value) -> Labels {
    Labels::from_pairs(
        value
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())),
    )
}

fn matcher(value: &Value) -> Matcher {
    let name = value["name"].as_str().unwrap_or_default();
    Matcher::new(
        name,
        op(value["op"].as_str().unwrap()),
        value["value"].as_str().unwrap(),
    )
    .unwrap()
}

/// What a case of matcher_cases.json expects: the matchers, or `None` for an error.
fn expected(case: &Value) -> Option<Matchers> {
    let expect = &case["expect"];
    for key in ["matchers", "matcher", "result"] {
        match &expect[key] {
            Value::Array(list) => return Some(Matchers(list.iter().map(matcher).collect())),
            Value::Object(_) => return Some(Matchers(vec![matcher(&expect[key])])),
            _ => {}
        }
    }
    assert!(!expect["error"].is_null(), "{case}");
    None
}

#[test]
fn matchers() {
    let Some(data) = cases("matcher_cases.json") else {
        return;
    };
    let mut ran = 0;
    let mut run = |group: &str, parse: &dyn Fn(&str) -> Option<Matchers>| {
        for case in data["cases"][group].as_array().unwrap() {
            let input = case["input"].as_str().unwrap();
            let one = group.ends_with("_matcher");
            let got = parse(input).filter(|matchers| !one || matchers.0.len() == 1);
            // One matcher in the API may not stand in braces; here that is not asked.
            if group == "fallback_matcher" && input.starts_with('{') {
                continue;
            }
            assert_eq!(got, expected(case), "{group}: {input}");
            ran += 1;
        }
    };
    run("utf8_matchers", &|text| parse_utf8_matchers(text).ok());
    run("utf8_matcher", &|text| parse_utf8_matchers(text).ok());
    run("classic_matchers", &|text| parse_classic_matchers(text).ok());
    let compliance = data["cases"]["compliance_utf8_vs_classic"].as_array().unwrap();
    let classic_only: BTreeSet<&str> = compliance
        .iter()
        .filter(|case| !case["note"].is_null())
        .map(|case| case["input"].as_str().unwrap())
        .collect();
    run("compliance_utf8_vs_classic", &|text| {
        if classic_only.contains(text) {
            parse_classic_matchers(text).ok()
        } else {
            parse_utf8_matchers(text).ok()
        }
    });
    run("fallback_matchers", &|text| parse_matchers(text).ok());
    run("fallback_matcher", &|text| parse_matchers(text).ok());
    for case in data["cases"]["pkg_labels_TestMatcher"].as_array().unwrap() {
        let got = matcher(&case["matcher"]).matches(case["value"].as_str().unwrap());
        assert_eq!(got, case["match"].as_bool().unwrap(), "{case}");
        ran += 1;
    }
    for case in data["cases"]["pkg_labels_TestMatcherString"].as_array().unwrap() {
        assert_eq!(matcher(case).to_string(), case["want"].as_str().unwrap(), "{case}");
        ran += 1;
    }
    println!("matchers: {ran} cases");
    assert!(ran > 200);
}

#[test]
fn dedup() {
    let Some(data) = cases("dedup_cases.json") else { return };
    let set = |value: &Value| -> BTreeSet<Fingerprint> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|hash| Fingerprint(hash.as_u64().unwrap()))
            .collect()
    };
    let now_ms = 1_700_000_000_000;
    let list = data["cases"].as_array().unwrap();
    for case in list {
        let last = &case["last_entry"];
        let entry = (!last.is_null()).then(|| LogEntry {
            firing: set(&last["firing"]),
            resolved: set(&last["resolved"]),
            sent_at_ms: last["last_notified_rel_s"].as_i64().map_or(0, |s| now_ms + s * 1000),
            flush_id: 1,
            ..LogEntry::default()
        });
        let reason = needs_update(
            entry.as_ref(),
            &set(&case["firing"]),
            &set(&case["resolved"]),
            case["send_resolved"].as_bool().unwrap(),
            case["repeat_interval_s"].as_i64().unwrap() * 1000,
            now_ms,
        );
        assert_eq!(
            reason.is_some(),
            case["expect_notify"].as_bool().unwrap(),
            "{}",
            case["note"]
        );
    }
    println!("dedup: {} cases", list.len());
}

/// A configuration around a route tree, with a receiver for every name in it.
fn config_with_route(route: &str) -> String {
    let mut names = BTreeSet::new();
    for line in route.lines() {
        if let Some((_, name)) = line.split_once("receiver:") {
            names.insert(name.trim().trim_matches(['\'', '"']).to_owned());
        }
    }
    let mut text = String::from("route:\n");
    for line in route.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str("receivers:\n");
    for name in names {
        text.push_str(&format!("- name: '{name}'\n"));
    }
    text
}

#[test]
fn routes() {
    let Some(data) = cases("route_cases.json") else { return };
    let mut ran = 0;
    for tree in data["trees"].as_array().unwrap() {
        let name = tree["name"].as_str().unwrap();
        let text = config_with_route(tree["route_yaml"].as_str().unwrap());
        let config = parse("route.yml", &text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        for case in tree["cases"].as_array().unwrap_or(&Vec::new()) {
            let found = config.route.matching(&labels(&case["labels"]));
            let keys: Vec<&str> = found.iter().map(|route| route.key.as_str()).collect();
            let want: Vec<&str> = case["route_keys"]
                .as_array()
                .unwrap()
                .iter()
                .map(|k| k.as_str().unwrap())
                .collect();
            assert_eq!(keys, want, "{name} {}", case["labels"]);
            for (route, want) in found.iter().zip(case["routes"].as_array().unwrap()) {
                let options = &route.options;
                let group_by: Vec<&str> = want["group_by"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|n| n.as_str().unwrap())
                    .collect();
                assert_eq!(options.receiver, want["receiver"].as_str().unwrap(), "{name} {case}");
                assert_eq!(
                    options.group_by.iter().map(String::as_str).collect::<Vec<_>>(),
                    group_by,
                    "{name} {case}"
                );
                assert_eq!(
                    options.group_by_all,
                    want["group_by_all"].as_bool().unwrap(),
                    "{name} {case}"
                );
                for (got, key) in [
                    (options.group_wait_ms, "group_wait_s"),
                    (options.group_interval_ms, "group_interval_s"),
                    (options.repeat_interval_ms, "repeat_interval_s"),
                ] {
                    assert_eq!(got, want[key].as_i64().unwrap() * 1000, "{name} {key} {case}");
                }
            }
            ran += 1;
        }
        let order: Vec<String> = tree["expected_in_order"]
            .as_array()
            .map(|list| list.iter().map(|text| text.as_str().unwrap().to_owned()).collect())
            .unwrap_or_default();
        if !order.is_empty() {
            let by_id = order[0].starts_with('{');
            let got: Vec<String> = config
                .route
                .walk()
                .iter()
                .map(|route| {
                    if by_id {
                        route.id.clone()
                    } else {
                        route.options.receiver.clone()
                    }
                })
                .collect();
            assert_eq!(got, order, "{name}");
            ran += 1;
        }
    }
    for case in data["amtool_routing"].as_array().unwrap() {
        let path = folder().unwrap().join(case["config_file"].as_str().unwrap());
        // What stands before the routes is about e-mail and templates.
        let text = std::fs::read_to_string(path).unwrap();
        let config = parse("routing.yml", &text[text.find("route:").unwrap()..]).unwrap();
        let found = config.route.matching(&labels(&case["labels"]));
        let got: Vec<&str> = found.iter().map(|route| route.options.receiver.as_str()).collect();
        let want: Vec<&str> = case["receivers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_str().unwrap())
            .collect();
        assert_eq!(got, want, "{case}");
        ran += 1;
    }
    println!("routes: {ran} cases");
    assert!(ran >= 25);
}

/// The rules of a case, as a file has them.
fn inhibit_rules(rules: &Value) -> Vec<InhibitRule> {
    // JSON is YAML.
    let text = format!("route: {{receiver: r}}\nreceivers: [{{name: r}}]\ninhibit_rules: {rules}\n");
    parse("alertmanager.yml", &text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .inhibit_rules
}

#[test]
fn inhibition() {
    let Some(data) = cases("inhibit_cases.json") else {
        return;
    };
    let mut ran = 0;
    let fires = |alert: &Value| alert["ends_rel_s"].as_i64().is_none_or(|ends| ends > 0);
    let mut check = |rules: &[InhibitRule], sources: &[Labels], target: &Value, want: bool, case: &Value| {
        let got = Inhibitor::new(rules, sources).inhibited_by(&labels(target));
        assert_eq!(got.is_some(), want, "{target} in {case}");
        ran += 1;
    };
    let firing = |alerts: &Value| -> Vec<Labels> {
        alerts
            .as_array()
            .unwrap()
            .iter()
            .filter(|alert| fires(alert))
            .map(|alert| labels(&alert["labels"]))
            .collect()
    };
    for case in data["rule_has_equal"].as_array().unwrap() {
        // These are about `equal` alone: a label of ours tells the sides apart.
        let side = |side: &str| Matchers(vec![Matcher::new("side", MatchOp::Equal, side).unwrap()]);
        let equal = case["equal"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        let rules = [InhibitRule {
            name: String::new(),
            source: side("s"),
            target: side("t"),
            equal,
        }];
        let sources: Vec<Labels> = firing(&case["source_alerts"])
            .iter()
            .map(|labels| labels.with("side", "s"))
            .collect();
        let mut target = case["target_labels"].clone();
        target["side"] = "t".into();
        check(&rules, &sources, &target, case["inhibited"].as_bool().unwrap(), case);
    }
    for table in data["rule_matches"].as_array().unwrap() {
        let rules = inhibit_rules(&table["inhibit_rules"]);
        let sources = firing(&table["active_source_alerts"]);
        for case in table["cases"].as_array().unwrap() {
            check(
                &rules,
                &sources,
                &case["target_labels"],
                case["inhibited"].as_bool().unwrap(),
                case,
            );
        }
    }
    let rules = inhibit_rules(&Value::Array(vec![data["end_to_end"]["inhibit_rule"].clone()]));
    for case in data["end_to_end"]["cases"].as_array().unwrap() {
        // The last statement about an alert holds.
        let mut last: Vec<(Labels, bool)> = Vec::new();
        for alert in case["alerts_in_order"].as_array().unwrap() {
            let labels = labels(&alert["labels"]);
            last.retain(|(other, _)| *other != labels);
            last.push((labels, fires(alert)));
        }
        let sources: Vec<Labels> = last
            .into_iter()
            .filter(|(_, fires)| *fires)
            .map(|(labels, _)| labels)
            .collect();
        for expected in case["expected"].as_array().unwrap() {
            check(
                &rules,
                &sources,
                &expected["labels"],
                expected["muted"].as_bool().unwrap(),
                case,
            );
        }
    }
    println!("inhibition: {ran} cases");
    assert!(ran >= 20);
}

/// Good configurations load, but for one that asks for Alertmanager's event recorder; bad ones are refused in
/// Alertmanager's words.
#[test]
fn configurations() {
    let Some(data) = cases("config_cases.json") else { return };
    let (mut good, mut unsupported, mut bad, mut same_words) = (0, 0, 0, 0);
    let mut other_words = Vec::new();
    for case in data["cases"].as_array().unwrap() {
        let test = case["test"].as_str().unwrap();
        let text = match case["config_file"].as_str() {
            Some(file) => std::fs::read_to_string(folder().unwrap().join(file)).unwrap(),
            None => case["config_yaml"].as_str().unwrap().to_owned(),
        };
        let verdict = parse("alertmanager.yml", &text);
        println!(
            "{test}: {}",
            verdict
                .as_ref()
                .map_or_else(ToString::to_string, |_| "loads".to_owned())
        );
        match (&case["expect_error"], verdict) {
            (Value::Null, Ok(_)) => good += 1,
            (Value::Null, Err(error)) => {
                assert!(error.unsupported && error.line > 0, "{test}: {error}");
                unsupported += 1;
            }
            (_, Ok(_)) => {
                // A classic-mode verdict: the same label name is valid since UTF-8 names are.
                assert!(test.contains("Invalid"), "{test} loads");
            }
            (want, Err(error)) => {
                bad += 1;
                match want.as_str() {
                    Some(want) if !error.message.contains(want) => {
                        other_words.push(format!("{test}: {error}, not {want}"))
                    }
                    _ => same_words += 1,
                }
            }
        }
    }
    println!(
        "configurations: {good} load, {unsupported} not supported yet, {bad} refused ({same_words} in the same words)"
    );
    println!("{}", other_words.join("\n"));
    assert_eq!(unsupported, 1);
    assert!(good >= 30 && bad >= 40 && other_words.len() <= 2);
}

/// Real configurations load or are refused by name.
#[test]
fn real_configurations() {
    let Some(folder) = folder() else { return };
    let mut ran = 0;
    for file in std::fs::read_dir(folder.join("real")).unwrap() {
        let path = file.unwrap().path();
        let verdict = parse("alertmanager.yml", &std::fs::read_to_string(&path).unwrap());
        println!(
            "{}: {}",
            path.file_name().unwrap().to_string_lossy(),
            verdict
                .as_ref()
                .map_or_else(ToString::to_string, |_| "loads".to_owned())
        );
        ran += 1;
    }
    println!("real configurations: {ran}");
    assert!(ran >= 9);
}

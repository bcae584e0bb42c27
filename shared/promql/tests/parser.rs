//! The parser against the tables of Prometheus' own tests: verdicts, first errors, printed forms, regular expressions.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test may stop at what must not be.

use parapet_model::{MatchOp, Matcher};
use parapet_promql::parse;
use serde_json::Value;
use std::path::PathBuf;

/// A table of the conformance data; `None`, with a word about it, where the data is not here.
fn table(name: &str) -> Option<Value> {
    #[allow(clippy::disallowed_methods)]
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let path = root.join("promql").join(name);
    if let Ok(text) = std::fs::read_to_string(&path) {
        return Some(serde_json::from_str(&text).unwrap());
    }
    println!("skipped: {} is not here", path.display());
    None
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn verdicts_and_first_errors() {
    let Some(table) = table("parser_cases.json") else {
        return;
    };
    let cases = table["parse"].as_array().unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let (input, expect) = (text(case, "input"), &case["expect"]);
        let got = parapet_promql::parse(input);
        let short: String = input.chars().take(200).collect();
        match (&got, expect["fail"].as_bool().unwrap()) {
            (Ok(_), false) => {}
            (Ok(expr), true) => wrong.push(format!("{short:?} parses, as {expr}, but must fail: {expect}")),
            (Err(error), false) => wrong.push(format!("{short:?} must parse: {error}")),
            (Err(error), true) => {
                let Some(first) = expect["errors"].get(0) else { continue };
                // Where the parser goes on behind a mistake, Prometheus reports no place for what follows from it.
                let place = (first["start"].as_u64(), first["end"].as_u64());
                let got_place = (Some(error.position.start as u64), Some(error.position.end as u64));
                if error.message != text(first, "message") || place != got_place {
                    wrong.push(format!(
                        "{short:?} fails with {:?} at {got_place:?}, want {first}",
                        error.message
                    ));
                }
            }
        }
    }
    println!("parse: {}/{} passed", cases.len() - wrong.len(), cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn printed_forms() {
    let Some(table) = table("parser_cases.json") else {
        return;
    };
    let mut wrong = Vec::new();
    let mut total = 0;
    for (group, line) in [("printer", None), ("pretty", Some(()))] {
        for case in table[group].as_array().unwrap() {
            total += 1;
            let (input, want) = (text(case, "in"), text(case, "out"));
            let got = parapet_promql::parse(input).map(|expr| match line {
                None => expr.to_string(),
                Some(()) => {
                    let most = usize::try_from(case["max_chars_per_line"].as_u64().unwrap()).unwrap();
                    parapet_promql::pretty_within(&expr, most)
                }
            });
            // Where there is no other form, a query prints as it is written.
            let want = if case.get("out").is_some() { want } else { input };
            if got.as_deref() != Ok(want) {
                wrong.push(format!("{input:?} prints as {got:?}, want {want:?}"));
            }
        }
    }
    println!("printed forms: {}/{total} passed", total - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn durations() {
    let Some(table) = table("matcher_regex_cases.json") else {
        return;
    };
    for case in table["durations_valid"].as_array().unwrap() {
        // A sign is no part of a duration; the table's are of a function that takes one before it.
        let (sign, magnitude) = text(case, "in")
            .strip_prefix('-')
            .map_or((1, text(case, "in")), |rest| (-1, rest));
        let ms = parapet_model::parse_duration_ms(magnitude).map(|ms| sign * ms);
        assert_eq!(ms, Ok(case["ms"].as_i64().unwrap()), "{case}");
        assert_eq!(
            parapet_model::format_duration_ms(ms.unwrap()),
            text(case, "canonical"),
            "{case}"
        );
    }
    for case in table["durations_invalid"].as_array().unwrap() {
        assert!(
            parapet_model::parse_duration_ms(case.as_str().unwrap()).is_err(),
            "{case}"
        );
    }
}

#[test]
fn regular_expressions() {
    let Some(table) = table("matcher_regex_cases.json") else {
        return;
    };
    let mut wrong = Vec::new();
    let mut total = 0;
    let mut check = |op: MatchOp, pattern: &str, value: &str, want: bool| {
        total += 1;
        match Matcher::new("a", op, pattern) {
            Ok(matcher) if matcher.matches(value) == want => {}
            other => wrong.push(format!("{pattern:?} {op:?} {value:?} must be {want}: {other:?}")),
        }
    };
    for case in table["matcher"].as_array().unwrap() {
        let op = match text(&case["matcher"], "op") {
            "=" => MatchOp::Equal,
            "!=" => MatchOp::NotEqual,
            "=~" => MatchOp::Regex,
            _ => MatchOp::NotRegex,
        };
        check(
            op,
            text(&case["matcher"], "value"),
            text(case, "value"),
            case["match"].as_bool().unwrap(),
        );
    }
    println!("matchers: {total} checked, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_cannot_follow_is_told_of_where_prometheus_does() {
    for (text, want) in [
        (
            "a * on (b) group_left , c",
            "unexpected \",\" in grouping opts, expected \"(\"",
        ),
        (
            "a * on (b) group_right",
            "unexpected end of input in grouping opts, expected \"(\"",
        ),
        ("a * on (b) group_left -", "unexpected end of input"),
        (
            "f(a, [",
            "1:4: parse error: trailing commas not allowed in function call args",
        ),
        ("f(a,", "unclosed left parenthesis"),
        ("f(a, \"", "unterminated quoted string"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.ends_with(want), "{text}: {error}");
    }
    for text in [
        "a * on (b) group_left c",
        "a * on (b) group_left -c",
        "a * on (b) group_left 1",
        "a + on (b) group_left fill (0) c",
    ] {
        let error = parse(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!error.contains("grouping opts"), "{text}: {error}");
    }
}

//! What is taken for JSON, and what of it is read.

use super::*;
use proptest::prelude::*;

fn flat(text: &str) -> Result<Vec<(String, String)>, NotJson> {
    let mut fields = Vec::new();
    flatten(text, ".", &mut |name, value| {
        fields.push((name.into_owned(), value.into_text().into_owned()));
    })?;
    Ok(fields)
}

#[test]
fn flattens() {
    let fields =
        flat(r#" {"a":1.50, "b":{"c":"x\ty\u00e9\ud83d\ude00","d":{}}, "e":[1, {"f":2}], "g":null,"h":true} "#);
    let want = [
        ("a", "1.50"),
        ("b.c", "x\tyé😀"),
        ("e", r#"[1, {"f":2}]"#),
        ("g", ""),
        ("h", "true"),
    ];
    let want: Vec<_> = want.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    assert_eq!(fields.unwrap(), want);
}

#[test]
fn refuses_with_the_place() {
    for (text, at) in [
        ("", 0),
        ("[]", 0),
        ("{\"a\":1", 6),
        ("{\"a\":01}", 7),
        ("{\"a\" 1}", 5),
        ("{\"a\":1}x", 7),
        ("{\"a\":\"\\q\"}", 7),
        ("{\"a\":tru}", 5),
        ("{\"a\":1,}", 7),
    ] {
        assert_eq!(flat(text), Err(NotJson(at)), "{text}");
    }
    assert!(flat(&"{\"a\":".repeat(100_000)).is_err());
    assert!(flat(&format!("{{\"a\":{}", "[".repeat(100_000))).is_err());
}

proptest! {
    /// It takes what the library takes (control characters within texts aside), and reads the same.
    #[test]
    fn agrees_with_the_library(text in r#"\{("[ab\\u0-9]{0,6}"|[:,{}\[\]0-9.eE+-]|true|null| ){0,12}\}"#) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        let mut names = 0;
        let ours = members(&text, &mut |_, _| names += 1);
        // Half a pair of surrogates, and numbers out of range, are refused there.
        let excused = text.contains("\\u") || text.contains(['e', 'E']);
        prop_assert!(ours.is_ok() == theirs.is_ok() || (ours.is_ok() && excused), "{} {:?} {:?}", text, ours, theirs);
    }

    #[test]
    fn reads_what_the_library_writes(text in ".*", number in any::<f64>()) {
        let written = serde_json::json!({ "t": { "x": text }, "n": number }).to_string();
        let fields = flat(&written).unwrap();
        prop_assert!(fields.iter().any(|(name, value)| name == "t.x" && *value == text));
    }
}

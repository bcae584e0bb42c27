use super::*;
use proptest::prelude::*;

fn extract(extractor: &Extractor, text: &str) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    let found = extractor.extract(text, &mut Scratch::default(), |name, value| {
        fields.push((name.to_owned(), value.to_owned()));
    });
    found.then_some(fields)
}

fn slowly(extractor: &Extractor, text: &str) -> Option<Vec<(String, String)>> {
    let slow = Extractor {
        program: None,
        ..extractor.clone()
    };
    extract(&slow, text)
}

const ACCESS: &str = r#"83.149.9.216 - frank [17/May/2015:10:05:03 +0000] "GET /x.png?a=b HTTP/1.1" 200 203023 "http://a.example/\"q\"" "Mozilla/5.0 (X11)""#;

#[test]
fn the_combined_log() {
    let extractor = Extractor::grok("%{COMBINEDAPACHELOG}", &BTreeMap::new()).unwrap();
    assert!(extractor.program.is_some());
    let fields: BTreeMap<_, _> = extract(&extractor, ACCESS).unwrap().into_iter().collect();
    for (name, want) in [
        ("clientip", "83.149.9.216"),
        ("auth", "frank"),
        ("timestamp", "17/May/2015:10:05:03 +0000"),
        ("verb", "GET"),
        ("request", "/x.png?a=b"),
        ("httpversion", "1.1"),
        ("response", "200"),
        ("bytes", "203023"),
        ("referrer", r#""http://a.example/\"q\"""#),
        ("agent", "\"Mozilla/5.0 (X11)\""),
    ] {
        assert_eq!(fields.get(name).map(String::as_str), Some(want), "{name}");
    }
    assert!(!fields.contains_key("rawrequest"));
    assert_eq!(extract(&extractor, ACCESS), slowly(&extractor, ACCESS));
}

#[test]
fn every_pattern_of_the_library_compiles() {
    let mut quick = 0;
    let mut total = 0;
    for name in expand::library() {
        let extractor = Extractor::grok(&format!("%{{{name}:x}}"), &BTreeMap::new())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        quick += usize::from(extractor.program.is_some());
        total += 1;
        for text in [
            ACCESS,
            "",
            "x",
            "Jun 14 15:16:01 combo sshd[19939]: failure; user=root",
            "1.5",
            "::1",
        ] {
            assert_eq!(extract(&extractor, text), slowly(&extractor, text), "{name} {text}");
        }
    }
    assert!(total > 250, "{total}");
    assert!(quick * 10 > total * 9, "{quick} of {total} have the quick way");
}

#[test]
fn own_patterns_types_and_nested_names() {
    let own = BTreeMap::from([("ID".to_owned(), "[a-f]+".to_owned())]);
    let extractor = Extractor::grok("%{ID:[request][id]} took %{NUMBER:took:float}ms", &own).unwrap();
    assert_eq!(
        extract(&extractor, "x abc took 1.5ms"),
        Some(vec![
            ("request.id".to_owned(), "abc".to_owned()),
            ("took".to_owned(), "1.5".to_owned())
        ])
    );
    assert_eq!(extract(&extractor, "xyz"), None);
}

#[test]
fn errors_say_what_to_write() {
    let none = BTreeMap::new();
    let circle = BTreeMap::from([("A".to_owned(), "%{A}".to_owned())]);
    for (error, word) in [
        (Extractor::grok("%{NOPE:x}", &none), "no pattern \"NOPE\""),
        (Extractor::grok("%{WORD:x", &none), "not closed"),
        (Extractor::grok("%{WORD:x:number}", &none), "write int or float"),
        (Extractor::grok("%{A}", &circle), "circle"),
        (Extractor::grok("(?=x)%{WORD:x}", &none), "look-around"),
        (Extractor::regex("x"), "no named group"),
        (Extractor::regex("(?P<x>"), "regular expression"),
    ] {
        let message = error.unwrap_err();
        assert!(message.contains(word), "{message}");
    }
}

#[test]
fn too_many_steps_are_left_to_the_library() {
    let extractor = Extractor::regex("(?P<x>(?:a|ab|b)*(?:a|ab|b)*(?:a|ab|b)*c)").unwrap();
    let text = "ab".repeat(200);
    assert_eq!(
        run::run(
            extractor.program.as_ref().unwrap(),
            text.as_bytes(),
            &mut Scratch::default()
        ),
        None
    );
    assert_eq!(extract(&extractor, &text), None);
}

proptest! {
    /// The quick way finds what the library finds.
    #[test]
    fn the_quick_way_is_the_sure_way(
        parts in prop::collection::vec(prop::sample::select(vec![
            "(?P<a>a+)", "(?P<b>[ab]*?)", "b", "(?P<c>.*)", "(?:x|(?P<d>ab)|(?P<e>a))", "(?P<f>(?:ab|b){1,3})", r"\b",
            "(?:(?P<g>[a-c])-)*", "(?P<h>b?)", "c{0,2}", "$", "(?:(?P<i>a)|b)+?", "-", "(?P<j>.{2,3}?)",
        ]), 1..6),
        text in "[abcx-]{0,14}",
    ) {
        let mut seen = std::collections::BTreeSet::new();
        let pattern: String = parts.into_iter().filter(|part| seen.insert(*part)).collect();
        let pattern = format!("(?P<whole>{pattern})");
        let extractor = Extractor::regex(&pattern).unwrap();
        prop_assert!(extractor.program.is_some());
        prop_assert_eq!(extract(&extractor, &text), slowly(&extractor, &text), "{}", pattern);
    }
}

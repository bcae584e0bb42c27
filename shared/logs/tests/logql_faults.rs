//! What LogQL refuses: where the fault is, and what to write instead.

use parapet_logs::logql::parse;

#[test]
fn errors_say_where_and_what() {
    for (query, place, word) in [
        ("", "line 1, col 1", "unexpected $end"),
        ("{", "line 1, col 2", "IDENTIFIER"),
        (r#"{app="a""#, "line 1, col 9", "unexpected $end"),
        (r#"{app=~"("}"#, "line 1, col 7", "regular expression"),
        (r#"{app=~".*"}"#, "line 1, col 1", "empty-compatible"),
        ("{app=\"a\"}\n| json |", "line 2, col 9", "unexpected $end"),
        (r#"{app="a"} | foo"#, "line 1, col 16", "comparison"),
        (r#"{app="a"} | regexp "x""#, "line 1, col 1", "named capture"),
        (r#"{app="a"} | pattern "<a><b>""#, "line 1, col 1", "consecutive"),
        (r#"{app="a"} | line_format "{{.a""#, "line 1, col 1", "template"),
        (r#"{app="a"} |= ip("1.2.3")"#, "line 1, col 1", "write an address"),
        (r#"{app="a"} |~ ip("1.2.3.4")"#, "line 1, col", "invalid match type"),
        (r#"rate({app="a"})"#, "line 1, col 15", "expecting RANGE"),
        (r#"rate({app="a"}[5x])"#, "line 1, col 15", "duration"),
        (r#"sum_over_time({app="a"}[5m])"#, "line 1, col 1", "without unwrap"),
        (
            r#"count_over_time({app="a"} | unwrap b [5m])"#,
            "line 1, col 1",
            "with unwrap",
        ),
        (
            r#"quantile_over_time({app="a"} | unwrap b [5m])"#,
            "line 1, col 1",
            "parameter required",
        ),
        (r#"rate({app="a"}[5m]) by (b)"#, "line 1, col 1", "grouping not allowed"),
        (r#"topk(rate({app="a"}[5m]))"#, "line 1, col 6", "parameter required"),
        (r#"sum({app="a"})"#, "line 1, col 5", "log query"),
        (r#"{app="a"} + 1"#, "line 1, col 11", "left leg"),
        (r#"rate({app="a"}[5m]) and 1"#, "line 1, col 25", "literal"),
        (r#"rate({app="a"}[5m]) @ 5"#, "line 1, col 21", "unexpected"),
        (r#"rate({app="a"}[5m])[1h:5m]"#, "line 1, col 20", "duration"),
        (r#"{app="a"} | logfmt | b > 0x10"#, "line 1, col 26", "no number"),
        ("1__0 + 1", "line 1, col 1", "no number"),
        (r#"foo({app="a"})"#, "line 1, col 1", "functions are"),
        (
            r#"{app="a"} | label_format a=b,a=c"#,
            "line 1, col",
            "multiple label name",
        ),
        (
            r#"{app="a"} | label_format __error__="b""#,
            "line 1, col",
            "cannot be formatted",
        ),
        (
            r#"{app="a"} | logfmt b="c.d""#,
            "line 1, col 1",
            "write a key as labels have it",
        ),
        (r#"vector(-1)"#, "line 1, col 8", "NUMBER"),
        (r#"rate({app="a"}[5m]) + bool 1"#, "line 1, col", "comparison operators"),
    ] {
        let error = parse(query).expect_err(query).to_string();
        assert!(error.contains(place) && error.contains(word), "{query}: {error}");
    }
    for nested in [
        "(".repeat(100_000),
        format!("{{a=\"b\"}} | {}", "(".repeat(50_000)),
        "-".repeat(100_000),
    ] {
        assert!(parse(&nested).is_err());
    }
}

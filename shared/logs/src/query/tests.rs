use super::*;
use crate::{Level, LogRecord, Need};
use parapet_model::Labels;

fn record() -> LogRecord {
    LogRecord {
        timestamp_ns: 1_700_000_000_000_000_000,
        level: Some(Level::Error),
        service: "checkout".into(),
        message: "Connection refused by 10.0.0.1:5432".into(),
        raw: b"2023 ERROR Connection refused by 10.0.0.1:5432 at http://x/y"
            .to_vec()
            .into(),
        stream: Labels::from_pairs([("env", "prod")]),
        attributes: Labels::from_pairs([
            ("duration", "1.5"),
            ("took", "250ms"),
            ("size", "12KB"),
            ("http.status", "500"),
            ("user_agent", "Mozilla/5.0 (X11)"),
        ]),
        ..LogRecord::default()
    }
}

#[test]
fn selects() {
    for (query, want) in [
        ("", true),
        ("*", true),
        ("*:*", true),
        ("refused", true),
        ("REFUSED", true),
        ("refuse", false),
        ("refuse*", true),
        ("\"connection refused\"", true),
        ("\"refused connection\"", false),
        ("refused connection", true),
        ("refused accepted", false),
        ("refused OR accepted", true),
        ("refused accepted || refused", true),
        ("NOT accepted", true),
        ("-refused", false),
        ("!refused", false),
        ("+refused -accepted", true),
        ("10.0.0.1", true),
        ("10.0.0.1:5432", true),
        ("http://x/y", true),
        ("level:ERROR", true),
        ("level:error", true),
        ("level:err", true),
        ("level:>=WARNING", true),
        ("level:>ERROR", false),
        ("level:[INFO TO CRITICAL]", true),
        ("level:ERROR AND duration:>1", true),
        ("level:ERROR AND duration:>2", false),
        ("duration > 1", true),
        ("duration>=1.5 and duration<2", true),
        ("duration:1.50", true),
        ("took:>200ms", true),
        ("took:<0.2", false),
        ("size:>=12KB", true),
        ("http.status:[500 TO 599]", true),
        ("http.status:{500 TO 599]", false),
        ("http.status:[400 TO *]", true),
        ("http.status:5*", true),
        ("http.status:(404 OR 500)", true),
        ("http.status:(404 or 403)", false),
        ("http.status:/5../", true),
        ("service:check", false),
        ("service:\"checkout\"", true),
        ("message:refused", true),
        ("message:\"refused by\"", true),
        ("user_agent:*X11*", true),
        ("env:prod", true),
        ("_exists_:took", true),
        ("took:*", true),
        ("NOT absent:*", true),
        ("absent:>1", false),
        ("(level:INFO OR level:ERROR) AND (refused OR accepted)", true),
        ("timestamp:>2023-11-14T00:00:00Z", true),
        ("@timestamp:[2024-01-01T00:00:00Z TO *]", false),
        ("/refu[st]ed/", true),
        (r"10\.0\.0\.1", true),
    ] {
        let filter = parse_query(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(filter.matches(&record()), want, "{query}");
    }
}

#[test]
fn errors_have_their_place() {
    for (query, position, word) in [
        ("(a", 3, "missing"),
        ("a)", 2, "unexpected )"),
        ("a AND", 6, "end"),
        ("level:", 7, "value must follow level:"),
        ("\"open", 1, "closes"),
        ("f:[1 TO", 3, "range"),
        ("f:/(/", 3, "regular expression"),
        ("é OR", 5, "end"),
        ("a ~2", 3, "fuzzy"),
        ("[1 TO 2]", 1, "needs a field"),
        ("f:(a g:b)", 6, "within"),
        ("duration:>", 10, "must follow >"),
    ] {
        let error = parse_query(query).unwrap_err();
        assert!(error.message.contains(word), "{query}: {error}");
        assert_eq!(error.position, position, "{query}: {error}");
    }
    let deep = "(".repeat(100_000);
    assert!(parse_query(&deep).is_err());
    assert!(parse_query(&"(".repeat(1000)).unwrap_err().message.contains("deeper"));
}

#[test]
fn what_an_index_is_asked() {
    for (query, want) in [
        ("Refused", Need::Word("refused".to_owned())),
        (
            "a b",
            Need::All(vec![Need::Word("a".to_owned()), Need::Word("b".to_owned())]),
        ),
        (
            "a OR b",
            Need::Any(vec![Need::Word("a".to_owned()), Need::Word("b".to_owned())]),
        ),
        ("a OR level:ERROR", Need::Nothing),
        ("a AND NOT b", Need::Word("a".to_owned())),
    ] {
        assert_eq!(parse_query(query).unwrap().need(), want, "{query}");
    }
}

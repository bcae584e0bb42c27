//! The functions of LogQL's templates.
#![allow(clippy::unwrap_used)] // A test may stop at what must not be.

use parapet_gotemplate::{Dialect, Environment, Value, expand};

fn run(text: &str) -> Result<String, String> {
    let labels = [
        ("level", "warn"),
        ("took", "1.5s"),
        ("size", "10KB"),
        ("msg", "  Hello world  "),
        ("n", "7"),
    ];
    let data = Value::string_map(labels);
    let mut environment = Environment {
        now_ms: 1_710_072_000_000,
        line: "a=1 b=2",
        timestamp_ns: 1_710_072_000_000_000_007,
        ..Environment::default()
    };
    expand(Dialect::Loki, "t", text, &data, &mut environment).map_err(|error| error.to_string())
}

#[test]
fn functions() {
    for (text, want) in [
        ("{{__line__}} {{.absent}}|", "a=1 b=2 |"),
        (
            "{{__timestamp__ | date \"2006-01-02T15:04:05\"}} {{__timestamp__ | unixEpochNanos}}",
            "2024-03-10T12:00:00 1710072000000000007",
        ),
        (
            "{{now | unixEpoch}} {{now | unixEpochMillis}}",
            "1710072000 1710072000000",
        ),
        (
            "{{.level | ToUpper}} {{upper .level}} {{title .level}}",
            "WARN WARN Warn",
        ),
        (
            "{{.msg | trim}}|{{TrimSpace .msg}}|{{Trim .level \"wn\"}}|{{trimAll \"wn\" .level}}",
            "Hello world|Hello world|ar|ar",
        ),
        (
            "{{TrimLeft .level \"w\"}} {{TrimRight .level \"n\"}} {{trimPrefix \"wa\" .level}} {{TrimSuffix .level \"rn\"}}",
            "arn war rn wa",
        ),
        (
            "{{Replace .level \"w\" \"b\" -1}} {{replace \"a\" \"o\" .level}}",
            "barn worn",
        ),
        (
            "{{trunc 2 .level}} {{trunc -2 .level}} {{substr 1 3 .level}}",
            "wa rn ar",
        ),
        (
            "{{contains \"ar\" .level}} {{hasPrefix \"wa\" .level}} {{hasSuffix \"x\" .level}}",
            "true true false",
        ),
        (
            "{{alignLeft 6 .level}}|{{alignRight 6 .level}}|{{alignLeft 2 .level}}|{{alignRight 2 .level}}",
            "warn  |  warn|wa|rn",
        ),
        ("{{repeat 3 \"ab\"}}{{nindent 2 \"x\"}}", "ababab\n  x"),
        (
            "{{regexReplaceAll \"(a)(.)\" .level \"$2$1\"}} {{regexReplaceAllLiteral \"a.\" .level \"$1\"}}",
            "wran w$1n",
        ),
        (
            "{{__line__ | count \"=\"}} {{urlencode \"a b&\"}} {{urldecode \"a+b%26\"}}",
            "2 a+b%26 a b&",
        ),
        (
            r#"{{toDateInZone "2006-01-02 15:04" "Europe/Berlin" "2024-07-01 12:00" | unixEpoch}} {{toDateInZone "2006-01-02" "No/Where" "1970-01-02" | unixEpoch}}"#,
            "1719828000 86400",
        ),
        (
            r#"{{range $i, $e := fromJson "[1,\"x\"]"}}{{$i}}={{$e}} {{end}}{{(fromJson "{\"a\":{\"b\":true}}").a.b}} {{fromJson "{"}}"#,
            "0=1 1=x true <no value>",
        ),
        (
            r#"{{mulf 503 1.1}} {{addf 0.1 0.2}} {{subf 1 0.9}} {{round -3.34 1}} {{int "0x10"}} {{int "1.9"}} {{duration "5µs"}}"#,
            "553.3 0.3 0.1 -3.4 16 1 5e-06",
        ),
        (
            r#"{{trunc 2 "größe"}} {{trunc 4 "größe"}} {{substr 2 99 "abcd"}} {{ToUpper "größe"}}"#,
            "gr grö cd GRÖßE",
        ),
        ("{{b64enc \"hi\"}} {{b64dec \"aGk\"}}", "aGk= hi"),
        (
            "{{bytes .size}} {{duration .took}} {{duration_seconds \"1m\"}}",
            "10000 1.5 60",
        ),
        (
            "{{add 1 2 3}} {{sub 5 \"2\"}} {{mul 2 3 4}} {{div 7 2}} {{mod .n 4}} {{max 1 5 3}} {{min 4 2}}",
            "6 3 24 3 3 5 2",
        ),
        (
            "{{addf 1.5 2}} {{subf 3 0.5}} {{mulf 2 1.5}} {{divf 3 2}} {{maxf 1 2.5}} {{minf 1 2.5}}",
            "3.5 2.5 3 1.5 2.5 1",
        ),
        (
            "{{ceil 1.2}} {{floor 1.8}} {{round 1.255 1}} {{int \"5\"}} {{float64 \"2.5\"}}",
            "2 1 1.3 5 2.5",
        ),
        ("{{default \"x\" .absent}} {{default \"x\" .level}}", "x warn"),
        ("{{unixToTime \"1710072000\" | date \"15:04\"}}", "12:00"),
    ] {
        assert_eq!(run(text), Ok(want.to_owned()), "{text}");
    }
}

#[test]
fn faults() {
    for (text, word) in [
        ("{{div 1 0}}", "divide by zero"),
        ("{{divf 1 0}}", "division by 0"),
        ("{{substr 3 1 .level}}", "out of range"),
        ("{{bytes .level}}", "invalid size"),
        ("{{duration \"5\"}}", "invalid duration"),
        ("{{repeat 99999999 \"ab\"}}", "too long"),
        ("{{regexReplaceAll \"(\" .level \"\"}}", "regexp"),
    ] {
        assert!(run(text).unwrap_err().contains(word), "{text}: {:?}", run(text));
    }
}

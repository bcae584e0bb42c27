//! The language itself: control structures, scoping, trimming, messages, limits.

use parapet_gotemplate::{Dialect, Environment, ErrorKind, Limits, TemplateSet, Value, expand};
use proptest::prelude::*;

fn data() -> Value {
    Value::map([
        ("Name", Value::from("Joe")),
        ("Empty", Value::list([])),
        ("List", Value::string_list(["a", "b", "c"])),
        ("Map", Value::string_map([("x", "1"), ("y", "2")])),
        ("N", Value::Int(7)),
        ("F", Value::Float(2.5)),
    ])
}

fn run(text: &str) -> Result<String, String> {
    expand(Dialect::Prometheus, "t", text, &data(), &mut Environment::default()).map_err(|error| error.to_string())
}

#[test]
fn executes_as_go() {
    for (text, want) in [
        ("{{range .List}}{{.}},{{end}}", "a,b,c,"),
        ("{{range $i, $x := .List}}{{$i}}={{$x}} {{end}}", "0=a 1=b 2=c "),
        ("{{range $k, $v := .Map}}{{$k}}={{$v}} {{end}}", "x=1 y=2 "),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"),
        ("{{range .List}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"),
        ("{{with .Name}}hi {{.}}{{end}}", "hi Joe"),
        ("{{with .Missing}}x{{else with .N}}{{.}}{{else}}y{{end}}", "7"),
        ("{{if false}}a{{else if .Empty}}b{{else if .N}}c{{else}}d{{end}}", "c"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{$x}}{{end}}{{$x}}", "32"),
        (
            "{{define \"T\"}}<{{.}}>{{end}}{{template \"T\" .N}}{{template \"T\"}}",
            "<7><<no value>>",
        ),
        ("{{block \"B\" .Name}}[{{.}}]{{end}}", "[Joe]"),
        ("a  {{- 1 -}}  b", "a1b"),
        ("a {{/* no */}} b {{- /* no */ -}} c", "a  bc"),
        ("{{ 3 -}}\n\n{{- 4}}", "34"),
        ("{{(index .List 1) | printf \"%s-%d\" | len}}", "14"),
        ("{{index .Map \"x\"}}{{index .Map \"z\"}}{{(.Map).y}}", "12"),
        ("{{slice \"abcdef\" 1 3}} {{slice .List 1}}", "bc [b c]"),
        (
            "{{len .List}} {{not .N}} {{and 1 0 .Nope.Nope}} {{or 0 .Name}}",
            "3 false 0 Joe",
        ),
        (
            "{{eq 1 2 1}} {{ne .Name \"x\"}} {{lt 1 2}} {{ge 2.5 .F}} {{gt \"b\" \"a\"}}",
            "true true true true true",
        ),
        ("{{print 1 2 \"x\" 3}} {{println \"a\" 1}}", "1 2x3 a 1\n"),
        (
            "{{html \"<a&'\\\">\"}} {{js \"it's\"}} {{urlquery \"a b&c\"}}",
            "&lt;a&amp;&#39;&#34;&gt; it\\'s a+b%26c",
        ),
        (
            "{{'a'}} {{0x10}} {{1e3}} {{1_000}} {{-3}} {{`raw\\n`}} {{true}}",
            "97 16 1000 1000 -3 raw\\n true",
        ),
        (
            "{{printf \"%v %5.1f|%-4s|%q\" .List .F .Name .Name}}",
            "[a b c]   2.5|Joe |\"Joe\"",
        ),
        ("{{.Map}} {{.Missing}} {{$.Name}}", "map[x:1 y:2] <no value> Joe"),
        ("{{ .Name\n| toUpper\n}}", "JOE"),
        ("", ""),
    ] {
        assert_eq!(run(text).as_deref(), Ok(want), "{text}");
    }
}

#[test]
fn says_what_is_wrong_as_go_does() {
    for (text, want) in [
        (
            "{{.Name.First}}",
            "error executing template t: template: t:1:7: executing \"t\" at <.Name.First>: can't evaluate field First in type string",
        ),
        (
            "\n {{ nope }}",
            "error parsing template t: template: t:2: function \"nope\" not defined",
        ),
        (
            "{{ $x }}",
            "error parsing template t: template: t:1: undefined variable \"$x\"",
        ),
        ("{{if .N}}", "error parsing template t: template: t:1: unexpected EOF"),
        ("{{end}}", "error parsing template t: template: t:1: unexpected {{end}}"),
        (
            "{{break}}",
            "error parsing template t: template: t:1: {{break}} outside {{range}}",
        ),
        (
            "{{1 | 2}}",
            "error parsing template t: template: t:1: non executable command in pipeline stage 2",
        ),
        (
            "{{\"a\" 1}}",
            "error executing template t: template: t:1:2: executing \"t\" at <\"a\">: can't give argument to non-function \"a\"",
        ),
        (
            "{{toUpper 1}}",
            "error executing template t: template: t:1:10: executing \"t\" at <1>: expected string; found 1",
        ),
        (
            "{{.N | toUpper}}",
            "error executing template t: template: t:1:7: executing \"t\" at <toUpper>: wrong type for value; expected string; got int",
        ),
        (
            "{{toUpper}}",
            "error executing template t: template: t:1:2: executing \"t\" at <toUpper>: wrong number of args for toUpper: want 1 got 0",
        ),
        (
            "{{lt 1 1.0}}",
            "error executing template t: template: t:1:2: executing \"t\" at <lt 1 1.0>: error calling lt: incompatible types for comparison",
        ),
        (
            "{{index .List 9}}",
            "error executing template t: template: t:1:2: executing \"t\" at <index .List 9>: error calling index: index out of range: 9",
        ),
        (
            "{{range .N.X}}{{end}}",
            "error executing template t: template: t:1:10: executing \"t\" at <.N.X>: can't evaluate field X in type int",
        ),
        (
            "{{template \"no\"}}",
            "error executing template t: template: t:1:11: executing \"t\" at <{{template \"no\"}}>: template \"no\" not defined",
        ),
        ("{{ .Name ", "error parsing template t: template: t:1: unclosed action"),
        (
            "{{ .Name\n ",
            "error parsing template t: template: t:2: unclosed action started at t:1",
        ),
        (
            "{{ \"a }}",
            "error parsing template t: template: t:1: unterminated quoted string",
        ),
        (
            "{{ (1 }}",
            "error parsing template t: template: t:1: unclosed left paren",
        ),
        (
            "{{ }}",
            "error parsing template t: template: t:1: missing value for command",
        ),
        ("{{/* x }}", "error parsing template t: template: t:1: unclosed comment"),
        (
            "{{query \"x\"}}",
            "error executing template t: template: t:1:2: executing \"t\" at <query \"x\">: error calling query: query is not available here",
        ),
    ] {
        assert_eq!(run(text), Err(want.to_owned()), "{text}");
    }
}

#[test]
fn limits_hold() {
    let limited = |text: &str| {
        let limits = Limits {
            output_bytes: 1000,
            steps: 10_000,
        };
        let mut environment = Environment {
            limits,
            ..Environment::default()
        };
        let mut set = TemplateSet::new(Dialect::Prometheus);
        set.parse("t", text)
            .and_then(|()| set.execute("t", &data(), &mut environment))
    };
    for text in [
        "{{define \"T\"}}{{template \"T\"}}{{end}}{{template \"T\"}}",
        "{{define \"T\"}}{{if true}}{{with 1}}{{range 1}}{{template \"T\"}}{{end}}{{end}}{{end}}{{end}}{{template \"T\"}}",
        "{{range 1000000000}}{{end}}",
        "{{range 500}}0123456789{{end}}",
        "{{$x := \"0123456789\"}}{{range 64}}{{$x = print $x $x}}{{end}}",
        "{{$x := args 1}}{{range 100}}{{$x = args $x $x $x}}{{end}}{{$x}}",
        "{{$x := args 1}}{{range 40}}{{$x = args $x $x $x}}{{end}}{{$x}}",
        "{{$x := args 1}}{{range 40}}{{$x = args $x $x $x}}{{end}}{{$y := printf \"%v\" $x}}",
    ] {
        let error = limited(text).expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Limit, "{text}: {error}");
    }
    let nested = |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(5000), close.repeat(5000));
    for text in [
        nested("{{if 1}}", "", "{{end}}"),
        nested("{{(", "1", ")}}"),
        format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000)),
    ] {
        assert_eq!(limited(&text).expect_err("nested").kind(), ErrorKind::Parse);
    }
}

proptest! {
    #[test]
    fn never_panics(text in "[{}|()$.:= a-z\"`'0-9\\-\n,/*\u{e9}]{0,60}") {
        let _ = run(&text);
        let _ = run(&format!("{{{{{text}}}}}"));
    }

    #[test]
    fn keywords_in_any_order_never_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "{{if .N}}", "{{else}}", "{{end}}", "{{range .List}}", "{{with $x := .Name}}", "{{$x}}", "{{break}}",
            "{{define \"T\"}}", "{{template \"T\" .}}", "{{block \"B\" .}}", "{{else if .N}}", "{{- 1 -}}", " x ",
            "{{printf \"%[9]*.[2]*[3]f %#v %d\" . 1}}", "{{index . 1}}", "{{slice .List 1 9}}", "{{.A.B.C}}",
        ]), 0..12))
    {
        let _ = run(&words.concat());
    }
}

//! Every row of `docs/logql.md`: that it reads, prints to what reads the same, and answers as it should.
#![allow(clippy::unwrap_used)] // A test may stop at what must not be.

use parapet_logs::logql::{Answer, Evaluation, Parameters, parse};
use parapet_logs::{Level, LogRecord};
use parapet_model::{Labels, format_float};
use std::collections::{BTreeMap, BTreeSet};

fn record(seconds: i64, stream: &[(&str, &str)], line: &str) -> LogRecord {
    LogRecord {
        timestamp_ns: seconds * 1_000_000_000,
        raw: line.as_bytes().to_vec().into(),
        stream: Labels::from_pairs(stream.iter().copied()),
        ..LogRecord::default()
    }
}

fn records() -> Vec<LogRecord> {
    let (web, api) = ([("app", "web"), ("env", "prod")], [("app", "api"), ("env", "prod")]);
    let mut records = vec![
        record(
            1,
            &web,
            r#"{"level":"info","status":200,"took":"250ms","size":"1KB","user":{"name":"ann"},"tags":["a","b"]}"#,
        ),
        record(
            2,
            &web,
            r#"{"level":"error","status":500,"took":"1s","size":"2KB","user":{"name":"bob"}}"#,
        ),
        record(
            3,
            &api,
            r#"level=warn status=404 took=30ms size=10KB msg="not found" ip=10.0.0.7"#,
        ),
        record(
            4,
            &api,
            r#"level=info status=200 took=20ms size=20KB msg="ok fine" ip=192.168.1.5"#,
        ),
        record(5, &[("app", "nginx")], r#"10.1.2.3 - - "GET /a HTTP/1.1" 200 512"#),
        record(6, &[("app", "nginx")], r#"10.1.2.4 - - "POST /b HTTP/1.1" 500 128"#),
        record(7, &[("app", "packed")], r#"{"pod":"p1","_entry":"the line"}"#),
        record(8, &[("app", "color")], "\u{1b}[31mred\u{1b}[0m alert"),
        LogRecord {
            level: Some(Level::Error),
            service: "shop".into(),
            attributes: Labels::from_pairs([("http.status", "503")]),
            ..record(9, &[("app", "stored")], "stored line")
        },
    ];
    for second in 1..=9 {
        records.push(record(second, &[("app", "counter")], &format!("n={}", second * 10)));
    }
    records
}

/// The answer on one line: streams as `{labels} line; line`, series as `{labels} value`.
fn ask(query: &str) -> String {
    let expr = parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let is_log = matches!(expr, parapet_logs::logql::Expr::Log(_));
    let parameters = Parameters {
        start_ns: if is_log { 0 } else { 10_000_000_000 },
        end_ns: 10_000_000_000,
        ..Parameters::default()
    };
    let mut evaluation = Evaluation::new(&expr, parameters).unwrap();
    for selection in 0..evaluation.selections().len() {
        for record in records() {
            evaluation
                .push(selection, &record)
                .unwrap_or_else(|error| panic!("{query}: {error}"));
        }
    }
    match evaluation.finish().unwrap_or_else(|error| panic!("{query}: {error}")) {
        Answer::Scalar(number) => format_float(number),
        Answer::Vector(samples) => {
            let texts = samples
                .iter()
                .map(|sample| format!("{} {}", told(&sample.labels), format_float(sample.value)));
            texts.collect::<Vec<_>>().join(" ")
        }
        Answer::Streams(streams) => {
            let texts = streams.iter().map(|stream| {
                let lines: Vec<String> = stream.entries.iter().map(|entry| shorten(&entry.line)).collect();
                format!("{} {}", told(&stream.labels), lines.join("; "))
            });
            texts.collect::<Vec<_>>().join(" ")
        }
        Answer::Matrix(_) => panic!("{query}: a matrix"),
    }
}

/// The labels, without those that only say that something is not known.
fn told(labels: &Labels) -> Labels {
    let unknown = |name: &str| matches!(labels.get(name), Some("unknown" | "unknown_service"));
    labels.without(unknown)
}

/// Lines are told by what is special about them.
fn shorten(line: &str) -> String {
    for (mark, name) in [
        ("\"ann\"", "ANN"),
        ("\"bob\"", "BOB"),
        ("not found", "404"),
        ("ok fine", "OK"),
        ("GET /a", "GET"),
        ("POST /b", "POST"),
        ("_entry", "PACKED"),
    ] {
        if line.contains(mark) && line.len() > 25 {
            return name.to_owned();
        }
    }
    line.to_owned()
}

/// The examples of the page's tables.
fn examples() -> Vec<String> {
    let page = include_str!("../../../docs/logql.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    rows.map(|row| {
        let from = row.find('`').unwrap() + 1;
        let to = row.rfind('`').unwrap();
        row[from..to].replace("\\|", "|")
    })
    .collect()
}

#[test]
fn every_row_answers() {
    let expected: BTreeMap<&str, &str> = include_str!("logql/answers.txt")
        .split("\n\n")
        .filter_map(|pair| pair.trim().split_once('\n'))
        .collect();
    let examples = examples();
    assert!(examples.len() > 80, "{}", examples.len());
    let known: BTreeSet<&str> = examples.iter().map(String::as_str).collect();
    let mut faults = Vec::new();
    for query in &examples {
        let answer = ask(query).replace('\u{1b}', "^");
        if expected.get(query.as_str()) != Some(&answer.as_str()) {
            faults.push(format!("{query}\n{answer}\n"));
        }
    }
    faults.extend(
        expected
            .keys()
            .filter(|query| !known.contains(*query))
            .map(|query| format!("not on the page: {query}")),
    );
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_row_prints_to_what_reads_the_same() {
    for query in examples() {
        let expr = parse(&query).unwrap();
        let printed = expr.to_string();
        let again = parse(&printed).unwrap_or_else(|error| panic!("{query} printed as {printed}: {error}"));
        assert_eq!(expr, again, "{printed}");
        assert_eq!(printed, again.to_string());
    }
}

fn evaluate(query: &str, parameters: Parameters) -> Result<Answer, String> {
    let expr = parse(query).map_err(|error| error.to_string())?;
    let mut evaluation = Evaluation::new(&expr, parameters).map_err(|error| error.to_string())?;
    for selection in 0..evaluation.selections().len() {
        for record in records() {
            evaluation.push(selection, &record).map_err(|error| error.to_string())?;
        }
    }
    evaluation.finish().map_err(|error| error.to_string())
}

const SECOND: i64 = 1_000_000_000;

#[test]
fn ranges_have_a_point_for_each_step() {
    let parameters = Parameters {
        start_ns: 2 * SECOND,
        end_ns: 8 * SECOND,
        step_ns: 2 * SECOND,
        ..Parameters::default()
    };
    let answer = evaluate(r#"sum by (app) (count_over_time({app=~"web|color"}[2s]))"#, parameters).unwrap();
    let Answer::Matrix(series) = answer else {
        panic!("a matrix")
    };
    let points: Vec<_> = series
        .iter()
        .map(|series| (series.labels.to_string(), series.points.clone()))
        .collect();
    assert_eq!(
        points,
        [
            (r#"{app="color"}"#.to_owned(), vec![(8 * SECOND, 1.0)]),
            (r#"{app="web"}"#.to_owned(), vec![(2 * SECOND, 2.0)]),
        ]
    );
    let answer = evaluate("vector(1) + 1", parameters).unwrap();
    let Answer::Matrix(series) = answer else {
        panic!("a matrix")
    };
    assert_eq!(series[0].points.len(), 4);
}

#[test]
fn limits_keep_the_latest_or_the_earliest() {
    for (direction, want, bound) in [
        (parapet_logs::logql::Direction::Backward, ["n=90", "n=80"], 8),
        (parapet_logs::logql::Direction::Forward, ["n=10", "n=20"], 2),
    ] {
        let parameters = Parameters {
            end_ns: 10 * SECOND,
            limit: 2,
            direction,
            ..Parameters::default()
        };
        let mut evaluation = Evaluation::new(&parse(r#"{app="counter"}"#).unwrap(), parameters).unwrap();
        assert_eq!(evaluation.bound_ns(), None);
        for record in records() {
            evaluation.push(0, &record).unwrap();
        }
        assert_eq!(evaluation.bound_ns(), Some(bound * SECOND));
        let Answer::Streams(streams) = evaluation.finish().unwrap() else {
            panic!("streams")
        };
        let lines: Vec<&str> = streams[0].entries.iter().map(|entry| entry.line.as_str()).collect();
        assert_eq!(lines, want);
    }
}

#[test]
fn what_is_to_be_fetched() {
    let query = r#"sum(rate({app="a"} |= "needle in hay" | trace_id="t1" | json | x="y" [5m] offset 1m)) / sum(rate({app="b"}[1m]))"#;
    let parameters = Parameters {
        start_ns: 1_000 * SECOND,
        end_ns: 2_000 * SECOND,
        step_ns: SECOND,
        ..Parameters::default()
    };
    let plan = parapet_logs::logql::plan(&parse(query).unwrap(), &parameters);
    let [first, second] = plan.as_slice() else {
        panic!("two selections")
    };
    assert_eq!((first.start_ns, first.end_ns), (640 * SECOND + 1, 1_940 * SECOND));
    assert_eq!(first.fields, [("trace_id".to_owned(), "t1".to_owned())]);
    // The first and the last word may be parts of longer ones.
    assert_eq!(first.need, parapet_logs::Need::Word("in".to_owned()));
    assert_eq!((second.start_ns, second.end_ns), (940 * SECOND + 1, 2_000 * SECOND));
    assert_eq!(second.matchers[0].to_string(), r#"app="b""#);
}

#[test]
fn what_fails_while_it_is_evaluated() {
    let at = at_ten();
    for (query, parameters, word) in [
        (
            r#"count_over_time({app="api"} | json [10s])"#,
            at,
            "pipeline error: 'JSONParserErr'",
        ),
        (
            r#"sum_over_time({app="api"} | logfmt | unwrap msg [10s])"#,
            at,
            "SampleExtractionErr",
        ),
        (
            r#"count_over_time({app="api"} | logfmt | msg>5 [10s])"#,
            at,
            "LabelFilterErr",
        ),
        (
            r#"rate({env="prod"}[10s]) / on (env) rate({env="prod"}[10s])"#,
            at,
            "many-to-many matching not allowed",
        ),
        (
            r#"rate({env="prod"}[10s]) / on (env) sum by (env) (rate({env="prod"}[10s]))"#,
            at,
            "many-to-one matching must be explicit",
        ),
        (
            r#"count_over_time({app=~".+"}[10s])"#,
            Parameters { max_series: 2, ..at },
            "maximum number of series (2)",
        ),
        (
            r#"count_over_time({app=~".+"}[10s])"#,
            Parameters { max_samples: 5, ..at },
            "more than 5 samples",
        ),
        (
            "vector(1)",
            Parameters {
                start_ns: 0,
                step_ns: 1,
                ..at
            },
            "maximum resolution",
        ),
        ("vector(1)", Parameters { end_ns: 0, ..at }, "must not be before"),
    ] {
        let error = evaluate(query, parameters).expect_err(query);
        assert!(error.contains(word), "{query}: {error}");
    }
}

#[test]
fn a_sum_is_one_series_whatever_fields_the_lines_have() {
    let lines: Vec<LogRecord> = (0..100)
        .map(|number| LogRecord {
            attributes: Labels::from_pairs([("request", number.to_string())]),
            ..record(5, &[("app", "web")], "line")
        })
        .collect();
    let answer = |query: &str| {
        let parameters = Parameters {
            start_ns: 10_000_000_000,
            end_ns: 10_000_000_000,
            max_series: 1,
            ..Parameters::default()
        };
        let mut evaluation = Evaluation::new(&parse(query).unwrap(), parameters)?;
        assert!(!evaluation.selections()[0].line, "{query} looks at no line");
        for line in &lines {
            evaluation.push(0, line)?;
        }
        evaluation.finish()
    };
    let sums = [
        "sum(count_over_time({app=\"web\"}[10s]))",
        "sum by (app) (count_over_time({app=\"web\"}[10s]))",
        "sum without (request) (rate({app=\"web\"}[1s] offset 4s500ms)) * 100 / 100",
    ];
    for query in sums {
        let Answer::Vector(samples) = answer(query).unwrap() else {
            panic!("{query}")
        };
        assert_eq!((samples.len(), samples[0].value), (1, 100.0), "{query}");
    }
    // A field that the query names is a label of its series, others are not.
    let Answer::Vector(samples) = answer("count_over_time({app=\"web\"}[10s])").unwrap() else {
        panic!("no vector")
    };
    assert_eq!(told(&samples[0].labels).to_string(), r#"{app="web"}"#);
    for query in [
        "count_over_time({app=\"web\"} | request!=\"\" [10s])",
        "count_over_time({app=\"web\"} | keep request [10s])",
        "max by (request) (count_over_time({app=\"web\"}[10s]))",
        "label_replace(count_over_time({app=\"web\"}[10s]), \"a\", \"$1\", \"request\", \"(.*)\")",
    ] {
        assert!(answer(query).is_err(), "{query}");
    }
}

/// The labels of one line's only stream.
fn labels_of(query: &str, record: &LogRecord) -> String {
    let parameters = Parameters {
        end_ns: 10 * SECOND,
        ..Parameters::default()
    };
    let mut evaluation = Evaluation::new(&parse(query).unwrap(), parameters).unwrap();
    evaluation.push(0, record).unwrap();
    match evaluation.finish().unwrap() {
        Answer::Streams(streams) => streams
            .first()
            .map_or_else(String::new, |stream| told(&stream.labels).to_string()),
        _ => panic!("{query}: no lines"),
    }
}

#[test]
fn labels_of_parsers_beside_those_that_are_there() {
    let stored = LogRecord {
        attributes: Labels::from_pairs([("status", "503"), ("same", "x"), ("app", "own")]),
        ..record(
            5,
            &[("app", "web")],
            r#"{"app":"inner","status":"200","same":"x","twice":1,"twice":2,"empty":""} and more"#,
        )
    };
    for (query, want) in [
        // A field that says the same is one label, another stays beside it; what follows the object is nobody's.
        (
            r#"{app="web"} | json"#,
            r#"{app="web", app_extracted="inner", empty="", same="x", status="503", status_extracted="200", twice="1"}"#,
        ),
        // What was parsed first stays, though it was taken out.
        (
            r#"{app="web"} | json | drop twice, app_extracted | json | keep app, twice, app_extracted"#,
            r#"{app="web"}"#,
        ),
        // Templates of a stage do not see each other; a label renamed to itself is gone.
        (
            r#"{app="web"} | label_format a="{{.app}}", b="{{.a}}x", same=same | keep a, b, same"#,
            r#"{a="web", b="x"}"#,
        ),
        (
            r#"{app="web"} | json n="no.such", t="twice" | n="" | keep n, t"#,
            r#"{n="", t="1"}"#,
        ),
        (r#"{app="web"} | json != "inner""#, ""),
        (r#"{app="web"} | json | empty>1"#, ""),
        (r#"{app="web"} | nothing>1"#, ""),
    ] {
        let found = labels_of(query, &stored);
        if query.contains("empty") {
            assert!(found.contains(r#"__error__="LabelFilterErr""#), "{query}: {found}");
        } else {
            assert_eq!(found, want, "{query}");
        }
    }
}

#[test]
fn a_metric_query_reads_no_further_than_it_needs() {
    let ask = |query: &str| {
        evaluate(query, at_ten()).map(|answer| match answer {
            Answer::Vector(samples) => samples
                .iter()
                .map(|sample| format!("{} {}", sample.labels, sample.value))
                .collect(),
            _ => Vec::new(),
        })
    };
    // No label is needed: no line is parsed.
    let all = r#"sum(count_over_time({app=~"web|api"} | json [10s]))"#;
    assert_eq!(ask(all).unwrap(), ["{} 4"]);
    assert!(ask(r#"sum by (level) (count_over_time({app=~"web|api"} | json [10s]))"#).is_err());
    // Faults that are asked for by name are counted.
    let faults = r#"sum by (app) (count_over_time({app=~"web|api"} | json | __error__!="" [10s]))"#;
    assert_eq!(ask(faults).unwrap(), [r#"{app="api"} 2"#]);
    let by_value = r#"sum by (status) (sum_over_time({app="web"} | json | unwrap status [10s]))"#;
    assert_eq!(
        ask(by_value).unwrap(),
        [r#"{status="200"} 200"#, r#"{status="500"} 500"#]
    );
}

fn at_ten() -> Parameters {
    Parameters {
        start_ns: 10 * SECOND,
        end_ns: 10 * SECOND,
        ..Parameters::default()
    }
}

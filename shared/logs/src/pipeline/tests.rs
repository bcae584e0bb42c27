use super::*;
use crate::Level;
use parapet_model::Labels;

/// 2024-03-10T12:00:00Z.
const NOW: i64 = 1_710_072_000_000_000_000;

fn record(app: &str, line: &str) -> LogRecord {
    LogRecord {
        raw: line.as_bytes().to_vec().into(),
        stream: Labels::from_pairs([("app", app)]),
        ..LogRecord::default()
    }
}

fn run(yaml: &str, lines: &[&str]) -> Outcome {
    run_at(yaml, lines, "")
}

fn run_at(yaml: &str, lines: &[&str], path: &str) -> Outcome {
    let pipelines = Pipelines::parse("pipelines.yml", yaml).unwrap_or_else(|error| panic!("{error}"));
    let records = lines.iter().map(|line| record("web", line)).collect();
    pipelines.process(records, Origin { path, received_ns: NOW })
}

fn pipeline(stages: &str) -> String {
    format!("pipelines:\n- name: p\n  stages:\n{stages}")
}

#[test]
fn json_to_a_record() {
    let outcome = run(
        &pipeline(
            r#"
  - json: {}
  - timestamp: {field: time, format: RFC3339}
  - level: lvl
  - promote: {message: [msg, message], service: app, trace_id: trace.id, host: hostname}
  - set: {environment: prod, host: h2}
  - rename: {status: http.status}
  - remove: secret
  - labels: [region]
"#,
        ),
        &[
            r#"{"time":"2024-03-10T11:00:00Z","lvl":"warn","msg":"hi","app":"shop","trace":{"id":"abc"},"http":{"status":500},"secret":1,"region":"eu","n":null}"#,
            "not json",
        ],
    );
    let record = &outcome.records[0];
    assert_eq!(record.timestamp_ns, NOW - 3_600_000_000_000);
    assert_eq!(record.level, Some(Level::Warning));
    assert_eq!((&*record.message, &*record.service), ("hi", "shop"));
    assert_eq!((&*record.trace_id, &*record.host), ("abc", "h2"));
    assert_eq!(record.attributes.to_string(), r#"{environment="prod", status="500"}"#);
    assert_eq!(record.stream.to_string(), r#"{app="web", region="eu"}"#);
    let record = &outcome.records[1];
    assert_eq!((record.message().as_ref(), record.timestamp_ns), ("not json", NOW));
    assert_eq!(
        outcome.counts["p"],
        Counts {
            lines: 2,
            bytes: 145 + 8,
            unparsed: 1,
            without_time: 1,
            ..Counts::default()
        }
    );
}

#[test]
fn parsers_of_lines() {
    for (stages, line, name, want) in [
        ("  - logfmt", "level=info dur=1.5s msg=\"a b\"", "msg", "a b"),
        ("  - regex: '(?P<user>\\w+)@'", "from bob@x", "user", "bob"),
        (
            "  - grok: ['%{IPV4:ip}x', 'at %{WORD:place}']",
            "at home",
            "place",
            "home",
        ),
        (
            "  - grok: {pattern: '%{ID:id}', patterns: {ID: 'id-\\d+'}}",
            "x id-77",
            "id",
            "id-77",
        ),
        ("  - csv: {columns: [a, b], delimiter: ';'}", "1;\"x;y\"", "b", "x;y"),
        ("  - json: {prefix: j_}", "{\"a\":{\"b\":1}}", "j_a.b", "1"),
        (
            "  - json\n  - json: {field: inner}",
            r#"{"inner":"{\"x\":\"\\u00e9\"}"}"#,
            "x",
            "é",
        ),
        (
            "  - grok: 'x=%{GREEDYDATA:rest}'\n  - logfmt: {field: rest}",
            "x=a=1 b=2",
            "b",
            "2",
        ),
        ("  - cri\n  - logfmt", "2024-03-10T11:00:00.5Z stderr F k=v", "k", "v"),
        (
            "  - cri",
            r#"{"log":"hello\n","stream":"stdout","time":"2024-03-10T11:00:00Z"}"#,
            "stream",
            "stdout",
        ),
        (
            "  - json: {when: 'app:api'}\n  - logfmt: {when: 'app:web'}",
            "a=1",
            "a",
            "1",
        ),
    ] {
        let outcome = run(&pipeline(stages), &[line]);
        assert_eq!(outcome.records[0].field(name), Some(want), "{stages} {line}");
        assert_eq!(outcome.records[0].raw, line.as_bytes());
        assert_eq!(outcome.counts["p"].unparsed, 0, "{stages}");
    }
}

#[test]
fn levels_times_and_kubernetes() {
    let yaml = pipeline(
        r"
  - csv: {columns: [date, time, sev, message], delimiter: '|'}
  - timestamp: {field: [date, time], format: ['2006-01-02 15:04:05', 'dd/MM/yyyy HH:mm:ss'], zone: Europe/Berlin}
  - level: {field: sev, map: {'9': CRITICAL}, default: INFO}
  - kubernetes
",
    );
    let path = "/var/log/pods/shop_cart-5d_1-2/server/0.log";
    let outcome = run_at(&yaml, &["10/03/2024|12:00:00|9|down", "2024-03-10|12:00:00|?|up"], path);
    let [first, second] = outcome.records.as_slice() else {
        panic!("two records")
    };
    assert_eq!(
        (first.timestamp_ns, second.timestamp_ns),
        (NOW - 3_600_000_000_000, NOW - 3_600_000_000_000)
    );
    assert_eq!((first.level, second.level), (Some(Level::Critical), Some(Level::Info)));
    assert_eq!((&*first.message, &*first.service), ("down", "server"));
    assert_eq!(first.field("k8s.namespace.name"), Some("shop"));
    assert_eq!(first.field("k8s.pod.name"), Some("cart-5d"));
    let path = "/var/log/containers/cart-5d_shop_server-0a1b.log";
    let outcome = run_at(&yaml, &["x"], path);
    assert_eq!(outcome.records[0].field("k8s.container.name"), Some("server"));
}

#[test]
fn dropping_sampling_and_routing() {
    let yaml = pipeline(
        r"
  - logfmt
  - level: level
  - drop: 'level:DEBUG AND path:/health*'
  - sample: {keep: 0.25, where: 'level:INFO'}
  - route: {to: errors, where: 'level:>=ERROR'}
",
    );
    let lines: Vec<String> = (0..1000).map(|n| format!("level=info n={n}")).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.extend([
        "level=debug path=/healthz",
        "level=debug path=/x",
        "level=error path=/y",
    ]);
    let outcome = run(&yaml, &lines);
    let counts = outcome.counts["p"];
    assert_eq!(counts.dropped, 1);
    assert!((700..800).contains(&counts.sampled_out), "{}", counts.sampled_out);
    assert_eq!(outcome, run(&yaml, &lines));
    assert_eq!(outcome.records.last().unwrap().route, "errors");
    assert_eq!(
        outcome.records.iter().filter(|record| !record.route.is_empty()).count(),
        1
    );
}

#[test]
fn what_lines_say_of_their_level_is_seen_by_all_stages() {
    let yaml = r"
pipelines:
- name: p
  stages:
  - logfmt
  - drop: 'level:DEBUG'
  - sample: {keep: 0, where: 'level:INFO'}
  - level: {field: odd, map: {x: CRITICAL}, default: INFO, when: 'odd:*'}
  - route: {to: errors, where: 'level:>=ERROR'}
  - labels: {grave: level, when: '_exists_:level'}
  metrics: [{name: lines_total, type: counter, where: 'level:*', labels: [level]}]
";
    let outcome = run(
        yaml,
        &[
            "a DEBUG line",
            "an info",
            "[Error] it broke",
            "severity=warn error=none",
            "odd=x error",
            "odd=y error",
            "errors are none",
        ],
    );
    let found: Vec<_> = outcome
        .records
        .iter()
        .map(|record| {
            (
                record.level,
                &*record.route,
                record.stream.get("grave").unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (Some(Level::Error), "errors", "ERROR"),
            (Some(Level::Warning), "", "WARNING"),
            (Some(Level::Critical), "errors", "CRITICAL"),
            (Some(Level::Info), "", "INFO"),
            (None, "", ""),
        ],
        "what a stage says counts, a default too"
    );
    let counts = outcome.counts["p"];
    assert_eq!((counts.dropped, counts.sampled_out), (1, 1));
    let levels: Vec<_> = outcome
        .observations
        .iter()
        .map(|observation| observation.labels.get("level").unwrap_or_default())
        .collect();
    assert_eq!(levels, ["CRITICAL", "ERROR", "INFO", "WARNING"]);
}

#[test]
fn lines_are_joined() {
    let yaml = "pipelines:\n- name: p\n  multiline: {starts: '^\\d', max_lines: 3}\n";
    let outcome = run(yaml, &["  tail", "1 a", "  at x", "  at y", "  at z", "2 b"]);
    let lines: Vec<_> = outcome
        .records
        .iter()
        .map(|record| record.line().into_owned())
        .collect();
    assert_eq!(lines, ["  tail", "1 a\n  at x\n  at y", "  at z", "2 b"]);
    let yaml = "pipelines:\n- name: p\n  multiline: {continues: '^\\s'}\n";
    assert_eq!(run(yaml, &["a", " b", "c"]).records.len(), 2);
}

#[test]
fn secrets_never_leave() {
    let yaml = r"
redact: [card, email, bearer, token, aws_key, password, private_key]
pipelines:
- name: p
  redact: [{name: employee, pattern: 'EMP-(?P<secret>\d+)', replace: '#'}]
  stages:
  - json
  - promote: {message: m}
  metrics: [{name: by_user, type: counter, labels: {user: user}}]
";
    for (secret, line) in [
        ("4111 1111 1111 1111", r#"{"m":"paid with 4111 1111 1111 1111 ok"}"#),
        ("5500005555555559", r#"{"card":5500005555555559}"#),
        ("bob@example.org", r#"{"user":"bob@example.org"}"#),
        ("bob@example.org", r#"{"user":"bob\u0040example.org"}"#),
        ("abcdef123456", r#"{"m":"Authorization: Bearer abcdef123456"}"#),
        ("AKIAIOSFODNN7EXAMPLE", r#"{"m":"key AKIAIOSFODNN7EXAMPLE"}"#),
        (
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ),
        ("hunter2", r#"{"password":"hunter2"}"#),
        ("hunter2", "login password=hunter2 ok"),
        (
            "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
            "t ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        ),
        (
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x_y",
            "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x_y",
        ),
        ("MIIEow", "-----BEGIN RSA PRIVATE KEY-----\\nMIIEow"),
        ("12345", "EMP-12345 left"),
    ] {
        let outcome = run(yaml, &[line]);
        let all = format!(
            "{:?} {:?} {}",
            outcome.records,
            outcome.observations,
            outcome.records[0].line()
        );
        assert!(!all.contains(secret), "{secret}: {all}");
        assert!(outcome.counts["p"].redacted > 0, "{line}");
    }
    let outcome = run(yaml, &[r#"{"password":"pass","a":1}"#]);
    let line = outcome.records[0].line().into_owned();
    assert_eq!(line, r#"{"password":"[REDACTED:password]","a":1}"#);
    for line in [
        "order 4111 1111 1111 1112 is no card",
        "at 1710072000000000000 and 10.0.0.1@x",
        "a basic test, tokens 5 of 7",
        "deadbeefAKIA",
    ] {
        let outcome = run(yaml, &[line]);
        assert_eq!(
            (outcome.records[0].line().as_ref(), outcome.counts["p"].redacted),
            (line, 0)
        );
    }
}

#[test]
fn metrics_of_lines() {
    let yaml = r"
pipelines:
- name: p
  stages: [logfmt]
  metrics:
  - {name: requests_total, type: counter, where: 'status:*', labels: [status]}
  - {name: bytes_total, type: counter, value: bytes}
  - {name: seconds, type: histogram, value: took, buckets: [0.1, 1]}
";
    let outcome = run(
        yaml,
        &[
            "status=200 took=50ms bytes=10",
            "status=200 took=100ms bytes=1KB",
            "status=500 took=3s bytes=-4",
            "other=1",
        ],
    );
    let found: Vec<_> = outcome
        .observations
        .iter()
        .map(|one| (one.labels.to_string(), one.kind.clone()))
        .collect();
    assert_eq!(
        found,
        [
            ("bytes_total".to_owned(), MetricKind::Counter(1010.0)),
            ("requests_total{status=\"200\"}".to_owned(), MetricKind::Counter(2.0)),
            ("requests_total{status=\"500\"}".to_owned(), MetricKind::Counter(1.0)),
            (
                "seconds".to_owned(),
                MetricKind::Histogram {
                    bounds: vec![0.1, 1.0],
                    counts: vec![2, 0, 1],
                    sum: 3.15
                }
            ),
        ]
    );
}

#[test]
fn the_first_pipeline_that_fits() {
    let yaml = r#"
pipelines:
- {name: a, match: '{app="api"}', stages: [{set: {by: a}}]}
- {name: b, path: /var/log/*.log, stages: [{set: {by: b}}]}
- {name: c, stages: [{set: {by: c}}]}
"#;
    let pipelines = Pipelines::parse("p", yaml).unwrap();
    for (app, path, want) in [("api", "", "a"), ("web", "/var/log/x.log", "b"), ("web", "/tmp/x", "c")] {
        let outcome = pipelines.process(vec![record(app, "x")], Origin { path, received_ns: 1 });
        assert_eq!(outcome.records[0].field("by"), Some(want));
    }
    // Without a pipeline a line is kept as it came.
    let outcome = Pipelines::default().process(
        vec![record("x", "line")],
        Origin {
            path: "",
            received_ns: 7,
        },
    );
    assert_eq!(
        (outcome.records[0].message().as_ref(), outcome.records[0].timestamp_ns),
        ("line", 7)
    );
}

#[test]
fn faults_have_their_place() {
    for (yaml, place, word) in [
        ("pipelines: 5", "1:1", "sequence"),
        ("pipeline: []", "1:1", "fields here are"),
        ("pipelines:\n- {stages: []}", "2:3", "name must be set"),
        ("pipelines:\n- name: a\n  match: 'app=nginx'", "3:10", "stream selector"),
        (
            "pipelines:\n- name: a\n  stages:\n  - jason: {}",
            "4:5",
            "stages are json",
        ),
        (
            "pipelines:\n- name: a\n  stages:\n  - grok: '%{NOPE}'",
            "4:11",
            "no pattern",
        ),
        (
            "pipelines:\n- name: a\n  stages:\n  - drop: '(x'",
            "4:11",
            ") is missing",
        ),
        (
            "pipelines:\n- name: a\n  stages:\n  - timestamp: {field: t, format: '%Q'}",
            "4:35",
            "%Q",
        ),
        (
            "pipelines:\n- name: a\n  stages:\n  - timestamp: {field: t, format: RFC3339, zone: Mars}",
            "4:50",
            "Europe/Berlin",
        ),
        (
            "pipelines:\n- name: a\n  stages:\n  - level: {field: l, map: {x: loud}}",
            "4:32",
            "write DEBUG",
        ),
        (
            "pipelines:\n- name: a\n  stages:\n  - sample: {keep: 2}",
            "4:20",
            "from 0 to 1",
        ),
        ("redact: [cards]", "1:10", "kinds are card"),
        ("redact: [{name: x, pattern: 'a*'}]", "1:29", "empty text"),
        ("pipelines:\n- name: a\n  multiline: {}", "3:14", "starts or continues"),
        (
            "pipelines:\n- name: a\n  metrics: [{name: x, type: gauge}]",
            "3:29",
            "counter or histogram",
        ),
        ("pipelines:\n- name: a\n- name: a", "1:1", "rename one"),
        (
            "pipelines:\n- name: a\n  stages:\n  - use: nginxx",
            "4:10",
            "nginx_access",
        ),
        ("a: [", "1:4", ""),
    ] {
        let error = Pipelines::parse("pipelines.yml", yaml).unwrap_err().to_string();
        let want = format!("pipelines.yml:{place}: ");
        assert!(
            error.lines().any(|line| line.starts_with(&want) && line.contains(word)),
            "{yaml}\n{error}"
        );
    }
}

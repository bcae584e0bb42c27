//! The life of alerts and recorded series over several evaluations.

#![allow(clippy::unwrap_used)]

use parapet_model::{Alert, BatchSeries, Labels, Value};
use parapet_promql::{Answer, QueryValue, VectorSample};
use parapet_rules::{AlertState, Context, GroupState, Health, RuleGroup, StepOutcome, parse, retire, step};

const MINUTE: i64 = 60_000;

fn group(rules: &str) -> RuleGroup {
    let text = format!("groups:\n- name: g\n  interval: 1m\n  rules:\n{rules}");
    parse("r.yml", &text).unwrap().remove(0)
}

fn sample(labels: &[(&str, &str)], value: f64) -> VectorSample {
    VectorSample {
        labels: Labels::from_pairs(labels.iter().copied()),
        timestamp_ms: 0,
        value: Value::Float(value),
    }
}

fn answer(samples: Vec<VectorSample>) -> Answer {
    Answer {
        value: QueryValue::Vector(samples),
        warnings: Vec::new(),
        infos: Vec::new(),
    }
}

/// Evaluates once, every query answered alike. The state goes through JSON, as it does between evaluations.
fn evaluate(group: &RuleGroup, state: &GroupState, at_ms: i64, samples: &[VectorSample]) -> StepOutcome {
    let text = serde_json::to_string(state).unwrap();
    let state: GroupState = serde_json::from_str(&text).unwrap();
    step(group, state, at_ms, &Context::default(), &mut |_| {
        Ok(answer(samples.to_vec()))
    })
}

fn shown(series: &[BatchSeries]) -> Vec<String> {
    let mut lines: Vec<String> = series
        .iter()
        .map(|series| {
            let sample = &series.samples[0];
            let value = match &sample.value {
                value if value.is_stale() => "stale".to_owned(),
                Value::Float(value) => value.to_string(),
                Value::Histogram(_) => "histogram".to_owned(),
            };
            format!("{} {value} @{}", series.labels, sample.timestamp_ms / 1000)
        })
        .collect();
    lines.sort();
    lines
}

fn sent(alerts: &[Alert]) -> Vec<String> {
    let show = |a: &Alert| format!("{} {}..{}", a.labels, a.starts_at_ms / MINUTE, a.ends_at_ms / MINUTE);
    alerts.iter().map(show).collect()
}

#[test]
fn an_alert_waits_fires_is_kept_and_is_resolved() {
    let group = group("  - {alert: A, expr: up == 0, for: 2m, keep_firing_for: 2m, labels: {v: '{{ $value }}'}}");
    let down = [sample(&[("__name__", "up"), ("job", "j")], 0.0)];
    let mut state = GroupState::default();
    let mut history = Vec::new();
    // Holds for minutes 1 to 4, then no more.
    for minute in 1..=9 {
        let samples = if minute <= 4 { &down[..] } else { &[] };
        let outcome = evaluate(&group, &state, minute * MINUTE, samples);
        let states: Vec<&str> = outcome.state.rules[0]
            .alerts
            .iter()
            .map(|alert| alert.state.as_str())
            .collect();
        history.push((minute, states.join(","), sent(&outcome.alerts).join(" ")));
        state = outcome.state;
    }
    let line = |range: &str| format!("{{alertname=\"A\", job=\"j\", v=\"0\"}} {range}");
    assert_eq!(
        history,
        [
            (1, "pending".to_owned(), String::new()),
            (2, "pending".to_owned(), String::new()),
            (3, "firing".to_owned(), line("3..7")),
            // The resend delay has not passed: not strictly more than a minute since it was sent.
            (4, "firing".to_owned(), String::new()),
            (5, "firing".to_owned(), line("3..9")),
            (6, "firing".to_owned(), String::new()),
            (7, "inactive".to_owned(), line("3..7")),
            (8, "inactive".to_owned(), String::new()),
            (9, "inactive".to_owned(), line("3..7")),
        ]
    );
    // Resolved alerts are told for a quarter of an hour, then forgotten.
    for minute in 10..=23 {
        state = evaluate(&group, &state, minute * MINUTE, &[]).state;
    }
    assert!(state.rules[0].alerts.is_empty());
}

#[test]
fn alert_series_follow_the_state_and_end_with_markers() {
    let group = group("  - {alert: A, expr: x, for: 1m, labels: {severity: page}}");
    let holds = [sample(&[("i", "1")], 3.0)];
    let first = evaluate(&group, &GroupState::default(), 10 * MINUTE, &holds);
    let series = |name: &str, state: &str| format!("{name}{{alertname=\"A\", {state}i=\"1\", severity=\"page\"}}");
    let pending = series("ALERTS", "alertstate=\"pending\", ");
    let firing = series("ALERTS", "alertstate=\"firing\", ");
    let since = series("ALERTS_FOR_STATE", "");
    assert_eq!(
        shown(&first.samples),
        [format!("{since} 600 @600"), format!("{pending} 1 @600")]
    );
    let second = evaluate(&group, &first.state, 11 * MINUTE, &holds);
    let mut want = [
        format!("{firing} 1 @660"),
        format!("{pending} stale @660"),
        format!("{since} 600 @660"),
    ];
    want.sort();
    assert_eq!(shown(&second.samples), want);
    let third = evaluate(&group, &second.state, 12 * MINUTE, &[]);
    assert_eq!(
        shown(&third.samples),
        [format!("{since} stale @720"), format!("{firing} stale @720")]
    );
    assert_eq!(third.state.rules[0].alert_state(), AlertState::Inactive);
}

#[test]
fn doing_it_again_gives_the_same() {
    let group = group("  - {alert: A, expr: x, for: 1m}\n  - {record: r, expr: x}");
    let samples: Vec<VectorSample> = (0..50)
        .map(|i| sample(&[("i", &i.to_string())], f64::from(i)))
        .chain([sample(&[("n", "1")], f64::NAN)])
        .collect();
    let state = evaluate(&group, &GroupState::default(), MINUTE, &samples).state;
    let reversed: Vec<VectorSample> = samples.iter().rev().cloned().collect();
    let again = |samples: &[VectorSample]| {
        let outcome = evaluate(&group, &state, 2 * MINUTE, samples);
        (
            serde_json::to_string(&outcome.state.rules[0]).unwrap(),
            sent(&outcome.alerts),
        )
    };
    assert_eq!(again(&samples), again(&samples));
    assert_eq!(again(&samples), again(&reversed));
}

#[test]
fn a_rule_that_fails_keeps_its_state_and_hinders_no_other() {
    let group = group("  - {alert: A, expr: bad}\n  - {record: r, expr: good, labels: {l: v}}");
    let context = Context::default();
    let run = |state: &GroupState, at_ms, broken: bool| {
        step(&group, state.clone(), at_ms, &context, &mut |query| {
            if broken && query.expr.to_string() == "bad" {
                return Err("storage is away".to_owned());
            }
            Ok(answer(vec![sample(&[("__name__", "m"), ("i", "1")], 1.0)]))
        })
    };
    let first = run(&GroupState::default(), MINUTE, false);
    assert_eq!(first.state.rules[0].health, Health::Ok);
    let second = run(&first.state, 2 * MINUTE, true);
    let [failed, other] = &second.state.rules[..] else {
        panic!("two rules")
    };
    assert_eq!(
        (failed.health, failed.last_error.as_deref()),
        (Health::Err, Some("storage is away"))
    );
    assert_eq!(
        (&failed.alerts, &failed.series),
        (&first.state.rules[0].alerts, &first.state.rules[0].series)
    );
    assert_eq!(other.health, Health::Ok);
    assert_eq!(shown(&second.samples), ["r{i=\"1\", l=\"v\"} 1 @120"]);
}

#[test]
fn limits_and_repeated_label_sets_are_errors() {
    let samples = [sample(&[("i", "1")], 1.0), sample(&[("i", "2")], 1.0)];
    for (rules, want) in [
        (
            "  - {record: r, expr: x, labels: {i: z}}",
            "vector contains metrics with the same labelset after applying rule labels",
        ),
        (
            "  - {alert: A, expr: x, labels: {i: z}}",
            "vector contains metrics with the same labelset after applying alert labels",
        ),
        (
            "  - {record: r, expr: x}\n  limit: 1",
            "exceeded limit of 1 with 2 series",
        ),
        (
            "  - {alert: A, expr: x}\n  limit: 1",
            "exceeded limit of 1 with 2 alerts",
        ),
    ] {
        let outcome = evaluate(&group(rules), &GroupState::default(), MINUTE, &samples);
        assert_eq!(outcome.state.rules[0].last_error.as_deref(), Some(want));
        assert!(outcome.samples.is_empty() && outcome.alerts.is_empty() && outcome.state.rules[0].alerts.is_empty());
    }
}

#[test]
fn later_rules_are_given_what_earlier_ones_recorded() {
    let group = group(
        "  - {record: a, expr: x}\n  - {record: b, expr: a}\n  - {alert: C, expr: b, annotations: {s: '{{ with query \"b\" }}{{ . | first | value }}{{ end }}'}}",
    );
    let mut seen = Vec::new();
    let outcome = step(
        &group,
        GroupState::default(),
        MINUTE,
        &Context::default(),
        &mut |query| {
            let names: Vec<&str> = query
                .recorded
                .iter()
                .filter_map(|series| series.labels.metric_name())
                .collect();
            seen.push(format!("{} sees {}", query.expr, names.join(",")));
            Ok(answer(vec![sample(&[], 7.0)]))
        },
    );
    assert_eq!(seen, ["x sees ", "a sees a", "b sees a,b", "b sees a,b"]);
    assert_eq!(outcome.alerts[0].annotations, Labels::from_pairs([("s", "7")]));
}

#[test]
fn removed_rules_end_their_series_and_alerts() {
    let before = group("  - {alert: A, expr: x}\n  - {record: r, expr: x}\n  - {record: q, expr: x}");
    let after = group("  - {record: q, expr: x}\n  - {alert: A, expr: x, labels: {new: label}}");
    let holds = [sample(&[("i", "1")], 1.0)];
    let first = evaluate(&before, &GroupState::default(), MINUTE, &holds);
    let second = evaluate(&after, &first.state, 2 * MINUTE, &holds);
    assert_eq!(
        shown(&second.samples),
        [
            "ALERTS_FOR_STATE{alertname=\"A\", i=\"1\", new=\"label\"} 120 @120",
            "ALERTS_FOR_STATE{alertname=\"A\", i=\"1\"} stale @120",
            "ALERTS{alertname=\"A\", alertstate=\"firing\", i=\"1\", new=\"label\"} 1 @120",
            "ALERTS{alertname=\"A\", alertstate=\"firing\", i=\"1\"} stale @120",
            "q{i=\"1\"} 1 @120",
            "r{i=\"1\"} stale @120",
        ]
    );
    assert_eq!(
        sent(&second.alerts),
        [
            "{alertname=\"A\", i=\"1\", new=\"label\"} 2..6",
            "{alertname=\"A\", i=\"1\"} 1..2"
        ]
    );
    let end = retire(&after, second.state, 3 * MINUTE, &Context::default());
    assert_eq!(end.samples.len(), 3);
    assert!(end.samples.iter().all(|series| series.samples[0].value.is_stale()));
    assert_eq!(sent(&end.alerts), ["{alertname=\"A\", i=\"1\", new=\"label\"} 2..3"]);
    assert!(end.state.rules.is_empty());
}

#[test]
fn a_series_that_moves_to_another_rule_does_not_end() {
    let group = group("  - {record: r, expr: a}\n  - {record: r, expr: b}");
    let run = |state: &GroupState, at_ms, source: &str| {
        step(&group, state.clone(), at_ms, &Context::default(), &mut |query| {
            let has = query.expr.to_string() == source;
            Ok(answer(if has {
                vec![sample(&[("i", "1")], 5.0)]
            } else {
                Vec::new()
            }))
        })
    };
    let first = run(&GroupState::default(), MINUTE, "a");
    let second = run(&first.state, 2 * MINUTE, "b");
    assert_eq!(shown(&second.samples), ["r{i=\"1\"} 5 @120"]);
    let third = run(&second.state, 3 * MINUTE, "a");
    assert_eq!(shown(&third.samples), ["r{i=\"1\"} 5 @180"]);
}

#[test]
fn after_an_outage_for_goes_on_as_in_prometheus() {
    let holds = [sample(&[("i", "1")], 1.0)];
    // Minutes: `for`, the last evaluation before the outage, its length, and since when the alert then counts as
    // active. It was active from minute 1.
    for (hold, last, outage, active_at) in [
        // A short interruption changes nothing.
        (30, 3, 4, 1),
        // Enough is left: the outage does not count.
        (30, 3, 20, 21),
        // Less than the grace period is left: it fires in ten minutes.
        (20, 13, 20, 13 + 20 + 10 - 20),
        // `for` is below the grace period: it begins anew.
        (5, 3, 20, 23),
        // Longer than the tolerance: it begins anew.
        (90, 3, 61, 64),
    ] {
        let group = group(&format!("  - {{alert: A, expr: x, for: {hold}m}}"));
        let mut state = GroupState::default();
        for minute in 1..=last {
            state = evaluate(&group, &state, minute * MINUTE, &holds).state;
        }
        let outcome = evaluate(&group, &state, (last + outage) * MINUTE, &holds);
        let alert = &outcome.state.rules[0].alerts[0];
        assert_eq!(alert.active_at_ms / MINUTE, active_at, "for {hold}m outage {outage}m");
        assert_eq!(alert.state, AlertState::Pending);
    }
}

#[test]
fn external_labels_and_links_are_added() {
    let group = group(
        "  - {alert: A, expr: x > 0, annotations: {s: '{{ $externalLabels.region }} {{ .ExternalURL }} {{ .Oops.X }}'}}",
    );
    let context = Context {
        external_labels: Labels::from_pairs([("region", "eu"), ("i", "never")]),
        external_url: "http://host/p".to_owned(),
        ..Context::default()
    };
    let outcome = step(&group, GroupState::default(), MINUTE, &context, &mut |_| {
        Ok(answer(vec![sample(&[("i", "1")], 1.0)]))
    });
    let alert = &outcome.alerts[0];
    assert_eq!(
        alert.labels,
        Labels::from_pairs([("alertname", "A"), ("i", "1"), ("region", "eu")])
    );
    assert_eq!(alert.generator_url, "http://host/p/graph?g0.expr=x+%3E+0&g0.tab=1");
    let summary = alert.annotations.get("s").unwrap();
    assert!(
        summary.starts_with("<error expanding template: error executing template __alert_A: "),
        "{summary}"
    );
}

#[test]
fn rules_over_logs_are_asked_in_their_own_language() {
    let text = r#"
groups:
- name: g
  type: logql
  interval: 1m
  rules:
  - record: app:errors:rate1m
    expr: sum by (app) (rate({app=~".+"} |= "error" [1m]))
  - alert: Errors
    expr: sum by (app) (count_over_time({app="web"} |= "error" [1m])) > 2
    annotations: {summary: "{{ $value }} errors of {{ $labels.app }}"}
"#;
    let group = parse("r.yml", text).unwrap().remove(0);
    let mut asked = Vec::new();
    let context = Context {
        external_url: "http://host/p".to_owned(),
        ..Context::default()
    };
    let outcome = step(&group, GroupState::default(), MINUTE, &context, &mut |query| {
        asked.push(matches!(query.expr, parapet_rules::RuleExpr::LogQl(_)));
        Ok(answer(vec![sample(&[("app", "web")], 3.0)]))
    });
    assert_eq!(asked, [true, true]);
    assert!(shown(&outcome.samples).contains(&r#"app:errors:rate1m{app="web"} 3 @60"#.to_owned()));
    let alert = &outcome.alerts[0];
    assert_eq!(alert.annotations.get("summary"), Some("3 errors of web"));
    assert!(
        alert
            .generator_url
            .starts_with("http://host/p/loki/api/v1/query_range?query=%28sum+by+%28app%29"),
        "{}",
        alert.generator_url
    );
}

//! What holds for every query: nothing panics, nothing overflows the stack, what is printed parses to the same, and an
//! instant query answers what a range query answers at that step.
#![allow(clippy::unwrap_used)] // A test may stop at what must not be.

use parapet_model::{CounterReset, Histogram, Labels, Series, Span, stale_nan};
use parapet_promql::{
    EvaluationError, Function, Options, QueryRange, QueryValue, Selector, ValueType, evaluate, parse, pretty, selectors,
};
use proptest::prelude::*;
use std::sync::Arc;

/// Series of a few metrics, with numbers of every kind.
fn data() -> Vec<Series> {
    let specials = [
        0.0,
        1.5,
        -3.0,
        f64::NAN,
        f64::INFINITY,
        1e308,
        7.0,
        stale_nan(),
        2.0,
        5e-324,
    ];
    let mut all = Vec::new();
    for (number, name) in ["a_total", "b", "c_bucket", "target_info"].into_iter().enumerate() {
        for instance in 0..3usize {
            let mut pairs = vec![("__name__", name), ("job", "x")];
            let value = instance.to_string();
            pairs.push(("instance", &value));
            if name == "c_bucket" {
                pairs.push(("le", ["1", "5", "+Inf"][instance]));
            }
            let timestamps: Vec<i64> = (0..40)
                .map(|at| at * 15_000 + i64::try_from(instance).unwrap())
                .collect();
            let values = (0..40)
                .map(|at| {
                    if number == 0 {
                        f64::from(at % 17)
                    } else {
                        specials[(at as usize * 7 + instance) % 10]
                    }
                })
                .collect();
            all.push(Series {
                labels: Labels::from_pairs(pairs),
                timestamps,
                values,
                histograms: Vec::new(),
            });
        }
    }
    for (schema, instance) in [(0, "0"), (3, "1"), (-53, "2"), (8, "3")] {
        let histograms = (0..40i32).map(|at| {
            let histogram = Histogram {
                counter_reset: [CounterReset::Unknown, CounterReset::Gauge][usize::from(at % 13 == 0)],
                schema,
                zero_threshold: if schema == -53 { 0.0 } else { 0.001 * f64::from(at % 3) },
                zero_count: if schema == -53 { 0.0 } else { f64::from(at % 5) },
                count: f64::from(at % 23),
                sum: if at % 11 == 0 { f64::NAN } else { f64::from(at) },
                positive_spans: vec![
                    Span {
                        offset: at % 4,
                        length: 2,
                    },
                    Span { offset: 1, length: 1 },
                ],
                positive_buckets: vec![1.0, f64::from(at), 2.0],
                negative_spans: if schema == -53 {
                    Vec::new()
                } else {
                    vec![Span { offset: -2, length: 1 }]
                },
                negative_buckets: if schema == -53 { Vec::new() } else { vec![f64::from(at)] },
                custom_values: if schema == -53 {
                    vec![1.0, 2.0, f64::from(at % 3 + 3)]
                } else {
                    Vec::new()
                },
            };
            (i64::from(at) * 15_000, Arc::new(histogram))
        });
        let labels = Labels::from_pairs([("__name__", "h"), ("job", "x"), ("instance", instance)]);
        all.push(Series {
            labels,
            histograms: histograms.collect(),
            ..Series::default()
        });
    }
    all
}

fn fetch(data: &[Series], selector: &Selector) -> Vec<Series> {
    data.iter()
        .filter(|series| selector.matchers.iter().all(|m| m.matches_labels(&series.labels)))
        .cloned()
        .collect()
}

fn run(text: &str, range: QueryRange, options: &Options) -> Option<Result<QueryValue, EvaluationError>> {
    let expr = parse(text).ok()?;
    let data = data();
    let fetched: Vec<_> = selectors(&expr, &range, options)
        .iter()
        .map(|selector| fetch(&data, selector))
        .collect();
    Some(evaluate(&expr, &range, options, &fetched).map(|answer| answer.value))
}

fn range() -> QueryRange {
    QueryRange {
        start_ms: 120_000,
        end_ms: 480_000,
        step_ms: 40_000,
    }
}

/// A query of a type, at most so deep.
fn query(kind: ValueType, depth: u32) -> BoxedStrategy<String> {
    let modifiers = prop_oneof![
        4 => Just(String::new()),
        1 => Just(" offset 1m".to_owned()),
        1 => Just(" offset -30s".to_owned()),
        1 => Just(" @ 200".to_owned()),
        1 => Just(" @ end()".to_owned()),
    ];
    let metric = prop_oneof![
        Just("a_total"),
        Just("b"),
        Just("c_bucket"),
        Just("h"),
        Just("none"),
        Just(r#"{job="x"}"#),
        Just(r#"h{instance=~"0|3"}"#),
        Just(r#"{__name__=~"a.*|b"}"#),
    ];
    let number = prop_oneof![
        Just("1"),
        Just("0"),
        Just("-2.5"),
        Just("NaN"),
        Just("Inf"),
        Just("0.5"),
        Just("3m"),
        Just("1e300")
    ];
    match kind {
        ValueType::String => prop_oneof![
            Just("\"x\""),
            Just("\"job\""),
            Just("\"(.*)\""),
            Just("\"__name__\""),
            Just("\"$1\"")
        ]
        .prop_map(str::to_owned)
        .boxed(),
        ValueType::Matrix => {
            let extension = prop_oneof![6 => Just(""), 1 => Just(" anchored"), 1 => Just(" smoothed")];
            let selected = (
                metric,
                prop_oneof![Just("1m"), Just("95s"), Just("1ms"), Just("10m")],
                extension,
                modifiers.clone(),
            )
                .prop_map(|(metric, range, extension, modifiers)| format!("{metric}[{range}]{extension}{modifiers}"));
            if depth == 0 {
                return selected.boxed();
            }
            let subquery = (
                query(ValueType::Vector, depth - 1),
                prop_oneof![Just("2m:30s"), Just("3m:"), Just("100s:7s")],
                modifiers,
            )
                .prop_map(|(inner, range, modifiers)| format!("({inner})[{range}]{modifiers}"));
            prop_oneof![3 => selected, 1 => subquery].boxed()
        }
        ValueType::Scalar if depth == 0 => number.prop_map(str::to_owned).boxed(),
        ValueType::Vector if depth == 0 => (metric, modifiers)
            .prop_map(|(metric, modifiers)| format!("{metric}{modifiers}"))
            .boxed(),
        kind => {
            let functions: Vec<&'static Function> = Function::all()
                .iter()
                .filter(|function| function.returns == kind)
                .collect();
            let call = proptest::sample::select(functions).prop_flat_map(move |function| {
                let args: Vec<_> = function.args.iter().map(|kind| query(*kind, depth - 1)).collect();
                let without_last = function.variadic != 0;
                (args, any::<bool>()).prop_map(move |(mut args, leave_out)| {
                    if without_last && leave_out {
                        args.pop();
                    }
                    format!("{}({})", function.name, args.join(", "))
                })
            });
            let side = prop_oneof![2 => Just(kind), 1 => Just(ValueType::Scalar)];
            let operators: Vec<&str> = vec![
                "+", "-", "*", "/", "%", "^", "atan2", "==", "!= bool", "> bool", "<", "</", ">/", "and", "or",
                "unless",
            ];
            let matching = prop_oneof![
                5 => Just(""), 2 => Just("on (instance)"), 1 => Just("ignoring (le)"),
                1 => Just("on (job) group_left (le)"), 1 => Just("on (instance) group_right ()"), 1 => Just("fill (1)"),
            ];
            let binary = (
                side.prop_flat_map(move |kind| query(kind, depth - 1)),
                proptest::sample::select(operators),
                matching,
                query(kind, depth - 1),
            )
                .prop_map(|(left, operator, matching, right)| format!("({left}) {operator} {matching} ({right})"));
            if kind == ValueType::Scalar {
                return prop_oneof![2 => call, 1 => binary, 1 => number.prop_map(str::to_owned)].boxed();
            }
            let aggregations: Vec<&str> = vec![
                "sum(",
                "avg by (job) (",
                "min without (instance) (",
                "max(",
                "count(",
                "group(",
                "stddev(",
                "stdvar(",
                "topk(2, ",
                "bottomk by (job) (1, ",
                "quantile(0.3, ",
                "count_values(\"v\", ",
                "limitk(2, ",
                "limit_ratio(-0.4, ",
            ];
            let aggregation = (
                proptest::sample::select(aggregations),
                query(ValueType::Vector, depth - 1),
            )
                .prop_map(|(aggregation, inner)| format!("{aggregation}{inner})"));
            let negation = query(ValueType::Vector, depth - 1).prop_map(|inner| format!("-({inner})"));
            prop_oneof![4 => call, 2 => binary, 2 => aggregation, 1 => negation].boxed()
        }
    }
}

/// The values at a step of a range query, or of an instant one, in an order of their own.
fn at_step(value: QueryValue, at_ms: i64) -> Vec<(Labels, String)> {
    let mut samples: Vec<(Labels, String)> = match value {
        QueryValue::Vector(samples) => samples
            .into_iter()
            .map(|sample| (sample.labels, format!("{:?}", sample.value)))
            .collect(),
        QueryValue::Matrix(series) => series
            .into_iter()
            .filter_map(|series| {
                let float = series
                    .timestamps
                    .iter()
                    .position(|time| *time == at_ms)
                    .map(|at| series.values[at]);
                let histogram = series.histograms.iter().find(|(time, _)| *time == at_ms);
                let text = match (float, histogram) {
                    (Some(value), _) => format!("{:?}", parapet_model::Value::Float(value)),
                    (None, Some((_, one))) => format!("{:?}", parapet_model::Value::Histogram(one.clone())),
                    (None, None) => return None,
                };
                Some((series.labels, text))
            })
            .collect(),
        QueryValue::Scalar { value, .. } => {
            vec![(Labels::empty(), format!("{:?}", parapet_model::Value::Float(value)))]
        }
        QueryValue::String { value, .. } => vec![(Labels::empty(), value)],
    };
    samples.sort();
    samples
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        run(&text, range(), &Options::default());
    }

    #[test]
    fn no_text_of_the_language_panics(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "sum", "(", ")", "[", "]", "{", "}", "a", "by", "5m", "1", ":", ",", "=", "=~", "\"x\"", "offset", "@", "start()",
                "rate", "-", "+", "/", "^", "step()", "range()", "max_of", "anchored", "fill", "on", "group_left", "bool", "==", "or",
                "'\\", "`", "#", "\n", "0x", "1e", ".", "le", "info", "label_replace",
            ]),
            0..25,
        )
    ) {
        run(&words.join(" "), range(), &Options::default());
        run(&words.concat(), QueryRange::instant(300_000), &Options::default());
    }

    #[test]
    fn what_is_printed_parses_to_the_same(text in query(ValueType::Vector, 3)) {
        if let Ok(expr) = parse(&text) {
            let printed = expr.to_string();
            prop_assert_eq!(parse(&printed).map(|expr| expr.to_string()), Ok(printed.clone()), "{}", text);
            prop_assert_eq!(parse(&pretty(&expr)).map(|expr| expr.to_string()), Ok(printed), "{}", text);
        }
    }

    #[test]
    fn an_instant_query_answers_what_a_range_query_does(text in query(ValueType::Vector, 3), delayed in any::<bool>()) {
        let options = Options { delayed_name_removal: delayed, max_samples: 1_000_000, ..Options::default() };
        // These know of the query's own range; and what orders rows does so at a single step alone, which decides what
        // is first in a `limitk` or a sum.
        let words = ["start()", "end()", "step()", "range()", "sort", "topk", "bottomk"];
        if words.iter().any(|word| text.contains(word)) {
            return Ok(());
        }
        let over_range = run(&text, range(), &options);
        for step in [0, 4, 9] {
            let at = range().start_ms + step * range().step_ms;
            let instant = run(&text, QueryRange::instant(at), &options);
            if let (Some(Ok(over_range)), Some(Ok(instant))) = (&over_range, instant) {
                prop_assert_eq!(at_step(over_range.clone(), at), at_step(instant, at), "{} at {}", text, at);
            }
        }
    }
}

/// What fuzzing found.
#[test]
fn an_empty_selector_prints_as_one() {
    let text = "info(metric, {})";
    let printed = parse(text).unwrap().to_string();
    assert_eq!(
        parse(&printed).map(|expr| expr.to_string()),
        Ok(printed.clone()),
        "{text}: {printed}"
    );
}

#[test]
fn deep_queries_are_refused_or_answered_within_a_small_stack() {
    let repeated = |open: &str, inner: &str, close: &str, count: usize| {
        format!("{}{inner}{}", open.repeat(count), close.repeat(count))
    };
    // Threads of servers have two megabytes.
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        for count in [10, 100, 240, 400, 499, 10_000] {
            for text in [
                repeated("(", "1", ")", count),
                repeated("-", "b", "", count),
                repeated("abs(", "b", ")", count),
                repeated("sum(", "b", ")", count),
                repeated("b + ", "b", "", count),
                repeated("b ^ ", "b", "", count),
                repeated("b or (", "b", ")", count),
                repeated("(", "b", ")[1m:]", count),
                repeated("max_over_time(", "b", "[1m:])", count.min(400)),
                format!("b[{}]", repeated("(", "1m", ")", count)),
                format!("b[{}]", repeated("1m + ", "1m", "", count)),
                format!("b offset {}", repeated("-", "1m", "", count)),
                format!("b[{}]", repeated("max_of(1m, ", "1m", ")", count)),
            ] {
                let Ok(expr) = parse(&text) else { continue };
                assert!(parse(&expr.to_string()).is_ok() || count > 400);
                let _ = expr.clone() == expr;
                // Subqueries of subqueries take ever longer ranges: not all of them are to be evaluated here.
                if count <= 499 && !text.contains(":]") {
                    run(&text, QueryRange::instant(300_000), &Options::default());
                }
            }
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn limits_are_kept() {
    let options = Options {
        max_samples: 100,
        ..Options::default()
    };
    assert_eq!(
        run(
            "a_total",
            range(),
            &Options {
                max_samples: 3,
                ..options.clone()
            }
        ),
        Some(Err(EvaluationError::TooManySamples))
    );
    let long = QueryRange {
        start_ms: 0,
        end_ms: i64::MAX,
        step_ms: 1,
    };
    assert_eq!(
        run("1", long, &Options::default()),
        Some(Err(EvaluationError::TooManySamples))
    );
    assert_eq!(
        run("max_over_time(b[100y:1ms])", range(), &options),
        Some(Err(EvaluationError::TooManySamples))
    );
    let interrupt = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let stopped = Options {
        interrupt: Some(interrupt),
        ..Options::default()
    };
    assert_eq!(run("b", range(), &stopped), Some(Err(EvaluationError::Timeout)));
}

#[test]
fn hyperbolic_functions_overflow_where_gos_do() {
    let value = |text: &str| match run(text, QueryRange::instant(0), &Options::default()) {
        Some(Ok(answer)) => format!("{answer:?}"),
        other => panic!("{text}: {other:?}"),
    };
    assert!(value("cosh(vector(710))").contains("inf"));
    assert!(value("sinh(vector(-710))").contains("-inf"));
    assert!(!value("cosh(vector(709))").contains("inf"));
}

#[test]
fn threads_change_nothing() {
    let data: Vec<Series> = (0..1500)
        .map(|number| Series {
            labels: Labels::from_pairs([("__name__", "m"), ("n", &number.to_string())]),
            timestamps: (0..60).map(|at| at * 15_000).collect(),
            values: (0..60).map(|at| f64::from((at * number) % 23)).collect(),
            histograms: Vec::new(),
        })
        .collect();
    let range = QueryRange {
        start_ms: 0,
        end_ms: 885_000,
        step_ms: 15_000,
    };
    let answer = |text: &str, threads, max_samples| {
        let options = Options {
            threads,
            max_samples,
            ..Options::default()
        };
        let expr = parse(text).unwrap();
        let fetched: Vec<_> = selectors(&expr, &range, &options)
            .iter()
            .map(|_| data.clone())
            .collect();
        evaluate(&expr, &range, &options, &fetched)
    };
    for text in [
        "m",
        "rate(m[1m])",
        "quantile_over_time(7, m[2m])",
        "sum by (n) (increase(m[1m])) > 1",
    ] {
        let alone = answer(text, 1, usize::MAX).unwrap();
        for threads in [2, 3, 8] {
            assert_eq!(answer(text, threads, usize::MAX).unwrap(), alone, "{text} on {threads}");
        }
        let too_few = 60_000;
        assert_eq!(answer(text, 3, too_few), Err(EvaluationError::TooManySamples), "{text}");
    }
}

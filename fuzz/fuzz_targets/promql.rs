//! Text in: it parses or not, prints back to what parses to the same, and is answered or refused, instant and over a
//! range. Nothing panics, overflows the stack or goes on for ever.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_model::{Histogram, Labels, Series, Span, stale_nan};
use parapet_promql::{Options, QueryRange, evaluate, parse, pretty, selectors};
use std::sync::{Arc, LazyLock};

/// A few series of each kind; selectors get those that they match.
static SERIES: LazyLock<Vec<Series>> = LazyLock::new(|| {
    let times = || (0..40i64).map(|at| at * 15_000);
    let mut all = Vec::new();
    for (number, name) in ["a", "b", "c_bucket", "d_total"].into_iter().enumerate() {
        for job in ["x", "y"] {
            let bound = ["0.5", "1", "+Inf"][number % 3];
            let value = |at: i64| match at % 11 {
                3 => f64::NAN,
                5 if number == 1 => f64::INFINITY,
                7 => stale_nan(),
                _ => (at * (number as i64 + 1)) as f64 * 0.5,
            };
            all.push(Series {
                labels: Labels::from_pairs([("__name__", name), ("job", job), ("le", bound)]),
                timestamps: times().collect(),
                values: (0..40).map(value).collect(),
                histograms: Vec::new(),
            });
        }
    }
    for (name, schema) in [("h", 0), ("g", 3), ("n", -53)] {
        let histogram = |at: i64| {
            let count = at as f64;
            let custom_values = if schema == -53 { vec![0.5, 1.0, 2.0] } else { Vec::new() };
            let zero = if schema == -53 { (0.0, 0.0) } else { (0.001, 1.0) };
            Arc::new(Histogram {
                schema,
                count: 3.0 * count + zero.1,
                sum: count * 1.5,
                zero_threshold: zero.0,
                zero_count: zero.1,
                positive_spans: vec![Span { offset: 0, length: 3 }],
                positive_buckets: vec![count, count, count],
                custom_values,
                ..Histogram::default()
            })
        };
        all.push(Series {
            labels: Labels::from_pairs([("__name__", name), ("job", "x")]),
            histograms: times().map(|at| (at, histogram(at / 15_000 % 30))).collect(),
            ..Series::default()
        });
    }
    all
});

fuzz_target!(|text: &str| {
    let Ok(expr) = parse(text) else { return };
    let printed = expr.to_string();
    // The lexer takes this sign for a broken byte, as Prometheus' does; it stands for bytes that were written escaped.
    if printed.contains('\u{fffd}') {
        return;
    }
    // Infinity prints with its sign, which binds less than a power: what was a number reads as a sign before a power, in
    // Prometheus too.
    if printed.contains("+Inf ^") {
        return;
    }
    let again = parse(&printed).unwrap_or_else(|error| panic!("{text:?} prints as {printed:?}: {error}"));
    assert_eq!(again.to_string(), printed, "{text:?}");
    let _ = pretty(&expr);
    let options = Options { max_samples: 20_000, ..Options::default() };
    let delayed = Options { delayed_name_removal: true, ..options.clone() };
    let range = QueryRange { start_ms: 100_000, end_ms: 500_000, step_ms: 25_000 };
    for (options, range) in [(&options, QueryRange::instant(300_000)), (&options, range), (&delayed, range)] {
        let fetched: Vec<Vec<Series>> = selectors(&expr, &range, options)
            .iter()
            .map(|selector| {
                let matches = |series: &&Series| selector.matchers.iter().all(|one| one.matches_labels(&series.labels));
                SERIES.iter().filter(matches).cloned().collect()
            })
            .collect();
        let _ = evaluate(&expr, &range, options, &fetched);
    }
});

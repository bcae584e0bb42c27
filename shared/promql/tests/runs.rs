//! Functions answer the same where samples were summed up as where they are all there.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss)] // A test may stop at what must not be.

use parapet_model::{Labels, Rollup, Run, Series, Windows, is_stale_nan, stale_nan};
use parapet_promql::{
    Beside, FUNCTIONS_OF_RUNS, Options, QueryRange, QueryValue, evaluate, evaluate_beside, parse, selectors,
};
use proptest::prelude::*;

/// A counter with resets, gaps, staleness markers, and now and then a value that is no counter's.
fn series() -> impl Strategy<Value = Series> {
    let sample = (1_000i64..60_000, 0.0f64..100.0, 0u32..1_000);
    (any::<bool>(), proptest::collection::vec(sample, 1..600)).prop_map(|(odd, samples)| {
        let mut series = Series {
            labels: Labels::from_pairs([("__name__", "c_total")]),
            ..Series::default()
        };
        let (mut at, mut value) = (0, 1e6);
        for (gap, more, kind) in samples {
            at += if kind < 10 { gap * 50 } else { gap };
            value = if (10..30).contains(&kind) {
                more
            } else {
                value + more.floor()
            };
            series.timestamps.push(at);
            series.values.push(match kind {
                30..50 => stale_nan(),
                50..52 if odd => f64::NAN,
                52..54 if odd => f64::INFINITY,
                _ => value,
            });
        }
        series
    })
}

/// What a store makes of a series: rows of some samples, summed up where the windows allow it.
fn sum_up(series: &Series, rows: &[usize], windows: &Windows) -> (Series, Vec<Run>) {
    let (mut rest, mut runs, mut from) = (
        Series {
            labels: series.labels.clone(),
            ..Series::default()
        },
        Vec::new(),
        0,
    );
    let needs_differences = matches!(windows.function, "rate" | "increase" | "delta");
    for length in rows.iter().cycle() {
        if from >= series.values.len() {
            break;
        }
        let until = (from + length).min(series.values.len());
        let (times, values) = (&series.timestamps[from..until], &series.values[from..until]);
        from = until;
        let (start_ms, end_ms) = (times[0], times[times.len() - 1]);
        let is_whole = !windows.cut(start_ms, end_ms) && !values.iter().any(|value| is_stale_nan(*value));
        match Rollup::of(values) {
            Some(rollup) if is_whole && (rollup.increase().is_finite() || !needs_differences) => runs.push(Run {
                start_ms,
                end_ms,
                samples: values.len() as u64,
                rollup,
            }),
            _ => {
                rest.timestamps.extend_from_slice(times);
                rest.values.extend_from_slice(values);
            }
        }
    }
    (rest, runs)
}

fn numbers(value: QueryValue) -> Vec<(i64, f64)> {
    match value {
        QueryValue::Vector(samples) => samples
            .into_iter()
            .map(|sample| match sample.value {
                parapet_model::Value::Float(value) => (sample.timestamp_ms, value),
                parapet_model::Value::Histogram(_) => (sample.timestamp_ms, -1.0),
            })
            .collect(),
        QueryValue::Matrix(series) => series
            .into_iter()
            .flat_map(|series| series.timestamps.into_iter().zip(series.values))
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn runs_are_as_good_as_their_samples(
        series in series(),
        rows in proptest::collection::vec(1usize..60, 1..8),
        range_s in 60i64..20_000,
        at in 0.0f64..1.1,
        steps in 1i64..20,
        step_s in 15i64..3_000,
        time in prop_oneof![Just(""), Just(" offset 7m"), Just(" @ end()")],
    ) {
        let last = series.timestamps.last().copied().unwrap();
        #[allow(clippy::cast_possible_truncation)]
        let start_ms = (last as f64 * at) as i64;
        let range = if steps == 1 {
            QueryRange::instant(start_ms)
        } else {
            QueryRange { start_ms, end_ms: start_ms + (steps - 1) * step_s * 1_000, step_ms: step_s * 1_000 }
        };
        let options = Options::default();
        let mut summed_up = 0;
        for function in FUNCTIONS_OF_RUNS {
            let expr = parse(&format!("{function}(c_total[{range_s}s]{time})")).unwrap();
            let selector = selectors(&expr, &range, &options).remove(0);
            let windows = selector.hints.windows.unwrap();
            prop_assert_eq!(windows.function, function);
            let (rest, runs) = sum_up(&series, &rows, &windows);
            summed_up += runs.len();
            let want = numbers(evaluate(&expr, &range, &options, &[vec![&series]]).unwrap().value);
            let beside = Beside { runs: &[vec![runs]], ..Beside::default() };
            let got = numbers(evaluate_beside(&expr, &range, &options, &[vec![&rest]], beside).unwrap().value);
            let agree = want.len() == got.len()
                && want.iter().zip(&got).all(|(want, got)| want.0 == got.0 && same(want.1, got.1));
            prop_assert!(agree, "{}: {:?} {:?}", function, want, got);
        }
        prop_assume!(summed_up > 0);
    }
}

#[test]
fn other_functions_and_windows_ask_for_samples() {
    let options = Options::default();
    for text in [
        "quantile_over_time(0.5, c[1d])",
        "irate(c[1d])",
        "deriv(c[1d])",
        "rate(c[1d] anchored)",
        "max_over_time(rate(c[1d])[7d:1h])",
        "c",
    ] {
        let selector = selectors(&parse(text).unwrap(), &QueryRange::instant(0), &options).remove(0);
        assert_eq!(selector.hints.windows, None, "{text}");
    }
    let with_starts = Options {
        use_start_timestamps: true,
        ..options
    };
    let selector = selectors(&parse("rate(c[1d])").unwrap(), &QueryRange::instant(0), &with_starts).remove(0);
    assert_eq!(selector.hints.windows, None);
}

//! Stopping an evaluation from another thread.

use super::{Evaluator, Result};
use crate::error::EvaluationError;
use std::sync::atomic::Ordering;

impl Evaluator<'_> {
    /// Fails where the host wants the evaluation to stop. Asked for in every loop over rows, and in every loop over
    /// steps whose body is more than a few instructions: it costs one load.
    #[inline]
    pub(crate) fn check_interrupt(&self) -> Result<()> {
        #[cfg(test)]
        tests::CHECKS.with(|checks| checks.set(checks.get() + 1));
        if self.is_interrupted() {
            Err(EvaluationError::Timeout)
        } else {
            Ok(())
        }
    }

    /// Whether the host wants the evaluation to stop: for loops within one value, which end early then.
    #[inline]
    pub(crate) fn is_interrupted(&self) -> bool {
        let interrupt = self.options().interrupt.as_ref();
        interrupt.is_some_and(|interrupt| interrupt.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Options, QueryRange, evaluate, parse, selectors};
    use parapet_model::{Histogram, Labels, Series, Span};
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    thread_local! {
        pub(super) static CHECKS: Cell<usize> = const { Cell::new(0) };
    }

    const ROWS: usize = 60;
    const STEPS: usize = 40;

    /// `m` has floats, `h` native histograms, `target_info` is what `info` looks for.
    fn series(name: &str) -> Vec<Series> {
        let times = (0..100i64).map(|at| at * 15_000);
        let of = |row: usize| {
            let labels = [
                ("__name__", name.to_owned()),
                ("instance", row.to_string()),
                ("job", "x".to_owned()),
                ("le", (row % 5).to_string()),
            ];
            let mut series = Series {
                labels: Labels::from_pairs(labels),
                ..Series::default()
            };
            if name == "h" {
                let histogram = Arc::new(Histogram {
                    count: 3.0,
                    sum: 4.5,
                    positive_spans: vec![Span { offset: 0, length: 1 }],
                    positive_buckets: vec![3.0],
                    ..Histogram::default()
                });
                series.histograms = times.clone().map(|at| (at, histogram.clone())).collect();
            } else {
                series.timestamps = times.clone().collect();
                series.values = series
                    .timestamps
                    .iter()
                    .map(|at| (*at / 1000) as f64 + row as f64)
                    .collect();
            }
            series
        };
        (0..ROWS).map(of).collect()
    }

    fn checks(text: &str, range: &QueryRange, interrupt: bool) -> (usize, bool) {
        let expr = parse(text).unwrap();
        let options = Options {
            interrupt: Some(Arc::new(AtomicBool::new(interrupt))),
            ..Options::default()
        };
        let fetched: Vec<Vec<Series>> = selectors(&expr, range, &options)
            .iter()
            .map(|selector| {
                let name = selector
                    .matchers
                    .iter()
                    .find(|matcher| matcher.name == "__name__")
                    .unwrap();
                series(&name.value)
            })
            .collect();
        CHECKS.with(|checks| checks.set(0));
        let answer = evaluate(&expr, range, &options, &fetched);
        (CHECKS.with(Cell::get), answer.is_ok())
    }

    /// Each loop that grows with rows or steps asks for itself: what an expression adds to its operands is counted.
    #[test]
    fn every_loop_asks() {
        let range = QueryRange {
            start_ms: 600_000,
            end_ms: 600_000 + (STEPS as i64 - 1) * 15_000,
            step_ms: 15_000,
        };
        let cells = ROWS * STEPS;
        for (text, operands, at_least) in [
            ("m", &[][..], cells),
            ("h", &[], cells),
            ("m[5m:15s]", &[], ROWS * 20),
            ("rate(m[5m])", &[], cells),
            ("quantile_over_time(0.5, m[5m])", &[], cells),
            ("rate(h[5m])", &[], cells),
            ("max_over_time(m[5m:15s])", &["m"], cells),
            ("timestamp(m)", &[], cells),
            ("sum(m)", &["m"], ROWS),
            ("avg by (le) (m)", &["m"], ROWS),
            ("max(m)", &["m"], ROWS),
            ("stddev(m)", &["m"], STEPS),
            ("quantile(0.5, m)", &["m"], STEPS),
            ("sum(h)", &["h"], STEPS),
            ("count(h)", &["h"], STEPS),
            ("topk(3, m)", &["m"], STEPS),
            ("count_values(\"v\", m)", &["m"], ROWS),
            ("m * 2", &["m"], ROWS),
            ("-m", &["m"], ROWS),
            ("m + m", &["m", "m"], ROWS),
            ("m * on (instance) group_left m", &["m", "m"], ROWS),
            ("m and m", &["m", "m"], ROWS),
            ("abs(m)", &["m"], ROWS),
            ("clamp(m, 1, 2)", &["m"], ROWS),
            ("hour(m)", &["m"], ROWS),
            ("absent(m)", &["m"], STEPS),
            ("scalar(m)", &["m"], STEPS),
            ("label_replace(m, \"a\", \"$1\", \"job\", \"(.*)\")", &["m"], ROWS),
            ("label_join(m, \"a\", \"-\", \"job\")", &["m"], ROWS),
            ("histogram_quantile(0.5, m)", &["m"], cells),
            ("histogram_quantile(0.5, h)", &["h"], cells),
            ("histogram_count(h)", &["h"], cells),
            ("info(m)", &["m"], ROWS + STEPS),
            ("sort(m)", &["m"], ROWS),
        ] {
            let range = if text.ends_with(']') || text.starts_with("sort") {
                QueryRange::instant(range.end_ms)
            } else {
                range
            };
            let (made, answered) = checks(text, &range, false);
            assert!(answered, "{text}");
            // As an answer of its own, an operand is also written out and sorted.
            let of_operand = |operand: &&str| checks(operand, &range, false).0 - ROWS - 1;
            let of_operands: usize = operands.iter().map(of_operand).sum();
            assert!(
                made >= of_operands + at_least,
                "{text}: {made} checks, of operands {of_operands}"
            );
            let (made, answered) = checks(text, &range, true);
            assert!(!answered && made == 1, "{text} does not stop: {made}");
        }
    }
}

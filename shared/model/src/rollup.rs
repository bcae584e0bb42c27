//! Rollups: what a function over a long range needs of samples, without the samples.

use crate::is_stale_nan;

/// Figures over float samples in order of time, staleness markers left out.
///
/// They are what PromQL's functions compute over the same samples:
/// - `first`, `last`: the first and the last value.
/// - `min`, `max`: as `min_over_time`, `max_over_time`: NaN only where every value is NaN.
/// - `sum`: with Neumaier's compensation, as `sum_over_time`.
/// - `corrections`: the sum of the values before each reset: `increase()` is `last - first` and these, extrapolated.
/// - `resets`: how often a value is less than the one before.
/// - `changes`: how often a value differs from the one before; NaN after NaN is no change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rollup {
    /// First value.
    pub first: f64,
    /// Last value.
    pub last: f64,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
    /// Sum of the values.
    pub sum: f64,
    /// Sum of the values before resets.
    pub corrections: f64,
    /// Counter resets.
    pub resets: f64,
    /// Changes of the value.
    pub changes: f64,
}

impl Rollup {
    /// The rollup of values in order of time; `None` where all are staleness markers or there is none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut live = values.iter().copied().filter(|value| !is_stale_nan(*value));
        let first = live.next()?;
        let mut rollup = Self {
            first,
            last: first,
            min: first,
            max: first,
            sum: 0.0,
            corrections: 0.0,
            resets: 0.0,
            changes: 0.0,
        };
        let (mut sum, mut correction) = (Compensated::default(), Compensated::default());
        sum.add(first);
        for value in live {
            let previous = rollup.last;
            if value < rollup.min || rollup.min.is_nan() {
                rollup.min = value;
            }
            if value > rollup.max || rollup.max.is_nan() {
                rollup.max = value;
            }
            if value < previous {
                rollup.resets += 1.0;
                correction.add(previous);
            }
            if value != previous && !(value.is_nan() && previous.is_nan()) {
                rollup.changes += 1.0;
            }
            sum.add(value);
            rollup.last = value;
        }
        rollup.sum = sum.total();
        rollup.corrections = correction.total();
        Some(rollup)
    }

    /// By how much a counter rose.
    #[must_use]
    pub fn increase(&self) -> f64 {
        self.last - self.first + self.corrections
    }
}

/// Samples of one series that follow each other, summed up: it stands for all of them, staleness markers left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// Time of the first sample, milliseconds.
    pub start_ms: i64,
    /// Time of the last sample, milliseconds.
    pub end_ms: i64,
    /// How many samples it stands for, at least one.
    pub samples: u64,
    /// Their figures.
    pub rollup: Rollup,
}

impl Run {
    /// A run of one sample.
    #[must_use]
    pub fn sample(at_ms: i64, value: f64) -> Self {
        Self {
            start_ms: at_ms,
            end_ms: at_ms,
            samples: 1,
            rollup: Rollup {
                first: value,
                last: value,
                min: value,
                max: value,
                sum: value,
                corrections: 0.0,
                resets: 0.0,
                changes: 0.0,
            },
        }
    }

    /// Adds the run that comes next.
    ///
    /// Counts and extremes are exactly those of all the samples. Sums are rounded once for each run that is added.
    pub fn join(&mut self, next: &Self) {
        let (a, b) = (self.rollup, &next.rollup);
        let fell = b.first < a.last;
        let changed = a.last != b.first && !(a.last.is_nan() && b.first.is_nan());
        self.rollup = Rollup {
            first: a.first,
            last: b.last,
            min: if b.min < a.min || a.min.is_nan() { b.min } else { a.min },
            max: if b.max > a.max || a.max.is_nan() { b.max } else { a.max },
            sum: a.sum + b.sum,
            corrections: a.corrections + b.corrections + if fell { a.last } else { 0.0 },
            resets: a.resets + b.resets + f64::from(u8::from(fell)),
            changes: a.changes + b.changes + f64::from(u8::from(changed)),
        };
        self.end_ms = next.end_ms;
        self.samples += next.samples;
    }
}

/// Neumaier's compensated sum (`kahansum` of Prometheus).
#[derive(Clone, Copy, Debug, Default)]
struct Compensated {
    sum: f64,
    rest: f64,
}

impl Compensated {
    fn add(&mut self, value: f64) {
        let total = self.sum + value;
        if total.is_infinite() {
            self.rest = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.rest += (self.sum - total) + value;
        } else {
            self.rest += (value - total) + self.sum;
        }
        self.sum = total;
    }

    fn total(self) -> f64 {
        if self.sum.is_infinite() {
            self.sum
        } else {
            self.sum + self.rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stale_nan;

    #[test]
    fn corrects_resets_and_leaves_markers_out() {
        let rollup = Rollup::of(&[stale_nan(), 1.0, 5.0, 2.0, 2.0, stale_nan(), 4.0]).unwrap();
        assert_eq!(
            (rollup.first, rollup.last, rollup.min, rollup.max),
            (1.0, 4.0, 1.0, 5.0)
        );
        assert_eq!(
            (rollup.sum, rollup.increase(), rollup.resets, rollup.changes),
            (14.0, 8.0, 1.0, 3.0)
        );
        assert_eq!(Rollup::of(&[stale_nan()]), None);
        assert_eq!(Rollup::of(&[]), None);
    }

    #[test]
    fn nan_yields_to_numbers_in_min_and_max() {
        let rollup = Rollup::of(&[f64::NAN, f64::NAN, 3.0]).unwrap();
        assert_eq!((rollup.min, rollup.max, rollup.changes), (3.0, 3.0, 1.0));
        assert!(rollup.sum.is_nan());
        assert!(Rollup::of(&[f64::NAN]).unwrap().min.is_nan());
        let infinite = Rollup::of(&[f64::INFINITY, 1.0]).unwrap();
        assert_eq!(infinite.sum, f64::INFINITY);
    }

    #[test]
    fn sums_exactly_where_naive_addition_does_not() {
        assert_eq!(Rollup::of(&[1.0, 1e100, 1.0, -1e100]).unwrap().sum, 2.0);
    }

    #[test]
    fn joined_runs_are_the_run_of_all_samples() {
        let values = [3.0, 5.0, f64::NAN, 1.0, 1.0, 4.0, 0.5, f64::INFINITY, 2.0, -1.0, -1.0];
        for cut in 1..values.len() {
            let run = |from: usize, until: usize| Run {
                start_ms: from as i64,
                end_ms: until as i64 - 1,
                samples: (until - from) as u64,
                rollup: Rollup::of(&values[from..until]).unwrap(),
            };
            let (mut joined, whole) = (run(0, cut), run(0, values.len()));
            joined.join(&run(cut, values.len()));
            let figures = |run: &Run| {
                let Rollup {
                    first,
                    last,
                    min,
                    max,
                    resets,
                    changes,
                    ..
                } = run.rollup;
                (
                    run.start_ms,
                    run.end_ms,
                    run.samples,
                    [first, last, min, max, resets, changes],
                )
            };
            assert_eq!(figures(&joined), figures(&whole), "{cut}");
        }
        let mut joined = Run::sample(0, 10.0);
        for (at, value) in [12.0, 3.0, 4.0, 1.0].into_iter().enumerate() {
            joined.join(&Run::sample(at as i64 + 1, value));
        }
        let whole = Rollup::of(&[10.0, 12.0, 3.0, 4.0, 1.0]).unwrap();
        assert_eq!((joined.rollup, joined.samples), (whole, 5));
    }
}

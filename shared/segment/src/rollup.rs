//! Rollups of a chunk: what a long range needs of it without its samples.

use parapet_model::is_stale_nan;

/// Figures over the float samples of a chunk, staleness markers left out.
///
/// They are what PromQL's functions compute over the same samples:
/// - `first`, `last`: the first and the last value.
/// - `min`, `max`: as `min_over_time`, `max_over_time`: NaN only where every value is NaN.
/// - `sum`: with Neumaier's compensation, as `sum_over_time`.
/// - `increase`: `last - first`, plus the value before each reset: `increase()` before its extrapolation.
/// - `resets`: how often a value is less than the one before.
/// - `changes`: how often a value differs from the one before; NaN after NaN is no change.
///
/// In a file they are null for rows of histograms, for rows of staleness markers only, and for rows of fewer samples
/// than [`crate::EncodeOptions::rollup_min_samples`].
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
    /// Rise over the chunk, resets corrected.
    pub increase: f64,
    /// Counter resets within the chunk.
    pub resets: f64,
    /// Changes of the value within the chunk.
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
            increase: 0.0,
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
        rollup.increase = rollup.last - rollup.first + correction.total();
        Some(rollup)
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
    use parapet_model::stale_nan;

    #[test]
    fn corrects_resets_and_leaves_markers_out() {
        let rollup = Rollup::of(&[stale_nan(), 1.0, 5.0, 2.0, 2.0, stale_nan(), 4.0]).unwrap();
        assert_eq!(
            (rollup.first, rollup.last, rollup.min, rollup.max),
            (1.0, 4.0, 1.0, 5.0)
        );
        assert_eq!(
            (rollup.sum, rollup.increase, rollup.resets, rollup.changes),
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
}

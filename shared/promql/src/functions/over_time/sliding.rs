//! What is found out about a series once, so that each of many overlapping windows need not be gone through.

/// Sums of all values up to each, kept to twice the precision of a float, so that the difference of two of them is
/// the sum of a window.
pub(super) struct PrefixSums {
    /// High and low part; one more than there are values.
    sums: Vec<(f64, f64)>,
}

impl PrefixSums {
    /// `None` where a difference of sums would not be accurate: values that are not finite, or of very different
    /// magnitude.
    pub(super) fn new(values: &[f64]) -> Option<Self> {
        let (mut least, mut most) = (f64::INFINITY, 0.0f64);
        for magnitude in values
            .iter()
            .map(|value| value.abs())
            .filter(|magnitude| *magnitude != 0.0)
        {
            // NaN is told by `most`, which it does not leave as it is.
            least = least.min(magnitude);
            most = if magnitude > most || magnitude.is_nan() {
                magnitude
            } else {
                most
            };
        }
        let accurate = most == 0.0 || (most < 1e290 && most / least < 1e12);
        if !accurate {
            return None;
        }
        let (mut high, mut low) = (0.0, 0.0);
        let mut sums = Vec::with_capacity(values.len() + 1);
        sums.push((high, low));
        for value in values {
            let (sum, error) = two_sum(high, *value);
            (high, low) = quick_two_sum(sum, low + error);
            sums.push((high, low));
        }
        Some(Self { sums })
    }

    /// The sum of the values from the first place up to, but not including, the second.
    pub(super) fn between(&self, from: usize, until: usize) -> f64 {
        let ((high, low), (less_high, less_low)) = (self.sums[until], self.sums[from]);
        let (sum, error) = two_sum(high, -less_high);
        sum + (error + (low - less_low))
    }
}

/// The sum of two floats and what rounding takes from it.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let rest = sum - a;
    (sum, (a - (sum - rest)) + (b - rest))
}

/// As [`two_sum`], where `a` is the greater.
fn quick_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// The greatest, or least, values of runs of values: a tree whose leaves are the values.
pub(super) struct Extremes {
    tree: Vec<f64>,
    greatest: bool,
}

impl Extremes {
    pub(super) fn new(values: &[f64], greatest: bool) -> Self {
        let mut tree = vec![f64::NAN; values.len()];
        tree.extend_from_slice(values);
        let mut extremes = Self { tree, greatest };
        for at in (1..values.len()).rev() {
            extremes.tree[at] = extremes.better(extremes.tree[2 * at], extremes.tree[2 * at + 1]);
        }
        extremes
    }

    /// NaN only where both are.
    fn better(&self, a: f64, b: f64) -> f64 {
        if self.greatest { a.max(b) } else { a.min(b) }
    }

    /// Among the values from the first place up to, but not including, the second.
    pub(super) fn between(&self, from: usize, until: usize) -> f64 {
        let leaves = self.tree.len() / 2;
        let (mut low, mut high, mut best) = (from + leaves, until + leaves, f64::NAN);
        while low < high {
            if low % 2 == 1 {
                best = self.better(best, self.tree[low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                best = self.better(best, self.tree[high]);
            }
            (low, high) = (low / 2, high / 2);
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::math::Sum;

    fn direct(values: &[f64]) -> f64 {
        let mut sum = Sum::default();
        values.iter().for_each(|value| sum.add(*value));
        sum.total()
    }

    #[test]
    fn windows_sum_to_what_their_values_do() {
        let values: Vec<f64> = (0..500).map(|at| f64::from((at * 7919) % 1000) * 0.1 - 30.0).collect();
        let sums = PrefixSums::new(&values).unwrap();
        for (from, until) in [(0, 500), (0, 1), (13, 200), (499, 500), (250, 250)] {
            let (want, got) = (direct(&values[from..until]), sums.between(from, until));
            assert!((want - got).abs() <= 1e-14 * want.abs(), "{from} {until}: {want} {got}");
        }
        assert!(PrefixSums::new(&[1.0, f64::NAN]).is_none());
        assert!(PrefixSums::new(&[1.0, f64::INFINITY]).is_none());
        assert!(PrefixSums::new(&[1.0, 1e300]).is_none());
        assert!(PrefixSums::new(&[1e-9, 1e9]).is_none());
        assert_eq!(PrefixSums::new(&[0.0, 0.0]).unwrap().between(0, 2), 0.0);
    }

    #[test]
    fn windows_have_the_extremes_of_their_values() {
        let values: Vec<f64> = (0..100)
            .map(|at| {
                if at % 9 == 4 {
                    f64::NAN
                } else {
                    f64::from((at * 37) % 50)
                }
            })
            .collect();
        for greatest in [true, false] {
            let extremes = Extremes::new(&values, greatest);
            for from in 0..100 {
                for until in from + 1..=100 {
                    let pick = |best: f64, value: &f64| if greatest { best.max(*value) } else { best.min(*value) };
                    let want = values[from..until].iter().fold(f64::NAN, pick);
                    let got = extremes.between(from, until);
                    assert!(
                        want == got || (want.is_nan() && got.is_nan()),
                        "{from} {until}: {want} {got}"
                    );
                }
            }
        }
    }
}

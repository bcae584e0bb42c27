//! Bins of a reference window.

use crate::DriftError;

/// Ascending inner bounds: a value belongs to the first bin whose upper bound is not below it; the last has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Bins {
    bounds: Vec<f64>,
}

impl Bins {
    /// Bins with given inner bounds.
    ///
    /// # Errors
    /// [`DriftError::InvalidBounds`].
    pub fn with_bounds(bounds: Vec<f64>) -> Result<Self, DriftError> {
        if bounds.iter().any(|bound| !bound.is_finite()) || bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(DriftError::InvalidBounds);
        }
        Ok(Self { bounds })
    }

    /// Bins that hold about as many values of the reference each (`numpy.quantile`, linear interpolation). Equal
    /// bounds are one: a window of few different values has fewer bins.
    ///
    /// # Errors
    /// [`DriftError::Empty`] where no value is finite.
    pub fn quantiles(reference: &[f64], bins: usize) -> Result<Self, DriftError> {
        let mut values: Vec<f64> = reference.iter().copied().filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().checked_sub(1).ok_or(DriftError::Empty("reference"))?;
        let quantile = |part: usize| {
            let at = part as f64 / bins.max(1) as f64 * last as f64;
            let below = at.floor() as usize;
            let above = (below + 1).min(last);
            values[below] + (values[above] - values[below]) * (at - at.floor())
        };
        let mut bounds: Vec<f64> = (1..bins).map(quantile).collect();
        bounds.dedup();
        Self::with_bounds(bounds)
    }

    /// How many values of a window are in each bin; those that are no number are in none.
    #[must_use]
    pub fn count(&self, window: &[f64]) -> Vec<f64> {
        let mut counts = vec![0.0; self.bounds.len() + 1];
        for value in window.iter().filter(|value| !value.is_nan()) {
            counts[self.bounds.partition_point(|bound| bound < value)] += 1.0;
        }
        counts
    }

    /// The inner bounds.
    #[must_use]
    pub fn bounds(&self) -> &[f64] {
        &self.bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_cut_evenly() {
        let reference: Vec<f64> = (1..=100).map(f64::from).chain([f64::NAN]).collect();
        let bins = Bins::quantiles(&reference, 4).unwrap();
        assert_eq!(bins.bounds(), [25.75, 50.5, 75.25]);
        assert_eq!(bins.count(&reference), [25.0; 4]);
        assert_eq!(
            bins.count(&[-1.0, 25.75, f64::INFINITY, f64::NAN]),
            [2.0, 0.0, 0.0, 1.0]
        );
        assert_eq!(Bins::quantiles(&[7.0; 9], 10).unwrap().bounds(), [7.0]);
        assert_eq!(Bins::quantiles(&[f64::NAN], 10), Err(DriftError::Empty("reference")));
        assert_eq!(Bins::with_bounds(vec![2.0, 1.0]), Err(DriftError::InvalidBounds));
    }
}

//! Drift of a feature or a prediction between a reference window and a current one.
//!
//! | of | says | as |
//! |---|---|---|
//! | two binned windows, or two of categories | [`population_stability_index`] | the industry's formula, see there |
//! | the same | [`jensen_shannon`] | `scipy.spatial.distance.jensenshannon` |
//! | the same | [`chi_squared`] | `scipy.stats.chi2_contingency(…, correction=False)` |
//! | two windows of numbers | [`kolmogorov_smirnov`] | `scipy.stats.ks_2samp` |
//! | two binned windows | [`kolmogorov_smirnov_binned`] | its statistic of the bins, `scipy.special.kolmogorov` |
//! | one window | [`check_values`] | values that are missing, or out of the range of the reference |
//!
//! [`Bins`] cuts a reference window into bins and counts any window in them. The crate reads no files and keeps nothing.
//!
//! ```
//! use parapet_drift::{Bins, kolmogorov_smirnov, population_stability_index};
//! let reference: Vec<f64> = (0..1_000).map(f64::from).collect();
//! let current: Vec<f64> = reference.iter().map(|value| value + 300.0).collect();
//! let bins = Bins::quantiles(&reference, 10)?;
//! assert!(population_stability_index(&bins.count(&reference), &bins.count(&current))? > 0.25);
//! assert!(kolmogorov_smirnov(&reference, &current)?.p_value < 1e-6);
//! # Ok::<(), parapet_drift::DriftError>(())
//! ```
//!
//! Contract: nothing panics; what cannot be compared is an error that says why. Missing values are `NaN`, and are left
//! out by everything but [`check_values`].
#![warn(missing_docs)]

mod bins;
mod checks;
mod chi_squared;
mod distances;
mod gamma;
mod kolmogorov_smirnov;

pub use bins::Bins;
pub use checks::{ValueChecks, check_values};
pub use chi_squared::chi_squared;
pub use distances::{jensen_shannon, population_stability_index};
pub use kolmogorov_smirnov::{kolmogorov_smirnov, kolmogorov_smirnov_binned};

/// A statistic of two windows, and how likely one as large is where both are of one distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// The statistic.
    pub statistic: f64,
    /// The probability, 0 to 1.
    pub p_value: f64,
}

/// Why two windows cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriftError {
    /// A window without a value.
    #[error("the {0} window has no values")]
    Empty(&'static str),
    /// Windows that are counted in different bins.
    #[error("the reference window has {reference} bins, the current one {current}")]
    OtherBins {
        /// Bins of the reference window.
        reference: usize,
        /// Bins of the current window.
        current: usize,
    },
    /// A count that is none.
    #[error("the {0} window has a count that is negative or no number")]
    InvalidCount(&'static str),
    /// Bounds that make no bins.
    #[error("bounds of bins must be numbers that ascend")]
    InvalidBounds,
}

/// Checks counts of two windows; gives their sums.
fn sums(reference: &[f64], current: &[f64]) -> Result<(f64, f64), DriftError> {
    if reference.len() != current.len() {
        return Err(DriftError::OtherBins {
            reference: reference.len(),
            current: current.len(),
        });
    }
    let sum = |counts: &[f64], window| {
        if counts.iter().any(|count| !count.is_finite() || *count < 0.0) {
            return Err(DriftError::InvalidCount(window));
        }
        match counts.iter().sum::<f64>() {
            sum if sum > 0.0 => Ok(sum),
            _ => Err(DriftError::Empty(window)),
        }
    };
    Ok((sum(reference, "reference")?, sum(current, "current")?))
}

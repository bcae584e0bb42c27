//! Distances of two distributions given as counts in the same bins.

use crate::{DriftError, sums};

/// The share that stands for an empty bin, whose logarithm is not finite.
const EMPTY_SHARE: f64 = 1e-4;

/// The population stability index: the sum over the bins of `(current − reference) · ln(current / reference)` of the
/// shares. An empty bin counts as a share of 0.0001. Below 0.1 nothing moved, above 0.25 much did.
///
/// # Errors
/// Counts that cannot be compared.
pub fn population_stability_index(reference: &[f64], current: &[f64]) -> Result<f64, DriftError> {
    let (all_reference, all_current) = sums(reference, current)?;
    let pairs = reference.iter().zip(current);
    let parts = pairs.map(|(reference, current)| {
        let reference = (reference / all_reference).max(EMPTY_SHARE);
        let current = (current / all_current).max(EMPTY_SHARE);
        (current - reference) * (current / reference).ln()
    });
    Ok(parts.sum())
}

/// The Jensen-Shannon distance with logarithms to the base 2: 0 for the same shares, 1 where no bin has both.
///
/// # Errors
/// Counts that cannot be compared.
pub fn jensen_shannon(reference: &[f64], current: &[f64]) -> Result<f64, DriftError> {
    let (all_reference, all_current) = sums(reference, current)?;
    let part = |share: f64, middle: f64| {
        if share > 0.0 {
            share * (share / middle).log2()
        } else {
            0.0
        }
    };
    let pairs = reference.iter().zip(current);
    let divergence: f64 = pairs
        .map(|(reference, current)| {
            let (reference, current) = (reference / all_reference, current / all_current);
            let middle = f64::midpoint(reference, current);
            f64::midpoint(part(reference, middle), part(current, middle))
        })
        .sum();
    Ok(divergence.clamp(0.0, 1.0).sqrt())
}

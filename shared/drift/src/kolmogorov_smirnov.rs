//! The Kolmogorov-Smirnov test of two windows of numbers.

use crate::{DriftError, Test, sums};

/// The largest product of the windows' sizes for which the p-value is exact: that many steps are taken.
const EXACT_STEPS: usize = 4_000_000;

/// The two-sided test that both windows are of one continuous distribution. The p-value is exact for windows of up to
/// 2,000 values each (`scipy.stats.ks_2samp(method="exact")`), for larger ones that of Kolmogorov's limiting
/// distribution (`scipy.special.kolmogorov`).
///
/// # Errors
/// A window without values.
pub fn kolmogorov_smirnov(reference: &[f64], current: &[f64]) -> Result<Test, DriftError> {
    let sorted = |window: &[f64], name| {
        let mut values: Vec<f64> = window.iter().copied().filter(|value| !value.is_nan()).collect();
        if values.is_empty() {
            return Err(DriftError::Empty(name));
        }
        values.sort_unstable_by(f64::total_cmp);
        Ok(values)
    };
    let (a, b) = (sorted(reference, "reference")?, sorted(current, "current")?);
    let (m, n) = (a.len(), b.len());
    // In steps of 1/(m·n): whole numbers, so that equal differences are equal.
    let (mut largest, mut i, mut j) = (0u128, 0, 0);
    while i < m && j < n {
        let value = a[i].min(b[j]);
        i += a[i..].iter().take_while(|other| **other <= value).count();
        j += b[j..].iter().take_while(|other| **other <= value).count();
        largest = largest.max((i as u128 * n as u128).abs_diff(j as u128 * m as u128));
    }
    let statistic = largest as f64 / (m as f64 * n as f64);
    let p_value = match m.checked_mul(n) {
        Some(steps) if steps <= EXACT_STEPS => exact(m, n, largest),
        _ => limiting(statistic * (m as f64 / (m + n) as f64 * n as f64).sqrt()),
    };
    Ok(Test {
        statistic,
        p_value: p_value.clamp(0.0, 1.0),
    })
}

/// The same test of two windows that are known as counts in the same ascending bins. The statistic is the largest
/// difference at a bound, at most that of the values themselves; the p-value is that of Kolmogorov's limiting
/// distribution, and so at least theirs.
///
/// # Errors
/// Counts that cannot be compared.
pub fn kolmogorov_smirnov_binned(reference: &[f64], current: &[f64]) -> Result<Test, DriftError> {
    let (all_reference, all_current) = sums(reference, current)?;
    let (mut below_reference, mut below_current, mut statistic) = (0.0, 0.0, 0.0f64);
    for (reference, current) in reference.iter().zip(current) {
        below_reference += reference;
        below_current += current;
        statistic = statistic.max((below_reference / all_reference - below_current / all_current).abs());
    }
    let effective = all_reference / (all_reference + all_current) * all_current;
    Ok(Test {
        statistic: statistic.clamp(0.0, 1.0),
        p_value: limiting(statistic * effective.sqrt()).clamp(0.0, 1.0),
    })
}

/// The share of the orders of both windows' values whose distance is `largest` or more: orders are paths over a grid, and
/// a path is walked by drawing the next value of either window as often as it has values left.
fn exact(m: usize, n: usize, largest: u128) -> f64 {
    if largest == 0 {
        return 1.0;
    }
    let inside = |i: usize, j: usize| (i as u128 * n as u128).abs_diff(j as u128 * m as u128) < largest;
    // `left[j]`: how likely it is that the path came to (i, j) and stayed inside; `out` is how likely it left.
    let mut left = vec![0.0; n + 1];
    let mut out = 0.0;
    for i in 0..=m {
        for j in 0..=n {
            let arrived = if i == 0 && j == 0 {
                1.0
            } else {
                let from_above = if i > 0 {
                    let (of, all) = (m - (i - 1), m + n - (i - 1) - j);
                    left[j] * of as f64 / all as f64
                } else {
                    0.0
                };
                let from_before = if j > 0 {
                    let (of, all) = (n - (j - 1), m + n - i - (j - 1));
                    left[j - 1] * of as f64 / all as f64
                } else {
                    0.0
                };
                from_above + from_before
            };
            left[j] = if inside(i, j) {
                arrived
            } else {
                out += arrived;
                0.0
            };
        }
    }
    out
}

/// Kolmogorov's distribution: how likely a value above `x` is.
fn limiting(x: f64) -> f64 {
    use std::f64::consts::PI;
    if x <= 0.0 {
        return 1.0;
    }
    if x < 1.0 {
        // The other form of the series, which converges where the first does not.
        let sum: f64 = (1..20)
            .map(|k| {
                let odd = f64::from(2 * k - 1);
                (-(odd * PI / x).powi(2) / 8.0).exp()
            })
            .sum();
        return 1.0 - (2.0 * PI).sqrt() / x * sum;
    }
    let sum: f64 = (1..20)
        .map(|k| {
            let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
            sign * (-2.0 * (f64::from(k) * x).powi(2)).exp()
        })
        .sum();
    2.0 * sum
}

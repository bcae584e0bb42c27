//! The chi-squared test of two windows of categories.

use crate::gamma::upper_regularised;
use crate::{DriftError, Test, sums};

/// Pearson's chi-squared test that both windows are of one distribution, without a correction. Categories that neither
/// window has do not count.
///
/// # Errors
/// Counts that cannot be compared.
pub fn chi_squared(reference: &[f64], current: &[f64]) -> Result<Test, DriftError> {
    let (all_reference, all_current) = sums(reference, current)?;
    let all = all_reference + all_current;
    let (mut statistic, mut categories) = (0.0, 0usize);
    for (reference, current) in reference.iter().zip(current) {
        let both = reference + current;
        if both <= 0.0 {
            continue;
        }
        categories += 1;
        for (found, of) in [(reference, all_reference), (current, all_current)] {
            let expected = both * of / all;
            statistic += (found - expected).powi(2) / expected;
        }
    }
    let freedom = categories.saturating_sub(1);
    let p_value = match freedom {
        0 => 1.0,
        freedom => upper_regularised(freedom as f64 / 2.0, statistic / 2.0),
    };
    Ok(Test {
        statistic,
        p_value: p_value.clamp(0.0, 1.0),
    })
}

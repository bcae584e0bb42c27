//! Values of one window that are missing, or out of range.

/// Shares of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ValueChecks {
    /// Values in all, missing ones included.
    pub values: usize,
    /// The share of values that are missing, 0 to 1; 0 of none.
    pub missing_ratio: f64,
    /// The share of the other values that are below `min` or above `max`, 0 to 1.
    pub out_of_range_ratio: f64,
}

/// Checks a window, where `NaN` is a missing value, against the range of its reference.
#[must_use]
pub fn check_values(window: &[f64], min: f64, max: f64) -> ValueChecks {
    let missing = window.iter().filter(|value| value.is_nan()).count();
    let outside = window.iter().filter(|value| **value < min || **value > max).count();
    let ratio = |part: usize, of: usize| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    ValueChecks {
        values: window.len(),
        missing_ratio: ratio(missing, window.len()),
        out_of_range_ratio: ratio(outside, window.len() - missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        let checked = check_values(&[1.0, f64::NAN, 5.0, -1.0, 2.0], 0.0, 4.0);
        assert_eq!(
            (checked.values, checked.missing_ratio, checked.out_of_range_ratio),
            (5, 0.2, 0.5)
        );
        assert_eq!(check_values(&[], 0.0, 1.0), ValueChecks::default());
        assert_eq!(check_values(&[f64::NAN], 0.0, 1.0).missing_ratio, 1.0);
    }
}

//! Bounds of exponential buckets.

use super::fractions::FRACTIONS;

/// The upper bound of a positive exponential bucket (`getBoundExponential` of Prometheus): 2^(index · 2^-schema), where
/// the one that would be infinite first is the largest number instead: infinities have a bucket of their own above it.
#[must_use]
pub fn exponential_bound(index: i32, schema: i32) -> f64 {
    let (fraction, exponent) = if schema <= 0 {
        (0.5, (i64::from(index) << schema.unsigned_abs().min(30)) + 1)
    } else {
        let schema = schema.unsigned_abs().min(8);
        let place = index & ((1 << schema) - 1);
        let fraction = FRACTIONS[usize::try_from(place << (8 - schema)).unwrap_or_default() & 255];
        (fraction, i64::from(index >> schema) + 1)
    };
    // The last bucket ends at the greatest float rather than at infinity.
    #[allow(clippy::float_cmp)]
    if fraction == 0.5 && exponent == 1025 {
        return f64::MAX;
    }
    scale(fraction, exponent)
}

/// `fraction · 2^exponent`, for a fraction between one half and one.
fn scale(fraction: f64, exponent: i64) -> f64 {
    if exponent > 1024 {
        return f64::INFINITY;
    }
    if exponent < -1080 {
        return 0.0;
    }
    // In two steps, neither of which leaves the range of normal floats before the result does.
    let exponent = i32::try_from(exponent).unwrap_or_default();
    let half = exponent / 2;
    fraction * 2f64.powi(half) * 2f64.powi(exponent - half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_by_schema() {
        for (index, schema, want) in [
            (0, 0, 1.0),
            (1, 0, 2.0),
            (-1, 0, 0.5),
            (1, -1, 4.0),
            (1, 1, std::f64::consts::SQRT_2),
            (2, 1, 2.0),
            (1024, 0, f64::MAX),
            (-1074, 0, 5e-324),
            (1025, 0, f64::INFINITY),
            (64, -4, f64::MAX),
        ] {
            let got = exponential_bound(index, schema);
            assert!(
                got == want || (got - want).abs() <= want * 1e-15,
                "{index} {schema}: {got}"
            );
        }
    }
    /// As Prometheus shows them, digit by digit.
    #[test]
    fn bounds_are_those_of_prometheus() {
        let bounds = [-3, -2, -1, 0, 1, 2].map(|index| exponential_bound(index, 2).to_string());
        let want = "0.5946035575013605 0.7071067811865475 0.8408964152537144 1 1.189207115002721 1.414213562373095";
        assert_eq!(bounds.join(" "), want);
    }
}

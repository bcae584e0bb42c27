//! Bounds of buckets.

use parapet_model::{Histogram, exponential_bound};

/// The upper bound of a positive bucket.
pub(super) fn upper(histogram: &Histogram, index: i32) -> f64 {
    if histogram.uses_custom_buckets() {
        return custom(&histogram.custom_values, index);
    }
    exponential_bound(index, histogram.schema)
}

fn custom(bounds: &[f64], index: i32) -> f64 {
    match usize::try_from(index) {
        Ok(index) => bounds.get(index).copied().unwrap_or(f64::INFINITY),
        Err(_) => f64::NEG_INFINITY,
    }
}

//! Buckets as ranges of values.

use super::bounds::upper;
use crate::printer::general;
use parapet_model::Histogram;

/// A bucket's range and count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) count: f64,
    lower_inclusive: bool,
    upper_inclusive: bool,
}

impl Bucket {
    /// A bucket that includes its upper bound.
    pub(super) fn new(lower: f64, upper: f64, count: f64) -> Self {
        Self {
            lower,
            upper,
            count,
            lower_inclusive: false,
            upper_inclusive: true,
        }
    }

    /// The share of the bucket below a value within it.
    pub(crate) fn fraction_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let (lower, upper) = (self.lower.abs().log2(), self.upper.abs().log2());
        let value_log = value.abs().log2();
        if value > 0.0 {
            (value_log - lower) / (upper - lower)
        } else {
            1.0 - (value_log - upper) / (lower - upper)
        }
    }
}

/// All buckets from the lowest values to the highest, the zero bucket among them if it is not empty.
pub(crate) fn buckets_ascending(histogram: &Histogram) -> Vec<Bucket> {
    let threshold = histogram.zero_threshold;
    let custom = histogram.uses_custom_buckets();
    let inclusive = |lower: f64, upper: f64, index: i32| {
        if custom {
            (index == 0, true)
        } else {
            (lower < 0.0, upper > 0.0)
        }
    };
    let bucket = |lower: f64, upper: f64, count: f64, index: i32| {
        let (lower_inclusive, upper_inclusive) = inclusive(lower, upper, index);
        Bucket {
            lower,
            upper,
            count,
            lower_inclusive,
            upper_inclusive,
        }
    };
    let mut buckets = Vec::with_capacity(histogram.positive_buckets.len() + histogram.negative_buckets.len() + 1);
    for (index, count) in histogram.negative_side().into_iter().rev() {
        let (lower, mut top) = (-upper(histogram, index), -upper(histogram, index.saturating_sub(1)));
        if top < 0.0 && top > -threshold {
            top = -threshold;
        }
        buckets.push(bucket(lower, top, count, index));
    }
    if histogram.zero_count > 0.0 {
        buckets.push(Bucket {
            lower: -threshold,
            upper: threshold,
            count: histogram.zero_count,
            lower_inclusive: true,
            upper_inclusive: true,
        });
    }
    for (index, count) in histogram.positive_side() {
        let (mut lower, top) = (upper(histogram, index.saturating_sub(1)), upper(histogram, index));
        if lower > 0.0 && lower < threshold {
            lower = threshold;
        }
        buckets.push(bucket(lower, top, count, index));
    }
    buckets
}

/// All buckets from the highest values to the lowest.
pub(crate) fn buckets_descending(histogram: &Histogram) -> Vec<Bucket> {
    let mut buckets = buckets_ascending(histogram);
    buckets.reverse();
    buckets
}

/// The histogram as Prometheus prints it: `{count:3, sum:4, (1,2]:3}`.
pub(crate) fn describe(histogram: &Histogram) -> String {
    use std::fmt::Write as _;
    let mut out = format!("{{count:{}, sum:{}", general(histogram.count), general(histogram.sum));
    // Bounds as they are, not clipped to the zero bucket, which is told though its count is negative.
    let unclipped = Histogram {
        zero_threshold: 0.0,
        zero_count: f64::from(u8::from(histogram.zero_count != 0.0)),
        ..histogram.clone()
    };
    for mut bucket in buckets_ascending(&unclipped) {
        if bucket.count == 0.0 {
            continue;
        }
        if bucket.lower == 0.0 && bucket.upper == 0.0 {
            (bucket.lower, bucket.upper) = (-histogram.zero_threshold, histogram.zero_threshold);
            bucket.count = histogram.zero_count;
        }
        let open = if bucket.lower_inclusive { '[' } else { '(' };
        let close = if bucket.upper_inclusive { ']' } else { ')' };
        let (lower, upper, count) = (general(bucket.lower), general(bucket.upper), general(bucket.count));
        // Writing to a text cannot fail.
        let _ = write!(out, ", {open}{lower},{upper}{close}:{count}");
    }
    out.push('}');
    out
}

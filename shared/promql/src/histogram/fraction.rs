//! The share of observations between two values, and their variance.

use super::buckets::{Bucket, buckets_ascending};
use crate::functions::math::Sum;
use parapet_model::Histogram;

/// The share of observations between `lower` and `upper` (`HistogramFraction` of Prometheus), and whether
/// observations of NaN are left out of it.
pub(crate) fn fraction(lower: f64, upper: f64, histogram: &Histogram) -> (f64, bool) {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, false);
    }
    if lower >= upper {
        return (0.0, false);
    }
    let custom = histogram.uses_custom_buckets();
    let (negative, positive) = (&histogram.negative_buckets, &histogram.positive_buckets);
    let buckets = buckets_ascending(histogram);
    let (mut rank, mut lower_rank, mut upper_rank) = (0.0, None, None);
    for bucket in &buckets {
        let mut bucket = *bucket;
        let zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
        if zero {
            if negative.is_empty() && !positive.is_empty() {
                bucket.lower = 0.0;
            } else if positive.is_empty() && !negative.is_empty() {
                bucket.upper = 0.0;
            }
        }
        for (at, to) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if to.is_some() {
                continue;
            }
            if bucket.lower >= at {
                *to = Some(rank);
            } else if bucket.upper > at {
                *to = Some(rank_within(&bucket, at, rank, custom || zero));
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank += bucket.count;
    }
    let counted = if histogram.sum.is_nan() {
        buckets.iter().map(|bucket| bucket.count).sum::<f64>()
    } else {
        histogram.count
    };
    let end = |rank: Option<f64>| rank.map_or(counted, |rank| if rank > counted { counted } else { rank });
    (
        (end(upper_rank) - end(lower_rank)) / histogram.count,
        counted < histogram.count,
    )
}

fn rank_within(bucket: &Bucket, value: f64, rank: f64, linear: bool) -> f64 {
    if linear && bucket.lower == f64::NEG_INFINITY {
        return bucket.count;
    }
    rank + bucket.count * bucket.fraction_below(value, linear)
}

/// The variance, each bucket's observations taken to be at its middle.
pub(crate) fn variance(histogram: &Histogram) -> f64 {
    let mean = histogram.sum / histogram.count;
    let mut squares = Sum::default();
    for bucket in buckets_ascending(histogram).iter().filter(|bucket| bucket.count != 0.0) {
        let middle = if histogram.uses_custom_buckets() {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            let geometric = (bucket.upper * bucket.lower).sqrt();
            if bucket.upper < 0.0 { -geometric } else { geometric }
        };
        let delta = middle - mean;
        squares.add(bucket.count * delta * delta);
    }
    squares.total() / histogram.count
}

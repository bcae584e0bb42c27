//! Quantiles of native histograms.

use super::buckets::{buckets_ascending, buckets_descending};
use parapet_model::Histogram;

/// A quantile, and what there is to tell of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantile {
    pub(crate) value: f64,
    pub(crate) remark: Option<&'static str>,
}

/// The `q`-quantile (`HistogramQuantile` of Prometheus).
pub(crate) fn quantile(q: f64, histogram: &Histogram) -> Quantile {
    let plain = |value| Quantile { value, remark: None };
    if q < 0.0 {
        return plain(f64::NEG_INFINITY);
    }
    if q > 1.0 {
        return plain(f64::INFINITY);
    }
    if histogram.count == 0.0 || q.is_nan() {
        return plain(f64::NAN);
    }
    // Observations of NaN are in no bucket; then only counting from below is right.
    let has_nan = histogram.sum.is_nan();
    let from_below = has_nan || q < 0.5;
    let (buckets, mut rank) = if from_below {
        (buckets_ascending(histogram), q * histogram.count)
    } else {
        (buckets_descending(histogram), (1.0 - q) * histogram.count)
    };
    let mut count = 0.0;
    let mut found = None;
    let mut rest = buckets.iter();
    for bucket in rest.by_ref().filter(|bucket| bucket.count != 0.0) {
        count += bucket.count;
        found = Some(*bucket);
        if count >= rank {
            break;
        }
    }
    let Some(mut bucket) = found else {
        let remark = has_nan.then_some("input to histogram_quantile has NaN observations, result is NaN");
        return Quantile {
            value: if has_nan { f64::NAN } else { 0.0 },
            remark,
        };
    };
    let custom = histogram.uses_custom_buckets();
    let (negative, positive) = (&histogram.negative_buckets, &histogram.positive_buckets);
    if !custom && bucket.lower < 0.0 && bucket.upper > 0.0 {
        // The zero bucket: of a histogram of one sign, the other sign's half is empty.
        if negative.is_empty() && !positive.is_empty() {
            bucket.lower = 0.0;
        } else if positive.is_empty() && !negative.is_empty() {
            bucket.upper = 0.0;
        }
    } else if custom {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return plain(bucket.upper);
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return plain(bucket.lower);
        }
    }
    if count > histogram.count {
        count = histogram.count;
    }
    if count < rank {
        if has_nan {
            let remark = Some("input to histogram_quantile has NaN observations, result is NaN");
            return Quantile {
                value: f64::NAN,
                remark,
            };
        }
        return plain(bucket.upper);
    }
    if from_below {
        rank -= count - bucket.count;
    } else {
        rank = count - rank;
    }
    let mut remark = None;
    if has_nan {
        let counted = count + rest.map(|bucket| bucket.count).sum::<f64>();
        if counted < histogram.count {
            remark = Some("input to histogram_quantile has NaN observations, result is skewed higher");
        }
    }
    let fraction = rank / bucket.count;
    let value = if custom || (bucket.lower <= 0.0 && bucket.upper >= 0.0) {
        bucket.lower + (bucket.upper - bucket.lower) * fraction
    } else {
        let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
        if bucket.lower > 0.0 {
            (lower + (upper - lower) * fraction).exp2()
        } else {
            -(upper + (lower - upper) * (1.0 - fraction)).exp2()
        }
    };
    Quantile { value, remark }
}

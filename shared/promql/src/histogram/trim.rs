//! `</` and `>/`: a histogram without the observations above or below a value.

use super::bounds::upper;
use super::buckets::Bucket;
use parapet_model::{BucketSide, Histogram, Span, spans_of};

/// Takes observations above `at` away, or with `keep_upper` those below it (`FloatHistogram.TrimBuckets` of
/// Prometheus). Where `at` cuts a bucket, its observations are split by interpolation.
pub(crate) fn trim(histogram: &mut Histogram, at: f64, keep_upper: bool) {
    let mut kept = Kept {
        count: 0.0,
        sum: 0.0,
        changed: false,
    };
    let positive = trim_side(histogram, histogram.positive_side(), true, at, keep_upper, &mut kept);
    let negative = trim_side(histogram, histogram.negative_side(), false, at, keep_upper, &mut kept);
    let has = |side: &BucketSide| side.iter().any(|(_, count)| *count != 0.0);
    if histogram.zero_count > 0.0 {
        let sides = (has(&histogram.negative_side()), has(&histogram.positive_side()));
        let (count, middle) = trim_zero_bucket(histogram, at, keep_upper, sides);
        #[allow(clippy::float_cmp)]
        if histogram.zero_count != count {
            histogram.zero_count = count;
            kept.changed = true;
        }
        kept.add(count, middle);
    }
    if kept.changed {
        (histogram.count, histogram.sum) = (kept.count, kept.sum);
        let set = |to: (&mut Vec<Span>, &mut Vec<f64>), side: BucketSide| (*to.0, *to.1) = spans_of(side, 0);
        set(
            (&mut histogram.positive_spans, &mut histogram.positive_buckets),
            positive,
        );
        set(
            (&mut histogram.negative_spans, &mut histogram.negative_buckets),
            negative,
        );
    }
}

struct Kept {
    count: f64,
    sum: f64,
    changed: bool,
}

impl Kept {
    fn add(&mut self, count: f64, middle: f64) {
        self.count += count;
        self.sum += middle * count;
    }
}

fn trim_side(
    histogram: &Histogram,
    mut side: BucketSide,
    positive: bool,
    at: f64,
    keep_upper: bool,
    kept: &mut Kept,
) -> BucketSide {
    let linear = histogram.uses_custom_buckets();
    for (index, count) in &mut side {
        if *count == 0.0 {
            continue;
        }
        let (near, far) = (upper(histogram, index.saturating_sub(1)), upper(histogram, *index));
        let (low, high) = if positive { (near, far) } else { (-far, -near) };
        let (inside, cut) = if keep_upper {
            (low >= at, high > at)
        } else {
            (high <= at, low < at)
        };
        if inside {
            kept.add(*count, middle(low, high, positive, linear));
        } else if cut {
            let (keep, middle) = split(low, high, *count, at, keep_upper, positive, linear);
            kept.add(keep, middle);
            #[allow(clippy::float_cmp)]
            if *count != keep {
                *count = keep;
                kept.changed = true;
            }
        } else {
            *count = 0.0;
            kept.changed = true;
        }
    }
    side
}

/// What is left of a bucket that is cut, and its middle.
fn split(low: f64, high: f64, count: f64, at: f64, keep_upper: bool, positive: bool, linear: bool) -> (f64, f64) {
    if low == f64::NEG_INFINITY || high == f64::INFINITY {
        return split_unbounded(low, high, count, at, keep_upper);
    }
    let bucket = Bucket::new(low, high, count);
    let below = if at <= low {
        0.0
    } else if at >= high {
        count
    } else {
        count * bucket.fraction_below(at, linear)
    };
    if keep_upper {
        (count - below, middle(at, high, positive, linear))
    } else {
        (below, middle(low, at, positive, linear))
    }
}

/// In a bucket without one of its bounds nothing can be interpolated, unless zero may stand for it.
fn split_unbounded(low: f64, high: f64, count: f64, at: f64, keep_upper: bool) -> (f64, f64) {
    let finite = |bound: f64| if bound.is_infinite() { 0.0 } else { bound };
    if low == f64::NEG_INFINITY {
        if keep_upper {
            return if at <= low {
                (count, 0.0)
            } else if at >= 0.0 && high > at && high != f64::INFINITY {
                (count * (1.0 - at / high), f64::midpoint(at, high))
            } else {
                (0.0, finite(high))
            };
        }
        return if at >= high {
            (count, 0.0)
        } else if at > 0.0 && high > 0.0 && high != f64::INFINITY {
            (count * at / high, at / 2.0)
        } else if high <= 0.0 {
            (count, at)
        } else {
            (0.0, finite(high))
        };
    }
    if keep_upper && at >= low {
        (count, at)
    } else {
        (0.0, finite(low))
    }
}

fn trim_zero_bucket(
    histogram: &Histogram,
    at: f64,
    keep_upper: bool,
    (negative, positive): (bool, bool),
) -> (f64, f64) {
    let threshold = histogram.zero_threshold;
    let low = if positive && !negative { 0.0 } else { -threshold };
    let high = if negative && !positive { 0.0 } else { threshold };
    let count = histogram.zero_count;
    let (all, none) = ((count, f64::midpoint(low, high)), (0.0, 0.0));
    if at <= low {
        return if keep_upper { all } else { none };
    }
    if at >= high {
        return if keep_upper { none } else { all };
    }
    if keep_upper {
        (count * ((high - at) / (high - low)), f64::midpoint(at, high))
    } else {
        (count * ((at - low) / (high - low)), f64::midpoint(low, at))
    }
}

/// Where a bucket's observations are taken to be.
fn middle(low: f64, high: f64, positive: bool, linear: bool) -> f64 {
    if low.is_infinite() {
        if high.is_infinite() {
            return 0.0;
        }
        return if high > 0.0 { high / 2.0 } else { high };
    }
    if high.is_infinite() {
        return low;
    }
    if linear {
        return f64::midpoint(low, high);
    }
    let geometric = (low * high).abs().sqrt();
    if positive { geometric } else { -geometric }
}

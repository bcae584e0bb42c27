//! Quantiles and shares of classic histograms: buckets that are series of their own, with the label `le`.

/// A bucket: how many observations are at most `upper_bound`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) upper_bound: f64,
    pub(crate) count: f64,
}

/// Differences up to this, relative, are taken to be of rounding.
const TOLERANCE: f64 = 1e-12;

/// How buckets had to be mended to be monotonic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mended {
    pub(crate) min_bucket: f64,
    pub(crate) max_bucket: f64,
    pub(crate) max_diff: f64,
}

/// Sorted by bound, buckets of the same bound added up; `None` without a bucket for all values.
fn prepare(buckets: &mut Vec<Bucket>) -> Option<()> {
    buckets.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    if buckets.last()?.upper_bound != f64::INFINITY {
        return None;
    }
    buckets.dedup_by(|next, kept| {
        #[allow(clippy::float_cmp)]
        let same = next.upper_bound == kept.upper_bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    Some(())
}

/// Whether two values differ by no more than rounding explains.
fn almost_equal(a: f64, b: f64) -> bool {
    #[allow(clippy::float_cmp)]
    if a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

#[allow(clippy::float_cmp)]
fn make_monotonic(buckets: &mut [Bucket]) -> Option<Mended> {
    let mut mended: Option<Mended> = None;
    let mut before = buckets.first()?.count;
    for bucket in &mut buckets[1..] {
        let count = bucket.count;
        if count == before {
            continue;
        }
        if almost_equal(before, count) {
            bucket.count = before;
            continue;
        }
        if count < before {
            bucket.count = before;
            let bound = bucket.upper_bound;
            let sofar = mended.unwrap_or(Mended {
                min_bucket: f64::INFINITY,
                max_bucket: f64::NEG_INFINITY,
                max_diff: 0.0,
            });
            mended = Some(Mended {
                min_bucket: sofar.min_bucket.min(bound),
                max_bucket: sofar.max_bucket.max(bound),
                max_diff: sofar.max_diff.max(before - count),
            });
            continue;
        }
        before = count;
    }
    mended
}

/// The `q`-quantile (`BucketQuantile` of Prometheus), and how the buckets were mended.
pub(crate) fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<Mended>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if prepare(buckets).is_none() {
        return (f64::NAN, None);
    }
    let mended = make_monotonic(buckets);
    let observations = buckets[buckets.len() - 1].count;
    if buckets.len() < 2 || observations == 0.0 {
        return (f64::NAN, mended);
    }
    let mut rank = q * observations;
    let last = buckets.len() - 1;
    let at = buckets[..last].partition_point(|bucket| bucket.count < rank || bucket.count.is_nan());
    let value = if at == last {
        buckets[last - 1].upper_bound
    } else if at == 0 && buckets[0].upper_bound <= 0.0 {
        buckets[0].upper_bound
    } else {
        let (mut start, end, mut count) = (0.0, buckets[at].upper_bound, buckets[at].count);
        if at > 0 {
            start = buckets[at - 1].upper_bound;
            count -= buckets[at - 1].count;
            rank -= buckets[at - 1].count;
        }
        start + (end - start) * (rank / count)
    };
    (value, mended)
}

/// The share of observations between two values (`BucketFraction` of Prometheus).
pub(crate) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if prepare(buckets).is_none() {
        return f64::NAN;
    }
    let count = buckets[buckets.len() - 1].count;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let mut low = if buckets[0].upper_bound <= 0.0 {
        f64::NEG_INFINITY
    } else {
        0.0
    };
    let (mut rank, mut lower_rank, mut upper_rank) = (0.0, None, None);
    for bucket in buckets.iter() {
        let high = bucket.upper_bound;
        for (at, to) in [(lower, &mut lower_rank), (upper, &mut upper_rank)] {
            if to.is_some() {
                continue;
            }
            if low >= at {
                *to = Some(rank);
            } else if high > at {
                *to = Some(if low == f64::NEG_INFINITY {
                    bucket.count
                } else {
                    rank + (bucket.count - rank) * (at - low) / (high - low)
                });
            }
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        (rank, low) = (bucket.count, high);
    }
    let end = |rank: Option<f64>| rank.map_or(count, |rank| if rank > count { count } else { rank });
    (end(upper_rank) - end(lower_rank)) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(of: &[(f64, f64)]) -> Vec<Bucket> {
        of.iter()
            .map(|(upper_bound, count)| Bucket {
                upper_bound: *upper_bound,
                count: *count,
            })
            .collect()
    }

    #[test]
    fn quantiles_interpolate_within_buckets() {
        let mut of = buckets(&[(2.0, 10.0), (f64::INFINITY, 20.0), (1.0, 5.0)]);
        assert_eq!(quantile(0.5, &mut of.clone()), (2.0, None));
        assert_eq!(quantile(0.25, &mut of.clone()), (1.0, None));
        assert_eq!(quantile(1.0, &mut of).0, 2.0);
        assert!(quantile(0.5, &mut buckets(&[(1.0, 1.0)])).0.is_nan());
    }

    #[test]
    fn falling_counts_are_mended() {
        let mut of = buckets(&[(1.0, 5.0), (2.0, 3.0), (f64::INFINITY, 8.0)]);
        let mended = quantile(0.5, &mut of).1;
        assert_eq!(
            mended,
            Some(Mended {
                min_bucket: 2.0,
                max_bucket: 2.0,
                max_diff: 2.0
            })
        );
    }

    #[test]
    fn fractions_interpolate() {
        let of = buckets(&[(1.0, 5.0), (2.0, 10.0), (f64::INFINITY, 10.0)]);
        assert_eq!(fraction(0.0, 1.5, &mut of.clone()), 0.75);
        assert_eq!(fraction(2.0, 1.0, &mut of.clone()), 0.0);
    }
}

//! A window that is known as a histogram: bounds and counts.

use parapet_model::{Histogram, exponential_bound};

/// Values above the bound of the bucket before, up to this one's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// The upper bound, inclusive; infinity for the last.
    pub upper: f64,
    /// How many values, which need not be whole (`increase()` extrapolates).
    pub count: f64,
}

/// Buckets over all numbers, ascending; the last one ends at infinity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets(Vec<Bucket>);

impl Buckets {
    /// Of a histogram as NumPy makes them: one edge more than counts. What lies outside of the edges is empty.
    ///
    /// # Errors
    /// What is wrong with edges or counts.
    pub fn from_edges(edges: &[f64], counts: &[f64]) -> Result<Self, String> {
        if edges.len() != counts.len() + 1 || counts.is_empty() {
            let (edges, counts) = (edges.len(), counts.len());
            return Err(format!(
                "{edges} bin_edges and {counts} counts; there must be one edge more"
            ));
        }
        if edges.iter().any(|edge| !edge.is_finite()) || edges.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("bin_edges must be finite and ascend".to_owned());
        }
        if counts.iter().any(|count| !count.is_finite() || *count < 0.0) {
            return Err("counts must be numbers from 0".to_owned());
        }
        let mut buckets = Self::default();
        for (pair, count) in edges.windows(2).zip(counts) {
            buckets.push(pair[0], pair[1], *count);
        }
        Ok(buckets.closed())
    }

    /// Of a classic histogram: pairs of `le` and cumulative count, in any order. Counts that fall, as extrapolated ones
    /// may by a little, are as large as the ones before.
    #[must_use]
    pub fn from_cumulative(mut buckets: Vec<(f64, f64)>) -> Self {
        buckets.retain(|(le, count)| !le.is_nan() && !count.is_nan());
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut out, mut before) = (Self::default(), 0.0f64);
        for (le, cumulative) in buckets {
            let lower = out.0.last().map_or(f64::NEG_INFINITY, |bucket| bucket.upper);
            out.push(lower, le, (cumulative - before).max(0.0));
            before = before.max(cumulative);
        }
        out.closed()
    }

    /// Of a native histogram, custom bounds included.
    #[must_use]
    pub fn from_native(histogram: &Histogram) -> Self {
        let mut buckets = Self::default();
        if histogram.uses_custom_buckets() {
            let bound = |index: i32| {
                usize::try_from(index)
                    .ok()
                    .and_then(|at| histogram.custom_values.get(at).copied())
            };
            for (index, count) in histogram.positive_side() {
                let lower = bound(index - 1).unwrap_or(f64::NEG_INFINITY);
                buckets.push(lower, bound(index).unwrap_or(f64::INFINITY), count);
            }
            return buckets.closed();
        }
        let bound = |index: i32| exponential_bound(index, histogram.schema);
        for (index, count) in histogram.negative_side().into_iter().rev() {
            buckets.push(-bound(index), -bound(index.saturating_sub(1)), count);
        }
        if histogram.zero_count > 0.0 {
            buckets.push(
                -histogram.zero_threshold,
                histogram.zero_threshold,
                histogram.zero_count,
            );
        }
        for (index, count) in histogram.positive_side() {
            buckets.push(bound(index.saturating_sub(1)), bound(index), count);
        }
        buckets.closed()
    }

    /// Adds a bucket above the others, and an empty one where there is a gap.
    fn push(&mut self, lower: f64, upper: f64, count: f64) {
        let count = if count.is_finite() { count.max(0.0) } else { 0.0 };
        let last = self.0.last().map_or(f64::NEG_INFINITY, |bucket| bucket.upper);
        if lower > last && lower.is_finite() {
            self.0.push(Bucket {
                upper: lower,
                count: 0.0,
            });
        }
        match self.0.last_mut() {
            Some(bucket) if upper <= bucket.upper => bucket.count += count,
            _ => self.0.push(Bucket { upper, count }),
        }
    }

    fn closed(mut self) -> Self {
        if self.0.last().is_none_or(|bucket| bucket.upper < f64::INFINITY) {
            self.0.push(Bucket {
                upper: f64::INFINITY,
                count: 0.0,
            });
        }
        self
    }

    /// How many values are in all buckets.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.0.iter().map(|bucket| bucket.count).sum()
    }

    /// The counts, bucket by bucket.
    #[must_use]
    pub fn counts(&self) -> Vec<f64> {
        self.0.iter().map(|bucket| bucket.count).collect()
    }

    /// The bounds between buckets.
    #[must_use]
    pub fn bounds(&self) -> Vec<f64> {
        let inner = self
            .0
            .iter()
            .map(|bucket| bucket.upper)
            .filter(|upper| upper.is_finite());
        inner.collect()
    }

    /// The least and the greatest bound of buckets that hold something, where both are finite.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        let first = self.0.iter().position(|bucket| bucket.count > 0.0)?;
        let last = self.0.iter().rposition(|bucket| bucket.count > 0.0)?;
        let lower = self.0.get(first.checked_sub(1)?)?.upper;
        let upper = self.0[last].upper;
        upper.is_finite().then_some((lower, upper))
    }

    /// How many values are surely below `min` or above `max`: in buckets that lie outside of both.
    #[must_use]
    pub fn outside(&self, min: f64, max: f64) -> f64 {
        let mut lower = f64::NEG_INFINITY;
        let mut outside = 0.0;
        for bucket in &self.0 {
            if bucket.upper < min || lower >= max {
                outside += bucket.count;
            }
            lower = bucket.upper;
        }
        outside
    }

    /// How many values lie up to a bound; `None` where a bucket that holds some goes over it.
    fn up_to(&self, bound: f64) -> Option<f64> {
        let whole = self.0.iter().take_while(|bucket| bucket.upper <= bound);
        let (count, below) = whole.fold((0.0, f64::NEG_INFINITY), |(sum, _), bucket| {
            (sum + bucket.count, bucket.upper)
        });
        let over = self.0.iter().find(|bucket| bucket.upper > bound);
        let is_exact = below >= bound || over.is_none_or(|bucket| bucket.count <= 0.0);
        is_exact.then_some(count)
    }

    /// Counts of both in the same bins: between the bounds that no bucket with values of either goes over. Histograms of
    /// different bounds are so compared without a guess.
    #[must_use]
    pub fn align(&self, other: &Self) -> (Vec<f64>, Vec<f64>) {
        let mut bounds = self.bounds();
        bounds.extend(other.bounds());
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let shared = bounds
            .into_iter()
            .filter_map(|bound| Some((self.up_to(bound)?, other.up_to(bound)?)));
        let ends: Vec<(f64, f64)> = shared.chain([(self.total(), other.total())]).collect();
        let mut counts = (Vec::with_capacity(ends.len()), Vec::with_capacity(ends.len()));
        let mut before = (0.0, 0.0);
        for (mine, theirs) in ends {
            counts.0.push((mine - before.0).max(0.0));
            counts.1.push((theirs - before.1).max(0.0));
            before = (mine, theirs);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::Span;

    const INFINITY: f64 = f64::INFINITY;

    #[test]
    fn of_edges() {
        let buckets = Buckets::from_edges(&[0.0, 1.0, 2.0], &[3.0, 4.0]).unwrap();
        assert_eq!(buckets.counts(), [0.0, 3.0, 4.0, 0.0]);
        assert_eq!(buckets.bounds(), [0.0, 1.0, 2.0]);
        assert_eq!(buckets.range(), Some((0.0, 2.0)));
        assert_eq!((buckets.outside(1.0, 9.0), buckets.outside(0.5, 9.0)), (0.0, 0.0));
        assert_eq!(buckets.outside(1.5, 9.0), 3.0);
        for (edges, counts, want) in [
            (&[0.0, 1.0][..], &[1.0, 2.0][..], "one edge more"),
            (&[1.0, 1.0], &[1.0], "ascend"),
            (&[0.0, 1.0], &[-1.0], "from 0"),
        ] {
            let error = Buckets::from_edges(edges, counts).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn of_classic_histograms_with_other_bounds() {
        let coarse = Buckets::from_cumulative(vec![(INFINITY, 10.0), (1.0, 4.0), (2.0, 3.999)]);
        assert_eq!(coarse.counts(), [4.0, 0.0, 6.0]);
        let fine = Buckets::from_cumulative(vec![(0.5, 1.0), (1.0, 2.0), (4.0, 5.0), (INFINITY, 8.0)]);
        // 0.5 cuts the first bucket of `coarse`, 2 one of `fine`, 4 the last of `coarse`.
        assert_eq!(coarse.align(&fine), (vec![4.0, 6.0], vec![2.0, 6.0]));
        assert_eq!(coarse.align(&coarse).0, coarse.counts());
    }

    #[test]
    fn of_native_histograms_of_two_schemas() {
        let of = |schema, offset, counts: &[f64]| Histogram {
            schema,
            zero_threshold: 0.001,
            zero_count: 2.0,
            positive_spans: vec![Span {
                offset,
                length: u32::try_from(counts.len()).unwrap(),
            }],
            positive_buckets: counts.to_vec(),
            negative_spans: vec![Span { offset: 1, length: 1 }],
            negative_buckets: vec![5.0],
            ..Histogram::default()
        };
        // Schema 0: (1, 2], (2, 4]; schema 1: (1, 1.41], (1.41, 2], (2, 2.83].
        let coarse = Buckets::from_native(&of(0, 1, &[3.0, 4.0]));
        let fine = Buckets::from_native(&of(1, 1, &[1.0, 2.0, 7.0]));
        assert_eq!(coarse.total(), 14.0);
        assert_eq!(coarse.range(), Some((-2.0, 4.0)));
        let (ours, theirs) = coarse.align(&fine);
        let held = |counts: &[f64]| counts.iter().copied().filter(|count| *count > 0.0).collect::<Vec<_>>();
        assert_eq!(held(&ours), [5.0, 2.0, 3.0, 4.0]);
        assert_eq!(held(&theirs), [5.0, 2.0, 3.0, 7.0]);
    }

    #[test]
    fn of_custom_bounds() {
        let histogram = Histogram {
            schema: -53,
            custom_values: vec![1.0, 2.0],
            positive_spans: vec![Span { offset: 0, length: 3 }],
            positive_buckets: vec![1.0, 2.0, 3.0],
            ..Histogram::default()
        };
        let buckets = Buckets::from_native(&histogram);
        assert_eq!(
            (buckets.bounds(), buckets.counts()),
            (vec![1.0, 2.0], vec![1.0, 2.0, 3.0])
        );
    }
}

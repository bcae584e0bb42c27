//! Buckets as pairs of index and count.

use super::{Histogram, Span};
use crate::CounterReset;

/// Buckets of one sign by index, ascending.
pub type BucketSide = Vec<(i32, f64)>;

/// Pairs of index and count; spans beyond the buckets or the range of indexes are cut off.
fn flatten(spans: &[Span], buckets: &[f64]) -> BucketSide {
    let mut side = Vec::with_capacity(buckets.len());
    let (mut index, mut counts) = (0i64, buckets.iter());
    for span in spans {
        index += i64::from(span.offset);
        for _ in 0..span.length {
            let Some(count) = counts.next() else { return side };
            let Ok(small) = i32::try_from(index) else { return side };
            if side.last().is_some_and(|(last, _)| *last >= small) {
                // A span that goes back: not a histogram that arithmetic is defined for.
                return side;
            }
            side.push((small, *count));
            index += 1;
        }
    }
    side
}

/// Spans and counts of the buckets that are not empty. Where at most `keep_empty` empty ones lie between two of them,
/// these are kept, which makes for fewer spans (`Compact` of Prometheus).
#[must_use]
pub fn spans_of(side: impl IntoIterator<Item = (i32, f64)>, keep_empty: u32) -> (Vec<Span>, Vec<f64>) {
    let (mut spans, mut counts): (Vec<Span>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut next: Option<i32> = None;
    for (index, count) in side {
        if count == 0.0 {
            continue;
        }
        let gap = index.saturating_sub(next.unwrap_or_default());
        match (spans.last_mut(), u32::try_from(gap)) {
            (Some(span), Ok(gap)) if gap <= keep_empty => {
                span.length += gap + 1;
                counts.extend(std::iter::repeat_n(0.0, gap as usize));
            }
            _ => spans.push(Span { offset: gap, length: 1 }),
        }
        next = Some(index.saturating_add(1));
        counts.push(count);
    }
    (spans, counts)
}

/// The index of a bucket at a coarser schema.
#[must_use]
pub fn coarser_index(index: i32, from: i32, to: i32) -> i32 {
    let shift = from.saturating_sub(to).clamp(0, 31);
    (index.wrapping_sub(1) >> shift) + 1
}

/// Buckets at a coarser schema.
#[must_use]
pub fn coarser_side(side: BucketSide, from: i32, to: i32) -> BucketSide {
    let mut reduced: BucketSide = Vec::with_capacity(side.len());
    for (index, count) in side {
        let index = coarser_index(index, from, to);
        match reduced.last_mut() {
            Some((last, sum)) if *last == index => *sum += count,
            _ => reduced.push((index, count)),
        }
    }
    reduced
}

impl Histogram {
    /// The positive buckets by index.
    #[must_use]
    pub fn positive_side(&self) -> BucketSide {
        flatten(&self.positive_spans, &self.positive_buckets)
    }

    /// The negative buckets by index of their absolute values.
    #[must_use]
    pub fn negative_side(&self) -> BucketSide {
        flatten(&self.negative_spans, &self.negative_buckets)
    }

    /// Takes empty buckets away and joins neighbouring spans; up to `keep_empty` empty buckets between two others stay.
    pub fn compact(&mut self, keep_empty: u32) {
        (self.positive_spans, self.positive_buckets) = spans_of(self.positive_side(), keep_empty);
        (self.negative_spans, self.negative_buckets) = spans_of(self.negative_side(), keep_empty);
    }

    /// A copy at another, coarser schema; unchanged where there is none.
    #[must_use]
    pub fn at_schema(&self, schema: i32) -> Self {
        if schema >= self.schema || self.uses_custom_buckets() {
            return self.clone();
        }
        let reduce = |side| spans_of(coarser_side(side, self.schema, schema), 0);
        let (positive_spans, positive_buckets) = reduce(self.positive_side());
        let (negative_spans, negative_buckets) = reduce(self.negative_side());
        Self {
            counter_reset: CounterReset::Unknown,
            schema,
            positive_spans,
            positive_buckets,
            negative_spans,
            negative_buckets,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases of `TestHistogramCompact` of Prometheus.
    #[test]
    fn few_empty_buckets_may_stay() {
        let side = |counts: &[(i32, f64)]| counts.to_vec();
        let span = |offset, length| Span { offset, length };
        for (counts, keep_empty, spans, buckets) in [
            (
                side(&[(-2, 0.0), (-1, 1.0), (0, 0.0), (1, 2.0), (2, 0.0)]),
                0,
                vec![span(-1, 1), span(1, 1)],
                vec![1.0, 2.0],
            ),
            (
                side(&[(-1, 1.0), (1, 2.0), (5, 3.0)]),
                1,
                vec![span(-1, 3), span(3, 1)],
                vec![1.0, 0.0, 2.0, 3.0],
            ),
            (
                side(&[(3, 1.0), (4, 0.0), (5, 0.0), (6, 2.0)]),
                2,
                vec![span(3, 4)],
                vec![1.0, 0.0, 0.0, 2.0],
            ),
            (
                side(&[(2, 1.0), (3, 0.0), (4, 0.0), (5, 0.0), (6, 2.0)]),
                2,
                vec![span(2, 1), span(3, 1)],
                vec![1.0, 2.0],
            ),
            (side(&[(0, 0.0)]), 2, vec![], vec![]),
        ] {
            assert_eq!(spans_of(counts, keep_empty), (spans, buckets));
        }
    }

    #[test]
    fn spans_that_make_no_sense_do_no_harm() {
        let mut broken = Histogram {
            positive_spans: vec![
                Span {
                    offset: i32::MAX,
                    length: u32::MAX,
                },
                Span {
                    offset: i32::MIN,
                    length: 3,
                },
            ],
            positive_buckets: vec![1.0, 2.0],
            ..Histogram::default()
        };
        broken.compact(2);
        assert_eq!(broken.positive_buckets, [1.0]);
        let _ = broken.at_schema(-4);
    }
}

//! Arithmetic of native histograms (`model/histogram` of Prometheus), in which buckets are pairs of index and count
//! rather than spans. Results are compact: without empty buckets.

mod accumulate;
mod bounds;
mod buckets;
mod fraction;
mod quantile;
mod reset;
mod trim;

pub(crate) use accumulate::{Folded, mean, sum};
pub(crate) use buckets::describe;
pub(crate) use fraction::{fraction, variance};
pub(crate) use quantile::quantile;
pub(crate) use reset::{equal, is_reset};
pub(crate) use trim::trim;

use accumulate::Accumulator;
use parapet_model::{CounterReset, Histogram};

/// Histograms that do not go together: exponential and custom buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistogramError {
    Incompatible,
}

/// What there is to tell of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// One was known to follow a reset, the other known not to.
    pub(crate) collision: bool,
    /// Custom bounds differed: only the common ones are left.
    pub(crate) reconciled: bool,
}

/// Adds `other` to `to`.
pub(crate) fn add(to: &mut Histogram, other: &Histogram) -> Result<Outcome, HistogramError> {
    combine(to, other, 1.0)
}

/// Subtracts `other` from `from`.
pub(crate) fn subtract(from: &mut Histogram, other: &Histogram) -> Result<Outcome, HistogramError> {
    combine(from, other, -1.0)
}

fn combine(to: &mut Histogram, other: &Histogram, sign: f64) -> Result<Outcome, HistogramError> {
    let mut accumulator = Accumulator::new(to);
    let outcome = accumulator.add(other, sign)?;
    *to = accumulator.finish();
    Ok(outcome)
}

/// Multiplies all counts. With a negative factor the result is a gauge.
pub(crate) fn multiply(histogram: &mut Histogram, factor: f64) {
    scale(histogram, |count| count * factor);
    if factor < 0.0 {
        histogram.counter_reset = CounterReset::Gauge;
    }
}

/// Divides all counts. Of a division by zero no buckets are left.
pub(crate) fn divide(histogram: &mut Histogram, divisor: f64) {
    if divisor == 0.0 {
        histogram.positive_buckets.clear();
        histogram.positive_spans.clear();
        histogram.negative_buckets.clear();
        histogram.negative_spans.clear();
    }
    scale(histogram, |count| count / divisor);
    if divisor < 0.0 {
        histogram.counter_reset = CounterReset::Gauge;
    }
}

fn scale(histogram: &mut Histogram, change: impl Fn(f64) -> f64) {
    let counts = [&mut histogram.zero_count, &mut histogram.count, &mut histogram.sum].into_iter();
    let buckets = histogram
        .positive_buckets
        .iter_mut()
        .chain(&mut histogram.negative_buckets);
    counts.chain(buckets).for_each(|count| *count = change(*count));
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::Span;

    fn histogram(schema: i32, buckets: &[f64]) -> Histogram {
        let length = u32::try_from(buckets.len()).unwrap();
        Histogram {
            schema,
            count: buckets.iter().sum(),
            positive_spans: vec![Span { offset: 0, length }],
            positive_buckets: buckets.to_vec(),
            ..Histogram::default()
        }
    }

    #[test]
    fn addition_meets_at_the_coarser_schema() {
        let mut sum = histogram(1, &[1.0, 2.0, 3.0]);
        assert_eq!(add(&mut sum, &histogram(0, &[10.0, 20.0])), Ok(Outcome::default()));
        assert_eq!((sum.schema, sum.count), (0, 36.0));
        assert_eq!(sum.positive_buckets, [11.0, 25.0]);
    }

    #[test]
    fn what_is_subtracted_leaves_no_empty_buckets() {
        let mut difference = histogram(0, &[1.0, 2.0, 3.0]);
        subtract(&mut difference, &histogram(0, &[0.0, 2.0])).unwrap();
        assert_eq!(difference.positive_buckets, [1.0, 3.0]);
        assert_eq!(
            difference.positive_spans,
            [Span { offset: 0, length: 1 }, Span { offset: 1, length: 1 }]
        );
    }

    #[test]
    fn a_wider_zero_bucket_swallows_buckets() {
        let mut sum = histogram(0, &[1.0, 2.0, 3.0]);
        let wide = Histogram {
            zero_threshold: 1.5,
            zero_count: 5.0,
            count: 5.0,
            ..Histogram::default()
        };
        add(&mut sum, &wide).unwrap();
        // The bucket from 1 to 2 is cut by the threshold, which therefore grows to 2.
        assert_eq!((sum.zero_threshold, sum.zero_count), (2.0, 8.0));
        assert_eq!(sum.positive_buckets, [3.0]);
    }

    #[test]
    fn custom_bounds_are_reconciled() {
        let custom = |bounds: &[f64], buckets: &[f64]| Histogram {
            custom_values: bounds.to_vec(),
            ..histogram(-53, buckets)
        };
        let mut sum = custom(&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0, 1.0]);
        let outcome = add(&mut sum, &custom(&[1.0, 3.0], &[5.0, 6.0, 7.0])).unwrap();
        assert!(outcome.reconciled);
        assert_eq!(sum.custom_values, [1.0, 3.0]);
        assert_eq!(sum.positive_buckets, [6.0, 8.0, 8.0]);
        assert_eq!(add(&mut sum, &histogram(0, &[1.0])), Err(HistogramError::Incompatible));
    }

    #[test]
    fn spans_that_make_no_sense_do_no_harm() {
        let broken = Histogram {
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
        let mut sum = broken.clone();
        add(&mut sum, &broken).unwrap();
        let _ = (is_reset(&broken, &sum), quantile(0.5, &broken), broken.at_schema(-4));
    }
}

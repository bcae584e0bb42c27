//! Histograms of OTLP as native ones (`histograms.go` of the translator).

use crate::proto::{Buckets, ExponentialPoint, HistogramPoint};
use parapet_model::{Histogram, Span, stale_nan};

/// What Prometheus takes for the width of the zero bucket, whatever the point says.
const ZERO_THRESHOLD: f64 = 1e-128;
const CUSTOM_BUCKETS: i32 = -53;
/// The finest and the coarsest resolution of native histograms.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;

/// The histogram of a point that says that nothing was recorded.
pub(crate) fn stale() -> Histogram {
    Histogram {
        sum: stale_nan(),
        ..Histogram::default()
    }
}

/// An exponential histogram; resolution beyond what native ones have is given up.
pub(crate) fn exponential(point: &ExponentialPoint) -> Result<Histogram, String> {
    if point.scale < *SCHEMAS.start() {
        return Err(format!(
            "cannot convert exponential to native histogram. Scale must be >= -4, was {}",
            point.scale
        ));
    }
    let schema = point.scale.min(*SCHEMAS.end());
    let shift = (i64::from(point.scale) - i64::from(schema)).min(62);
    let side = |buckets: &Option<Buckets>| match buckets {
        // Bucket 0 is (1, base] in OTLP and (1/base, 1] in Prometheus.
        Some(buckets) => layout(&buckets.bucket_counts, i64::from(buckets.offset), shift, 1),
        None => Ok((Vec::new(), Vec::new())),
    };
    let (positive_spans, positive_buckets) = side(&point.positive)?;
    let (negative_spans, negative_buckets) = side(&point.negative)?;
    checked(Histogram {
        schema,
        zero_threshold: ZERO_THRESHOLD,
        zero_count: point.zero_count as f64,
        count: point.count as f64,
        sum: point.sum.unwrap_or_default(),
        positive_spans,
        positive_buckets,
        negative_spans,
        negative_buckets,
        ..Histogram::default()
    })
}

/// A histogram with explicit bounds, as one with custom buckets.
pub(crate) fn custom(point: &HistogramPoint) -> Result<Histogram, String> {
    let counts = &point.bucket_counts;
    let first = counts.iter().take_while(|count| **count == 0).count();
    let (positive_spans, positive_buckets) = layout(&counts[first..], first as i64, 0, 0)?;
    checked(Histogram {
        schema: CUSTOM_BUCKETS,
        count: point.count as f64,
        sum: point.sum.unwrap_or_default(),
        positive_spans,
        positive_buckets,
        custom_values: point.explicit_bounds.clone(),
        ..Histogram::default()
    })
}

fn checked(histogram: Histogram) -> Result<Histogram, String> {
    histogram.validate()?;
    histogram.check_count()?;
    Ok(histogram)
}

/// Dense counts as spans and counts: 2^`shift` buckets become one, small gaps are filled with empty buckets.
fn layout(counts: &[u64], offset: i64, shift: i64, adjust: i64) -> Result<(Vec<Span>, Vec<f64>), String> {
    const KEPT_EMPTY: i64 = 2;
    let index = |place: usize| ((place as i64 + offset) >> shift) + adjust;
    let mut merged: Vec<(i64, u64)> = Vec::new();
    for (place, count) in counts.iter().enumerate() {
        let index = index(place);
        match merged.last_mut() {
            Some((last, sum)) if *last == index => *sum = sum.saturating_add(*count),
            _ => merged.push((index, *count)),
        }
    }
    let (mut spans, mut buckets): (Vec<Span>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut next = 0;
    for (index, count) in merged.into_iter().filter(|(_, count)| *count != 0) {
        let gap = index - next;
        match spans.last_mut() {
            Some(span) if gap <= KEPT_EMPTY => {
                let grown = u32::try_from(gap + 1).unwrap_or(1);
                span.length += grown;
                buckets.extend(std::iter::repeat_n(0.0, grown as usize - 1));
            }
            _ => spans.push(Span {
                offset: i32::try_from(gap).map_err(|_| format!("bucket offset {offset} is out of range"))?,
                length: 1,
            }),
        }
        buckets.push(count as f64);
        next = index + 1;
    }
    if i32::try_from(next).is_err() {
        return Err(format!("bucket offset {offset} is out of range"));
    }
    Ok((spans, buckets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialPoint {
        ExponentialPoint {
            scale,
            count: counts.iter().sum(),
            positive: Some(Buckets {
                offset,
                bucket_counts: counts.to_vec(),
            }),
            ..ExponentialPoint::default()
        }
    }

    /// Cases of `TestConvertBucketsLayout`, empty buckets at the ends left away.
    #[test]
    fn buckets_are_laid_out() {
        let span = |offset, length| Span { offset, length };
        for (scale, offset, counts, spans, buckets) in [
            (8, 1, vec![4, 3, 2, 1], vec![span(2, 4)], vec![4.0, 3.0, 2.0, 1.0]),
            (8, -5, vec![4, 3, 2, 1], vec![span(-4, 4)], vec![4.0, 3.0, 2.0, 1.0]),
            (9, 0, vec![4, 3, 2, 1], vec![span(1, 2)], vec![7.0, 3.0]),
            (10, 0, vec![4, 3, 2, 1], vec![span(1, 1)], vec![10.0]),
            (8, 0, vec![1, 0, 0, 2], vec![span(1, 4)], vec![1.0, 0.0, 0.0, 2.0]),
            (8, 0, vec![1, 0, 0, 0, 2], vec![span(1, 1), span(3, 1)], vec![1.0, 2.0]),
            (20, -9, vec![1; 12], vec![span(0, 2)], vec![9.0, 3.0]),
            (8, 0, vec![], vec![], vec![]),
        ] {
            let made = exponential(&point(scale, offset, &counts)).unwrap();
            assert_eq!(
                (made.positive_spans, made.positive_buckets),
                (spans, buckets),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(exponential(&point(-5, 0, &[1])).is_err());
        assert!(exponential(&point(i32::MAX, i32::MIN, &[1])).is_ok());
        assert!(exponential(&point(8, i32::MAX, &[1, 1])).is_err());
        let mut short = point(0, 0, &[1, 2]);
        short.count = 2;
        assert!(
            exponential(&short)
                .unwrap_err()
                .contains("3 observations found in buckets")
        );
        short.sum = Some(f64::NAN);
        assert!(exponential(&short).is_err());
        short.count = 4;
        assert!(exponential(&short).is_ok());
    }

    #[test]
    fn explicit_bounds_are_custom_buckets() {
        let point = HistogramPoint {
            count: 6,
            sum: Some(9.0),
            bucket_counts: vec![0, 2, 0, 4],
            explicit_bounds: vec![1.0, 2.0, 3.0],
            ..HistogramPoint::default()
        };
        let made = custom(&point).unwrap();
        assert_eq!(made.custom_values, [1.0, 2.0, 3.0]);
        assert_eq!(made.positive_spans, [Span { offset: 1, length: 3 }]);
        assert_eq!(made.positive_buckets, [2.0, 0.0, 4.0]);
        let unsorted = HistogramPoint {
            explicit_bounds: vec![2.0, 1.0],
            ..HistogramPoint::default()
        };
        assert!(custom(&unsorted).is_err());
    }
}

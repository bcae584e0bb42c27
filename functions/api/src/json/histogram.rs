//! A native histogram in the API's form: count, sum and the buckets that hold anything.

use super::{Object, write_float};
use parapet_model::{Histogram, Span, exponential_bound};

/// A bucket: its bounds and its count.
struct Bucket {
    lower: f64,
    upper: f64,
    lower_inclusive: bool,
    upper_inclusive: bool,
    count: f64,
}

/// Writes `{"count":"42","sum":"3.5","buckets":[[3,"-0.25","0.25","3"],…]}` (`jsonutil.MarshalHistogram`).
pub(super) fn write_histogram(out: &mut Vec<u8>, histogram: &Histogram) {
    Object::write(out, |object| {
        write_float(object.field("count"), histogram.count);
        write_float(object.field("sum"), histogram.sum);
        let buckets = buckets(histogram);
        if !buckets.is_empty() {
            object.array("buckets", buckets, write_bucket);
        }
    });
}

fn write_bucket(out: &mut Vec<u8>, bucket: Bucket) {
    // Which ends belong to the bucket: 0 the upper, 1 the lower, 2 none, 3 both.
    let ends = match (bucket.lower_inclusive, bucket.upper_inclusive) {
        (false, true) => b'0',
        (true, false) => b'1',
        (false, false) => b'2',
        (true, true) => b'3',
    };
    out.extend_from_slice(&[b'[', ends]);
    for value in [bucket.lower, bucket.upper, bucket.count] {
        out.push(b',');
        write_float(out, value);
    }
    out.push(b']');
}

/// The buckets that are not empty, from the lowest up (`FloatHistogram.AllBucketIterator` of Prometheus).
fn buckets(histogram: &Histogram) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = indexed(&histogram.negative_spans, &histogram.negative_buckets)
        .map(|(index, count)| exponential(histogram, index, count, true))
        .collect();
    buckets.reverse();
    if histogram.zero_count > 0.0 && !histogram.uses_custom_buckets() {
        buckets.push(Bucket {
            lower: -histogram.zero_threshold,
            upper: histogram.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: histogram.zero_count,
        });
    }
    buckets.extend(
        indexed(&histogram.positive_spans, &histogram.positive_buckets).map(|(index, count)| {
            if histogram.uses_custom_buckets() {
                custom(histogram, index, count)
            } else {
                exponential(histogram, index, count, false)
            }
        }),
    );
    buckets.retain(|bucket| bucket.count != 0.0);
    buckets
}

/// Each bucket with its index in the schema.
fn indexed<'a>(spans: &'a [Span], buckets: &'a [f64]) -> impl Iterator<Item = (i32, f64)> + 'a {
    let mut next = 0i32;
    spans
        .iter()
        .flat_map(move |span| {
            let first = next.saturating_add(span.offset);
            next = first.saturating_add_unsigned(span.length);
            first..next
        })
        .zip(buckets.iter().copied())
}

fn exponential(histogram: &Histogram, index: i32, count: f64, negative: bool) -> Bucket {
    let mut upper = exponential_bound(index, histogram.schema);
    let mut lower = exponential_bound(index.saturating_sub(1), histogram.schema);
    // A bucket that reaches into the zero bucket is cut there.
    if lower < histogram.zero_threshold && upper > 0.0 && lower > 0.0 {
        lower = histogram.zero_threshold;
    }
    if negative {
        (lower, upper) = (-upper, -lower);
    }
    Bucket {
        lower,
        upper,
        lower_inclusive: lower < 0.0,
        upper_inclusive: upper > 0.0,
        count,
    }
}

fn custom(histogram: &Histogram, index: i32, count: f64) -> Bucket {
    let bound = |index: i32| match usize::try_from(index) {
        Err(_) => f64::NEG_INFINITY,
        Ok(at) => histogram.custom_values.get(at).copied().unwrap_or(f64::INFINITY),
    };
    Bucket {
        lower: bound(index.saturating_sub(1)),
        upper: bound(index),
        lower_inclusive: index == 0,
        upper_inclusive: true,
        count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(histogram: &Histogram) -> String {
        let mut out = Vec::new();
        write_histogram(&mut out, histogram);
        String::from_utf8(out).unwrap()
    }

    fn span(offset: i32, length: u32) -> Span {
        Span { offset, length }
    }

    #[test]
    fn both_signs_and_zero() {
        let histogram = Histogram {
            schema: 0,
            zero_threshold: 0.001,
            zero_count: 2.0,
            count: 12.0,
            sum: 18.5,
            positive_spans: vec![span(0, 2), span(1, 1)],
            positive_buckets: vec![1.0, 2.0, 3.0],
            negative_spans: vec![span(0, 3)],
            negative_buckets: vec![2.0, 0.0, 2.0],
            ..Histogram::default()
        };
        assert_eq!(
            json(&histogram),
            r#"{"count":"12","sum":"18.5","buckets":[[1,"-4","-2","2"],[1,"-1","-0.5","2"],"#.to_owned()
                + r#"[3,"-0.001","0.001","2"],[0,"0.5","1","1"],[0,"1","2","2"],[0,"4","8","3"]]}"#
        );
    }

    #[test]
    fn custom_bounds() {
        let histogram = Histogram {
            schema: -53,
            count: 6.0,
            sum: 10.0,
            positive_spans: vec![span(0, 3)],
            positive_buckets: vec![1.0, 2.0, 3.0],
            custom_values: vec![1.0, 2.5],
            ..Histogram::default()
        };
        assert_eq!(
            json(&histogram),
            r#"{"count":"6","sum":"10","buckets":[[3,"-Inf","1","1"],[0,"1","2.5","2"],[0,"2.5","+Inf","3"]]}"#
        );
    }

    #[test]
    fn no_buckets_no_field() {
        assert_eq!(json(&Histogram::default()), r#"{"count":"0","sum":"0"}"#);
    }

    #[test]
    fn hostile_spans_end() {
        let histogram = Histogram {
            positive_spans: vec![span(i32::MAX, u32::MAX), span(i32::MAX, u32::MAX)],
            positive_buckets: vec![1.0, 1.0],
            ..Histogram::default()
        };
        assert!(json(&histogram).starts_with('{'));
    }
}

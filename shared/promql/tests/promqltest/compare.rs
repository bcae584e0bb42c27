//! Whether an answer is the one that a script expects.

use crate::script::Eval;
use parapet_model::{Histogram, Labels, Series, Value, is_stale_nan};
use parapet_promql::{QueryValue, SequenceValue, VectorSample};

const EPSILON: f64 = 1e-6;

fn almost_equal(a: f64, b: f64) -> bool {
    if is_stale_nan(a) || is_stale_nan(b) {
        return is_stale_nan(a) && is_stale_nan(b);
    }
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

fn buckets(spans: &[parapet_model::Span], counts: &[f64]) -> Vec<(i32, f64)> {
    let (mut index, mut out, mut at) = (0, Vec::new(), 0);
    for span in spans {
        index += span.offset;
        for _ in 0..span.length {
            if counts[at] != 0.0 {
                out.push((index, counts[at]));
            }
            (index, at) = (index + 1, at + 1);
        }
    }
    out
}

fn same_histogram(want: &Histogram, got: &Histogram, hinted: bool) -> bool {
    let side = |a: Vec<(i32, f64)>, b: Vec<(i32, f64)>| {
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && almost_equal(a.1, b.1))
    };
    want.schema == got.schema
        && almost_equal(want.count, got.count)
        && almost_equal(want.sum, got.sum)
        && (!want.uses_custom_buckets() || want.custom_values == got.custom_values)
        && want.zero_threshold == got.zero_threshold
        && almost_equal(want.zero_count, got.zero_count)
        && side(
            buckets(&want.positive_spans, &want.positive_buckets),
            buckets(&got.positive_spans, &got.positive_buckets),
        )
        && side(
            buckets(&want.negative_spans, &want.negative_buckets),
            buckets(&got.negative_spans, &got.negative_buckets),
        )
        && (!hinted || want.counter_reset == got.counter_reset)
}

fn same_value(want: &SequenceValue, got: &Value) -> bool {
    match (want, got) {
        (SequenceValue::Float(want), Value::Float(got)) => almost_equal(*want, *got),
        (SequenceValue::Histogram(want, hinted), Value::Histogram(got)) => same_histogram(want, got, *hinted),
        _ => false,
    }
}

fn expected<'e>(eval: &'e Eval, labels: &Labels) -> Result<(usize, &'e [SequenceValue]), String> {
    let found = eval
        .expected
        .iter()
        .enumerate()
        .find(|(_, (expected, _))| expected == labels);
    found
        .map(|(at, (_, values))| (at, &values[..]))
        .ok_or_else(|| format!("unexpected metric {labels}"))
}

pub(crate) fn compare(eval: &Eval, value: &QueryValue) -> Result<(), String> {
    match value {
        QueryValue::Scalar { value, .. } => match eval.scalar {
            Some(want) if almost_equal(want, *value) => Ok(()),
            want => Err(format!("want {want:?}, got scalar {value}")),
        },
        QueryValue::String { value, .. } => {
            let want = eval.string.as_deref().unwrap_or_default();
            if want == value {
                Ok(())
            } else {
                Err(format!("want {want:?}, got {value:?}"))
            }
        }
        QueryValue::Vector(samples) => compare_vector(eval, samples),
        QueryValue::Matrix(series) => compare_matrix(eval, series),
    }
}

pub(crate) fn compare_vector(eval: &Eval, samples: &[VectorSample]) -> Result<(), String> {
    if eval.scalar.is_some() {
        return Err(format!("want a scalar, got {samples:?}"));
    }
    for (at, sample) in samples.iter().enumerate() {
        let (place, want) = expected(eval, &sample.labels).map_err(|error| format!("{error}: {:?}", sample.value))?;
        if eval.ordered && place != at {
            return Err(format!("{} must be at {place}, is at {at}", sample.labels));
        }
        if !same_value(&want[0], &sample.value) {
            return Err(format!("{}: want {:?}, got {:?}", sample.labels, want[0], sample.value));
        }
    }
    for (labels, values) in &eval.expected {
        if !samples.iter().any(|sample| sample.labels == *labels) {
            return Err(format!("{labels} with {values:?} is missing"));
        }
    }
    Ok(())
}

fn compare_matrix(eval: &Eval, series: &[Series]) -> Result<(), String> {
    if eval.ordered || eval.scalar.is_some() {
        return Err("got a matrix".to_owned());
    }
    if !series.is_sorted_by(|a, b| a.labels < b.labels) {
        return Err("series are not sorted, or not unique".to_owned());
    }
    for series in series {
        let (_, want) = expected(eval, &series.labels).map_err(|error| format!("{error}: {series:?}"))?;
        let mut got: Vec<(i64, Value)> = series
            .timestamps
            .iter()
            .copied()
            .zip(series.values.iter().map(|value| Value::Float(*value)))
            .collect();
        got.extend(
            series
                .histograms
                .iter()
                .map(|(time, histogram)| (*time, Value::Histogram(histogram.clone()))),
        );
        got.sort_by_key(|(time, _)| *time);
        let times = (0i64..).map(|at| eval.start_ms + at * eval.step_ms);
        let want: Vec<(i64, &SequenceValue)> = times
            .zip(want)
            .filter(|(_, value)| !matches!(value, SequenceValue::Omitted))
            .collect();
        let same = want.len() == got.len()
            && want
                .iter()
                .zip(&got)
                .all(|(want, got)| want.0 == got.0 && same_value(want.1, &got.1));
        if !same {
            return Err(format!("{}:\n  want {want:?}\n  got  {got:?}", series.labels));
        }
    }
    for (labels, values) in &eval.expected {
        if !series.iter().any(|series| series.labels == *labels) {
            return Err(format!("{labels} with {values:?} is missing"));
        }
    }
    Ok(())
}

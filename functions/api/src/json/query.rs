//! The value of a query: scalar, string, vector or matrix.

use super::histogram::write_histogram;
use super::{Object, write_array, write_float, write_string, write_timestamp};
use parapet_model::{Series, Value};
use parapet_promql::{QueryValue, VectorSample};

/// The word in `resultType`.
fn result_type(value: &QueryValue) -> &'static str {
    match value {
        QueryValue::Scalar { .. } => "scalar",
        QueryValue::String { .. } => "string",
        QueryValue::Vector(_) => "vector",
        QueryValue::Matrix(_) => "matrix",
    }
}

/// Writes the fields `resultType` and `result` (`web/api/v1/json_codec.go` of Prometheus).
pub(crate) fn write_query_value(object: &mut Object<'_>, value: &QueryValue) {
    object.string("resultType", result_type(value));
    let out = object.field("result");
    match value {
        QueryValue::Scalar { timestamp_ms, value } => {
            write_point(out, *timestamp_ms, |out| write_float(out, *value));
        }
        QueryValue::String { timestamp_ms, value } => {
            write_point(out, *timestamp_ms, |out| write_string(out, value));
        }
        QueryValue::Vector(samples) => write_array(out, samples, write_sample),
        QueryValue::Matrix(series) => write_array(out, series, write_series),
    }
}

fn write_point(out: &mut Vec<u8>, timestamp_ms: i64, value: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'[');
    write_timestamp(out, timestamp_ms);
    out.push(b',');
    value(out);
    out.push(b']');
}

fn write_sample(out: &mut Vec<u8>, sample: &VectorSample) {
    Object::write(out, |object| {
        object.labels("metric", &sample.labels);
        match &sample.value {
            Value::Float(value) => write_point(object.field("value"), sample.timestamp_ms, |out| {
                write_float(out, *value);
            }),
            Value::Histogram(histogram) => write_point(object.field("histogram"), sample.timestamp_ms, |out| {
                write_histogram(out, histogram);
            }),
        }
    });
}

fn write_series(out: &mut Vec<u8>, series: &Series) {
    Object::write(out, |object| {
        object.labels("metric", &series.labels);
        if !series.values.is_empty() {
            object.array(
                "values",
                series.timestamps.iter().zip(&series.values),
                |out, (at, value)| {
                    write_point(out, *at, |out| write_float(out, *value));
                },
            );
        }
        if !series.histograms.is_empty() {
            object.array("histograms", &series.histograms, |out, (at, histogram)| {
                write_point(out, *at, |out| write_histogram(out, histogram));
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::{Histogram, Labels};
    use std::sync::Arc;

    fn json(value: &QueryValue) -> String {
        let mut out = Vec::new();
        Object::write(&mut out, |object| write_query_value(object, value));
        String::from_utf8(out).unwrap()
    }

    fn histogram() -> Arc<Histogram> {
        Arc::new(Histogram {
            count: 1.0,
            sum: 2.0,
            ..Histogram::default()
        })
    }

    #[test]
    fn every_kind() {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "a")]);
        let cases = [
            (
                QueryValue::Scalar {
                    timestamp_ms: 1_500,
                    value: 1e-7,
                },
                r#"{"resultType":"scalar","result":[1.500,"1e-07"]}"#,
            ),
            (
                QueryValue::String {
                    timestamp_ms: 0,
                    value: "a\"b".to_owned(),
                },
                r#"{"resultType":"string","result":[0,"a\"b"]}"#,
            ),
            (QueryValue::Vector(vec![]), r#"{"resultType":"vector","result":[]}"#),
            (
                QueryValue::Vector(vec![
                    VectorSample {
                        labels: labels.clone(),
                        timestamp_ms: 1_000,
                        value: Value::Float(f64::NAN),
                    },
                    VectorSample {
                        labels: Labels::empty(),
                        timestamp_ms: 1_000,
                        value: Value::Histogram(histogram()),
                    },
                ]),
                concat!(
                    r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[1,"NaN"]},"#,
                    r#"{"metric":{},"histogram":[1,{"count":"1","sum":"2"}]}]}"#
                ),
            ),
            (
                QueryValue::Matrix(vec![Series {
                    labels,
                    timestamps: vec![1_000, 2_000],
                    values: vec![1.0, f64::INFINITY],
                    histograms: vec![(3_000, histogram())],
                }]),
                concat!(
                    r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a"},"#,
                    r#""values":[[1,"1"],[2,"+Inf"]],"histograms":[[3,{"count":"1","sum":"2"}]]}]}"#
                ),
            ),
        ];
        for (value, want) in cases {
            assert_eq!(json(&value), want);
        }
    }
}

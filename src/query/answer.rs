//! Answers of the API, in the form that tables and graphs are made from.

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A query's answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// A number or a text.
    Single(String),
    /// Series with their points; of an instant query one point each.
    Series { series: Vec<Series>, timed: bool },
}

/// Labels and points.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    /// In the order of time.
    pub(super) points: Vec<Point>,
}

/// A value at a time.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) time_ms: i64,
    /// As the server wrote it.
    pub(super) text: String,
    /// What is drawn of it: a histogram has none.
    pub(super) float: Option<f64>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Scalar((f64, String)),
    String((f64, String)),
    Vector(Vec<Sample>),
    Matrix(Vec<Sample>),
}

#[derive(Deserialize)]
struct Sample {
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    histogram: Option<(f64, Value)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Vec<(f64, Value)>,
}

impl Answer {
    /// Reads the `data` of `query` and `query_range`.
    pub(super) fn of(data: Value) -> anyhow::Result<Self> {
        let data: Data =
            serde_json::from_value(data).context("the server's answer is not one of the Prometheus API")?;
        Ok(match data {
            Data::Scalar((_, text)) | Data::String((_, text)) => Self::Single(text),
            Data::Vector(samples) => Self::Series {
                series: samples.into_iter().map(Series::of).collect(),
                timed: false,
            },
            Data::Matrix(samples) => Self::Series {
                series: samples.into_iter().map(Series::of).collect(),
                timed: true,
            },
        })
    }

    /// Reads the `data` of `series`: labels alone.
    pub(super) fn of_series(data: Value) -> anyhow::Result<Self> {
        let labels: Vec<BTreeMap<String, String>> =
            serde_json::from_value(data).context("the server's answer is not one of the Prometheus API")?;
        let series = labels.into_iter().map(|labels| Series {
            labels,
            points: Vec::new(),
        });
        Ok(Self::Series {
            series: series.collect(),
            timed: false,
        })
    }
}

impl Series {
    fn of(sample: Sample) -> Self {
        let floats = sample.value.into_iter().chain(sample.values);
        let histograms = sample.histogram.into_iter().chain(sample.histograms);
        let mut points: Vec<Point> = floats
            .map(|(seconds, text)| Point {
                time_ms: milliseconds(seconds),
                float: parapet_model::parse_float(&text),
                text,
            })
            .chain(histograms.map(|(seconds, histogram)| Point {
                time_ms: milliseconds(seconds),
                text: describe(&histogram),
                float: None,
            }))
            .collect();
        points.sort_by_key(|point| point.time_ms);
        Self {
            labels: sample.metric,
            points,
        }
    }

    /// The series in PromQL's notation.
    pub(super) fn name(&self) -> String {
        let pairs = self.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
        parapet_model::Labels::from_pairs(pairs).to_string()
    }
}

#[allow(clippy::cast_possible_truncation)] // the API's own milliseconds
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// A histogram as PromQL's expression browser prints one: `{count:3, sum:4.5, (0.5,1]:3}`.
fn describe(histogram: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut parts = vec![
        format!("count:{}", text(&histogram["count"])),
        format!("sum:{}", text(&histogram["sum"])),
    ];
    for bucket in histogram["buckets"].as_array().into_iter().flatten() {
        let (open, close) = match bucket[0].as_u64() {
            Some(0) => ('(', ']'),
            Some(1) => ('[', ')'),
            Some(2) => ('(', ')'),
            _ => ('[', ']'),
        };
        let (low, high, count) = (text(&bucket[1]), text(&bucket[2]), text(&bucket[3]));
        parts.push(format!("{open}{low},{high}{close}:{count}"));
    }
    format!("{{{}}}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_of_data() {
        let scalar = Answer::of(json!({"resultType": "scalar", "result": [1.5, "NaN"]})).unwrap();
        assert!(matches!(scalar, Answer::Single(text) if text == "NaN"));
        let matrix = json!({"resultType": "matrix", "result": [{
            "metric": {"__name__": "up", "job": "a"},
            "values": [[2.0, "1"]],
            "histograms": [[1.001, {"count": "3", "sum": "4.5", "buckets": [[0, "0.5", "1", "3"]]}]],
        }]});
        let Answer::Series { series, timed } = Answer::of(matrix).unwrap() else {
            panic!("series")
        };
        assert!(timed);
        assert_eq!(series[0].name(), r#"up{job="a"}"#);
        let points: Vec<_> = series[0]
            .points
            .iter()
            .map(|point| (point.time_ms, &point.text[..], point.float))
            .collect();
        assert_eq!(
            points,
            [(1001, "{count:3, sum:4.5, (0.5,1]:3}", None), (2000, "1", Some(1.0))]
        );
        assert!(Answer::of(json!({"resultType": "streams", "result": []})).is_err());
    }
}

//! Samples as a test writes and compares them.

use crate::memory::buckets;
use parapet_model::{CounterReset, Histogram, Labels, Span, Value};
use parapet_promql::{SequenceValue, parse_selector, parse_series_description};
use std::cmp::Ordering;
use std::fmt;

/// A sample of an expression: a float, or a histogram in the notation of tests.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ShownSample {
    pub(super) labels: Labels,
    pub(super) value: ShownValue,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum ShownValue {
    Float(f64),
    Histogram(String),
}

impl ShownSample {
    pub(super) fn new(labels: Labels, value: &Value) -> Self {
        let value = match value {
            Value::Float(value) => ShownValue::Float(*value),
            Value::Histogram(histogram) => ShownValue::Histogram(describe(histogram)),
        };
        Self { labels, value }
    }

    /// Reads what a test expects.
    pub(super) fn parse(labels: &str, value: f64, histogram: &str) -> Result<Self, String> {
        let fail = |error: String| format!("labels {}: {error}", parapet_model::quote(labels));
        let value = if histogram.is_empty() {
            ShownValue::Float(value)
        } else {
            let series =
                parse_series_description(&format!("{{}} {histogram}")).map_err(|error| fail(error.to_string()))?;
            match &series.values[..] {
                [SequenceValue::Histogram(histogram, _)] => ShownValue::Histogram(describe(histogram)),
                [other] => return Err(fail(format!("expected histogram, got {other:?}"))),
                values => return Err(fail(format!("expected 1 value, got {}", values.len()))),
            }
        };
        Ok(Self {
            labels: parse_labels(labels).map_err(fail)?,
            value,
        })
    }

    /// Whether two samples are the same; `is_fuzzy` forgives a difference in the last bit.
    pub(super) fn agrees(&self, other: &Self, is_fuzzy: bool) -> bool {
        let is_same_value = match (&self.value, &other.value) {
            (ShownValue::Float(a), ShownValue::Float(b)) => {
                a == b || (is_fuzzy && (a.next_down() == *b || a.next_up() == *b))
            }
            (a, b) => a == b,
        };
        self.labels == other.labels && is_same_value
    }

    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.labels.cmp(&other.labels)
    }
}

impl fmt::Display for ShownSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            ShownValue::Float(value) => write!(f, "{} {}", show_labels(&self.labels), scientific(*value)),
            ShownValue::Histogram(text) => write!(f, "{} {text}", show_labels(&self.labels)),
        }
    }
}

/// `labels.Labels.String` of Prometheus: the metric's name is a label as any other.
pub(super) fn show_labels(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| {
            let value = parapet_model::quote(value);
            if parapet_model::is_legacy_label_name(name) {
                format!("{name}={value}")
            } else {
                format!("{}={value}", parapet_model::quote(name))
            }
        })
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

/// `strconv.FormatFloat(value, 'E', -1, 64)` of Go.
fn scientific(value: f64) -> String {
    if !value.is_finite() {
        return parapet_model::format_float(value);
    }
    let text = format!("{value:E}");
    let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}E{sign}{digits:0>2}")
}

/// The labels of a metric as it is written: `up{job="x"}`; empty for none.
fn parse_labels(text: &str) -> Result<Labels, String> {
    if text.trim().is_empty() {
        return Ok(Labels::empty());
    }
    if text.trim() == "{}" {
        return Ok(Labels::empty());
    }
    let matchers = parse_selector(text).map_err(|error| error.to_string())?;
    if let Some(other) = matchers.iter().find(|m| m.op != parapet_model::MatchOp::Equal) {
        return Err(format!("{} in a label set, expected =", other.op.as_str()));
    }
    Ok(Labels::from_pairs(
        matchers.into_iter().map(|matcher| (matcher.name, matcher.value)),
    ))
}

/// A histogram in the notation of tests (`FloatHistogram.TestExpression` of Prometheus).
fn describe(histogram: &Histogram) -> String {
    let number = parapet_model::format_float;
    let mut parts = Vec::new();
    if histogram.schema != 0 {
        parts.push(format!("schema:{}", histogram.schema));
    }
    for (name, value) in [
        ("count", histogram.count),
        ("sum", histogram.sum),
        ("z_bucket", histogram.zero_count),
        ("z_bucket_w", histogram.zero_threshold),
    ] {
        if value != 0.0 {
            parts.push(format!("{name}:{}", number(value)));
        }
    }
    if histogram.uses_custom_buckets() {
        let bounds: Vec<String> = histogram.custom_values.iter().map(|bound| number(*bound)).collect();
        parts.push(format!("custom_values:[{}]", bounds.join(" ")));
    }
    match histogram.counter_reset {
        CounterReset::Unknown => {}
        CounterReset::Reset => parts.push("counter_reset_hint:reset".to_owned()),
        CounterReset::NotReset => parts.push("counter_reset_hint:not_reset".to_owned()),
        CounterReset::Gauge => parts.push("counter_reset_hint:gauge".to_owned()),
    }
    let sides = [
        (
            "offset",
            "buckets",
            &histogram.positive_spans,
            &histogram.positive_buckets,
        ),
        (
            "n_offset",
            "n_buckets",
            &histogram.negative_spans,
            &histogram.negative_buckets,
        ),
    ];
    for (offset_name, name, spans, counts) in sides {
        let (offset, counts) = compact(spans, counts);
        if counts.is_empty() {
            continue;
        }
        if offset != 0 {
            parts.push(format!("{offset_name}:{offset}"));
        }
        let counts: Vec<String> = counts.iter().map(|count| number(*count)).collect();
        parts.push(format!("{name}:[{}]", counts.join(" ")));
    }
    format!("{{{{{}}}}}", parts.join(" "))
}

/// The buckets in one run, gaps as zeros, without zeros at either end, and the index of the first.
fn compact(spans: &[Span], counts: &[f64]) -> (i32, Vec<f64>) {
    let filled: Vec<(i32, f64)> = buckets(spans, counts).filter(|(_, count)| *count != 0.0).collect();
    let (Some((first, _)), Some((last, _))) = (filled.first(), filled.last()) else {
        return (0, Vec::new());
    };
    let width = usize::try_from(last - first).unwrap_or_default() + 1;
    let mut run = vec![0.0; width];
    for (index, count) in &filled {
        run[usize::try_from(index - first).unwrap_or_default()] = *count;
    }
    (*first, run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        let shown = [1.0, 0.0, -2.5e-7, 1e100, 60.0, f64::INFINITY].map(scientific);
        assert_eq!(shown, ["1E+00", "0E+00", "-2.5E-07", "1E+100", "6E+01", "+Inf"]);
    }

    #[test]
    fn histograms_come_back_as_they_were_written() {
        for text in [
            "{{schema:1 count:32.1 sum:-0.3 z_bucket:7.1 z_bucket_w:0.05 offset:-3 buckets:[5.1 10 7] n_offset:-5 n_buckets:[4.1 5]}}",
            "{{count:2 sum:3 counter_reset_hint:not_reset buckets:[2]}}",
            "{{schema:-53 count:3 sum:4 custom_values:[1 5] buckets:[1 0 2]}}",
        ] {
            let parsed = ShownSample::parse("", 0.0, text).unwrap();
            assert_eq!(parsed.value, ShownValue::Histogram(text.to_owned()));
        }
        assert!(ShownSample::parse("", 0.0, "1 2").is_err());
    }
}

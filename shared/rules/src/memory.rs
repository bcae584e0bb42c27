//! [`MemorySeries`]: series in memory, kept as Prometheus' storage keeps them.

use crate::answer::{Source, cut};
use parapet_model::{CounterReset, Histogram, Labels, Matcher, Series, Span, Value, is_stale_nan};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Series by metric name. For unit tests and replays: small, and all of it at hand.
#[derive(Clone, Debug, Default)]
pub struct MemorySeries(BTreeMap<String, BTreeMap<Labels, Series>>);

impl MemorySeries {
    /// Adds a sample to a series. One that is not after the series' last is left out, as the storage refuses it.
    pub fn push(&mut self, labels: &Labels, at_ms: i64, value: &Value) {
        let name = labels.metric_name().unwrap_or_default();
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), BTreeMap::new());
        }
        let Some(metric) = self.0.get_mut(name) else { return };
        let series = metric.entry(labels.clone()).or_insert_with(|| Series {
            labels: labels.clone(),
            ..Series::default()
        });
        let last_float = series.timestamps.last().copied().unwrap_or(i64::MIN);
        let last_histogram = series.histograms.last();
        let last_ms = last_histogram.map_or(last_float, |(at_ms, _)| last_float.max(*at_ms));
        if at_ms <= last_ms {
            return;
        }
        match value {
            Value::Float(value) => {
                series.timestamps.push(at_ms);
                series.values.push(*value);
            }
            Value::Histogram(histogram) => {
                let before = last_histogram.filter(|(at_ms, _)| *at_ms > last_float);
                let hint = hint(before.map(|(_, before)| before.as_ref()), histogram);
                let histogram = Histogram {
                    counter_reset: hint,
                    ..(**histogram).clone()
                };
                series.histograms.push((at_ms, Arc::new(histogram)));
            }
        }
    }

    /// Forgets samples before a time, and series that have no others.
    pub fn forget_before(&mut self, start_ms: i64) {
        for metric in self.0.values_mut() {
            metric.retain(|_, series| match cut(series, start_ms, i64::MAX) {
                Some(rest) => {
                    *series = rest;
                    true
                }
                None => false,
            });
        }
    }
}

impl Source for MemorySeries {
    fn select(&mut self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        let names: Vec<&Matcher> = matchers.iter().filter(|matcher| matcher.name == "__name__").collect();
        let mut found: Vec<Series> = self
            .0
            .iter()
            .filter(|(metric, _)| names.iter().all(|name| name.matches(metric)))
            .flat_map(|(_, metric)| metric.values())
            .filter(|series| matchers.iter().all(|matcher| matcher.matches_labels(&series.labels)))
            .filter_map(|series| cut(series, start_ms, end_ms))
            .collect();
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(found)
    }
}

/// The hint that Prometheus' storage reads a histogram with: within a chunk there is no reset, and what comes before
/// a chunk is not known.
fn hint(before: Option<&Histogram>, histogram: &Histogram) -> CounterReset {
    if histogram.counter_reset == CounterReset::Gauge {
        CounterReset::Gauge
    } else if before.is_some_and(|before| continues(before, histogram)) {
        CounterReset::NotReset
    } else {
        CounterReset::Unknown
    }
}

/// Whether a counter histogram goes into the chunk of the one before.
fn continues(before: &Histogram, histogram: &Histogram) -> bool {
    if before.counter_reset == CounterReset::Gauge || histogram.counter_reset == CounterReset::Reset {
        return false;
    }
    if is_stale_nan(before.sum) || is_stale_nan(histogram.sum) {
        return is_stale_nan(histogram.sum) && !is_stale_nan(before.sum);
    }
    #[allow(clippy::float_cmp)] // Layouts are the same or not.
    let is_same_layout = before.schema == histogram.schema
        && before.zero_threshold == histogram.zero_threshold
        && before.custom_values == histogram.custom_values;
    is_same_layout
        && histogram.count >= before.count
        && histogram.zero_count >= before.zero_count
        && grows(
            (&before.positive_spans, &before.positive_buckets),
            (&histogram.positive_spans, &histogram.positive_buckets),
        )
        && grows(
            (&before.negative_spans, &before.negative_buckets),
            (&histogram.negative_spans, &histogram.negative_buckets),
        )
}

/// Whether no bucket has less than before.
fn grows(before: (&[Span], &[f64]), after: (&[Span], &[f64])) -> bool {
    let after: BTreeMap<i32, f64> = buckets(after.0, after.1).collect();
    buckets(before.0, before.1).all(|(index, count)| after.get(&index).copied().unwrap_or_default() >= count)
}

/// Buckets by their index.
pub(crate) fn buckets<'a>(spans: &'a [Span], counts: &'a [f64]) -> impl Iterator<Item = (i32, f64)> + 'a {
    let mut next = 0i32;
    let indexes = spans.iter().flat_map(move |span| {
        let first = next.wrapping_add(span.offset);
        next = first.wrapping_add_unsigned(span.length);
        first..next
    });
    indexes.zip(counts.iter().copied())
}

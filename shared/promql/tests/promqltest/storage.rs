//! What the scripts load, kept as Prometheus' storage would answer it.

use crate::script::Load;
use parapet_model::{CounterReset, Histogram, Labels, LabelsBuilder, Series, Span, Value, is_stale_nan};
use parapet_promql::{Selector, SequenceValue, StartTimestamps};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone)]
struct Stored {
    value: Value,
    start: i64,
}

#[derive(Default)]
pub(crate) struct Storage {
    series: BTreeMap<Labels, BTreeMap<i64, Stored>>,
}

impl Storage {
    pub(crate) fn load(&mut self, load: &Load) {
        for (description, starts) in &load.series {
            let series = self.series.entry(description.labels.clone()).or_default();
            let mut time = 0;
            for (at, value) in description.values.iter().enumerate() {
                let value = match value {
                    SequenceValue::Omitted => None,
                    SequenceValue::Float(value) => Some(Value::Float(*value)),
                    SequenceValue::Histogram(histogram, _) => Some(Value::Histogram(Arc::clone(histogram))),
                };
                if let Some(value) = value {
                    let start = starts.get(at).copied().flatten().map_or(0, |start| time + start);
                    series.insert(time, Stored { value, start });
                }
                time += load.gap_ms;
            }
        }
        if load.with_nhcb {
            self.load_custom_histograms(load);
        }
    }

    /// Classic histograms, once more as native histograms with custom buckets.
    fn load_custom_histograms(&mut self, load: &Load) {
        #[derive(Default)]
        struct Parts {
            buckets: Vec<(f64, f64)>,
            count: Option<f64>,
            sum: f64,
        }
        let mut parts: BTreeMap<Labels, BTreeMap<i64, Parts>> = BTreeMap::new();
        for (description, _) in &load.series {
            let name = description.labels.metric_name().unwrap_or_default();
            let Some((base, suffix)) = name.rsplit_once('_') else {
                continue;
            };
            if !["bucket", "count", "sum"].contains(&suffix) {
                continue;
            }
            let bound = description.labels.get("le").and_then(parapet_model::parse_float);
            let mut labels = LabelsBuilder::from(&description.labels);
            labels.set("__name__", base);
            labels.remove("le");
            let of_series = parts.entry(labels.build()).or_default();
            let mut time = 0;
            for value in &description.values {
                if let SequenceValue::Float(value) = value {
                    let parts = of_series.entry(time).or_default();
                    match (suffix, bound) {
                        ("bucket", Some(bound)) if !bound.is_nan() => parts.buckets.push((bound, *value)),
                        ("count", _) => parts.count = Some(*value),
                        ("sum", _) => parts.sum = *value,
                        _ => {}
                    }
                }
                time += load.gap_ms;
            }
        }
        for (labels, times) in parts {
            for (time, mut parts) in times {
                parts.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                parts.buckets.dedup_by(|a, b| a.0 == b.0);
                let count = parts
                    .count
                    .or(parts.buckets.last().map(|(_, count)| *count))
                    .unwrap_or_default();
                if parts.buckets.last().is_none_or(|(bound, _)| *bound != f64::INFINITY) {
                    parts.buckets.push((f64::INFINITY, count));
                }
                let mut before = 0.0;
                let mut buckets = Vec::new();
                for (_, count) in &parts.buckets {
                    buckets.push(count - before);
                    before = *count;
                }
                let histogram = Histogram {
                    schema: -53,
                    count,
                    sum: parts.sum,
                    custom_values: parts.buckets[..parts.buckets.len() - 1]
                        .iter()
                        .map(|(bound, _)| *bound)
                        .collect(),
                    positive_spans: vec![Span {
                        offset: 0,
                        length: u32::try_from(buckets.len()).unwrap(),
                    }],
                    positive_buckets: buckets,
                    ..Histogram::default()
                };
                let stored = Stored {
                    value: Value::Histogram(Arc::new(histogram)),
                    start: 0,
                };
                self.series.entry(labels.clone()).or_default().insert(time, stored);
            }
        }
    }

    pub(crate) fn select(&self, selector: &Selector) -> (Vec<Series>, Vec<StartTimestamps>) {
        let mut answer = (Vec::new(), Vec::new());
        for (labels, samples) in &self.series {
            if !selector.matchers.iter().all(|matcher| matcher.matches_labels(labels)) {
                continue;
            }
            let mut series = Series {
                labels: labels.clone(),
                ..Series::default()
            };
            let mut starts = StartTimestamps::default();
            for (time, sample) in with_hints(samples) {
                if time < selector.start_ms || time > selector.end_ms {
                    continue;
                }
                match sample.value {
                    Value::Float(value) => {
                        series.timestamps.push(time);
                        series.values.push(value);
                        starts.floats.push(sample.start);
                    }
                    Value::Histogram(histogram) => {
                        series.histograms.push((time, histogram));
                        starts.histograms.push(sample.start);
                    }
                }
            }
            if !series.timestamps.is_empty() || !series.histograms.is_empty() {
                answer.0.push(series);
                answer.1.push(starts);
            }
        }
        answer
    }
}

/// Gives histograms the hints that Prometheus' storage reads them with: within a chunk there is no reset, and what
/// comes before a chunk is not known.
fn with_hints(samples: &BTreeMap<i64, Stored>) -> Vec<(i64, Stored)> {
    let mut before: Option<Arc<Histogram>> = None;
    samples
        .iter()
        .map(|(time, sample)| {
            let Value::Histogram(histogram) = &sample.value else {
                before = None;
                return (*time, sample.clone());
            };
            let gauge = histogram.counter_reset == CounterReset::Gauge;
            let continues = before.as_ref().is_some_and(|before| continues(before, histogram));
            let hint = match (gauge, continues) {
                (true, _) => CounterReset::Gauge,
                (false, true) => CounterReset::NotReset,
                (false, false) => CounterReset::Unknown,
            };
            before = Some(Arc::clone(histogram));
            let histogram = Arc::new(Histogram {
                counter_reset: hint,
                ..(**histogram).clone()
            });
            (
                *time,
                Stored {
                    value: Value::Histogram(histogram),
                    start: sample.start,
                },
            )
        })
        .collect()
}

/// Whether a histogram goes into the chunk of the one before.
fn continues(before: &Histogram, histogram: &Histogram) -> bool {
    let gauge = |histogram: &Histogram| histogram.counter_reset == CounterReset::Gauge;
    if gauge(before) != gauge(histogram) || histogram.counter_reset == CounterReset::Reset {
        return false;
    }
    if is_stale_nan(before.sum) || is_stale_nan(histogram.sum) {
        return is_stale_nan(histogram.sum) && !is_stale_nan(before.sum);
    }
    before.schema == histogram.schema
        && before.zero_threshold == histogram.zero_threshold
        && before.custom_values == histogram.custom_values
        && histogram.count >= before.count
        && histogram.zero_count >= before.zero_count
        && grows(
            &before.positive_spans,
            &before.positive_buckets,
            &histogram.positive_spans,
            &histogram.positive_buckets,
        )
        && grows(
            &before.negative_spans,
            &before.negative_buckets,
            &histogram.negative_spans,
            &histogram.negative_buckets,
        )
}

fn grows(before: &[Span], before_counts: &[f64], after: &[Span], after_counts: &[f64]) -> bool {
    let flat = |spans: &[Span], counts: &[f64]| {
        let (mut index, mut flat, mut at) = (0, BTreeMap::new(), 0);
        for span in spans {
            index += span.offset;
            for _ in 0..span.length {
                flat.insert(index, counts[at]);
                (index, at) = (index + 1, at + 1);
            }
        }
        flat
    };
    let after = flat(after, after_counts);
    flat(before, before_counts)
        .iter()
        .all(|(index, count)| after.get(index).copied().unwrap_or_default() >= *count)
}

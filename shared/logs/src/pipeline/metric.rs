//! Metrics made of lines: counters and histograms.

use crate::filter::Filter;
use crate::{LogRecord, parse_quantity};
use parapet_model::{Labels, LabelsBuilder, METRIC_NAME};
use std::collections::BTreeMap;

/// A rule that makes a metric of lines.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) filter: Filter,
    /// The field whose number is counted; lines are counted where there is none.
    pub(super) value: Option<String>,
    /// Upper bounds of a histogram's buckets, ascending, without infinity; none for a counter.
    pub(super) buckets: Option<Vec<f64>>,
    /// Label, then the field that it is taken from.
    pub(super) labels: Vec<(String, String)>,
}

/// What a rule observed in one batch for one series. It is an increase, not a total: who stores it adds it up.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The labels, `__name__` included (without `_bucket`, `_sum`, `_count`).
    pub labels: Labels,
    /// The time of the last line that was observed, nanoseconds since the Unix epoch.
    pub timestamp_ns: i64,
    /// What was observed.
    pub kind: MetricKind,
}

/// What was observed.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricKind {
    /// By how much the counter rose.
    Counter(f64),
    /// What a histogram took in.
    Histogram {
        /// Upper bounds of the buckets, ascending, without infinity.
        bounds: Vec<f64>,
        /// Observations up to each bound, not cumulative; the last is for all above the last bound.
        counts: Vec<u64>,
        /// Their sum.
        sum: f64,
    },
}

/// The most series that one batch may make; what is beyond is counted in a series without labels.
const MAX_SERIES: usize = 10_000;

/// Observations of a batch.
#[derive(Debug, Default)]
pub(super) struct Observed {
    series: BTreeMap<Labels, Observation>,
}

impl Observed {
    pub(super) fn observe(&mut self, rule: &Rule, record: &LogRecord) {
        if !rule.filter.matches(record) {
            return;
        }
        let value = match &rule.value {
            None => 1.0,
            Some(field) => match record.field(field).and_then(parse_quantity) {
                // A counter never falls.
                Some(value) if rule.buckets.is_some() || value >= 0.0 => value,
                _ => return,
            },
        };
        let mut labels = LabelsBuilder::default();
        labels.set(METRIC_NAME, rule.name.as_str());
        for (label, field) in &rule.labels {
            if let Some(value) = record.field(field) {
                labels.set(label, value);
            }
        }
        let mut labels = labels.build();
        if self.series.len() >= MAX_SERIES && !self.series.contains_key(&labels) {
            labels = Labels::from_pairs([(METRIC_NAME, rule.name.as_str())]);
        }
        let observation = self.series.entry(labels.clone()).or_insert_with(|| Observation {
            labels,
            timestamp_ns: i64::MIN,
            kind: match &rule.buckets {
                None => MetricKind::Counter(0.0),
                Some(bounds) => MetricKind::Histogram {
                    counts: vec![0; bounds.len() + 1],
                    bounds: bounds.clone(),
                    sum: 0.0,
                },
            },
        });
        observation.timestamp_ns = observation.timestamp_ns.max(record.timestamp_ns);
        match &mut observation.kind {
            MetricKind::Counter(total) => *total += value,
            MetricKind::Histogram { bounds, counts, sum } => {
                counts[bounds.partition_point(|bound| *bound < value)] += 1;
                *sum += value;
            }
        }
    }

    pub(super) fn finish(self) -> Vec<Observation> {
        self.series.into_values().collect()
    }
}

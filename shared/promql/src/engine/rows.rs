//! What nodes evaluate to: rows of values over the steps.

use crate::query::VectorSample;
use parapet_model::{Histogram, Labels, METRIC_NAME, Series, Value as SampleValue, is_legacy_label_name, quote};
use std::sync::Arc;

/// The bits that stand for "no value here". A signalling NaN: no arithmetic produces one, and samples that carry
/// these bits by chance are turned into ordinary NaN where they are read.
const ABSENT_BITS: u64 = 0x7ff0_0000_0000_0bad;

/// The absent value.
pub(crate) const ABSENT: f64 = f64::from_bits(ABSENT_BITS);

/// Whether `value` is [`ABSENT`].
#[inline]
pub(crate) fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT_BITS
}

/// A sample as it was stored, safe to stand in a [`Row`].
#[inline]
pub(crate) fn stored(value: f64) -> f64 {
    if is_absent(value) { f64::NAN } else { value }
}

/// The times of an evaluation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Above zero.
    pub(crate) step: i64,
}

impl Grid {
    /// How many steps there are.
    pub(crate) fn len(&self) -> usize {
        if self.end < self.start {
            return 0;
        }
        let steps = self.end.abs_diff(self.start) / self.step.unsigned_abs();
        usize::try_from(steps).map_or(usize::MAX, |steps| steps.saturating_add(1))
    }

    pub(crate) fn time(&self, step: usize) -> i64 {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        self.start.saturating_add(step.saturating_mul(self.step))
    }

    /// The first step alone.
    pub(crate) fn first(&self) -> Self {
        Self {
            end: self.start,
            ..*self
        }
    }

    /// Whether there is one step by definition: the order of rows then matters.
    pub(crate) fn is_single(&self) -> bool {
        self.start == self.end
    }
}

/// One series over all steps.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) labels: Labels,
    /// Whether the metric's name is to be taken away at the end.
    pub(crate) drop_name: bool,
    /// A value for each step, or [`ABSENT`].
    pub(crate) floats: Vec<f64>,
    /// Empty, or an entry for each step. No step has both a float and a histogram.
    pub(crate) histograms: Vec<Option<Arc<Histogram>>>,
}

/// A row's value at a step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Point<'a> {
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

/// A computed value.
#[derive(Clone, Debug)]
pub(crate) enum Computed {
    Float(f64),
    Histogram(Arc<Histogram>),
}

impl From<Point<'_>> for Computed {
    fn from(point: Point<'_>) -> Self {
        match point {
            Point::Float(value) => Self::Float(value),
            Point::Histogram(histogram) => Self::Histogram(Arc::clone(histogram)),
        }
    }
}

impl Row {
    /// A row without values.
    pub(crate) fn new(labels: Labels, drop_name: bool, steps: usize) -> Self {
        Self {
            labels,
            drop_name,
            floats: vec![ABSENT; steps],
            histograms: Vec::new(),
        }
    }

    pub(crate) fn get(&self, step: usize) -> Option<Point<'_>> {
        let value = self.floats[step];
        if !is_absent(value) {
            return Some(Point::Float(value));
        }
        self.histograms.get(step)?.as_ref().map(Point::Histogram)
    }

    pub(crate) fn set(&mut self, step: usize, value: Computed) {
        match value {
            Computed::Float(value) => self.floats[step] = value,
            Computed::Histogram(histogram) => self.set_histogram(step, histogram),
        }
    }

    pub(crate) fn set_histogram(&mut self, step: usize, histogram: Arc<Histogram>) {
        if self.histograms.is_empty() {
            self.histograms.resize(self.floats.len(), None);
        }
        self.histograms[step] = Some(histogram);
    }

    pub(crate) fn has_histograms(&self) -> bool {
        !self.histograms.is_empty()
    }

    /// Whether no step has a value.
    pub(crate) fn is_empty(&self) -> bool {
        self.floats.iter().all(|value| is_absent(*value)) && self.histograms.iter().all(Option::is_none)
    }

    /// How many samples the row counts for.
    pub(crate) fn sample_count(&self) -> usize {
        let floats = self.floats.iter().filter(|value| !is_absent(**value)).count();
        floats
            + self
                .histograms
                .iter()
                .flatten()
                .map(|histogram| histogram_samples(histogram))
                .sum::<usize>()
    }

    /// The metric's name, empty where there is none.
    pub(crate) fn metric_name(&self) -> &str {
        self.labels.metric_name().unwrap_or_default()
    }

    /// The row as a series with the times of its steps.
    pub(crate) fn into_series(self, grid: &Grid) -> Series {
        let mut series = Series {
            labels: self.labels,
            ..Series::default()
        };
        let count = self.floats.iter().filter(|value| !is_absent(**value)).count();
        series.timestamps.reserve_exact(count);
        series.values.reserve_exact(count);
        for (step, value) in self.floats.iter().enumerate().filter(|(_, value)| !is_absent(**value)) {
            series.timestamps.push(grid.time(step));
            series.values.push(*value);
        }
        for (step, histogram) in self.histograms.into_iter().enumerate() {
            series
                .histograms
                .extend(histogram.map(|histogram| (grid.time(step), histogram)));
        }
        series
    }

    /// The row's value at the first step.
    pub(crate) fn into_sample(self, timestamp_ms: i64) -> Option<VectorSample> {
        let value = match self.get(0)? {
            Point::Float(value) => SampleValue::Float(value),
            Point::Histogram(histogram) => SampleValue::Histogram(Arc::clone(histogram)),
        };
        Some(VectorSample {
            labels: self.labels,
            timestamp_ms,
            value,
        })
    }
}

/// How many samples a histogram counts for: its size over that of a float sample, as in Prometheus.
pub(crate) fn histogram_samples(histogram: &Histogram) -> usize {
    let numbers = histogram.positive_spans.len()
        + histogram.negative_spans.len()
        + histogram.positive_buckets.len()
        + histogram.negative_buckets.len()
        + histogram.custom_values.len();
    (168 + 8 * numbers + 8) / 16
}

/// Whether a label tells of the metric, not of the series: dropped with the name.
pub(crate) fn is_metadata(label: &str) -> bool {
    matches!(label, METRIC_NAME | "__type__" | "__unit__")
}

/// The labels without the metric's name, type and unit.
pub(crate) fn without_metadata(labels: &Labels) -> Labels {
    if labels.iter().any(|(name, _)| is_metadata(name)) {
        labels.without(is_metadata)
    } else {
        labels.clone()
    }
}

/// Appends a label to a key that tells label sets apart.
pub(crate) fn push_label(key: &mut Vec<u8>, name: &str, value: &str) {
    for text in [name, value] {
        key.extend_from_slice(&text.len().to_le_bytes());
        key.extend_from_slice(text.as_bytes());
    }
}

/// The labels as Prometheus' errors print them: the name in braces too.
pub(crate) fn in_braces(labels: &Labels) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| {
            let name = if is_legacy_label_name(name) {
                name.to_owned()
            } else {
                quote(name)
            };
            format!("{name}={}", quote(value))
        })
        .collect();
    format!("{{{}}}", labels.join(", "))
}

/// What a node evaluates to.
#[derive(Debug)]
pub(crate) enum Evaluated {
    /// A value for each step.
    Scalar(Vec<f64>),
    Vector(Vec<Row>),
    /// A range vector, at the first step.
    Matrix(Vec<Series>),
    Text(String),
}

//! What is refused at the door of the store, and why. Reasons are counted, never silent.

use parapet_model::{BatchSeries, Exemplar, Histogram, Labels, Sample, Span, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Limits on what is stored.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Labels of a series, `__name__` included.
    pub max_labels: usize,
    /// Bytes of a label's name.
    pub max_label_name_bytes: usize,
    /// Bytes of a label's value.
    pub max_label_value_bytes: usize,
    /// A sample this much older than now is refused. Longer than queues keep messages (4 days), so that no
    /// delay makes a sample too old.
    pub max_age_ms: i64,
    /// A sample this far in the future is refused: a clock is wrong.
    pub max_future_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_labels: 128,
            max_label_name_bytes: 1024,
            max_label_value_bytes: 8192,
            max_age_ms: 7 * crate::day::DAY_MS,
            max_future_ms: 10 * 60_000,
        }
    }
}

/// Why samples or exemplars were not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// The series has no labels at all.
    NoLabels,
    /// More labels than `max_labels`.
    TooManyLabels,
    /// A label's name is longer than `max_label_name_bytes`.
    LabelNameTooLong,
    /// A label's value is longer than `max_label_value_bytes`.
    LabelValueTooLong,
    /// Older than `max_age_ms`.
    TooOld,
    /// Further ahead than `max_future_ms`.
    TooFarInFuture,
    /// A native histogram whose spans and buckets do not fit together.
    InvalidHistogram,
    /// An exemplar with labels of more than 128 characters.
    ExemplarLabelsTooLong,
}

impl Refusal {
    /// The word for the metric's `reason` label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoLabels => "no_labels",
            Self::TooManyLabels => "too_many_labels",
            Self::LabelNameTooLong => "label_name_too_long",
            Self::LabelValueTooLong => "label_value_too_long",
            Self::TooOld => "too_old",
            Self::TooFarInFuture => "too_far_in_future",
            Self::InvalidHistogram => "invalid_histogram",
            Self::ExemplarLabelsTooLong => "exemplar_labels_too_long",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many samples and exemplars were refused for what.
pub type Refusals = BTreeMap<Refusal, u64>;

impl Limits {
    /// Why a series cannot be stored; `None` where it can.
    #[must_use]
    pub fn refuse_series(&self, series: &BatchSeries) -> Option<Refusal> {
        self.refuse_labels(&series.labels)
    }

    pub(crate) fn refuse_labels(&self, labels: &Labels) -> Option<Refusal> {
        let mut count = 0;
        for (name, value) in labels.iter_bytes() {
            count += 1;
            if name.len() > self.max_label_name_bytes {
                return Some(Refusal::LabelNameTooLong);
            }
            if value.len() > self.max_label_value_bytes {
                return Some(Refusal::LabelValueTooLong);
            }
        }
        match count {
            0 => Some(Refusal::NoLabels),
            count if count > self.max_labels => Some(Refusal::TooManyLabels),
            _ => None,
        }
    }

    /// Why a sample cannot be stored at `now_ms`; `None` where it can.
    #[must_use]
    pub fn refuse_sample(&self, sample: &Sample, now_ms: i64) -> Option<Refusal> {
        self.refuse_time(sample.timestamp_ms, now_ms).or(match &sample.value {
            Value::Histogram(histogram) if !fits_together(histogram) => Some(Refusal::InvalidHistogram),
            _ => None,
        })
    }

    /// Why an exemplar cannot be stored at `now_ms`; `None` where it can.
    #[must_use]
    pub fn refuse_exemplar(&self, exemplar: &Exemplar, now_ms: i64) -> Option<Refusal> {
        let too_long = (!exemplar.labels_fit()).then_some(Refusal::ExemplarLabelsTooLong);
        self.refuse_time(exemplar.timestamp_ms, now_ms).or(too_long)
    }

    pub(crate) fn refuse_time(&self, timestamp_ms: i64, now_ms: i64) -> Option<Refusal> {
        if timestamp_ms < now_ms.saturating_sub(self.max_age_ms) {
            Some(Refusal::TooOld)
        } else if timestamp_ms > now_ms.saturating_add(self.max_future_ms) {
            Some(Refusal::TooFarInFuture)
        } else {
            None
        }
    }
}

fn fits_together(histogram: &Histogram) -> bool {
    let fits = |spans: &[Span], buckets: &[f64]| {
        spans.iter().map(|span| u64::from(span.length)).sum::<u64>() == buckets.len() as u64
    };
    fits(&histogram.positive_spans, &histogram.positive_buckets)
        && fits(&histogram.negative_spans, &histogram.negative_buckets)
}

//! One measured value, and what kind of metric it belongs to.

use crate::{Histogram, Labels};
use std::fmt;
use std::sync::Arc;

/// The bits of the NaN that marks a series as ended (`value.StaleNaN` of Prometheus).
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The staleness marker.
#[must_use]
pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// Whether `value` is the staleness marker; an ordinary NaN is not.
#[must_use]
pub fn is_stale_nan(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// A float or a native histogram.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A float sample.
    Float(f64),
    /// A native histogram sample.
    Histogram(Arc<Histogram>),
}

impl Value {
    /// Whether this is the staleness marker, in either form (a histogram's marker is in its sum).
    #[must_use]
    pub fn is_stale(&self) -> bool {
        match self {
            Self::Float(value) => is_stale_nan(*value),
            Self::Histogram(histogram) => is_stale_nan(histogram.sum),
        }
    }
}

/// A value at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// The value.
    pub value: Value,
}

impl Sample {
    /// A float sample.
    #[must_use]
    pub fn float(timestamp_ms: i64, value: f64) -> Self {
        Self {
            timestamp_ms,
            value: Value::Float(value),
        }
    }
}

/// The samples of one series: what the store gives the engine.
///
/// Both lists are sorted by time without repeats, and no timestamp stands in both.
/// Staleness markers are included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The labels, `__name__` included.
    pub labels: Labels,
    /// Times of the float samples, milliseconds.
    pub timestamps: Vec<i64>,
    /// The float samples, as many as `timestamps`.
    pub values: Vec<f64>,
    /// Native histogram samples.
    pub histograms: Vec<(i64, Arc<Histogram>)>,
}

/// The kind of a metric, in Prometheus' words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricType {
    /// Not said.
    #[default]
    Unknown,
    /// Only rises, but for resets.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Classic or native histogram.
    Histogram,
    /// OpenMetrics' gauge histogram.
    GaugeHistogram,
    /// Quantiles computed by the client.
    Summary,
    /// OpenMetrics' info.
    Info,
    /// OpenMetrics' state set.
    StateSet,
}

impl MetricType {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
    ];

    /// The word of the Prometheus API and of segments.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }

    /// The kind that `word` names; `None` for any other word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for MetricType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_marker_is_not_an_ordinary_nan() {
        assert!(is_stale_nan(stale_nan()));
        assert!(!is_stale_nan(f64::NAN));
        assert!(stale_nan().is_nan());
    }

    #[test]
    fn type_words_round_trip() {
        for kind in MetricType::ALL {
            assert_eq!(MetricType::from_word(kind.as_str()), Some(kind));
        }
    }
}

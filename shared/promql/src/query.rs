//! What a query is asked with, and what it answers.

use parapet_model::{Labels, Matcher, Run, Series, Value, Windows};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The times that a query is evaluated at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryRange {
    /// First time, milliseconds.
    pub start_ms: i64,
    /// Last time, inclusive; equal to `start_ms` for an instant query.
    pub end_ms: i64,
    /// Between two times, milliseconds; not used by an instant query.
    pub step_ms: i64,
}

impl QueryRange {
    /// An instant query.
    #[must_use]
    pub fn instant(at_ms: i64) -> Self {
        Self {
            start_ms: at_ms,
            end_ms: at_ms,
            step_ms: 0,
        }
    }

    /// Whether the answer is for one time alone. A range query whose start is its end and that has a step is not.
    #[must_use]
    pub fn is_instant(&self) -> bool {
        self.start_ms == self.end_ms && self.step_ms == 0
    }
}

/// Limits and switches of an evaluation.
#[derive(Clone, Debug)]
pub struct Options {
    /// How far back an instant selector looks for a sample, milliseconds.
    pub lookback_delta_ms: i64,
    /// The most samples in memory at a time; a histogram counts as several.
    pub max_samples: usize,
    /// The step of subqueries that state none, milliseconds (Prometheus: the global evaluation interval).
    pub default_subquery_step_ms: i64,
    /// Drop metric names at the end of the query rather than in each function (Prometheus' feature
    /// `promql-delayed-name-removal`). Off by default.
    pub delayed_name_removal: bool,
    /// Tell counters by their label `__type__` (Prometheus' feature `type-and-unit-labels`). Off by default.
    pub type_and_unit_labels: bool,
    /// Let start timestamps tell of counter resets (Prometheus' feature `use-start-timestamps`). Off by default.
    pub use_start_timestamps: bool,
    /// The most threads that evaluate independent series side by side, at least one; the answer is the same.
    pub threads: usize,
    /// Set by the host, from another thread, to stop the evaluation; it then fails with
    /// [`EvaluationError::Timeout`](crate::EvaluationError::Timeout).
    pub interrupt: Option<Arc<AtomicBool>>,
}

impl Default for Options {
    /// Prometheus' defaults.
    fn default() -> Self {
        Self {
            lookback_delta_ms: 300_000,
            max_samples: 50_000_000,
            default_subquery_step_ms: 60_000,
            delayed_name_removal: false,
            type_and_unit_labels: false,
            use_start_timestamps: false,
            threads: 1,
            interrupt: None,
        }
    }
}

/// When the counters of a series' samples started from zero, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartTimestamps {
    /// For each float sample, milliseconds; 0 where it is not known.
    pub floats: Vec<i64>,
    /// For each histogram sample, milliseconds; 0 where it is not known.
    pub histograms: Vec<i64>,
}

/// What is known beside the samples that were fetched: for each selector and each of its series, in the same order.
/// What is missing is not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Start timestamps; they count with [`Options::use_start_timestamps`] alone.
    pub starts: &'a [Vec<StartTimestamps>],
    /// Samples that were summed up, in order of time, instead of being fetched: for selectors whose
    /// [`Hints::windows`] allow it. A run stands within a window or outside of it, other samples stand before or after
    /// it, and the series has no histograms.
    pub runs: &'a [Vec<Vec<Run>>],
}

/// What a store may use to answer a [`Selector`] more cheaply, never differently.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// The function or aggregation right around the selector: `rate`, `sum`.
    pub function: Option<String>,
    /// The range selector's range, milliseconds; 0 for an instant selector.
    pub range_ms: i64,
    /// The query's step, milliseconds; 0 for an instant query.
    pub step_ms: i64,
    /// The labels that an aggregation right around the selector groups by.
    pub grouping: Vec<String>,
    /// Whether `grouping` are the labels kept (`by`), rather than dropped.
    pub by: bool,
    /// The windows of the function, where it can take runs of samples ([`Beside::runs`]) for the samples.
    pub windows: Option<Windows>,
}

/// Series to fetch.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// All must match; `__name__` is among them.
    pub matchers: Vec<Matcher>,
    /// First time needed, inclusive, milliseconds.
    pub start_ms: i64,
    /// Last time needed, inclusive, milliseconds.
    pub end_ms: i64,
    /// What the samples are for.
    pub hints: Hints,
}

impl Selector {
    /// Whether what is fetched for this selector holds what the other one needs: the same times for the same purpose,
    /// and no condition that the other has not. The other's series are then those that pass its matchers.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        (self.start_ms, self.end_ms, &self.hints.windows) == (other.start_ms, other.end_ms, &other.hints.windows)
            && self.matchers.iter().all(|matcher| other.matchers.contains(matcher))
    }
}

/// A query's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: QueryValue,
    /// Warnings, with positions, in Prometheus' words.
    pub warnings: Vec<String>,
    /// Remarks, with positions, in Prometheus' words.
    pub infos: Vec<String>,
}

/// The value of an [`Answer`]. A range query gives a matrix always.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryValue {
    /// A number.
    Scalar {
        /// When, milliseconds.
        timestamp_ms: i64,
        /// The number.
        value: f64,
    },
    /// A text.
    String {
        /// When, milliseconds.
        timestamp_ms: i64,
        /// The text.
        value: String,
    },
    /// An instant vector, in the order that the expression gave it.
    Vector(Vec<VectorSample>),
    /// Series, sorted by labels.
    Matrix(Vec<Series>),
}

/// A series' value at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// The labels.
    pub labels: Labels,
    /// When, milliseconds.
    pub timestamp_ms: i64,
    /// The value.
    pub value: Value,
}

//! Native histograms, in the float form that the engine computes with.

mod bounds;
mod buckets;
mod fractions;
mod validate;

pub use bounds::exponential_bound;
pub use buckets::{BucketSide, coarser_index, coarser_side, spans_of};

/// What is known of counter resets before this sample (`CounterResetHint` of Prometheus).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CounterReset {
    /// Nothing is known.
    #[default]
    Unknown,
    /// A reset happened before this sample.
    Reset,
    /// No reset happened.
    NotReset,
    /// The histogram is a gauge: resets mean nothing.
    Gauge,
}

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// For the first span the index of its first bucket; else the gap to the previous span's end.
    pub offset: i32,
    /// How many buckets.
    pub length: u32,
}

/// The schema number of histograms with custom bucket bounds.
const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// A native histogram with absolute float counts (`histogram.FloatHistogram` of Prometheus).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// What is known of counter resets.
    pub counter_reset: CounterReset,
    /// Resolution: bucket bounds grow by 2^(2^-schema) for -4..=8; -53 for custom bounds.
    pub schema: i32,
    /// Observations of an absolute value up to this fall in the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// Observations in all.
    pub count: f64,
    /// Sum of observations.
    pub sum: f64,
    /// Runs of positive buckets.
    pub positive_spans: Vec<Span>,
    /// Absolute counts of the positive buckets, in the order of the spans.
    pub positive_buckets: Vec<f64>,
    /// Runs of negative buckets.
    pub negative_spans: Vec<Span>,
    /// Absolute counts of the negative buckets.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds for custom buckets, ascending, without +Inf; empty otherwise.
    pub custom_values: Vec<f64>,
}

impl Histogram {
    /// Whether the buckets have custom bounds.
    #[must_use]
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }
}

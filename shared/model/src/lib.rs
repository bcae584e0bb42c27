//! The vocabulary of every other crate: [`Labels`], [`Sample`], [`Histogram`], [`Matcher`], durations and numbers.
//!
//! Everything here is plain data with the meaning Prometheus gives it. There is no I/O, no clock and no
//! configuration. Timestamps are milliseconds since the Unix epoch, UTC, in an `i64`; values are `f64`.
//!
//! ```
//! use parapet_model::Labels;
//! let up = Labels::from_pairs([("__name__", "up"), ("job", "node")]);
//! assert_eq!(up.metric_name(), Some("up"));
//! assert_eq!(up.to_string(), r#"up{job="node"}"#);
//! ```
#![warn(missing_docs)]

mod alert;
mod batch;
pub mod compare;
mod duration;
mod escaping;
mod exemplar;
mod histogram;
mod labels;
mod matcher;
mod number;
mod pattern;
mod rollup;
mod sample;
mod windows;

pub use alert::Alert;
pub use batch::{BatchSeries, SampleBatch};
pub use duration::{DurationError, format_duration_ms, parse_duration_ms};
pub use escaping::{EscapingScheme, NameValidation};
pub use exemplar::{Exemplar, MAX_EXEMPLAR_LABEL_CHARS};
pub use histogram::{
    BucketSide, CounterReset, Histogram, Span, coarser_index, coarser_side, exponential_bound, spans_of,
};
pub use labels::{Labels, LabelsBuilder, METRIC_NAME, is_legacy_label_name, is_legacy_metric_name, quote};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use number::{format_float, format_timestamp_seconds, parse_float};
pub use pattern::{anchored_regex, compile_anchored, expand_go, go_regex};
pub use rollup::{Rollup, Run};
pub use sample::{MetricType, STALE_NAN_BITS, Sample, Series, Value, is_stale_nan, stale_nan};
pub use windows::Windows;

//! PromQL: the query language of Prometheus 3.14, read, checked, printed and answered.
//!
//! The crate is pure and synchronous: text and series in, an answer out. It does not know where series are stored,
//! what time it is, or what HTTP is. Everything Prometheus keeps behind feature flags parses; what changes answers is
//! off unless [`Options`] says otherwise, as in Prometheus.
//!
//! The flow of a query:
//!
//! ```text
//! text ─ parse ─► Expr ─ selectors ─► what to fetch ─ (the host fetches) ─► series ─ evaluate ─► Answer
//! ```
//!
//! ```
//! use parapet_model::{Labels, Series};
//! use parapet_promql::{Options, QueryRange, QueryValue, evaluate, parse, selectors};
//!
//! let expr = parse(r#"sum by (job) (rate(requests_total{job="api"}[1m]))"#)?;
//! let (range, options) = (QueryRange::instant(60_000), Options::default());
//!
//! // What is needed, and for which times: ranges are open on the left.
//! let needed = selectors(&expr, &range, &options);
//! assert_eq!((needed[0].start_ms, needed[0].end_ms), (1, 60_000));
//!
//! let series = Series {
//!     labels: Labels::from_pairs([("__name__", "requests_total"), ("job", "api")]),
//!     timestamps: vec![15_000, 30_000, 45_000, 60_000],
//!     values: vec![100.0, 130.0, 160.0, 190.0],
//!     histograms: Vec::new(),
//! };
//! let answer = evaluate(&expr, &range, &options, &[vec![series]])?;
//! let QueryValue::Vector(samples) = answer.value else { panic!("an instant vector") };
//! assert_eq!(samples[0].labels.to_string(), r#"{job="api"}"#);
//! let parapet_model::Value::Float(rate) = samples[0].value else { panic!("a float") };
//! assert!((rate - 2.0).abs() < 1e-9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The contract:
//!
//! - Values, order, errors, warnings and remarks are Prometheus' own. Its test scripts and its parser's tables are run
//!   as tests; floats agree to 1e-9, as sums of long windows are kept to more than a float's precision.
//! - No text panics or overflows the stack: trees are at most 500 levels deep. No query holds more samples than
//!   [`Options::max_samples`]; one that would fails with [`EvaluationError::TooManySamples`].
//! - A range query's matrix is sorted by labels. An instant query's vector stands in the order of the expression:
//!   `sort`, `topk` and their kin decide it, else the order of the series fetched.
//! - `evaluate` answers for what it is given: a series that a selector should have had and did not get is not there.
#![warn(missing_docs)]

mod annotations;
pub mod ast;
mod check;
mod deep;
mod engine;
mod error;
mod functions;
mod histogram;
mod lexer;
mod parser;
mod plan;
mod printer;
mod query;
mod series;

pub use ast::{Expr, PositionRange, ValueType};
pub use engine::{evaluate, evaluate_beside, selectors};
pub use error::{EvaluationError, ParseError};
pub use functions::Function;
pub use functions::over_time::FUNCTIONS_OF_RUNS;
pub use parser::{parse, parse_selector};
pub use printer::{pretty, pretty_within};
pub use query::{Answer, Beside, Hints, Options, QueryRange, QueryValue, Selector, StartTimestamps, VectorSample};
pub use series::{SequenceValue, SeriesDescription, parse_series_description};

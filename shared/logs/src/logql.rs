//! LogQL: Loki's query language, read, printed, planned and answered.
//!
//! ```text
//! text ─ parse ─► Expr ─ plan ─► what to fetch ─ (the host fetches) ─► records ─ Evaluation ─► Answer
//! ```
//!
//! ```
//! use parapet_logs::LogRecord;
//! use parapet_logs::logql::{Answer, Evaluation, Parameters, parse};
//! use parapet_model::Labels;
//!
//! let expr = parse(r#"sum by (level) (count_over_time({app="web"} | logfmt | level="error" [1m]))"#)?;
//! let parameters = Parameters { start_ns: 60_000_000_000, end_ns: 60_000_000_000, ..Parameters::default() };
//! let mut evaluation = Evaluation::new(&expr, parameters)?;
//! let record = LogRecord {
//!     timestamp_ns: 59_000_000_000,
//!     raw: b"level=error msg=down".to_vec().into(),
//!     stream: Labels::from_pairs([("app", "web")]),
//!     ..LogRecord::default()
//! };
//! evaluation.push(0, &record)?;
//! let Answer::Vector(samples) = evaluation.finish()? else { panic!("a vector") };
//! assert_eq!((samples[0].labels.to_string().as_str(), samples[0].value), (r#"{level="error"}"#, 1.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is supported is in `docs/logql.md`, a row for each form, each with a test.

pub mod ast;
mod compile;
mod detect;
mod evaluation;
mod hints;
mod ip;
mod lex;
mod parser;
mod path;
mod pattern;
mod plan;
mod printer;
mod row;
mod selector;
mod stages;

pub use ast::Expr;
pub use detect::detect;
pub use evaluation::{Answer, Direction, Entry, Evaluation, EvaluationError, Parameters, Sample, Series, Stream};
pub use lex::ParseError;
pub use parser::parse;
pub use plan::{Selection, plan};
pub use selector::parse_selector;

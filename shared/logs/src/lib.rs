//! Logs: from the bytes of shippers to records, and from questions to answers.
//!
//! ```text
//! bodies ─ inputs ─► records ─ pipeline ─► records with fields, metrics ─► (the store) ─► records
//!                                                │                                          │
//!                                          index: words of a block ◄─ Need ◄─ query, logql ─┴─► lines, numbers
//!                                                                              templates ◄──────► patterns of messages
//! ```
//!
//! - [`LogRecord`] is one line, byte for byte, and what is known of it.
//! - [`inputs`] reads what Loki's, Elasticsearch's, OpenTelemetry's, CloudWatch's and syslog's clients send.
//! - [`pipeline`] parses, enriches, drops, samples, routes, redacts and counts, as `pipelines.yml` says.
//! - [`parse_query`] reads query strings (`level:ERROR AND duration:>1`) to a [`filter::Filter`]; [`logql`] is Loki's
//!   language. Both say what they [`Need`] of a block of lines, which its [`index`] is asked.
//! - [`discover`] is what Loki finds out by itself: services and levels.
//! - A [`shape`] is a line without what its fields say already: what a store keeps instead of the line.
//! - [`templates`] mines what messages have in common.
//!
//! ```
//! use parapet_logs::{LogRecord, parse_query, pipeline::{Origin, Pipelines}};
//!
//! let pipelines = Pipelines::parse("pipelines.yml", r"
//! pipelines:
//! - name: web
//!   stages:
//!   - logfmt
//!   - level: level
//! ")?;
//! let record = LogRecord { raw: b"level=warn took=250ms msg=slow".to_vec().into(), ..LogRecord::default() };
//! let outcome = pipelines.process(vec![record], Origin { path: "", received_ns: 1 });
//! assert!(parse_query("level:>=WARNING AND took:>200ms")?.matches(&outcome.records[0]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Contract
//! - What it is not: it reads no files, sockets, clocks or environment, and stores nothing. Times are arguments.
//! - The same input gives the same output, sampling and template mining included.
//! - No line is lost because it does not parse: it is kept whole and counted. No input panics; what is nested, long or
//!   costly is bounded.
//! - A record's `raw` is the line byte for byte, except for what a redaction rule replaced.
#![warn(missing_docs)]

pub mod discover;
pub mod filter;
mod grok;
pub mod index;
pub mod inputs;
mod level;
pub mod logql;
mod need;
mod number;
mod parse;
pub mod pipeline;
mod query;
mod record;
pub mod shape;
mod steps;
pub mod templates;
mod text;
pub mod time;

pub use level::Level;
pub use need::Need;
pub use number::{parse_bytes, parse_duration_seconds, parse_quantity};
pub use query::{QueryError, parse_query};
pub use record::{LogRecord, PROMOTED};
pub use steps::Steps;
pub use text::{Phrase, is_word_byte, sure_words, words};

//! Go's `text/template`, with the functions that Prometheus' rules and Alertmanager's notifications use.
//!
//! A text is cut into tokens, parsed into trees (one for each `define`), and a tree is walked on some data:
//!
//! ```text
//! text ─► lex ─► parse ─► TemplateSet ─► execute(name, data, environment) ─► text, or an error with Go's position
//! ```
//!
//! - [`Value`] is what a template computes with; [`Object`] lets a caller's type have fields, methods, elements.
//! - [`TemplateSet`] holds named templates; [`expand`] does one text at once, as Prometheus does.
//! - [`Dialect`] says which functions exist; [`Environment`] brings the time, the query function and the limits.
//! - [`notification`] is the data that Alertmanager's templates see.
//!
//! What it is not: a general HTML engine. HTML mode escapes for text, attributes, URLs, simple styles and script
//! values. Go values that no rule or notification has (functions, channels, complex numbers) do not exist here.
//!
//! ```
//! use parapet_gotemplate::{Dialect, Environment, Value, expand};
//! let data = Value::record("data", vec![("Value", Value::Float(1234567.0))]);
//! let mut environment = Environment { now_ms: 0, ..Environment::default() };
//! let text = expand(Dialect::Prometheus, "t", "{{ .Value | humanize }} rps", &data, &mut environment).unwrap();
//! assert_eq!(text, "1.235M rps");
//! ```
//!
//! # Contract
//! No clock, no I/O. No input panics: nesting, steps, output and regular expressions are bounded.
//! Messages are Go's, position included.
#![warn(missing_docs)]

mod ast;
mod environment;
mod error;
mod exec;
mod float;
mod format;
mod functions;
mod html;
mod json;
mod lex;
mod literal;
pub mod notification;
mod parse;
mod set;
mod time;
mod value;

pub use environment::{Environment, Limits, MissingKey, Query, QuerySample};
pub use error::{ErrorKind, TemplateError};
pub use functions::Dialect;
pub use set::{TemplateSet, check, expand};
pub use time::Time;
pub use value::{List, Map, Object, Value};

//! Prometheus' rules: the files, and the evaluation of a group as a pure step.
//!
//! ```text
//! text ─► parse ─► RuleGroup ─┐
//!               GroupState ───┼─► step ─► GroupState', samples, alerts to send
//!      time, query function ──┘
//! ```
//!
//! [`step`] does what a Prometheus server does with a group at one evaluation time (`rules/group.go`,
//! `rules/alerting.go`, `rules/recording.go`): what the server holds in memory comes in and goes out as
//! [`GroupState`]. It is not a scheduler and fetches nothing itself.
//!
//! ```
//! use parapet_model::{Labels, Value};
//! use parapet_promql::{Answer, QueryValue, VectorSample};
//! use parapet_rules::{Context, GroupState, parse, step};
//!
//! let groups = parse("rules.yml", "groups: [{name: g, rules: [{alert: Down, expr: up == 0}]}]")?;
//! let down = |at_ms| VectorSample {
//!     labels: Labels::from_pairs([("__name__", "up"), ("job", "node")]),
//!     timestamp_ms: at_ms,
//!     value: Value::Float(0.0),
//! };
//! let outcome = step(&groups[0], GroupState::default(), 60_000, &Context::default(), &mut |query| {
//!     Ok(Answer { value: QueryValue::Vector(vec![down(query.at_ms)]), warnings: vec![], infos: vec![] })
//! });
//! assert_eq!(outcome.alerts[0].labels.to_string(), r#"{alertname="Down", job="node"}"#);
//! # Ok::<(), parapet_rules::RulesError>(())
//! ```
//!
//! # Contract
//! The same group, state, time and answers give the same outcome, in the same order: an evaluation that is done
//! again after a crash says the same again. No clock, no I/O.
#![warn(missing_docs)]

mod answer;
mod error;
mod expr;
mod file;
mod group;
mod mapping;
mod memory;
pub mod replay;
pub mod slo;
mod state;
mod step;
pub mod unit_test;

pub use answer::{Answerer, Source};
pub use error::{Fault, RulesError};
pub use expr::RuleExpr;
pub use file::{ParseOptions, parse, parse_with};
pub use group::{Alerting, Rule, RuleGroup, duplicates};
pub use memory::MemorySeries;
pub use state::{ActiveAlert, AlertState, GroupState, Health, RuleState};
pub use step::{Context, Query, RESOLVED_RETENTION_MS, RuleQuery, StepOutcome, retire, step};

//! What goes wrong: [`ParseError`] and [`EvaluationError`].

use crate::ast::PositionRange;

/// A query that does not parse or type-check. Prints as Prometheus' message: `1:5: parse error: unexpected …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: parse error: {message}")]
pub struct ParseError {
    /// Where.
    pub position: PositionRange,
    /// What, without the place.
    pub message: String,
}

/// A query that cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The query is one that is not answered; the HTTP API's `bad_data`.
    #[error("{0}")]
    Invalid(String),
    /// The data does not allow the operation; the HTTP API's `execution`.
    #[error("{0}")]
    Execution(String),
    /// It took too long; the HTTP API's `timeout`.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// [`Options::max_samples`](crate::Options::max_samples) is not enough; the HTTP API's `execution`.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
}

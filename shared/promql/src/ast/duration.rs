//! Durations as written.

use super::{BinaryOp, NumberLiteral, PositionRange};

/// A duration as written: a literal, or an expression that is computed when the query's step and range are known.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationValue {
    /// Milliseconds.
    Literal(i64),
    /// `(5m * 2)`, `step()`
    Expr(DurationExpr),
}

/// A duration expression: values are seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct DurationExpr {
    /// What it computes.
    pub kind: DurationKind,
    /// Whether it stood in parentheses.
    pub wrapped: bool,
    /// Where it stands.
    pub position: PositionRange,
}

/// What a [`DurationExpr`] computes.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationKind {
    /// A literal.
    Number(NumberLiteral),
    /// `step()`: the query's step.
    Step,
    /// `range()`: from the query's start to its end.
    Range,
    /// `min_of(a, b)`
    MinOf(Box<DurationExpr>, Box<DurationExpr>),
    /// `max_of(a, b)`
    MaxOf(Box<DurationExpr>, Box<DurationExpr>),
    /// `-a`
    Negate(Box<DurationExpr>),
    /// `+a`, and a literal in parentheses.
    Plus(Box<DurationExpr>),
    /// `a + b`; arithmetic operators only.
    Binary(BinaryOp, Box<DurationExpr>, Box<DurationExpr>),
}

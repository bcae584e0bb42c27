//! The syntax tree: what [`parse`](crate::parse) makes of a query's text.

mod duration;
mod operator;

pub use duration::{DurationExpr, DurationKind, DurationValue};
pub use operator::{AggregateOp, BinaryOp};

use crate::functions::Function;
use parapet_model::Matcher;
use std::fmt;

/// Where a node stands in the query's text: byte offsets, `end` exclusive. Prints as Prometheus does: `line:column`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PositionRange {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
    /// Line of the first byte, from 1; 0 where the text is empty.
    pub line: u32,
    /// Column of the first byte, in bytes, from 1.
    pub column: u32,
}

impl PositionRange {
    /// The range from `first`'s start to `last`'s end.
    #[must_use]
    pub fn merge(first: Self, last: Self) -> Self {
        Self { end: last.end, ..first }
    }

    /// The range from the same start to another end.
    pub(crate) fn ending(self, end: usize) -> Self {
        Self { end, ..self }
    }

    /// The empty range at a byte of a text.
    pub(crate) fn at(text: &str, start: usize) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        let before = text.as_bytes().get(..start).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            start,
            end: start,
            line: small(line),
            column: small(before.len() - line_start + 1),
        }
    }
}

impl fmt::Display for PositionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str("unknown position")
        } else {
            write!(f, "{}:{}", self.line, self.column)
        }
    }
}

/// What an expression evaluates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// A number.
    Scalar,
    /// An instant vector.
    Vector,
    /// A range vector.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// The word of the HTTP API: `scalar`, `vector`, `matrix`, `string`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "vector",
            Self::Matrix => "matrix",
            Self::String => "string",
        }
    }

    /// The words of the documentation and of error messages: `instant vector`, `range vector`.
    #[must_use]
    pub fn documented(self) -> &'static str {
        match self {
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::Scalar | Self::String => self.as_str(),
        }
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `sum by (job) (x)`
    Aggregate(Aggregate),
    /// `a + b`
    Binary(Binary),
    /// `rate(x[5m])`
    Call(Call),
    /// `x[5m]`
    Matrix(MatrixSelector),
    /// `1`, `5m`
    Number(NumberLiteral),
    /// `(x)`
    Paren(Paren),
    /// `"text"`
    String(StringLiteral),
    /// `x[1h:5m]`
    Subquery(Subquery),
    /// `-x`
    Unary(Unary),
    /// `x{a="b"}`
    Vector(VectorSelector),
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub op: AggregateOp,
    /// What is aggregated.
    pub expr: Box<Expr>,
    /// The parameter of `topk`, `quantile` and the like.
    pub param: Option<Box<Expr>>,
    /// The labels of `by` or `without`.
    pub grouping: Vec<String>,
    /// Whether the grouping labels are dropped rather than kept.
    pub without: bool,
    /// Where it stands.
    pub position: PositionRange,
}

/// A binary operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// Which.
    pub op: BinaryOp,
    /// Left operand.
    pub lhs: Box<Expr>,
    /// Right operand.
    pub rhs: Box<Expr>,
    /// How series of the two sides find each other; only between two vectors.
    pub matching: Option<VectorMatching>,
    /// Whether a comparison answers 0 or 1 instead of filtering.
    pub return_bool: bool,
}

/// A function call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function.
    pub function: &'static Function,
    /// The arguments.
    pub args: Vec<Expr>,
    /// Where it stands.
    pub position: PositionRange,
}

/// A range selector.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSelector {
    /// What is selected, with its offset and `@`.
    pub selector: VectorSelector,
    /// The range.
    pub range: DurationValue,
    /// Offset behind the last byte.
    pub end: usize,
}

/// A number, or a duration used as one.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberLiteral {
    /// The number; of a duration, seconds.
    pub value: f64,
    /// Whether it was written as a duration, and prints as one.
    pub duration: bool,
    /// Where it stands.
    pub position: PositionRange,
}

/// Parentheses.
#[derive(Clone, Debug, PartialEq)]
pub struct Paren {
    /// What is inside.
    pub expr: Box<Expr>,
    /// Where it stands.
    pub position: PositionRange,
}

/// A text.
#[derive(Clone, Debug, PartialEq)]
pub struct StringLiteral {
    /// The text, unquoted; bytes that are no UTF-8 are replacement characters.
    pub value: String,
    /// The text as Go quotes it, where it is no UTF-8.
    pub invalid: Option<String>,
    /// Where it stands.
    pub position: PositionRange,
}

/// A subquery.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated at each step.
    pub expr: Box<Expr>,
    /// The range.
    pub range: DurationValue,
    /// The step; `None` for the default one.
    pub step: Option<DurationValue>,
    /// `offset` and `@`.
    pub time: TimeModifiers,
    /// Offset behind the last byte.
    pub end: usize,
}

/// A sign before an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Unary {
    /// Whether it is a minus.
    pub negative: bool,
    /// The operand.
    pub expr: Box<Expr>,
    /// Where the sign stands.
    pub sign: PositionRange,
}

/// An instant selector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The metric name written before the braces; empty where there is none.
    pub name: String,
    /// Every matcher, the one of `name` last.
    pub matchers: Vec<Matcher>,
    /// `offset` and `@`.
    pub time: TimeModifiers,
    /// `anchored` or `smoothed`.
    pub extension: Option<Extension>,
    /// Whether no matcher need refuse the empty text: the second argument of `info`.
    pub may_match_all: bool,
    /// Where it stands.
    pub position: PositionRange,
}

/// How a range selector's edges are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// `anchored`: the sample before the range stands at its edge.
    Anchored,
    /// `smoothed`: values at the edges are interpolated.
    Smoothed,
}

/// The time modifiers of a selector or subquery.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeModifiers {
    /// `offset`; may be negative.
    pub offset: Option<DurationValue>,
    /// `@`.
    pub at: Option<AtModifier>,
}

/// The `@` modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtModifier {
    /// At this time, milliseconds.
    Timestamp(i64),
    /// `@ start()`
    Start,
    /// `@ end()`
    End,
}

/// How many series of one side may match one of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are Prometheus' own.
pub enum Cardinality {
    OneToOne,
    /// `group_left`
    ManyToOne,
    /// `group_right`
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// How series of two vectors find each other.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorMatching {
    /// How many match how many.
    pub cardinality: Cardinality,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Whether `labels` are those that must agree, rather than those to ignore.
    pub on: bool,
    /// The labels of `group_left` or `group_right`, taken from the "one" side.
    pub include: Vec<String>,
    /// The value of a missing left series (`fill_left`, `fill`).
    pub fill_left: Option<f64>,
    /// The value of a missing right series (`fill_right`, `fill`).
    pub fill_right: Option<f64>,
}

impl Expr {
    /// What the expression evaluates to.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Aggregate(_) | Self::Vector(_) => ValueType::Vector,
            Self::Binary(binary) => {
                let scalar = |side: &Self| side.value_type() == ValueType::Scalar;
                if scalar(&binary.lhs) && scalar(&binary.rhs) {
                    ValueType::Scalar
                } else {
                    ValueType::Vector
                }
            }
            Self::Call(call) => call.function.returns,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Number(_) => ValueType::Scalar,
            Self::Paren(paren) => paren.expr.value_type(),
            Self::String(_) => ValueType::String,
            Self::Unary(unary) => unary.expr.value_type(),
        }
    }

    /// Where the expression stands in the query's text.
    #[must_use]
    pub fn position(&self) -> PositionRange {
        match self {
            Self::Aggregate(node) => node.position,
            Self::Binary(node) => PositionRange::merge(node.lhs.position(), node.rhs.position()),
            Self::Call(node) => node.position,
            Self::Matrix(node) => node.selector.position.ending(node.end),
            Self::Number(node) => node.position,
            Self::Paren(node) => node.position,
            Self::String(node) => node.position,
            Self::Subquery(node) => node.expr.position().ending(node.end),
            Self::Unary(node) => PositionRange::merge(node.sign, node.expr.position()),
            Self::Vector(node) => node.position,
        }
    }

    /// The expression without the parentheses around it.
    #[must_use]
    pub fn unwrapped(&self) -> &Self {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }

    /// Whether there are more than `levels` expressions within each other.
    pub(crate) fn is_deeper_than(&self, levels: usize) -> bool {
        match levels.checked_sub(1) {
            None => true,
            Some(levels) => self.children().into_iter().any(|child| child.is_deeper_than(levels)),
        }
    }

    /// The direct sub-expressions, in the order of Prometheus' walk (an aggregation's parameter last).
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match self {
            Self::Aggregate(node) => std::iter::once(&*node.expr).chain(node.param.as_deref()).collect(),
            Self::Binary(node) => vec![&node.lhs, &node.rhs],
            Self::Call(node) => node.args.iter().collect(),
            Self::Paren(node) => vec![&node.expr],
            Self::Subquery(node) => vec![&node.expr],
            Self::Unary(node) => vec![&node.expr],
            Self::Matrix(_) | Self::Number(_) | Self::String(_) | Self::Vector(_) => Vec::new(),
        }
    }
}

//! A query made ready for one evaluation: durations computed, `start()` and the like folded, selectors numbered,
//! and the parts that do not depend on the step wrapped in [`Kind::Once`] (`PreprocessExpr` of Prometheus).

mod build;
mod duration;
mod fetch;

use crate::ast::{AggregateOp, BinaryOp, Expr, Extension, PositionRange, ValueType, VectorMatching};
use crate::error::EvaluationError;
use crate::functions::Function;
use crate::query::{Options, QueryRange, Selector};
use parapet_model::Matcher;

/// A planned query.
pub(crate) struct Plan {
    pub(crate) root: Node,
    /// What to fetch; nodes refer to these by number.
    pub(crate) selectors: Vec<Selector>,
}

impl Plan {
    pub(crate) fn new(expr: &Expr, range: &QueryRange, options: &Options) -> Result<Self, EvaluationError> {
        build::Builder::new(*range, options).plan(expr)
    }
}

/// A node of the plan.
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) value_type: ValueType,
    pub(crate) position: PositionRange,
}

pub(crate) enum Kind {
    Number(f64),
    Text(Text),
    Instant(Instant),
    Range(Range),
    Subquery(Box<Subquery>),
    Call {
        function: &'static Function,
        args: Vec<Node>,
        /// What to fetch for `info`.
        info: Option<InfoSource>,
    },
    Aggregate {
        op: AggregateOp,
        expr: Box<Node>,
        param: Option<Box<Node>>,
        /// Sorted.
        grouping: Vec<String>,
        without: bool,
    },
    Binary {
        op: BinaryOp,
        lhs: Box<Node>,
        rhs: Box<Node>,
        matching: Option<VectorMatching>,
        return_bool: bool,
    },
    Negate(Box<Node>),
    /// Evaluated at the first step alone; the answer holds for all.
    Once(Box<Node>),
}

/// A text argument.
#[derive(Clone)]
pub(crate) struct Text {
    pub(crate) value: String,
    /// As Go quotes it, where it is no UTF-8.
    pub(crate) invalid: Option<String>,
}

impl Text {
    /// Whether it may be a label's name.
    pub(crate) fn is_label_name(&self) -> bool {
        !self.value.is_empty() && self.invalid.is_none()
    }
}

/// An instant selector.
#[derive(Clone)]
pub(crate) struct Instant {
    /// Number of the selector.
    pub(crate) source: usize,
    /// `@`, milliseconds: takes the place of the step's time.
    pub(crate) at: Option<i64>,
    /// Milliseconds.
    pub(crate) offset: i64,
    pub(crate) extension: Option<Extension>,
    /// Whether of histograms only count and sum are looked at.
    pub(crate) statistics: bool,
    pub(crate) matchers: Vec<Matcher>,
}

impl Instant {
    /// The time that the selector looks at when the step is at `step_time`.
    pub(crate) fn reference(&self, step_time: i64) -> i64 {
        self.at.unwrap_or(step_time).saturating_sub(self.offset)
    }
}

/// A range selector.
pub(crate) struct Range {
    pub(crate) selector: Instant,
    /// Milliseconds.
    pub(crate) range: i64,
}

/// A subquery.
pub(crate) struct Subquery {
    pub(crate) expr: Node,
    pub(crate) at: Option<i64>,
    /// Milliseconds, as `range` and `step`.
    pub(crate) offset: i64,
    pub(crate) range: i64,
    pub(crate) step: i64,
}

impl Subquery {
    /// The end of the range when the step is at `step_time`.
    pub(crate) fn reference(&self, step_time: i64) -> i64 {
        self.at.unwrap_or(step_time).saturating_sub(self.offset)
    }
}

/// Where `info` takes its labels from.
pub(crate) struct InfoSource {
    /// Number of the selector.
    pub(crate) source: usize,
    pub(crate) at: Option<i64>,
    pub(crate) offset: i64,
    /// The matchers of the second argument.
    pub(crate) matchers: Vec<Matcher>,
}

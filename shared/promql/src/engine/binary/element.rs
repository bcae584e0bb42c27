//! An operator of two values, histograms among them.

use super::{Computed, Point, compare, scalar_value};
use crate::ast::BinaryOp;
use crate::histogram::{self, Outcome};
use parapet_model::{CounterReset, Histogram};
use std::sync::Arc;

/// What there is to tell of an operation.
pub(super) enum Remark {
    None,
    Info(String),
    Warning(String),
}

/// The answer of an operator.
pub(super) struct Element {
    /// `None` where there is none.
    pub(super) value: Option<Computed>,
    /// Whether a comparison holds; true for other operators.
    pub(super) keep: bool,
    pub(super) remark: Remark,
}

impl Element {
    fn value(value: Computed) -> Self {
        Self {
            value: Some(value),
            keep: true,
            remark: Remark::None,
        }
    }

    fn refused(left: &str, op: BinaryOp, right: &str) -> Self {
        let remark = Remark::Info(incompatible_types(left, op.as_str(), right));
        Self {
            value: None,
            keep: false,
            remark,
        }
    }
}

/// The remark about values that an operator does not go with.
pub(super) fn incompatible_types(left: &str, op: &str, right: &str) -> String {
    format!(
        "incompatible sample types encountered for binary operator {}: {left} {op} {right}",
        parapet_model::quote(op)
    )
}

pub(super) fn operate(op: BinaryOp, left: Point<'_>, right: Point<'_>) -> Element {
    match (left, right) {
        (Point::Float(left), Point::Float(right)) => floats(op, left, right),
        (Point::Float(factor), Point::Histogram(histogram)) => match op {
            BinaryOp::Mul => changed(histogram, |histogram| histogram::multiply(histogram, factor)),
            _ => Element::refused("float", op, "histogram"),
        },
        (Point::Histogram(histogram), Point::Float(number)) => match op {
            BinaryOp::Mul => changed(histogram, |histogram| histogram::multiply(histogram, number)),
            BinaryOp::Div => changed(histogram, |histogram| histogram::divide(histogram, number)),
            BinaryOp::TrimUpper => trimmed(histogram, number, false),
            BinaryOp::TrimLower => trimmed(histogram, number, true),
            _ => Element::refused("histogram", op, "float"),
        },
        (Point::Histogram(left), Point::Histogram(right)) => histograms(op, left, right),
    }
}

fn floats(op: BinaryOp, left: f64, right: f64) -> Element {
    if matches!(op, BinaryOp::TrimLower | BinaryOp::TrimUpper) {
        return Element::refused("float", op, "float");
    }
    if op.is_comparison() {
        let value = Some(Computed::Float(left));
        return Element {
            value,
            keep: compare(op, left, right),
            remark: Remark::None,
        };
    }
    Element::value(Computed::Float(scalar_value(op, left, right)))
}

/// A copy, changed and compact.
fn changed(histogram: &Histogram, change: impl FnOnce(&mut Histogram)) -> Element {
    let mut copy = histogram.clone();
    change(&mut copy);
    copy.compact(0);
    Element::value(Computed::Histogram(Arc::new(copy)))
}

fn trimmed(histogram: &Histogram, at: f64, keep_upper: bool) -> Element {
    let mut copy = histogram.clone();
    histogram::trim(&mut copy, at, keep_upper);
    Element::value(Computed::Histogram(Arc::new(copy)))
}

fn histograms(op: BinaryOp, left: &Arc<Histogram>, right: &Histogram) -> Element {
    let compared = |keep| {
        let value = Some(Computed::Histogram(Arc::clone(left)));
        Element {
            value,
            keep,
            remark: Remark::None,
        }
    };
    let (operation, combine): (_, fn(&mut Histogram, &Histogram) -> _) = match op {
        BinaryOp::Add => ("addition", histogram::add),
        BinaryOp::Sub => ("subtraction", histogram::subtract),
        BinaryOp::Equal => return compared(histogram::equal(left, right)),
        BinaryOp::NotEqual => return compared(!histogram::equal(left, right)),
        _ => return Element::refused("histogram", op, "histogram"),
    };
    let mut result = (**left).clone();
    match combine(&mut result, right) {
        Ok(Outcome { collision, reconciled }) => {
            if op == BinaryOp::Sub {
                result.counter_reset = CounterReset::Gauge;
            }
            let remark = if collision {
                Remark::Warning(format!("conflicting counter resets during histogram {operation}"))
            } else if reconciled {
                Remark::Info(crate::functions::over_time::reconciled_text(operation))
            } else {
                Remark::None
            };
            Element {
                value: Some(Computed::Histogram(Arc::new(result))),
                keep: true,
                remark,
            }
        }
        Err(_) => {
            let text = format!(
                "incompatible bucket layout encountered for binary operator {}",
                op.as_str()
            );
            Element {
                value: None,
                keep: false,
                remark: Remark::Warning(text),
            }
        }
    }
}

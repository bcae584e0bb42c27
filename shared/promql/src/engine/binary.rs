//! Binary operators.

mod element;
mod matching;
mod set;

use super::{ABSENT, Computed, Evaluated, Evaluator, Point, Result, Row, is_absent, modulo};
use crate::ast::{BinaryOp, PositionRange, ValueType, VectorMatching};
use crate::plan::Node;
use element::{Element, Remark};
use std::collections::BTreeMap;

/// An operator and its place.
pub(super) struct Operation {
    pub(super) op: BinaryOp,
    /// Comparisons answer 0 or 1.
    pub(super) return_bool: bool,
    pub(super) position: PositionRange,
}

impl Operation {
    /// Whether the answer is no longer the metric it was.
    fn changes_metric(&self) -> bool {
        matches!(
            self.op,
            BinaryOp::Add
                | BinaryOp::Sub
                | BinaryOp::Mul
                | BinaryOp::Div
                | BinaryOp::Pow
                | BinaryOp::Mod
                | BinaryOp::Atan2
        )
    }
}

impl Evaluator<'_> {
    pub(super) fn binary(
        &self,
        operation: &Operation,
        lhs: &Node,
        rhs: &Node,
        matching: Option<&VectorMatching>,
    ) -> Result<Evaluated> {
        Ok(match (lhs.value_type, rhs.value_type) {
            (ValueType::Scalar, ValueType::Scalar) => {
                let (mut left, right) = (self.scalar(lhs)?, self.scalar(rhs)?);
                left.iter_mut()
                    .zip(right)
                    .for_each(|(left, right)| *left = scalar_value(operation.op, *left, right));
                Evaluated::Scalar(left)
            }
            (ValueType::Vector, ValueType::Scalar) => {
                let (rows, scalars) = (self.vector(lhs)?, self.scalar(rhs)?);
                Evaluated::Vector(self.with_scalar(operation, rows, &scalars, false)?)
            }
            (ValueType::Scalar, ValueType::Vector) => {
                let (scalars, rows) = (self.scalar(lhs)?, self.vector(rhs)?);
                Evaluated::Vector(self.with_scalar(operation, rows, &scalars, true)?)
            }
            _ => {
                let (left, right) = (self.vector(lhs)?, self.vector(rhs)?);
                let Some(matching) = matching else {
                    return super::failure("vectors without matching");
                };
                Evaluated::Vector(if operation.op.is_set() {
                    self.set_operation(operation.op, left, right, matching)?
                } else {
                    self.match_vectors(operation, left, right, matching)?
                })
            }
        })
    }

    /// Each row with a number; `swapped` says that the number stands on the left.
    fn with_scalar(
        &self,
        operation: &Operation,
        mut rows: Vec<Row>,
        scalars: &[f64],
        swapped: bool,
    ) -> Result<Vec<Row>> {
        let drops_name = operation.changes_metric() || operation.return_bool;
        let trims = matches!(operation.op, BinaryOp::TrimLower | BinaryOp::TrimUpper);
        let mut remarks = Remarks::default();
        for (at, row) in rows.iter_mut().enumerate() {
            self.check_interrupt()?;
            if row.has_histograms() || trims {
                row_with_scalar(operation, row, scalars, swapped, |step, remark| {
                    remarks.add(step, at, remark)
                });
            } else {
                floats_with_scalars(operation, &mut row.floats, scalars, swapped);
            }
            if drops_name {
                self.drop_name(row);
            }
        }
        self.tell(operation, remarks);
        rows.retain(|row| !row.is_empty());
        self.merge_results(rows)
    }

    fn tell(&self, operation: &Operation, remarks: Remarks) {
        let position = operation.position;
        for (_, remark) in remarks.last.into_values() {
            match remark {
                Remark::None => {}
                Remark::Info(text) => self.note(position, text),
                Remark::Warning(text) => self.warn(position, text),
            }
        }
    }
}

/// What there is to say about the elements of an operation: at each step Prometheus keeps what it says last.
#[derive(Default)]
struct Remarks {
    /// By step; with the place of the row.
    last: BTreeMap<usize, (usize, Remark)>,
}

impl Remarks {
    /// `row` is the place of the element's row among the rows that Prometheus goes through.
    fn add(&mut self, step: usize, row: usize, remark: Remark) {
        if matches!(remark, Remark::None) || self.last.get(&step).is_some_and(|(later, _)| *later > row) {
            return;
        }
        self.last.insert(step, (row, remark));
    }
}

fn row_with_scalar(
    operation: &Operation,
    row: &mut Row,
    scalars: &[f64],
    swapped: bool,
    mut tell: impl FnMut(usize, Remark),
) {
    let mut out = Row::new(row.labels.clone(), row.drop_name, row.floats.len());
    for (step, scalar) in scalars.iter().enumerate() {
        let Some(point) = row.get(step) else { continue };
        let scalar = Point::Float(*scalar);
        let (left, right) = if swapped { (scalar, point) } else { (point, scalar) };
        let Element { value, keep, remark } = element::operate(operation.op, left, right);
        tell(step, remark);
        let Some(value) = value else { continue };
        let value = if operation.op.is_comparison() && swapped {
            Computed::from(point)
        } else {
            value
        };
        if operation.return_bool {
            out.floats[step] = f64::from(u8::from(keep));
        } else if keep {
            out.set(step, value);
        }
    }
    *row = out;
}

/// The fast way: a row of floats alone.
fn floats_with_scalars(operation: &Operation, floats: &mut [f64], scalars: &[f64], swapped: bool) {
    let op = operation.op;
    for (value, scalar) in floats.iter_mut().zip(scalars) {
        if is_absent(*value) {
            continue;
        }
        let (left, right) = if swapped { (*scalar, *value) } else { (*value, *scalar) };
        if !op.is_comparison() {
            *value = scalar_value(op, left, right);
            continue;
        }
        let holds = compare(op, left, right);
        if operation.return_bool {
            *value = f64::from(u8::from(holds));
        } else if !holds {
            *value = ABSENT;
        }
    }
}

#[allow(clippy::float_cmp)]
fn compare(op: BinaryOp, left: f64, right: f64) -> bool {
    match op {
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::Greater => left > right,
        BinaryOp::Less => left < right,
        BinaryOp::GreaterOrEqual => left >= right,
        BinaryOp::LessOrEqual => left <= right,
        _ => false,
    }
}

/// An operator of two numbers; comparisons answer 0 or 1.
pub(super) fn scalar_value(op: BinaryOp, left: f64, right: f64) -> f64 {
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => modulo(left, right),
        BinaryOp::Pow => left.powf(right),
        BinaryOp::Atan2 => left.atan2(right),
        _ => f64::from(u8::from(compare(op, left, right))),
    }
}

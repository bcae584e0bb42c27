//! The value of duration expressions (`promql/durations.go` of Prometheus).

use crate::ast::{BinaryOp, DurationExpr, DurationKind, DurationValue};
use crate::engine::modulo;
use crate::error::EvaluationError;

/// What duration expressions may refer to, milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    pub(super) step: i64,
    pub(super) range: i64,
}

impl Scope {
    /// Milliseconds.
    pub(super) fn resolve(self, duration: &DurationValue, may_be_negative: bool) -> Result<i64, EvaluationError> {
        match duration {
            DurationValue::Literal(ms) => Ok(*ms),
            DurationValue::Expr(expr) => self.resolve_expr(expr, may_be_negative),
        }
    }

    fn resolve_expr(self, expr: &DurationExpr, may_be_negative: bool) -> Result<i64, EvaluationError> {
        const MOST: f64 = 9_223_372_036.854_776;
        let seconds = self.seconds(expr)?;
        if !seconds.is_finite() {
            return Err(invalid(expr, "duration is NaN or infinite"));
        }
        if seconds <= 0.0 && !may_be_negative {
            return Err(invalid(expr, "duration must be greater than 0"));
        }
        if seconds.abs() > MOST {
            return Err(invalid(expr, "duration is out of range"));
        }
        #[allow(clippy::cast_possible_truncation)]
        Ok((seconds * 1000.0) as i64)
    }

    #[allow(clippy::cast_precision_loss)]
    fn seconds(self, expr: &DurationExpr) -> Result<f64, EvaluationError> {
        Ok(match &expr.kind {
            DurationKind::Number(literal) => literal.value,
            DurationKind::Step => self.step as f64 / 1000.0,
            DurationKind::Range => self.range as f64 / 1000.0,
            DurationKind::MinOf(left, right) => crate::engine::go_min(self.seconds(left)?, self.seconds(right)?),
            DurationKind::MaxOf(left, right) => crate::engine::go_max(self.seconds(left)?, self.seconds(right)?),
            DurationKind::Negate(operand) => -self.seconds(operand)?,
            DurationKind::Plus(operand) => self.seconds(operand)?,
            DurationKind::Binary(op, left, right) => {
                let (left, right) = (self.seconds(left)?, self.seconds(right)?);
                match op {
                    BinaryOp::Sub => left - right,
                    BinaryOp::Mul => left * right,
                    BinaryOp::Div if right == 0.0 => return Err(invalid(expr, "division by zero")),
                    BinaryOp::Div => left / right,
                    BinaryOp::Mod if right == 0.0 => return Err(invalid(expr, "modulo by zero")),
                    BinaryOp::Mod => modulo(left, right),
                    BinaryOp::Pow => left.powf(right),
                    _ => left + right,
                }
            }
        })
    }
}

fn invalid(expr: &DurationExpr, what: &str) -> EvaluationError {
    EvaluationError::Invalid(format!("{}:{}: {what}", expr.position.start, expr.position.end))
}

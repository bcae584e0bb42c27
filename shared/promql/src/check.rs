//! The type check of a parsed tree (`checkAST` of Prometheus), in Prometheus' order and words.

use crate::ast::{AggregateOp, Binary, Call, Cardinality, Expr, PositionRange, ValueType};
use crate::error::ParseError;
use crate::lexer::is_space;
use parapet_model::{METRIC_NAME, quote};

/// Checks the tree, and settles what depends on types: set operators become many-to-many, matching is dropped where
/// a side is a scalar.
pub(crate) fn check(expr: &mut Expr, text: &str) -> Result<(), ParseError> {
    Checker { text }.check(expr)
}

struct Checker<'a> {
    text: &'a str,
}

impl Checker<'_> {
    fn fail(&self, position: PositionRange, message: impl Into<String>) -> Result<(), ParseError> {
        Err(ParseError {
            position,
            message: message.into(),
        })
    }

    fn expect(&self, expr: &mut Expr, want: ValueType, context: &str) -> Result<(), ParseError> {
        self.check(expr)?;
        let got = expr.value_type();
        if got == want {
            return Ok(());
        }
        let message = format!(
            "expected type {} in {context}, got {}",
            want.documented(),
            got.documented()
        );
        self.fail(expr.position(), message)
    }

    fn check(&self, expr: &mut Expr) -> Result<(), ParseError> {
        let position = expr.position();
        match expr {
            Expr::Aggregate(aggregate) => {
                self.expect(&mut aggregate.expr, ValueType::Vector, "aggregation expression")?;
                if let Some(param) = &mut aggregate.param {
                    let want = if aggregate.op == AggregateOp::CountValues {
                        ValueType::String
                    } else {
                        ValueType::Scalar
                    };
                    self.expect(param, want, "aggregation parameter")?;
                }
                Ok(())
            }
            Expr::Binary(binary) => self.check_binary(binary, position),
            Expr::Call(call) => self.check_call(call),
            Expr::Paren(paren) => self.check(&mut paren.expr),
            Expr::Unary(unary) => {
                self.check(&mut unary.expr)?;
                match unary.expr.value_type() {
                    ValueType::Scalar | ValueType::Vector => Ok(()),
                    got => self.fail(
                        position,
                        format!(
                            "unary expression only allowed on expressions of type scalar or instant vector, got {}",
                            quote(got.documented())
                        ),
                    ),
                }
            }
            Expr::Subquery(subquery) => {
                self.check(&mut subquery.expr)?;
                match subquery.expr.value_type() {
                    ValueType::Vector => Ok(()),
                    got => self.fail(
                        position,
                        format!(
                            "subquery is only allowed on instant vector, got {} instead",
                            got.as_str()
                        ),
                    ),
                }
            }
            Expr::Matrix(matrix) => self.check_selector(&matrix.selector),
            Expr::Vector(selector) => self.check_selector(selector),
            Expr::Number(_) | Expr::String(_) => Ok(()),
        }
    }

    fn check_selector(&self, selector: &crate::ast::VectorSelector) -> Result<(), ParseError> {
        if let Some((_, others)) = selector.matchers.split_last().filter(|_| !selector.name.is_empty()) {
            return match others.iter().find(|matcher| matcher.name == METRIC_NAME) {
                Some(twice) => self.fail(
                    selector.position,
                    format!(
                        "metric name must not be set twice: {} or {}",
                        quote(&selector.name),
                        quote(&twice.value)
                    ),
                ),
                None => Ok(()),
            };
        }
        // So that a slip of the pen does not select everything there is.
        if selector.may_match_all || selector.matchers.iter().any(|matcher| !matcher.matches("")) {
            return Ok(());
        }
        self.fail(
            selector.position,
            "vector selector must contain at least one non-empty matcher",
        )
    }

    /// Where the operator and its modifiers stand.
    fn operator_position(&self, binary: &Binary) -> PositionRange {
        let (start, end) = (binary.lhs.position().end, binary.rhs.position().start);
        let between = self.text.get(start..end).unwrap_or_default();
        let lead = between.len() - between.trim_start_matches(is_space).len();
        // Prometheus' range ends before the last character, when no space follows the operator.
        let tail = between.len() - between.trim_end_matches(is_space).len();
        PositionRange::at(self.text, start + lead).ending(end.saturating_sub(tail + 1))
    }

    fn check_binary(&self, binary: &mut Binary, position: PositionRange) -> Result<(), ParseError> {
        self.check(&mut binary.lhs)?;
        self.check(&mut binary.rhs)?;
        let (left, right) = (binary.lhs.value_type(), binary.rhs.value_type());
        let op = binary.op;
        if binary.return_bool && !op.is_comparison() {
            let message = "bool modifier can only be used on comparison operators";
            return self.fail(self.operator_position(binary), message);
        }
        if op.is_comparison() && !binary.return_bool && left == ValueType::Scalar && right == ValueType::Scalar {
            let message = "comparisons between scalars must use BOOL modifier";
            return self.fail(self.operator_position(binary), message);
        }
        let operator = self.operator_position(binary);
        let Some(matching) = &mut binary.matching else {
            return Ok(());
        };
        if op.is_set() && matching.cardinality == Cardinality::OneToOne {
            matching.cardinality = Cardinality::ManyToMany;
        }
        if let Some(label) = matching
            .labels
            .iter()
            .find(|label| matching.on && matching.include.contains(label))
        {
            let message = format!("label {} must not occur in ON and GROUP clause at once", quote(label));
            return self.fail(operator, message);
        }
        for (side, expr) in [(left, &binary.lhs), (right, &binary.rhs)] {
            if side != ValueType::Scalar && side != ValueType::Vector {
                let message = "binary expression must contain only scalar and instant vector types";
                return self.fail(expr.position(), message);
            }
        }
        let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
        if left != ValueType::Vector || right != ValueType::Vector {
            if !matching.labels.is_empty() {
                return self.fail(position, "vector matching only allowed between instant vectors");
            }
            if fills {
                return self.fail(
                    position,
                    "filling in missing series only allowed between instant vectors",
                );
            }
            binary.matching = None;
        } else if op.is_set() {
            if matching.cardinality != Cardinality::ManyToMany {
                return self.fail(
                    position,
                    format!("no grouping allowed for {} operation", quote(op.as_str())),
                );
            }
            if fills {
                return self.fail(position, "filling in missing series not allowed for set operators");
            }
        }
        if op.is_set() && (left == ValueType::Scalar || right == ValueType::Scalar) {
            let message = format!(
                "set operator {} not allowed in binary scalar expression",
                quote(op.as_str())
            );
            return self.fail(position, message);
        }
        Ok(())
    }

    fn check_call(&self, call: &mut Call) -> Result<(), ParseError> {
        let (function, given) = (call.function, call.args.len());
        let name = quote(function.name);
        let listed = function.args.len();
        if function.variadic == 0 {
            if given != listed {
                let message = format!("expected {listed} argument(s) in call to {name}, got {given}");
                return self.fail(call.position, message);
            }
        } else {
            let least = listed - 1;
            if given < least {
                let message = format!("expected at least {least} argument(s) in call to {name}, got {given}");
                return self.fail(call.position, message);
            }
            let most = usize::try_from(function.variadic).map(|more| least + more);
            if let Ok(most) = most
                && given > most
            {
                let message = format!("expected at most {most} argument(s) in call to {name}, got {given}");
                return self.fail(call.position, message);
            }
        }
        if function.name == "info" && given > 1 {
            self.check_info_selector(call)?;
        }
        for (at, arg) in call.args.iter_mut().enumerate() {
            let want = function.args[at.min(listed - 1)];
            self.expect(arg, want, &format!("call to function {name}"))?;
        }
        Ok(())
    }

    /// The second argument of `info` names labels, not a metric.
    fn check_info_selector(&self, call: &mut Call) -> Result<(), ParseError> {
        let selector = &mut call.args[1];
        let position = selector.position();
        let got = selector.value_type();
        if got != ValueType::Vector {
            let message = format!(
                "expected type instant vector in call to function \"info\", got {}",
                got.documented()
            );
            return self.fail(call.position, message);
        }
        match selector {
            Expr::Vector(selector) if selector.name.is_empty() => {
                selector.may_match_all = true;
                Ok(())
            }
            Expr::Vector(_) => self.fail(position, "expected label selectors only, got vector selector instead"),
            _ => self.fail(position, "expected label selectors only"),
        }
    }
}

//! Duration expressions: `5m`, `(1h - step())`, `max_of(1m, step())`.

use super::number::{duration_out_of_range, seconds_to_ms};
use super::{Blame, Parser};
use crate::ast::{BinaryOp, DurationExpr, DurationKind, DurationValue, NumberLiteral, PositionRange};
use crate::error::ParseError;
use crate::lexer::{Keyword, TokenKind};

const ADDITIVE: u8 = 1;
const MULTIPLICATIVE: u8 = 2;
const POWER: u8 = 3;

pub(super) const OFFSET: Blame = Blame {
    context: "offset",
    expected: "number, duration, step(), or range()",
};
pub(super) const BRACKET: Blame = Blame {
    context: "subquery or range selector",
    expected: "number, duration, step(), or range()",
};

impl Parser<'_> {
    /// What stands in brackets: a duration above zero.
    pub(super) fn positive_duration(&mut self) -> Result<DurationValue, ParseError> {
        let expr = self.duration(0)?;
        if let DurationKind::Number(literal) = &expr.kind
            && literal.value <= 0.0
        {
            return Err(self.error(literal.position, "duration must be greater than 0"));
        }
        Ok(into_value(expr))
    }

    /// What follows `offset`. A literal, with its sign, ends there: `x offset 5m + 1` adds to `x`; only what
    /// starts with a parenthesis goes on.
    pub(super) fn offset_duration(&mut self) -> Result<DurationValue, ParseError> {
        self.blaming(OFFSET, |parser| {
            let after_sign = match parser.peek().kind {
                TokenKind::Binary(BinaryOp::Add | BinaryOp::Sub) => !matches!(
                    parser.peek_second().kind,
                    TokenKind::Binary(BinaryOp::Add | BinaryOp::Sub)
                ),
                TokenKind::LeftParen => false,
                _ => true,
            };
            let expr = if after_sign {
                parser.duration_operand(true)?
            } else {
                parser.duration(0)?
            };
            Ok(into_value(expr))
        })
    }

    fn duration(&mut self, least: u8) -> Result<DurationExpr, ParseError> {
        self.nested(|parser| {
            let mut left = parser.duration_operand(false)?;
            let mut depth = 0;
            while let TokenKind::Binary(op) = parser.peek().kind {
                let (level, right_level) = match op {
                    BinaryOp::Add | BinaryOp::Sub => (ADDITIVE, MULTIPLICATIVE),
                    BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => (MULTIPLICATIVE, POWER),
                    BinaryOp::Pow => (POWER, POWER),
                    _ => break,
                };
                if level < least {
                    break;
                }
                depth += 1;
                if depth > parser.limit {
                    return Err(parser.too_deep());
                }
                let operator = parser.advance();
                let right = parser.duration(right_level)?;
                if let DurationKind::Number(NumberLiteral { value: 0.0, .. }) = right.kind {
                    match op {
                        BinaryOp::Div => return Err(parser.error(operator.position, "division by zero")),
                        BinaryOp::Mod => return Err(parser.error(operator.position, "modulo by zero")),
                        _ => {}
                    }
                }
                let position = PositionRange::merge(left.position, right.position);
                left = plain(DurationKind::Binary(op, Box::new(left), Box::new(right)), position);
            }
            Ok(left)
        })
    }

    /// A literal, a call, a parenthesis, or a sign before one of them. `bare` is for `offset`, where a sign takes
    /// no more than one operand, not even a power.
    fn duration_operand(&mut self, bare: bool) -> Result<DurationExpr, ParseError> {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::Number | TokenKind::Duration => {
                let literal = self.literal()?;
                if duration_out_of_range(literal.value) {
                    return Err(self.error(literal.position, "duration out of range"));
                }
                let position = literal.position;
                Ok(plain(DurationKind::Number(literal), position))
            }
            TokenKind::Binary(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.advance();
                let operand = if bare {
                    self.nested(|parser| parser.duration_operand(true))?
                } else {
                    self.duration(POWER)?
                };
                Ok(signed(op == BinaryOp::Sub, token.position, operand))
            }
            TokenKind::Keyword(keyword @ (Keyword::Step | Keyword::Range)) => {
                self.advance();
                self.require(&TokenKind::LeftParen)?;
                let close = self.require(&TokenKind::RightParen)?;
                let kind = if keyword == Keyword::Step {
                    DurationKind::Step
                } else {
                    DurationKind::Range
                };
                Ok(plain(kind, PositionRange::merge(token.position, close.position)))
            }
            TokenKind::Keyword(keyword @ (Keyword::MaxOf | Keyword::MinOf)) => {
                self.advance();
                self.require(&TokenKind::LeftParen)?;
                let left = Box::new(self.duration(0)?);
                self.require(&TokenKind::Comma)?;
                let right = Box::new(self.duration(0)?);
                self.require(&TokenKind::RightParen)?;
                let position = PositionRange::merge(left.position, right.position);
                let kind = if keyword == Keyword::MaxOf {
                    DurationKind::MaxOf(left, right)
                } else {
                    DurationKind::MinOf(left, right)
                };
                Ok(plain(kind, position))
            }
            TokenKind::LeftParen => {
                self.advance();
                let inner = self.duration(0)?;
                let close = self.require(&TokenKind::RightParen)?;
                Ok(match inner.kind {
                    // A literal has no parentheses of its own.
                    DurationKind::Number(_) => {
                        let position = PositionRange::merge(token.position, close.position);
                        DurationExpr {
                            kind: DurationKind::Plus(Box::new(inner)),
                            wrapped: true,
                            position,
                        }
                    }
                    kind => DurationExpr {
                        kind,
                        wrapped: true,
                        position: inner.position,
                    },
                })
            }
            _ => Err(self.unexpected()),
        }
    }
}

fn plain(kind: DurationKind, position: PositionRange) -> DurationExpr {
    DurationExpr {
        kind,
        wrapped: false,
        position,
    }
}

fn signed(negative: bool, sign: PositionRange, operand: DurationExpr) -> DurationExpr {
    let position = PositionRange::merge(sign, operand.position);
    match operand.kind {
        DurationKind::Number(mut literal) => {
            if negative {
                literal.value = -literal.value;
            }
            literal.position = position;
            plain(DurationKind::Number(literal), position)
        }
        _ if negative => plain(DurationKind::Negate(Box::new(operand)), position),
        _ => operand,
    }
}

fn into_value(expr: DurationExpr) -> DurationValue {
    match expr.kind {
        DurationKind::Number(literal) => DurationValue::Literal(seconds_to_ms(literal.value)),
        _ => DurationValue::Expr(expr),
    }
}

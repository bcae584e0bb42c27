//! Operands and operators.

use super::operator::{OPERAND_OF_SIGN, precedence};
use super::{Blame, Node, Parser};
use crate::ast::{Aggregate, AggregateOp, Binary, BinaryOp, Call, Expr, Paren, PositionRange, StringLiteral, Unary};
use crate::error::ParseError;
use crate::functions::Function;
use crate::lexer::literal::{Unquoted, unquote};
use crate::lexer::{Keyword, TokenKind};
use parapet_model::quote;

const AGGREGATION: Blame = Blame {
    context: "aggregation",
    expected: "",
};

impl Parser<'_> {
    /// Operands joined by operators of this level or a tighter one.
    pub(super) fn expression(&mut self, least: u8) -> Result<Node, ParseError> {
        self.nested(|parser| {
            let mut left = parser.operand()?;
            while let TokenKind::Binary(op) = parser.peek().kind {
                let (level, right_level) = precedence(op);
                if level < least {
                    break;
                }
                parser.advance();
                let (return_bool, matching) = parser.binary_modifiers()?;
                let right = parser.expression(right_level)?;
                let depth = left.depth.max(right.depth);
                let binary = Binary {
                    op,
                    lhs: Box::new(left.expr),
                    rhs: Box::new(right.expr),
                    matching: Some(matching),
                    return_bool,
                };
                left = parser.node(Expr::Binary(binary), depth)?;
            }
            Ok(left)
        })
    }

    /// One operand with its modifiers, or a sign before one.
    fn operand(&mut self) -> Result<Node, ParseError> {
        let sign = self.peek().position;
        if let Some(negative) = self.sign() {
            let Node { expr, depth } = self.expression(OPERAND_OF_SIGN)?;
            return match expr {
                Expr::Number(mut literal) => {
                    if negative {
                        literal.value = -literal.value;
                    }
                    literal.position = PositionRange::merge(sign, literal.position);
                    self.node(Expr::Number(literal), 0)
                }
                expr => self.node(
                    Expr::Unary(Unary {
                        negative,
                        expr: Box::new(expr),
                        sign,
                    }),
                    depth,
                ),
            };
        }
        let operand = self.primary()?;
        self.postfix(operand)
    }

    fn primary(&mut self) -> Result<Node, ParseError> {
        let token = self.peek().clone();
        let called = self.peek_second().kind == TokenKind::LeftParen;
        match token.kind {
            TokenKind::Number | TokenKind::Duration => {
                let literal = self.literal()?;
                self.node(Expr::Number(literal), 0)
            }
            TokenKind::String => {
                self.advance();
                let Unquoted { text: value, invalid } = unquote(token.text);
                let literal = StringLiteral {
                    value,
                    invalid,
                    position: token.position,
                };
                self.node(Expr::String(literal), 0)
            }
            TokenKind::LeftParen => {
                self.advance();
                let Node { expr, depth } = self.expression(0)?;
                let close = self.require(&TokenKind::RightParen)?;
                let position = PositionRange::merge(token.position, close.position);
                self.node(
                    Expr::Paren(Paren {
                        expr: Box::new(expr),
                        position,
                    }),
                    depth,
                )
            }
            TokenKind::Aggregate(op)
                if called
                    || matches!(
                        self.peek_second().kind,
                        TokenKind::Keyword(Keyword::By | Keyword::Without)
                    ) =>
            {
                self.aggregate(op)
            }
            TokenKind::Identifier if called => self.call(),
            TokenKind::Keyword(keyword) if called && keyword.may_be_called() => self.call(),
            TokenKind::LeftBrace => {
                let selector = self.vector_selector()?;
                self.node(Expr::Vector(selector), 0)
            }
            _ if token.is_metric_name() => {
                let selector = self.vector_selector()?;
                self.node(Expr::Vector(selector), 0)
            }
            _ => Err(self.unexpected()),
        }
    }

    fn call(&mut self) -> Result<Node, ParseError> {
        let name = self.advance();
        let (args, depth, close) = self.arguments()?;
        let Some(function) = Function::find(name.text) else {
            let message = format!("unknown function with name {}", quote(name.text));
            return Err(self.error(name.position, message));
        };
        let position = PositionRange::merge(name.position, close);
        self.node(
            Expr::Call(Call {
                function,
                args,
                position,
            }),
            depth,
        )
    }

    /// Expressions in parentheses, how deep they are, and where the closing parenthesis stands.
    fn arguments(&mut self) -> Result<(Vec<Expr>, usize, PositionRange), ParseError> {
        self.require(&TokenKind::LeftParen)?;
        let (mut args, mut depth) = (Vec::new(), 0);
        if let Some(close) = self.take(&TokenKind::RightParen) {
            return Ok((args, depth, close.position));
        }
        loop {
            let node = self.expression(0)?;
            depth = depth.max(node.depth);
            args.push(node.expr);
            if let Some(close) = self.take(&TokenKind::RightParen) {
                return Ok((args, depth, close.position));
            }
            let comma = self.require(&TokenKind::Comma)?;
            let next = self.peek();
            if !next.starts_operand() && !matches!(next.kind, TokenKind::Error(_)) {
                return Err(self.error(comma.position, "trailing commas not allowed in function call args"));
            }
        }
    }

    fn aggregate(&mut self, op: AggregateOp) -> Result<Node, ParseError> {
        let operator = self.advance();
        let (mut modifier, mut args, mut depth, mut position) = (None, Vec::new(), 0, operator.position);
        self.blaming(AGGREGATION, |parser| {
            modifier = parser
                .aggregate_modifier()?
                .map(|(without, labels, _)| (without, labels));
            let close;
            (args, depth, close) = parser.arguments()?;
            position.end = close.end;
            if modifier.is_none()
                && let Some((without, labels, end)) = parser.aggregate_modifier()?
            {
                modifier = Some((without, labels));
                position.end = end;
            }
            Ok(())
        })?;
        if args.is_empty() {
            return Err(self.error(position, "no arguments for aggregate expression provided"));
        }
        let wanted = if op.has_parameter() { 2 } else { 1 };
        let given = args.len();
        let (Some(expr), true) = (args.pop(), given == wanted) else {
            let message =
                format!("wrong number of arguments for aggregate expression provided, expected {wanted}, got {given}");
            return Err(self.error(position, message));
        };
        let (without, grouping) = modifier.unwrap_or_default();
        let param = args.pop().map(Box::new);
        let aggregate = Aggregate {
            op,
            expr: Box::new(expr),
            param,
            grouping,
            without,
            position,
        };
        self.node(Expr::Aggregate(aggregate), depth)
    }

    /// `by (a)` or `without (a)`: whether it is `without`, the labels, and where it ends.
    fn aggregate_modifier(&mut self) -> Result<Option<(bool, Vec<String>, usize)>, ParseError> {
        let without = self.take_keyword(Keyword::Without);
        if !without && !self.take_keyword(Keyword::By) {
            return Ok(None);
        }
        let labels = self.grouping_labels()?;
        let end = self.tokens[self.at - 1].position.end;
        Ok(Some((without, labels, end)))
    }
}

impl BinaryOp {
    /// The operator of a sign.
    pub(crate) fn sign(negative: bool) -> Self {
        if negative { Self::Sub } else { Self::Add }
    }
}

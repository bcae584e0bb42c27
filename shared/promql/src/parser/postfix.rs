//! What follows an operand: ranges, `offset`, `@`, `anchored`, `smoothed`.

use super::duration::BRACKET;
use super::{Node, Parser};
use crate::ast::{AtModifier, DurationValue, Expr, Extension, MatrixSelector, PositionRange, Subquery, TimeModifiers};
use crate::error::ParseError;
use crate::lexer::{Keyword, Token, TokenKind};
use parapet_model::format_float;

impl Parser<'_> {
    pub(super) fn postfix(&mut self, mut node: Node) -> Result<Node, ParseError> {
        loop {
            node = match self.peek().kind {
                TokenKind::LeftBracket => self.range_or_subquery(node)?,
                TokenKind::Keyword(Keyword::Offset) => self.offset(node)?,
                TokenKind::Keyword(Keyword::Anchored) => self.extension(node, Extension::Anchored)?,
                TokenKind::Keyword(Keyword::Smoothed) => self.extension(node, Extension::Smoothed)?,
                TokenKind::At => self.at_modifier(node)?,
                _ => return Ok(node),
            };
        }
    }

    fn range_or_subquery(&mut self, node: Node) -> Result<Node, ParseError> {
        let open = self.advance();
        let range = self.blaming(BRACKET, Self::positive_duration)?;
        if let Some(close) = self.take(&TokenKind::RightBracket) {
            return self.range_selector(node, range, &open, &close);
        }
        if self.take(&TokenKind::Colon).is_none() {
            return Err(self.unexpected_in("subquery or range", "\":\" or \"]\""));
        }
        let (step, close) = if let Some(close) = self.take(&TokenKind::RightBracket) {
            (None, close)
        } else {
            let expected = super::Blame {
                context: "subquery selector",
                expected: "number, duration, step(), range(), or \"]\"",
            };
            let step = self.blaming(expected, Self::positive_duration)?;
            let Some(close) = self.take(&TokenKind::RightBracket) else {
                return Err(self.unexpected_in("subquery selector", "\"]\""));
            };
            (Some(step), close)
        };
        let subquery = Subquery {
            expr: Box::new(node.expr),
            range,
            step,
            time: TimeModifiers::default(),
            end: close.position.end,
        };
        self.node(Expr::Subquery(subquery), node.depth)
    }

    fn range_selector(
        &mut self,
        node: Node,
        range: DurationValue,
        open: &Token<'_>,
        close: &Token<'_>,
    ) -> Result<Node, ParseError> {
        let message = match node.expr {
            Expr::Vector(selector) if selector.time == TimeModifiers::default() => {
                let matrix = MatrixSelector {
                    selector,
                    range,
                    end: close.position.end,
                };
                return self.node(Expr::Matrix(matrix), 0);
            }
            Expr::Vector(selector) if selector.time.offset.is_some() => "no offset modifiers allowed before range",
            Expr::Vector(_) => "no @ modifiers allowed before range",
            _ => "ranges only allowed for vector selectors",
        };
        Err(self.error(PositionRange::merge(open.position, close.position), message))
    }

    fn offset(&mut self, mut node: Node) -> Result<Node, ParseError> {
        self.advance();
        let offset = self.offset_duration()?;
        let whole = node.expr.position();
        let Some((time, end)) = time_modifiers(&mut node.expr) else {
            let message = "offset modifier must be preceded by an instant vector selector or range vector \
                           selector or a subquery";
            return Err(self.error(whole, message));
        };
        if time.offset.is_some() {
            return Err(self.error(whole, "offset may not be set multiple times"));
        }
        // An offset of nothing is none, and may be set again.
        time.offset = (offset != DurationValue::Literal(0)).then_some(offset);
        *end = self.tokens[self.at - 1].position.end;
        Ok(node)
    }

    fn extension(&mut self, mut node: Node, extension: Extension) -> Result<Node, ParseError> {
        self.advance();
        let whole = node.expr.position();
        let name = match extension {
            Extension::Anchored => "anchored",
            Extension::Smoothed => "smoothed",
        };
        let selector = match &mut node.expr {
            Expr::Vector(selector) => selector,
            Expr::Matrix(matrix) => &mut matrix.selector,
            Expr::Subquery(_) => {
                return Err(self.error(whole, format!("{name} modifier is not supported for subqueries")));
            }
            _ => return Err(self.error(whole, format!("{name} modifier not implemented"))),
        };
        if selector.extension.is_some_and(|already| already != extension) {
            return Err(self.error(whole, "anchored and smoothed modifiers cannot be used together"));
        }
        selector.extension = Some(extension);
        Ok(node)
    }

    fn at_modifier(&mut self, mut node: Node) -> Result<Node, ParseError> {
        self.advance();
        let whole = node.expr.position();
        let at = match self.peek().kind {
            TokenKind::Keyword(keyword @ (Keyword::Start | Keyword::End)) => {
                self.advance();
                for paren in [TokenKind::LeftParen, TokenKind::RightParen] {
                    if self.take(&paren).is_none() {
                        return Err(self.unexpected_in("@", "timestamp"));
                    }
                }
                if keyword == Keyword::Start {
                    AtModifier::Start
                } else {
                    AtModifier::End
                }
            }
            _ => {
                let negative = self.sign().unwrap_or(false);
                if !self.literal_follows() {
                    return Err(self.unexpected_in("@", "timestamp"));
                }
                let magnitude = self.literal()?.value;
                let seconds = if negative { -magnitude } else { magnitude };
                // The bounds of an i64, as floats.
                if seconds.is_nan() || seconds.abs() >= 9_223_372_036_854_775_808.0 {
                    let printed = if seconds.is_finite() {
                        format!("{seconds:.6}")
                    } else {
                        format_float(seconds)
                    };
                    let message = format!("timestamp out of bounds for @ modifier: {printed}");
                    return Err(self.error(whole, message));
                }
                #[allow(clippy::cast_possible_truncation)] // Saturates.
                AtModifier::Timestamp((seconds * 1000.0).round() as i64)
            }
        };
        let Some((time, end)) = time_modifiers(&mut node.expr) else {
            let message = "@ modifier must be preceded by an instant vector selector or range vector selector or \
                           a subquery";
            return Err(self.error(whole, message));
        };
        if time.at.is_some() {
            return Err(self.error(whole, "@ <timestamp> may not be set multiple times"));
        }
        time.at = Some(at);
        *end = self.tokens[self.at - 1].position.end;
        Ok(node)
    }
}

/// Where an expression keeps its `offset` and `@`, and its end.
fn time_modifiers(expr: &mut Expr) -> Option<(&mut TimeModifiers, &mut usize)> {
    match expr {
        Expr::Vector(selector) => Some((&mut selector.time, &mut selector.position.end)),
        Expr::Matrix(matrix) => Some((&mut matrix.selector.time, &mut matrix.end)),
        Expr::Subquery(subquery) => Some((&mut subquery.time, &mut subquery.end)),
        _ => None,
    }
}

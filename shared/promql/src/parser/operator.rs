//! What stands between two operands: operators and the modifiers of vector matching.

use super::Parser;
use crate::ast::{BinaryOp, Cardinality, VectorMatching};
use crate::error::ParseError;
use crate::lexer::literal::{Unquoted, unquote};
use crate::lexer::{Keyword, TokenKind};
use parapet_model::quote;

/// `(level, level of the right operand)`: a right operand of the same level makes the operator right-associative.
pub(super) fn precedence(op: BinaryOp) -> (u8, u8) {
    match op {
        BinaryOp::Or => (1, 2),
        BinaryOp::And | BinaryOp::Unless => (2, 3),
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Greater
        | BinaryOp::Less
        | BinaryOp::GreaterOrEqual
        | BinaryOp::LessOrEqual
        | BinaryOp::TrimUpper
        | BinaryOp::TrimLower => (3, 4),
        BinaryOp::Add | BinaryOp::Sub => (4, 5),
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Atan2 => (5, 6),
        BinaryOp::Pow => (6, 6),
    }
}

/// The level of what a sign takes: it binds as a multiplication, so powers only.
pub(super) const OPERAND_OF_SIGN: u8 = 6;

impl Parser<'_> {
    /// `bool on (a) group_left (b) fill (0)`, each of them optional. Answers whether `bool` was there.
    pub(super) fn binary_modifiers(&mut self) -> Result<(bool, VectorMatching), ParseError> {
        let return_bool = self.take_keyword(Keyword::Bool);
        let mut matching = VectorMatching {
            cardinality: Cardinality::OneToOne,
            labels: Vec::new(),
            on: false,
            include: Vec::new(),
            fill_left: None,
            fill_right: None,
        };
        let on = self.take_keyword(Keyword::On);
        if on || self.take_keyword(Keyword::Ignoring) {
            matching.on = on;
            matching.labels = self.grouping_labels()?;
            if self.take_keyword(Keyword::GroupLeft) {
                matching.cardinality = Cardinality::ManyToOne;
            } else if self.take_keyword(Keyword::GroupRight) {
                matching.cardinality = Cardinality::OneToMany;
            }
            let is_grouped = matching.cardinality != Cardinality::OneToOne;
            if is_grouped && (self.peek().kind == TokenKind::LeftParen || !self.peek().starts_operand()) {
                matching.include = self.grouping_labels()?;
            }
        }
        if self.take_keyword(Keyword::Fill) {
            let fill = self.fill_value()?;
            (matching.fill_left, matching.fill_right) = (Some(fill), Some(fill));
        } else if self.take_keyword(Keyword::FillLeft) {
            matching.fill_left = Some(self.fill_value()?);
            if self.take_keyword(Keyword::FillRight) {
                matching.fill_right = Some(self.fill_value()?);
            }
        } else if self.take_keyword(Keyword::FillRight) {
            matching.fill_right = Some(self.fill_value()?);
            if self.take_keyword(Keyword::FillLeft) {
                matching.fill_left = Some(self.fill_value()?);
            }
        }
        Ok((return_bool, matching))
    }

    fn fill_value(&mut self) -> Result<f64, ParseError> {
        self.require(&TokenKind::LeftParen)?;
        let negative = self.sign().unwrap_or(false);
        if !self.literal_follows() {
            return Err(self.unexpected());
        }
        let value = self.literal()?.value;
        self.require(&TokenKind::RightParen)?;
        Ok(if negative { -value } else { value })
    }

    /// Takes a sign; whether it is a minus.
    pub(super) fn sign(&mut self) -> Option<bool> {
        let negative = match self.peek().kind {
            TokenKind::Binary(BinaryOp::Add) => false,
            TokenKind::Binary(BinaryOp::Sub) => true,
            _ => return None,
        };
        self.advance();
        Some(negative)
    }

    /// Label names in parentheses.
    pub(super) fn grouping_labels(&mut self) -> Result<Vec<String>, ParseError> {
        const RULE: &str = "grouping opts";
        if self.take(&TokenKind::LeftParen).is_none() {
            return Err(self.unexpected_in(RULE, "\"(\""));
        }
        let mut labels = Vec::new();
        while self.take(&TokenKind::RightParen).is_none() {
            let token = self.peek().clone();
            let label = match token.kind {
                TokenKind::String => unquote(token.text),
                _ if token.is_grouping_label() => Unquoted {
                    text: token.text.to_owned(),
                    invalid: None,
                },
                _ => return Err(self.unexpected_in(RULE, "label")),
            };
            if label.text.is_empty() || label.invalid.is_some() {
                let quoted = label.invalid.unwrap_or_else(|| quote(&label.text));
                return Err(self.error(token.position, format!("invalid label name for grouping: {quoted}")));
            }
            labels.push(label.text);
            self.advance();
            if self.take(&TokenKind::Comma).is_none() && self.peek().kind != TokenKind::RightParen {
                return Err(self.unexpected_in(RULE, "\",\" or \")\""));
            }
        }
        Ok(labels)
    }
}

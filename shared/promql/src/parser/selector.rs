//! Instant selectors: `up{job="x"}`, `{"my.metric", job=~"a|b"}`.

use super::Parser;
use crate::ast::{BinaryOp, PositionRange, TimeModifiers, VectorSelector};
use crate::error::ParseError;
use crate::lexer::TokenKind;
use crate::lexer::literal::unquote;
use parapet_model::{METRIC_NAME, MatchOp, Matcher};

const RULE: &str = "label matching";

impl Parser<'_> {
    /// A metric's name, matchers in braces, or both; one of them follows.
    pub(super) fn vector_selector(&mut self) -> Result<VectorSelector, ParseError> {
        let mut selector = VectorSelector {
            name: String::new(),
            matchers: Vec::new(),
            time: TimeModifiers::default(),
            extension: None,
            may_match_all: false,
            position: self.peek().position,
        };
        if self.peek().kind != TokenKind::LeftBrace {
            let token = self.advance();
            token.text.clone_into(&mut selector.name);
        }
        if self.take(&TokenKind::LeftBrace).is_some() {
            let close = self.label_matchers(&mut selector.matchers)?;
            selector.position.end = close.end;
        }
        if !selector.name.is_empty() {
            selector
                .matchers
                .push(Matcher::equal(METRIC_NAME, selector.name.as_str()));
        }
        Ok(selector)
    }

    /// The matchers and the closing brace, whose place it answers.
    fn label_matchers(&mut self, matchers: &mut Vec<Matcher>) -> Result<PositionRange, ParseError> {
        if let Some(close) = self.take(&TokenKind::RightBrace) {
            return Ok(close.position);
        }
        loop {
            matchers.push(self.label_matcher()?);
            if self.take(&TokenKind::Comma).is_none() {
                if let Some(close) = self.take(&TokenKind::RightBrace) {
                    return Ok(close.position);
                }
                return Err(self.unexpected_in(RULE, "\",\" or \"}\""));
            }
            if let Some(close) = self.take(&TokenKind::RightBrace) {
                return Ok(close.position);
            }
        }
    }

    fn label_matcher(&mut self) -> Result<Matcher, ParseError> {
        let label = self.peek().clone();
        let name = match label.kind {
            TokenKind::Identifier => label.text.to_owned(),
            TokenKind::String => unquote(label.text).text,
            _ => return Err(self.unexpected_in(RULE, "identifier or \"}\"")),
        };
        self.advance();
        let op = match self.peek().kind {
            TokenKind::Assign => MatchOp::Equal,
            TokenKind::Binary(BinaryOp::NotEqual) => MatchOp::NotEqual,
            TokenKind::Matches => MatchOp::Regex,
            TokenKind::MatchesNot => MatchOp::NotRegex,
            _ if label.kind == TokenKind::String => return Ok(Matcher::equal(METRIC_NAME, name)),
            _ => return Err(self.unexpected_in(RULE, "label matching operator")),
        };
        self.advance();
        let Some(value) = self.take(&TokenKind::String) else {
            return Err(self.unexpected_in(RULE, "string"));
        };
        Matcher::new(name, op, unquote(value.text).text).map_err(|error| {
            let position = PositionRange::merge(label.position, value.position);
            self.error(position, format!("error parsing regexp: {}", error.reason))
        })
    }
}

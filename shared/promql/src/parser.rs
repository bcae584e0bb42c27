//! The parser: from tokens to a checked [`Expr`].
//!
//! Recursive descent with precedence climbing, one method per rule of Prometheus' grammar
//! (`promql/parser/generated_parser.y`). It stops at the first mistake, which is the one that Prometheus reports.
//! The tree's depth is limited, so that neither parsing nor anything that walks the tree can overflow the stack.

mod duration;
mod expression;
mod number;
mod operator;
mod postfix;
mod selector;

use crate::ast::{Expr, PositionRange};
use crate::deep::{SHALLOW, on_large_stack};
use crate::error::ParseError;
use crate::lexer::{Keyword, Token, TokenKind, tokenize};
use parapet_model::Matcher;

/// The deepest tree that is accepted.
pub(crate) const MAX_DEPTH: usize = 500;

/// Reads a query and checks its types.
///
/// # Errors
/// [`ParseError`], in Prometheus' words, where the text is no query, or one whose types do not fit.
///
/// ```
/// let error = parapet_promql::parse("sum(rate(x))").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"1:10: parse error: expected type range vector in call to function "rate", got instant vector"#
/// );
/// ```
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text, SHALLOW);
    match parser.query(text) {
        Err(_) if parser.exceeded => {
            let deep = on_large_stack(|| Parser::new(text, MAX_DEPTH).query(text));
            deep.unwrap_or_else(|| Err(parser.too_deep()))
        }
        parsed => parsed,
    }
}

/// Reads an instant selector alone (`up{job="x"}`), as in the HTTP API's `match[]`: its matchers, the name's last.
///
/// # Errors
/// [`ParseError`] where the text is anything else.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(text, SHALLOW);
    let token = parser.peek();
    if !token.is_metric_name() && token.kind != TokenKind::LeftBrace {
        return Err(parser.unexpected());
    }
    let selector = parser.vector_selector()?;
    if parser.peek().kind != TokenKind::End {
        return Err(parser.unexpected());
    }
    Ok(selector.matchers)
}

/// A tree and how deep it is.
struct Node {
    expr: Expr,
    depth: usize,
}

/// The rule that an unexpected token is blamed on, when no inner one claims it.
#[derive(Clone, Copy)]
struct Blame {
    context: &'static str,
    expected: &'static str,
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    /// The deepest tree that is built, and the most rules that are entered.
    limit: usize,
    /// Whether the limit was met.
    exceeded: bool,
    /// How many rules are entered, against the stack's end.
    nesting: usize,
    /// From the outermost rule to the innermost.
    blame: Vec<Blame>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, limit: usize) -> Self {
        Self {
            tokens: tokenize(text),
            at: 0,
            limit,
            exceeded: false,
            nesting: 0,
            blame: Vec::new(),
        }
    }

    /// The whole text, checked.
    fn query(&mut self, text: &str) -> Result<Expr, ParseError> {
        if self.peek().kind == TokenKind::End {
            return Err(self.error(PositionRange::at(text, 0), "no expression found in input"));
        }
        let mut expr = self.expression(0)?.expr;
        if self.peek().kind != TokenKind::End {
            return Err(self.unexpected());
        }
        crate::check::check(&mut expr, text)?;
        Ok(expr)
    }

    fn peek(&self) -> &Token<'a> {
        // The last token is `End` or `Error` and is never passed.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn peek_second(&self) -> &Token<'a> {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)]
    }

    fn advance(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        if !matches!(token.kind, TokenKind::End | TokenKind::Error(_)) {
            self.at += 1;
        }
        token
    }

    /// Takes the next token if it is of this kind.
    fn take(&mut self, kind: &TokenKind) -> Option<Token<'a>> {
        (self.peek().kind == *kind).then(|| self.advance())
    }

    fn take_keyword(&mut self, keyword: Keyword) -> bool {
        self.take(&TokenKind::Keyword(keyword)).is_some()
    }

    /// Takes the next token, which must be of this kind.
    fn require(&mut self, kind: &TokenKind) -> Result<Token<'a>, ParseError> {
        self.take(kind).ok_or_else(|| self.unexpected())
    }

    #[allow(clippy::unused_self)]
    fn error(&self, position: PositionRange, message: impl Into<String>) -> ParseError {
        ParseError {
            position,
            message: message.into(),
        }
    }

    /// The next token stands where it must not.
    fn unexpected(&self) -> ParseError {
        match self.blame.last() {
            Some(blame) => self.unexpected_in(blame.context, blame.expected),
            None => self.unexpected_in("", ""),
        }
    }

    fn unexpected_in(&self, context: &str, expected: &str) -> ParseError {
        let token = self.peek();
        let mut message = token.describe();
        if !matches!(token.kind, TokenKind::Error(_)) {
            message = format!("unexpected {message}");
            if !context.is_empty() {
                message.push_str(" in ");
                message.push_str(context);
            }
            if !expected.is_empty() {
                message.push_str(", expected ");
                message.push_str(expected);
            }
        }
        self.error(token.position, message)
    }

    /// Runs a rule that is to blame for unexpected tokens.
    fn blaming<T>(
        &mut self,
        blame: Blame,
        rule: impl FnOnce(&mut Self) -> Result<T, ParseError>,
    ) -> Result<T, ParseError> {
        self.blame.push(blame);
        let result = rule(self);
        self.blame.pop();
        result
    }

    /// Runs a rule that may contain itself.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T, ParseError>) -> Result<T, ParseError> {
        self.nesting += 1;
        if self.nesting > self.limit {
            return Err(self.too_deep());
        }
        let result = rule(self);
        self.nesting -= 1;
        result
    }

    fn too_deep(&mut self) -> ParseError {
        self.exceeded = true;
        self.error(
            self.peek().position,
            format!("expression is nested too deeply, the limit is {MAX_DEPTH}"),
        )
    }

    /// A node one level above `depth`.
    fn node(&mut self, expr: Expr, depth: usize) -> Result<Node, ParseError> {
        if depth >= self.limit {
            Err(self.too_deep())
        } else {
            Ok(Node { expr, depth: depth + 1 })
        }
    }
}

//! Reads LogQL. Loki's grammar (`pkg/logql/syntax/syntax.y`) is the specification.

mod metric;
mod stage;

use super::ast::{Expr, LogExpr};
use super::lex::{Kind, ParseError, Token, lex};
use super::selector::selector;

/// How deep a query may nest.
const MAX_DEPTH: usize = 200;
/// How long a query may be, bytes.
const MAX_BYTES: usize = 128 << 10;

/// Reads a query.
///
/// # Errors
/// [`ParseError`] with the place.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    if text.len() > MAX_BYTES {
        return Err(ParseError::at(
            text,
            0,
            format!("the query is longer than {MAX_BYTES} bytes"),
        ));
    }
    let mut parser = Parser {
        text,
        tokens: lex(text)?,
        at: 0,
        depth: 0,
    };
    let expr = parser.expr(0)?;
    if *parser.peek() != Kind::End {
        return Err(parser.unexpected(""));
    }
    if let Expr::Log(log) = &expr {
        parser.check_selector(log)?;
    }
    super::compile::check(&expr).map_err(|message| ParseError::at(text, 0, message))?;
    Ok(expr)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

impl Parser<'_> {
    fn peek(&self) -> &Kind {
        &self.tokens[self.at].kind
    }

    fn peek_after(&self, count: usize) -> &Kind {
        &self.tokens[(self.at + count).min(self.tokens.len() - 1)].kind
    }

    fn fail(&self, message: impl Into<String>) -> ParseError {
        ParseError::at(self.text, self.tokens[self.at].at, message)
    }

    fn unexpected(&self, expected: &str) -> ParseError {
        let found = self.peek().describe();
        if expected.is_empty() {
            self.fail(format!("syntax error: unexpected {found}"))
        } else {
            self.fail(format!("syntax error: unexpected {found}, expecting {expected}"))
        }
    }

    fn is(&self, sign: &'static str) -> bool {
        *self.peek() == Kind::Sign(sign)
    }

    fn take(&mut self, sign: &'static str) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<()> {
        if self.take(sign) {
            Ok(())
        } else {
            Err(self.unexpected(sign))
        }
    }

    /// Whether a keyword stands here, in any case.
    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Kind::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self) -> Result<String> {
        match self.peek().clone() {
            Kind::Word(word) => {
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.unexpected("IDENTIFIER")),
        }
    }

    fn string(&mut self) -> Result<String> {
        match self.peek().clone() {
            Kind::Text(text) => {
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.unexpected("STRING")),
        }
    }

    /// A number, with a sign perhaps.
    fn number(&mut self) -> Result<f64> {
        let sign = if self.take("-") { -1.0 } else { 1.0 };
        if sign > 0.0 {
            self.take("+");
        }
        Ok(sign * self.unsigned("NUMBER")?)
    }

    fn unsigned(&mut self, expected: &str) -> Result<f64> {
        match *self.peek() {
            Kind::Number(number) => {
                self.at += 1;
                Ok(number)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fail(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    /// A selector and its stages, up to what belongs to no stage.
    fn log(&mut self) -> Result<LogExpr> {
        let (matchers, end) = selector(self.text, &self.tokens, self.at)?;
        self.at = end;
        let mut log = LogExpr {
            selector: matchers,
            stages: Vec::new(),
        };
        self.stages(&mut log.stages)?;
        Ok(log)
    }

    /// As Loki has it: something must be asked of the streams.
    fn check_selector(&self, log: &LogExpr) -> Result<()> {
        if log.selector.iter().any(|matcher| !matcher.matches("")) {
            return Ok(());
        }
        let message = "queries require at least one regexp or equality matcher that does not have an empty-compatible \
                       value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will";
        Err(ParseError::at(self.text, 0, message))
    }
}

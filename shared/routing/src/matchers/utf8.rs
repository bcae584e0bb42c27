//! The UTF-8 grammar (`matcher/parse` of Alertmanager): any label name, quoted where it must be.

use super::unquote::unquote;
use super::{Matcher, Matchers, MatchersError, is_reserved};
use parapet_model::MatchOp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Comma,
    Operator(MatchOp),
    Quoted(&'a str),
    Unquoted(&'a str),
    End,
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// The next token and where it begins, in bytes.
    fn next(&mut self) -> Result<(Token<'a>, usize), MatchersError> {
        let rest = self.text[self.at..].trim_start();
        let start = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            self.at = self.text.len();
            return Ok((Token::End, start));
        };
        let (token, length) = match first {
            '{' => (Token::Open, 1),
            '}' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '=' | '!' => {
                let sign = ["=~", "=", "!=", "!~"].into_iter().find(|sign| rest.starts_with(sign));
                match sign {
                    Some("=~") => (Token::Operator(MatchOp::Regex), 2),
                    Some("=") => (Token::Operator(MatchOp::Equal), 1),
                    Some("!=") => (Token::Operator(MatchOp::NotEqual), 2),
                    Some(_) => (Token::Operator(MatchOp::NotRegex), 2),
                    None => return Err(self.fault(start, "expected an operator such as '=', '!=', '=~' or '!~'")),
                }
            }
            '"' => {
                let mut escaped = false;
                let end = rest[1..].char_indices().find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                let Some((end, _)) = end else {
                    return Err(self.fault(start, "missing end \""));
                };
                (Token::Quoted(&rest[..end + 2]), end + 2)
            }
            c if is_reserved(c) => return Err(self.fault(start, "invalid input")),
            _ => {
                let end = rest.find(is_reserved).unwrap_or(rest.len());
                (Token::Unquoted(&rest[..end]), end)
            }
        };
        self.at = start + length;
        Ok((token, start))
    }

    fn peek(&mut self) -> Result<(Token<'a>, usize), MatchersError> {
        let at = self.at;
        let token = self.next();
        self.at = at;
        token
    }

    fn fault(&self, at: usize, what: &str) -> MatchersError {
        let column = self.text[..at].chars().count();
        let rest: String = self.text[at..].chars().take(20).collect();
        MatchersError(format!("at character {column} ({rest:?}): {what}"))
    }
}

/// Reads matchers in the UTF-8 grammar.
///
/// # Errors
/// [`MatchersError`] with the position and what was expected there.
pub fn parse_utf8_matchers(text: &str) -> Result<Matchers, MatchersError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut matchers = Vec::new();
    let braces = lexer.peek()?.0 == Token::Open;
    if braces {
        lexer.next()?;
    } else if lexer.peek()?.0 == Token::End {
        return Ok(Matchers(matchers));
    }
    loop {
        match lexer.peek()? {
            (Token::Close | Token::End, _) => break,
            (Token::Quoted(_) | Token::Unquoted(_), _) => matchers.push(matcher(&mut lexer)?),
            (_, at) => return Err(lexer.fault(at, "expected label name")),
        }
        match lexer.peek()? {
            (Token::Comma, _) => lexer.next()?,
            (Token::Close | Token::End, _) => break,
            (_, at) => return Err(lexer.fault(at, "expected a comma or close brace")),
        };
    }
    match (braces, lexer.next()?) {
        (true, (Token::Close, _)) | (false, (Token::End, _)) => {}
        (true, (_, at)) => return Err(lexer.fault(at, "expected close brace")),
        (false, (_, at)) => return Err(lexer.fault(at, "expected opening brace")),
    }
    match lexer.next()? {
        (Token::End, _) => Ok(Matchers(matchers)),
        (_, at) => Err(lexer.fault(at, "expected end of input")),
    }
}

fn matcher(lexer: &mut Lexer<'_>) -> Result<Matcher, MatchersError> {
    let name = word(lexer, "expected label name")?;
    let op = match lexer.next()? {
        (Token::Operator(op), _) => op,
        (_, at) => return Err(lexer.fault(at, "expected an operator such as '=', '!=', '=~' or '!~'")),
    };
    let value = word(lexer, "expected label value")?;
    Matcher::new(name, op, value)
}

fn word(lexer: &mut Lexer<'_>, expected: &str) -> Result<String, MatchersError> {
    match lexer.next()? {
        (Token::Unquoted(text), _) => Ok(text.to_owned()),
        (Token::Quoted(text), at) => {
            unquote(text).ok_or_else(|| lexer.fault(at, "not a string in double quotes with Go's escapes"))
        }
        (_, at) => Err(lexer.fault(at, expected)),
    }
}

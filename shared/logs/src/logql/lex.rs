//! Cuts LogQL into tokens.

use crate::number::{parse_bytes, parse_duration_seconds};
use parapet_model::{parse_duration_ms, quote};
use std::fmt;

/// A text that is no LogQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line at which reading stopped, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl std::error::Error for ParseError {}

/// In Loki's form.
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "parse error at line {}, col {}: {}",
            self.line, self.column, self.message
        )
    }
}

impl ParseError {
    pub(super) fn at(text: &str, at: usize, message: impl Into<String>) -> Self {
        let before = &text[..at.min(text.len())];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name; keywords are names that the parser knows.
    Word(String),
    Text(String),
    Number(f64),
    /// Nanoseconds.
    Duration(i64),
    /// Bytes.
    Bytes(f64),
    /// What stands in brackets, nanoseconds.
    Range(i64),
    /// `--strict`, `--keep-empty`.
    Flag(String),
    Sign(&'static str),
    End,
}

impl Kind {
    /// As errors name it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("IDENTIFIER {}", quote(word)),
            Self::Text(_) => "STRING".to_owned(),
            Self::Number(_) => "NUMBER".to_owned(),
            Self::Duration(_) => "DURATION".to_owned(),
            Self::Bytes(_) => "BYTES".to_owned(),
            Self::Range(_) => "RANGE".to_owned(),
            Self::Flag(_) => "FUNCTION_FLAG".to_owned(),
            Self::Sign(sign) => quote(sign),
            Self::End => "$end".to_owned(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

/// Longer signs before those that are their beginning.
const SIGNS: [&str; 27] = [
    "|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=", "|", "=", ">", "<", "{", "}", "(", ")", ",", "+", "-",
    "*", "/", "%", "^", ".", "]",
];

/// Cuts a text; the last token is the end.
pub(super) fn lex(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let fail = |message: String| ParseError::at(text, at, message);
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (kind, length) = match c {
            '#' => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            '"' | '`' => literal(rest).map_err(fail)?,
            '[' => {
                let Some(length) = rest.find(']') else {
                    return Err(fail("missing closing ']' in duration".to_owned()));
                };
                let inside = rest[1..length].trim();
                let ms = parse_duration_ms(inside).map_err(|error| fail(error.to_string()))?;
                if ms == 0 {
                    return Err(fail("a range must be longer than 0".to_owned()));
                }
                (Kind::Range(ms.saturating_mul(1_000_000)), length + 1)
            }
            '-' if rest.starts_with("--strict") => (Kind::Flag("--strict".to_owned()), 8),
            '-' if rest.starts_with("--keep-empty") => (Kind::Flag("--keep-empty".to_owned()), 12),
            '0'..='9' | '.' if c != '.' || rest[1..].starts_with(|next: char| next.is_ascii_digit()) => {
                number(rest).ok_or_else(|| fail(format!("{} is no number", quote(first_word(rest)))))?
            }
            '-' if rest[1..].starts_with(|next: char| next.is_ascii_digit()) => match number(&rest[1..]) {
                // A minus belongs to a duration, but not to a number: `1 -2` is a difference.
                Some((Kind::Duration(nanos), length)) => (Kind::Duration(-nanos), length + 1),
                _ => (Kind::Sign("-"), 1),
            },
            c if c.is_alphabetic() || c == '_' => {
                let length = rest
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                (Kind::Word(rest[..length].to_owned()), length)
            }
            c => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => (Kind::Sign(sign), sign.len()),
                None => return Err(fail(format!("unexpected character {}", quote(&c.to_string())))),
            },
        };
        tokens.push(Token { at, kind });
        at += length;
    }
    tokens.push(Token {
        at: text.len(),
        kind: Kind::End,
    });
    Ok(tokens)
}

fn first_word(rest: &str) -> &str {
    rest.split(char::is_whitespace).next().unwrap_or_default()
}

fn number(rest: &str) -> Option<(Kind, usize)> {
    let length = rest
        .char_indices()
        .find(|(index, c)| {
            let exponent_sign = matches!(c, '+' | '-') && rest[..*index].ends_with(['e', 'E']);
            !c.is_alphanumeric() && !matches!(c, '.' | '_') && !exponent_sign
        })
        .map_or(rest.len(), |(index, _)| index);
    let text = &rest[..length];
    if let Ok(number) = text.parse() {
        return Some((Kind::Number(number), length));
    }
    if text.contains('_') {
        // As in Go: `1_000`.
        let is_digit = |c: char| c.is_ascii_digit();
        let mut parts = text.split('_');
        let are_digits = parts.all(|part| part.starts_with(is_digit) && part.ends_with(is_digit));
        let number = are_digits.then(|| text.replace('_', "").parse().ok()).flatten()?;
        return Some((Kind::Number(number), length));
    }
    if let Some(seconds) = parse_duration_seconds(text) {
        #[allow(clippy::cast_possible_truncation)] // Saturates; far beyond any log.
        return Some((Kind::Duration((seconds * 1e9).round() as i64), length));
    }
    // Loki does not take exabytes: they need not fit.
    let bytes = parse_bytes(text).filter(|_| !text.contains(['e', 'E']))?;
    Some((Kind::Bytes(bytes), length))
}

/// A text in Go's quotes.
fn literal(rest: &str) -> Result<(Kind, usize), String> {
    if let Some(raw) = rest.strip_prefix('`') {
        let length = raw.find('`').ok_or("literal not terminated")?;
        return Ok((Kind::Text(raw[..length].to_owned()), length + 2));
    }
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return Ok((Kind::Text(out), index + 1)),
            '\n' => break,
            '\\' => {
                let (_, escaped) = chars.next().ok_or("literal not terminated")?;
                let mut digits = |count: usize, radix: u32, first: Option<char>| {
                    let mut code = first.and_then(|c| c.to_digit(radix)).unwrap_or_default();
                    for _ in 0..count {
                        let digit = chars.next().and_then(|(_, c)| c.to_digit(radix));
                        code = code.wrapping_mul(radix) + digit.ok_or("invalid syntax")?;
                    }
                    char::from_u32(code).ok_or("invalid syntax")
                };
                out.push(match escaped {
                    'a' => '\u{7}',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'v' => '\u{b}',
                    '\\' | '"' | '\'' => escaped,
                    'x' => digits(2, 16, None)?,
                    'u' => digits(4, 16, None)?,
                    'U' => digits(8, 16, None)?,
                    '0'..='7' => digits(2, 8, Some(escaped))?,
                    _ => return Err("invalid char escape".to_owned()),
                });
            }
            c => out.push(c),
        }
    }
    Err("literal not terminated".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let kinds = |text: &str| lex(text).map(|tokens| tokens.into_iter().map(|token| token.kind).collect::<Vec<_>>());
        assert_eq!(
            kinds("{a=\"b\\n\"} # comment\n |= `x\\` [5m] --strict 1.5 250ms 10KB -2h - 3").unwrap(),
            vec![
                Kind::Sign("{"),
                Kind::Word("a".to_owned()),
                Kind::Sign("="),
                Kind::Text("b\n".to_owned()),
                Kind::Sign("}"),
                Kind::Sign("|="),
                Kind::Text("x\\".to_owned()),
                Kind::Range(300_000_000_000),
                Kind::Flag("--strict".to_owned()),
                Kind::Number(1.5),
                Kind::Duration(250_000_000),
                Kind::Bytes(10_000.0),
                Kind::Duration(-7_200_000_000_000),
                Kind::Sign("-"),
                Kind::Number(3.0),
                Kind::End,
            ]
        );
        for (text, line, column) in [
            ("{a=\"b", 1, 4),
            ("x\n  [5q]", 2, 3),
            ("é ~", 1, 3),
            ("[5m", 1, 1),
            ("\"\\q\"", 1, 1),
        ] {
            let error = lex(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        }
    }
}

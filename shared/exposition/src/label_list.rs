//! What stands between braces: labels, and in the UTF-8 syntax the metric's name too.

use crate::cursor::{Cursor, LABEL_START, Token, is};
use crate::error::{ParseError, quote};
use crate::parser::LabelPair;
use crate::swar;
use std::borrow::Cow;

/// How the formats differ between braces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Spaces and tabs may stand between tokens.
    blanks: bool,
    /// Labels must be separated by commas.
    commas: bool,
    /// Line breaks may stand within quoted names, and within values.
    newline_in_names: bool,
    newline_in_values: bool,
    /// NUL may stand within values.
    nul_in_values: bool,
    /// The metric's name may stand here.
    metric_name: bool,
}

pub(crate) const TEXT: Style = Style {
    blanks: true,
    commas: false,
    newline_in_names: true,
    newline_in_values: true,
    nul_in_values: true,
    metric_name: true,
};

pub(crate) const OPENMETRICS: Style = Style {
    blanks: false,
    commas: true,
    newline_in_names: true,
    newline_in_values: false,
    nul_in_values: true,
    metric_name: true,
};

pub(crate) const EXEMPLAR: Style = Style {
    newline_in_names: false,
    nul_in_values: false,
    metric_name: false,
    ..OPENMETRICS
};

/// Reads labels up to and with the closing brace; the opening one has been read.
pub(crate) fn parse<'a>(
    cursor: &mut Cursor<'a>,
    style: Style,
    limit: usize,
    labels: &mut Vec<LabelPair<'a>>,
    metric: &mut Option<Cow<'a, str>>,
) -> Result<(), ParseError> {
    // A token read ahead.
    let mut ahead = None;
    loop {
        if ahead.is_none()
            && let Some((name, value, closed)) = plain_label(cursor)
        {
            push(cursor, labels, limit, (Cow::Borrowed(name), Cow::Borrowed(value)))?;
            if closed {
                return Ok(());
            }
            continue;
        }
        let mut token = ahead.take().unwrap_or_else(|| name_token(cursor, style));
        let (start, end) = (cursor.start, cursor.at);
        let quoted = match token {
            Token::BraceClose => return Ok(()),
            Token::LabelName => false,
            Token::QuotedString => true,
            _ => return Err(cursor.unexpected("expected label name", token)),
        };
        let name_cursor = *cursor;
        token = name_token(cursor, style);
        let name = || {
            let trim = usize::from(quoted);
            let name = name_cursor.text(start + trim, end - trim).ok_or_else(|| {
                let bytes = quote(name_cursor.bytes(start, end));
                name_cursor.error(format!("invalid metric name or label names: {bytes} is not UTF-8"))
            })?;
            Ok::<_, ParseError>(if quoted { unescape(name) } else { Cow::Borrowed(name) })
        };
        // A quoted text without a value is the metric's name.
        if quoted && matches!(token, Token::Comma | Token::BraceClose) {
            if !style.metric_name {
                return Err(cursor.unexpected("expected label name", token));
            }
            if metric.is_some() {
                return Err(cursor.while_parsing("metric name already set"));
            }
            *metric = Some(name()?);
            if token == Token::BraceClose {
                return Ok(());
            }
            continue;
        }
        if token != Token::Equal {
            return Err(cursor.unexpected("expected equal", token));
        }
        let token_value = value_token(cursor, style);
        if token_value != Token::LabelValue {
            return Err(cursor.unexpected("expected label value", token_value));
        }
        let value = cursor
            .text(cursor.start + 1, cursor.at - 1)
            .ok_or_else(|| cursor.error(format!("invalid UTF-8 label value: {}", quote(cursor.token()))))?;
        // Exemplars are taken as they stand.
        let value = if style.metric_name {
            unescape(value)
        } else {
            Cow::Borrowed(value)
        };
        push(cursor, labels, limit, (name()?, value))?;
        token = name_token(cursor, style);
        if style.commas && !matches!(token, Token::Comma | Token::BraceClose) {
            return Err(cursor.unexpected("expected comma or brace close", token));
        }
        if token != Token::Comma {
            ahead = Some(token);
        }
    }
}

#[inline(always)]
fn push<'a>(
    cursor: &Cursor<'_>,
    labels: &mut Vec<LabelPair<'a>>,
    limit: usize,
    label: LabelPair<'a>,
) -> Result<(), ParseError> {
    if labels.len() >= limit {
        return Err(too_many(cursor, limit));
    }
    labels.push(label);
    Ok(())
}

#[cold]
fn too_many(cursor: &Cursor<'_>, limit: usize) -> ParseError {
    cursor.error(format!("more than {limit} labels in one series"))
}

/// The commonest case, in one go: `name="value"` without escapes or blanks, then a comma or the closing brace, which
/// are gone past. `None`, and nothing gone past, for anything else. True where the brace closed.
#[inline]
fn plain_label<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a str, &'a str, bool)> {
    let rest = cursor.rest();
    if !is(*rest.first()?, LABEL_START) {
        return None;
    }
    let name_end = swar::end_of_word(rest, false)?;
    let after = rest[name_end..].strip_prefix(b"=\"")?;
    let value_start = name_end + 2;
    let value_end = value_start + swar::end_of_value(after)?;
    let [b'"', closing @ (b',' | b'}')] = rest.get(value_end..value_end + 2)? else {
        return None;
    };
    let name = cursor.text(cursor.at, cursor.at + name_end)?;
    let value = cursor.text(cursor.at + value_start, cursor.at + value_end)?;
    cursor.at += value_end + 2;
    // The comma or brace is the token last read: messages quote it.
    cursor.start = cursor.at - 1;
    Some((name, value, *closing == b'}'))
}

/// A token where a name may stand.
#[inline]
fn name_token(cursor: &mut Cursor<'_>, style: Style) -> Token {
    if style.blanks {
        cursor.skip_blanks();
    }
    let Some(byte) = cursor.begin() else {
        return Token::Eof;
    };
    let single = match byte {
        byte if is(byte, LABEL_START) => {
            cursor.skip_label_name();
            return Token::LabelName;
        }
        b'"' => {
            let newline = style.newline_in_names;
            return if cursor.skip_quoted(|b| b == 0 || (b == b'\n' && !newline)) {
                Token::QuotedString
            } else {
                Token::Invalid
            };
        }
        b'}' => Token::BraceClose,
        b'=' => Token::Equal,
        b',' => Token::Comma,
        _ => return Token::Invalid,
    };
    cursor.at += 1;
    single
}

/// A token after the equals sign.
#[inline]
fn value_token(cursor: &mut Cursor<'_>, style: Style) -> Token {
    if style.blanks {
        cursor.skip_blanks();
    }
    match cursor.begin() {
        None => Token::Eof,
        Some(b'"') => {
            let whole = match (style.newline_in_values, style.nul_in_values) {
                (true, true) => cursor.skip_quoted(|_| false),
                (newline, nul) => cursor.skip_quoted(|b| (b == b'\n' && !newline) || (b == 0 && !nul)),
            };
            if whole { Token::LabelValue } else { Token::Invalid }
        }
        Some(_) => Token::Invalid,
    }
}

/// Resolves `\"`, `\\` and `\n`; any other escape stays as it stands.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    replace(text, |escaped| match escaped {
        '"' => Some('"'),
        '\\' => Some('\\'),
        'n' => Some('\n'),
        _ => None,
    })
}

/// Resolves `\\` and `\n`, as in the text format's help.
pub(crate) fn unescape_help(text: &str) -> Cow<'_, str> {
    replace(text, |escaped| match escaped {
        '\\' => Some('\\'),
        'n' => Some('\n'),
        _ => None,
    })
}

fn replace(text: &str, meaning: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    if !text.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let resolved = (c == '\\').then(|| chars.clone().next().and_then(&meaning)).flatten();
        if resolved.is_some() {
            chars.next();
        }
        out.push(resolved.unwrap_or(c));
    }
    Cow::Owned(out)
}

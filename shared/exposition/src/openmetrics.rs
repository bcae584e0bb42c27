//! OpenMetrics as text (`OpenMetricsParser` of Prometheus): one space where one is due, `# EOF` at the end.

use crate::cursor::{Cursor, METRIC_START, Token, is};
use crate::error::{ParseError, quote};
use crate::label_list::{self, unescape};
use crate::number::{parse_float, seconds_to_millis};
use crate::parser::{Entry, Found, FoundSeries, Parser};
use crate::text::family;
use parapet_model::MetricType;
use std::borrow::Cow;

const NO_EOF: &str = "data does not end with # EOF";

/// Reads the next entry.
pub(crate) fn find<'a>(parser: &mut Parser<'a>) -> Result<Found<'a>, ParseError> {
    let cursor = &mut parser.cursor;
    cursor.entry = cursor.at;
    match cursor.begin() {
        None => Err(cursor.error(NO_EOF)),
        Some(b'#') => metadata(parser),
        Some(b'{') => {
            cursor.at += 1;
            let mut name = None;
            label_list::parse(
                cursor,
                label_list::OPENMETRICS,
                parser.limits.labels_per_series,
                &mut parser.labels,
                &mut name,
            )?;
            let raw = cursor.bytes(cursor.entry, cursor.at);
            let token = value_token(cursor);
            let name = name.ok_or_else(|| cursor.while_parsing("metric name not set"))?;
            sample(parser, raw, name, token)
        }
        Some(byte) if is(byte, METRIC_START) => {
            cursor.skip_metric_name();
            let name = cursor.text(cursor.start, cursor.at).unwrap_or_default();
            let mut raw = cursor.token();
            let mut token = value_token(cursor);
            if token == Token::BraceOpen {
                let mut name = Some(Cow::Borrowed(name));
                label_list::parse(
                    cursor,
                    label_list::OPENMETRICS,
                    parser.limits.labels_per_series,
                    &mut parser.labels,
                    &mut name,
                )?;
                raw = cursor.bytes(cursor.entry, cursor.at);
                token = value_token(cursor);
            }
            sample(parser, raw, Cow::Borrowed(name), token)
        }
        Some(_) => Err(cursor.unexpected("expected a valid start token", Token::Invalid)),
    }
}

/// What follows the series on its line.
fn sample<'a>(
    parser: &mut Parser<'a>,
    raw: &'a [u8],
    name: Cow<'a, str>,
    token: Token,
) -> Result<Found<'a>, ParseError> {
    let cursor = &mut parser.cursor;
    let value = float(cursor, token, "metric")?;
    let mut timestamp_ms = None;
    let mut token = suffix_token(cursor, true);
    let timed = token == Token::Timestamp;
    if timed {
        timestamp_ms = Some(timestamp(cursor, "timestamp")?);
        token = suffix_token(cursor, true);
    }
    let exemplar = match token {
        Token::Linebreak => None,
        Token::Comment => Some(exemplar(parser)?),
        Token::Eof if !timed => return Err(cursor.error(NO_EOF)),
        // Prometheus notices it at the next entry.
        _ if !timed => {
            cursor.entry = cursor.at;
            cursor.start = cursor.at;
            return Err(cursor.unexpected("expected a valid start token", token));
        }
        _ => return Err(cursor.unexpected("expected next entry after timestamp", token)),
    };
    Ok(Found::Series(FoundSeries {
        raw,
        name,
        value,
        timestamp_ms,
        exemplar,
        start_timestamp_ms: None,
    }))
}

/// An exemplar after its opening brace, up to the end of the line.
fn exemplar(parser: &mut Parser<'_>) -> Result<(f64, Option<i64>), ParseError> {
    let cursor = &mut parser.cursor;
    label_list::parse(
        cursor,
        label_list::EXEMPLAR,
        parser.limits.labels_per_series,
        &mut parser.exemplar_labels,
        &mut None,
    )?;
    let token = spaced_token(cursor, Token::Value);
    let value = float(cursor, token, "exemplar labels")?;
    match suffix_token(cursor, false) {
        Token::Linebreak => Ok((value, None)),
        Token::Eof => Err(cursor.error(NO_EOF)),
        Token::Timestamp => {
            let timestamp_ms = timestamp(cursor, "exemplar timestamp")?;
            match suffix_token(cursor, false) {
                Token::Linebreak => Ok((value, Some(timestamp_ms))),
                token => Err(cursor.unexpected("expected next entry after exemplar timestamp", token)),
            }
        }
        token => Err(cursor.unexpected("expected timestamp or comment", token)),
    }
}

fn float(cursor: &Cursor<'_>, token: Token, after: &str) -> Result<f64, ParseError> {
    if token != Token::Value {
        return Err(cursor.unexpected(&format!("expected value after {after}"), token));
    }
    parse_float(cursor.token().get(1..).unwrap_or_default()).map_err(|what| cursor.while_parsing(&what))
}

/// The timestamp token, seconds, in milliseconds.
fn timestamp(cursor: &Cursor<'_>, what: &str) -> Result<i64, ParseError> {
    let seconds =
        parse_float(cursor.token().get(1..).unwrap_or_default()).map_err(|what| cursor.while_parsing(&what))?;
    if seconds.is_finite() {
        Ok(seconds_to_millis(seconds))
    } else {
        let seconds = parapet_model::format_float(seconds);
        Err(cursor.error(format!("invalid {what} {seconds}")))
    }
}

/// A token after a name or a closing brace.
#[inline]
fn value_token(cursor: &mut Cursor<'_>) -> Token {
    if cursor.peek() == Some(b'{') {
        cursor.start = cursor.at;
        cursor.at += 1;
        return Token::BraceOpen;
    }
    spaced_token(cursor, Token::Value)
}

/// A space, and what follows it up to the next space or the end of the line.
#[inline]
fn spaced_token(cursor: &mut Cursor<'_>, token: Token) -> Token {
    match cursor.begin() {
        None => return Token::Eof,
        Some(b' ') => cursor.at += 1,
        Some(_) => return Token::Invalid,
    }
    let rest = cursor.rest();
    let length = rest
        .iter()
        .position(|b| matches!(b, b' ' | b'\n' | 0))
        .unwrap_or(rest.len());
    cursor.at += length;
    if length == 0 { Token::Invalid } else { token }
}

/// A token after a value: a time, an exemplar where there may be one, or the end of the line.
#[inline]
fn suffix_token(cursor: &mut Cursor<'_>, exemplar: bool) -> Token {
    match cursor.begin() {
        Some(b'\n') => {
            cursor.at += 1;
            Token::Linebreak
        }
        Some(b' ') if exemplar && cursor.rest().starts_with(b" # ") => {
            if cursor.rest().get(3) == Some(&b'{') {
                cursor.at += 4;
                Token::Comment
            } else {
                cursor.at += 3;
                Token::Invalid
            }
        }
        _ => spaced_token(cursor, Token::Timestamp),
    }
}

/// What begins with `#`: metadata or the end. There are no other comments.
fn metadata<'a>(parser: &mut Parser<'a>) -> Result<Found<'a>, ParseError> {
    let cursor = &mut parser.cursor;
    let after_space = cursor.rest().strip_prefix(b"# ");
    let known = after_space.and_then(|rest| {
        ["HELP ", "TYPE ", "UNIT ", "EOF"]
            .into_iter()
            .find(|keyword| rest.starts_with(keyword.as_bytes()))
    });
    let Some(keyword) = known else {
        // Point at the byte where the line stops looking like metadata.
        let matched = |keyword: &str| {
            let rest = after_space.unwrap_or_default();
            rest.iter().zip(keyword.bytes()).take_while(|(a, b)| **a == *b).count()
        };
        let longest = ["HELP ", "TYPE ", "UNIT ", "EOF"].into_iter().map(matched).max();
        cursor.at += if after_space.is_some() {
            2 + longest.unwrap_or_default()
        } else {
            1
        };
        return Err(cursor.unexpected("expected a valid start token", Token::Invalid));
    };
    cursor.at += 2 + keyword.len();
    if keyword == "EOF" {
        if cursor.peek() == Some(b'\n') {
            cursor.at += 1;
        }
        cursor.start = cursor.at;
        return match cursor.peek() {
            None => Ok(Found::End),
            Some(_) => Err(cursor.error("unexpected data after # EOF")),
        };
    }
    let keyword = keyword.trim_end();
    let family = family(cursor, keyword, false)?;
    parser.family_length = family.len();
    let rest = cursor.rest();
    cursor.start = cursor.at;
    let newline = rest.iter().position(|b| *b == b'\n');
    let (Some(b' '), Some(length)) = (rest.first(), newline) else {
        return Err(cursor.error(format!("expected text in {keyword}")));
    };
    cursor.at += length + 1;
    let text = &rest[1..length];
    let valid = std::str::from_utf8(text);
    let entry = match keyword {
        "HELP" => {
            let text =
                valid.map_err(|_| cursor.error(format!("help text {} is not a valid utf8 string", quote(text))))?;
            Entry::Help {
                family,
                text: unescape(text),
            }
        }
        "TYPE" => {
            let kind = valid
                .ok()
                .and_then(MetricType::from_word)
                .ok_or_else(|| cursor.error(format!("invalid metric type {}", quote(text))))?;
            parser.kind = kind;
            Entry::Type { family, kind }
        }
        _ => {
            let fits =
                |unit: &&str| unit.is_empty() || family.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
            let unit = valid.ok().filter(fits).ok_or_else(|| {
                let family = quote(family.as_bytes());
                cursor.error(format!("unit {} not a suffix of metric {family}", quote(text)))
            })?;
            parser.unit = unit;
            Entry::Unit { family, unit }
        }
    };
    Ok(Found::Metadata(entry))
}

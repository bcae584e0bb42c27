//! The Prometheus text format (`PromParser` of Prometheus).

use crate::cursor::{Cursor, METRIC_START, Token, is};
use crate::error::{ParseError, quote};
use crate::label_list::{self, unescape_help};
use crate::number::{parse_float, parse_millis};
use crate::parser::{Entry, Found, FoundSeries, Parser};
use parapet_model::MetricType;
use std::borrow::Cow;

/// Reads the next entry.
#[inline]
pub(crate) fn find<'a>(parser: &mut Parser<'a>) -> Result<Found<'a>, ParseError> {
    loop {
        let cursor = &mut parser.cursor;
        cursor.entry = cursor.at;
        cursor.skip_blanks();
        return match cursor.begin() {
            // A NUL where an entry may begin ends the body.
            None | Some(0) => Ok(Found::End),
            Some(b'\n') => {
                cursor.at += 1;
                continue;
            }
            Some(b'#') => comment(parser),
            Some(b'{') => {
                cursor.at += 1;
                let mut name = None;
                label_list::parse(
                    cursor,
                    label_list::TEXT,
                    parser.limits.labels_per_series,
                    &mut parser.labels,
                    &mut name,
                )?;
                let raw = cursor.bytes(cursor.entry, cursor.at);
                let token = value_token(cursor);
                let name = name.ok_or_else(|| cursor.while_parsing("metric name not set"))?;
                sample(cursor, raw, name, token)
            }
            Some(byte) if is(byte, METRIC_START) => {
                cursor.skip_metric_name();
                let (start, end) = (cursor.start, cursor.at);
                let name = cursor.text(start, end).unwrap_or_default();
                let mut raw = cursor.bytes(cursor.entry, end);
                let mut token = value_token(cursor);
                if token == Token::BraceOpen {
                    let mut name = Some(Cow::Borrowed(name));
                    label_list::parse(
                        cursor,
                        label_list::TEXT,
                        parser.limits.labels_per_series,
                        &mut parser.labels,
                        &mut name,
                    )?;
                    raw = cursor.bytes(cursor.entry, cursor.at);
                    token = value_token(cursor);
                }
                sample(cursor, raw, Cow::Borrowed(name), token)
            }
            Some(_) => Err(cursor.unexpected("expected a valid start token", Token::Invalid)),
        };
    }
}

/// What follows the series on its line.
#[inline]
fn sample<'a>(
    cursor: &mut Cursor<'a>,
    raw: &'a [u8],
    name: Cow<'a, str>,
    token: Token,
) -> Result<Found<'a>, ParseError> {
    if token != Token::Value {
        return Err(cursor.unexpected("expected value after metric", token));
    }
    let value = parse_float(cursor.token()).map_err(|what| cursor.while_parsing(&what))?;
    let mut timestamp_ms = None;
    match timestamp_token(cursor) {
        Token::Linebreak => {}
        Token::Timestamp => {
            timestamp_ms = Some(parse_millis(cursor.token()).map_err(|what| cursor.while_parsing(&what))?);
            let token = timestamp_token(cursor);
            if token != Token::Linebreak {
                return Err(cursor.unexpected("expected next entry after timestamp", token));
            }
        }
        token => return Err(cursor.unexpected("expected timestamp or new record", token)),
    }
    Ok(Found::Series(FoundSeries {
        raw,
        name,
        value,
        timestamp_ms,
        exemplar: None,
        start_timestamp_ms: None,
    }))
}

/// A token after a name or a closing brace.
#[inline]
fn value_token(cursor: &mut Cursor<'_>) -> Token {
    cursor.skip_blanks();
    match cursor.begin() {
        None => Token::Eof,
        Some(b'{') => {
            cursor.at += 1;
            Token::BraceOpen
        }
        Some(_) => {
            let rest = cursor.rest();
            let stops = |b: &u8| matches!(b, b'{' | b' ' | b'\t' | b'\n' | 0);
            let length = rest.iter().position(stops).unwrap_or(rest.len());
            cursor.at += length;
            if length == 0 { Token::Invalid } else { Token::Value }
        }
    }
}

/// A token after the value.
#[inline]
fn timestamp_token(cursor: &mut Cursor<'_>) -> Token {
    cursor.skip_blanks();
    match cursor.begin() {
        None => Token::Eof,
        Some(b'\n') => {
            cursor.at += 1;
            Token::Linebreak
        }
        Some(_) => {
            let rest = cursor.rest();
            let length = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
            cursor.at += length;
            if length == 0 { Token::Invalid } else { Token::Timestamp }
        }
    }
}

/// What begins with `#`: metadata, or a comment.
fn comment<'a>(parser: &mut Parser<'a>) -> Result<Found<'a>, ParseError> {
    let cursor = &mut parser.cursor;
    let start = cursor.at;
    cursor.at += 1;
    let blank = matches!(cursor.peek(), Some(b' ' | b'\t'));
    cursor.skip_blanks();
    let keyword = cursor.rest().first_chunk::<4>();
    let is_metadata =
        blank && matches!(keyword, Some(b"HELP" | b"TYPE")) && matches!(cursor.rest().get(4), Some(b' ' | b'\t'));
    if !is_metadata {
        cursor.at += cursor.line_length() + 1;
        return Ok(Found::Metadata(Entry::Comment(cursor.bytes(start, cursor.at - 1))));
    }
    let is_help = keyword == Some(b"HELP");
    let word = if is_help { "HELP" } else { "TYPE" };
    cursor.at += 4;
    let family = family(cursor, word, true)?;
    parser.family_length = family.len();
    // The byte after the name is taken for the separator, whatever it is; blanks alone are no text.
    let after = cursor.at;
    let length = cursor.line_length();
    let line = &cursor.rest()[..length];
    let text = if line.iter().all(|b| matches!(b, b' ' | b'\t')) {
        &[]
    } else {
        &line[1..]
    };
    cursor.start = after;
    cursor.at += length + 1;
    let bytes = || quote(text);
    let valid = std::str::from_utf8(text);
    let entry = if is_help {
        let text = valid.map_err(|_| cursor.error(format!("help text {} is not a valid utf8 string", bytes())))?;
        Entry::Help {
            family,
            text: unescape_help(text),
        }
    } else {
        let kind = match valid {
            Ok("counter") => MetricType::Counter,
            Ok("gauge") => MetricType::Gauge,
            Ok("histogram") => MetricType::Histogram,
            Ok("summary") => MetricType::Summary,
            Ok("untyped") => MetricType::Unknown,
            _ => return Err(cursor.error(format!("invalid metric type {}", bytes()))),
        };
        parser.kind = kind;
        Entry::Type { family, kind }
    };
    Ok(Found::Metadata(entry))
}

/// The name after a keyword of metadata, without its quotes.
pub(crate) fn family<'a>(cursor: &mut Cursor<'a>, keyword: &str, blanks: bool) -> Result<&'a str, ParseError> {
    if blanks {
        cursor.skip_blanks();
    }
    let token = match cursor.begin() {
        Some(b'"') if cursor.skip_quoted(|b| b == 0) => Token::MetricName,
        Some(byte) if is(byte, METRIC_START) => {
            cursor.skip_metric_name();
            Token::MetricName
        }
        Some(_) => Token::Invalid,
        None => Token::Eof,
    };
    if token != Token::MetricName {
        return Err(cursor.unexpected(&format!("expected metric name after {keyword}"), token));
    }
    let trim = usize::from(cursor.token().starts_with(b"\""));
    cursor.text(cursor.start + trim, cursor.at - trim).ok_or_else(|| {
        let bytes = quote(cursor.token());
        cursor.error(format!("invalid metric name or label names: {bytes} is not UTF-8"))
    })
}

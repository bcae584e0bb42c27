//! Number and duration literals.

use super::Parser;
use crate::ast::NumberLiteral;
use crate::error::ParseError;
use crate::lexer::TokenKind;
use parapet_model::{parse_duration_ms, parse_float, quote};

/// The longest duration, in seconds: what fits Go's `time.Duration`.
const MAX_DURATION_SECONDS: f64 = 9_223_372_036.854_776;

/// Whether a duration of so many seconds is longer than can be held.
pub(super) fn duration_out_of_range(seconds: f64) -> bool {
    !(-MAX_DURATION_SECONDS..=MAX_DURATION_SECONDS).contains(&seconds) && !seconds.is_nan()
}

/// Seconds as whole milliseconds, through nanoseconds as Prometheus does.
pub(crate) fn seconds_to_ms(seconds: f64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // Saturates.
    let nanoseconds = (seconds * 1e9).round() as i64;
    nanoseconds / 1_000_000
}

impl Parser<'_> {
    /// Whether a number or a duration follows.
    pub(super) fn literal_follows(&self) -> bool {
        matches!(self.peek().kind, TokenKind::Number | TokenKind::Duration)
    }

    /// A number or a duration, without a sign.
    pub(super) fn literal(&mut self) -> Result<NumberLiteral, ParseError> {
        let token = self.advance();
        let position = token.position;
        match token.kind {
            TokenKind::Number => {
                let value = parse_number(token.text)
                    .map_err(|reason| self.error(position, format!("error parsing number: {reason}")))?;
                Ok(NumberLiteral {
                    value,
                    duration: false,
                    position,
                })
            }
            _ => {
                let ms = parse_duration_ms(token.text).map_err(|error| self.error(position, error.to_string()))?;
                // As Go's `Duration.Seconds`: whole seconds and the rest apart.
                #[allow(clippy::cast_precision_loss)]
                let value = (ms / 1000) as f64 + (ms % 1000) as f64 / 1e3;
                Ok(NumberLiteral {
                    value,
                    duration: true,
                    position,
                })
            }
        }
    }
}

/// A number as Go reads it: integers by their prefix (`0x1F`, `0755`), else floats.
fn parse_number(text: &str) -> Result<f64, String> {
    if let Some(integer) = parse_integer(text) {
        #[allow(clippy::cast_precision_loss)]
        return Ok(integer as f64);
    }
    let failure = |reason| format!("strconv.ParseFloat: parsing {}: {reason}", quote(text));
    let plain = if text.contains('_') {
        if !underscores_separate_digits(text) || !(text.starts_with("0x") || text.starts_with("0X")) {
            return Err(failure("invalid syntax"));
        }
        text.replace('_', "")
    } else {
        text.to_owned()
    };
    match parse_float(&plain) {
        Some(value) if value.is_infinite() && plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            Err(failure("value out of range"))
        }
        Some(value) => Ok(value),
        None => Err(failure("invalid syntax")),
    }
}

/// Go's `strconv.ParseInt(text, 0, 64)` for texts without a sign.
fn parse_integer(text: &str) -> Option<i64> {
    if !underscores_separate_digits(text) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&digits.replace('_', ""), radix).ok()
}

/// Whether each underscore stands between digits (or behind a base prefix), as Go demands.
fn underscores_separate_digits(text: &str) -> bool {
    let prefixed = matches!(text.as_bytes(), [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let mut previous = if prefixed { b'0' } else { b'^' };
    for byte in text.bytes().skip(if prefixed { 2 } else { 0 }) {
        let digit = byte.is_ascii_digit() || (hexadecimal && byte.is_ascii_hexdigit());
        let now = if digit { b'0' } else { byte };
        if (now == b'_' && previous != b'0') || (previous == b'_' && now != b'0') {
            return false;
        }
        previous = if digit || byte == b'_' { now } else { b'!' };
    }
    previous != b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_go() {
        for (text, want) in [
            ("0755", 493.0),
            ("0xc", 12.0),
            ("0X_1f", 31.0),
            ("1_000", 1000.0),
            ("089", 89.0),
            ("5.", 5.0),
            (".5", 0.5),
            ("1e3", 1000.0),
            ("Inf", f64::INFINITY),
        ] {
            assert_eq!(parse_number(text), Ok(want), "{text}");
        }
        assert!(parse_number("nan").is_ok_and(f64::is_nan));
        assert!(parse_number("1__0").is_err());
        assert!(parse_number(&"9".repeat(400)).is_err());
    }
}

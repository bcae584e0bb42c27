//! Numbers as exposition formats write them.

use crate::error::quote;

/// Reads a value as the scrape parser does: Go's `strconv.ParseFloat` without hexadecimal and underscores.
pub(crate) fn parse_float(bytes: &[u8]) -> Result<f64, String> {
    // Most values are short whole numbers.
    if bytes.len() <= 15 && !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit) {
        let whole = bytes.iter().fold(0u64, |n, b| n * 10 + u64::from(b - b'0'));
        return Ok(whole as f64);
    }
    if bytes.iter().any(|b| matches!(b, b'p' | b'P' | b'_')) {
        return Err("unsupported character in float".to_owned());
    }
    let invalid = |reason: &str| format!("strconv.ParseFloat: parsing {}: {reason}", quote(bytes));
    let value = std::str::from_utf8(bytes)
        .ok()
        .and_then(parapet_model::parse_float)
        .ok_or_else(|| invalid("invalid syntax"))?;
    if value.is_nan() {
        // Go takes no sign before NaN. The one ordinary NaN stands for all: a body cannot smuggle a marker in.
        return match bytes[0] {
            b'+' | b'-' => Err(invalid("invalid syntax")),
            _ => Ok(f64::from_bits(NORMAL_NAN_BITS)),
        };
    }
    if value.is_infinite() && bytes.iter().any(u8::is_ascii_digit) {
        return Err(invalid("value out of range"));
    }
    Ok(value)
}

/// `value.NormalNaN` of Prometheus.
const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// Reads a timestamp of the text format, digits alone.
pub(crate) fn parse_millis(bytes: &[u8]) -> Result<i64, String> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    text.parse()
        .map_err(|_| format!("strconv.ParseInt: parsing {}: value out of range", quote(bytes)))
}

/// Seconds to milliseconds, towards zero; out of range saturates.
pub(crate) fn seconds_to_millis(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

/// A bucket bound or quantile as OpenMetrics writes it (`1` is `1.0`), `None` where it is written so already or is
/// no number (`normalizeFloatsInLabelValues` of Prometheus).
#[must_use]
pub fn normalize(text: &str) -> Option<String> {
    if is_normal(text.as_bytes()) {
        return None;
    }
    // A whole number of few digits needs no arithmetic.
    if matches!(text.len(), 1..=6)
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
    {
        return Some([text, ".0"].concat());
    }
    let value = parapet_model::parse_float(text)?;
    if value.is_infinite() && text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(format_open_metrics(value))
}

/// Whether a text is surely what [`format_open_metrics`] writes: a plain decimal of few digits, without an exponent
/// and without zeros too many.
fn is_normal(text: &[u8]) -> bool {
    if text == b"+Inf" || is_normal_power(text) {
        return true;
    }
    let Some(point) = text.iter().position(|b| *b == b'.') else {
        return false;
    };
    let (whole, fraction) = (&text[..point], &text[point + 1..]);
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    digits(whole)
        && digits(fraction)
        && whole.len() <= 6
        && text.len() <= 16
        && (whole == b"0" || whole[0] != b'0')
        && (fraction == b"0" || !fraction.ends_with(b"0"))
        && (whole != b"0" || fraction == b"0" || !fraction.starts_with(b"0000"))
}

/// The same for one with an exponent, `2.5e-06`: of so few digits the shortest text is the one that was read.
fn is_normal_power(text: &[u8]) -> bool {
    let Some((mantissa, &[b'e', sign, tens @ b'0'..=b'9', ones @ b'0'..=b'9'])) = text.split_last_chunk::<4>() else {
        return false;
    };
    let exponent_is_written = match (sign, tens) {
        (b'+', b'0') => ones >= b'6',
        (b'-', b'0') => ones >= b'5',
        (b'+' | b'-', _) => true,
        _ => false,
    };
    exponent_is_written
        && match mantissa {
            [b'1'..=b'9'] => true,
            [b'1'..=b'9', b'.', digits @ .., b'1'..=b'9'] => {
                digits.len() <= 13 && digits.iter().all(u8::is_ascii_digit)
            }
            _ => false,
        }
}

/// Go's shortest `%g`, with `.0` where it would look like a whole number (`labels.FormatOpenMetricsFloat`).
pub(crate) fn format_open_metrics(value: f64) -> String {
    if !value.is_finite() {
        return parapet_model::format_float(value);
    }
    // Rust's `{:e}` has the shortest digits too: `1.25e-5`.
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if value != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_bounds_as_prometheus_does() {
        for (text, want) in [
            ("1", "1.0"),
            ("0", "0.0"),
            ("-0", "-0.0"),
            ("0.50", "0.5"),
            ("1e3", "1000.0"),
            ("100000", "100000.0"),
            ("007", "7.0"),
            ("42", "42.0"),
            ("1000000", "1e+06"),
            ("1234567.5", "1.2345675e+06"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("0.000099", "9.9e-05"),
            ("Inf", "+Inf"),
            ("inf", "+Inf"),
            ("-Inf", "-Inf"),
            ("nan", "NaN"),
            ("1e21", "1e+21"),
            ("10.0", "10.0"),
            ("0.99", "0.99"),
            ("00.5", "0.5"),
            ("abc", "abc"),
            ("", ""),
            ("1e999", "1e999"),
        ] {
            let got = normalize(text);
            assert_eq!(got.as_deref().unwrap_or(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_taken_for_normal_is_normal() {
        for exponent in -99..100i32 {
            for mantissa in [
                "1",
                "9",
                "0",
                "10",
                "1.5",
                "3.05",
                "1.0",
                "2.50",
                "9.99999999999999",
                "1.23456789012345",
            ] {
                let sign = if exponent < 0 { '-' } else { '+' };
                let text = format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
                let same = format_open_metrics(text.parse().unwrap()) == text;
                assert_eq!(is_normal(text.as_bytes()), same, "{text}");
            }
        }
        for whole in ["0", "1", "9", "10", "999999"] {
            for fraction in ["0", "1", "5", "25", "001", "0001", "00001", "123456789", "10", "00"] {
                let text = format!("{whole}.{fraction}");
                if is_normal(text.as_bytes()) {
                    assert_eq!(format_open_metrics(text.parse().unwrap()), text);
                }
            }
        }
    }

    #[test]
    fn reads_values() {
        assert_eq!(parse_float(b"123456789012345"), Ok(123_456_789_012_345.0));
        assert_eq!(parse_float(b"-1.5e3"), Ok(-1500.0));
        assert_eq!(parse_float(b"+Inf"), Ok(f64::INFINITY));
        assert_eq!(parse_float(b"NaN").unwrap().to_bits(), NORMAL_NAN_BITS);
        for text in ["", "-nan", "1e400", "1__0", "0x1p3", "tru", "1,5", "\u{661}"] {
            assert!(parse_float(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse_float(b"\xff").is_err());
    }
}

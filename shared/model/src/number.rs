//! Numbers as Go writes and reads them in Prometheus' texts.

/// Writes a float as Prometheus' API and its queries do: Go's `strconv.FormatFloat(value, 'f', -1, 64)`,
/// the shortest decimal that reads back, never an exponent; `NaN`, `+Inf`, `-Inf`.
#[must_use]
pub fn format_float(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 {
            "+Inf".to_owned()
        } else {
            "-Inf".to_owned()
        }
    } else {
        // Rust's `Display` for floats is the shortest round-trip form without an exponent.
        format!("{value}")
    }
}

/// Writes milliseconds as the API's seconds: `1435781430.781`, without trailing zeros.
#[must_use]
pub fn format_timestamp_seconds(timestamp_ms: i64) -> String {
    let sign = if timestamp_ms < 0 { "-" } else { "" };
    let (seconds, millis) = (timestamp_ms.unsigned_abs() / 1000, timestamp_ms.unsigned_abs() % 1000);
    if millis == 0 {
        return format!("{sign}{seconds}");
    }
    format!("{sign}{seconds}.{millis:03}")
}

/// Reads a float as Go's `strconv.ParseFloat` does for the forms found in exposition formats and PromQL:
/// decimal, hexadecimal float, `inf`/`infinity`/`nan` in any case with a sign. Underscores are refused.
#[must_use]
pub fn parse_float(text: &str) -> Option<f64> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let first = *magnitude.as_bytes().first()?;
    let value = if first.is_ascii_digit() || first == b'.' {
        match magnitude.strip_prefix("0x").or_else(|| magnitude.strip_prefix("0X")) {
            Some(hexadecimal) => parse_hexadecimal(hexadecimal)?,
            None => magnitude.parse().ok()?,
        }
    } else if magnitude.eq_ignore_ascii_case("inf") || magnitude.eq_ignore_ascii_case("infinity") {
        f64::INFINITY
    } else if magnitude.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    } else {
        return None;
    };
    Some(if negative { -value } else { value })
}

/// `1.8p3`: hexadecimal digits with a mandatory binary exponent, as Go requires.
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let exponent: i32 = exponent.parse().ok()?;
    let fraction_bits = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    Some(value * 2f64.powi(exponent.checked_sub(fraction_bits)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_as_go() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1e21, "1000000000000000000000"),
            (0.1, "0.1"),
            (1e-7, "0.0000001"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(format_float(value), want);
        }
        assert_eq!(format_timestamp_seconds(1_435_781_430_781), "1435781430.781");
        assert_eq!(format_timestamp_seconds(1_000), "1");
        assert_eq!(format_timestamp_seconds(-1_500), "-1.500");
    }

    #[test]
    fn reads_as_go() {
        for (text, want) in [
            ("1e3", 1000.0),
            ("+Inf", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
            (".5", 0.5),
            ("0x1p-2", 0.25),
        ] {
            assert_eq!(parse_float(text), Some(want), "{text}");
        }
        assert!(parse_float("nan").is_some_and(f64::is_nan));
        for text in ["", "+", "e5", "1_000", "0x10", "--1", "abc", "1e"] {
            assert_eq!(parse_float(text), None, "{text}");
        }
    }
}

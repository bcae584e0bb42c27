//! Numbers in the forms of Prometheus' API.

use std::io::Write;

/// A sample's value, quoted: the shortest decimal that reads back, with an exponent below 1e-6 and from 1e21 on
/// (`jsonutil.MarshalFloat` of Prometheus).
pub(crate) fn write_float(out: &mut Vec<u8>, value: f64) {
    out.push(b'"');
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else {
        write_plain_float(out, value);
    }
    out.push(b'"');
}

/// A finite number without quotes, in the same form.
pub(crate) fn write_plain_float(out: &mut Vec<u8>, value: f64) {
    /// Up to here every whole number is exact, and prints as an integer does, which is several times quicker.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let magnitude = value.abs();
    // Writing to a Vec cannot fail.
    #[allow(clippy::float_cmp, clippy::cast_possible_truncation)] // whole and within EXACT
    if magnitude < EXACT && value.trunc() == value && magnitude != 0.0 {
        let _ = write!(out, "{}", value as i64);
    } else if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let _ = write_exponent(out, value);
    } else {
        let _ = write!(out, "{value}");
    }
}

/// Go's `e` form: an exponent has a sign and at least two digits.
fn write_exponent(out: &mut Vec<u8>, value: f64) -> std::io::Result<()> {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    write!(out, "{mantissa}e{sign}{digits:0>2}")
}

/// A time in seconds, to the millisecond, without trailing zeros cut: `1435781451.780` (`jsonutil.MarshalTimestamp`).
pub(crate) fn write_timestamp(out: &mut Vec<u8>, timestamp_ms: i64) {
    let magnitude = timestamp_ms.unsigned_abs();
    let (seconds, millis) = (magnitude / 1000, magnitude % 1000);
    if timestamp_ms < 0 {
        out.push(b'-');
    }
    // Writing to a Vec cannot fail.
    let _ = match millis {
        0 => write!(out, "{seconds}"),
        _ => write!(out, "{seconds}.{millis:03}"),
    };
}

/// A value as the API writes an alert's: always in Go's `e` form (`1e+00`).
pub(crate) fn format_alert_value(value: f64) -> String {
    if !value.is_finite() {
        return parapet_model::format_float(value);
    }
    let mut out = Vec::new();
    let _ = write_exponent(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        write_float(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_as_jsonutil_writes_them() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (-9_007_199_254_740_994.0, "-9007199254740994"),
            (-1.25, "-1.25"),
            (0.1, "0.1"),
            (1e-6, "0.000001"),
            (9.99e-7, "9.99e-07"),
            (1e-7, "1e-07"),
            (-1.5e-10, "-1.5e-10"),
            (5e-324, "5e-324"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e21, "1.5e+21"),
            (-1.797_693_134_862_315_7e308, "-1.7976931348623157e+308"),
            (123_456_789.123_456_79, "123456789.12345679"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(float(value), format!("\"{want}\""));
        }
    }

    #[test]
    fn timestamps() {
        for (ms, want) in [
            (0, "0"),
            (1, "0.001"),
            (10, "0.010"),
            (100, "0.100"),
            (1_000, "1"),
            (1_001, "1.001"),
            (10_010, "10.010"),
            (99_999, "99.999"),
            (-1, "-0.001"),
            (-1_000, "-1"),
            (i64::MAX, "9223372036854775.807"),
            (i64::MIN, "-9223372036854775.808"),
        ] {
            let mut out = Vec::new();
            write_timestamp(&mut out, ms);
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    #[test]
    fn alert_values() {
        for (value, want) in [
            (1.0, "1e+00"),
            (0.0, "0e+00"),
            (1234.5, "1.2345e+03"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(format_alert_value(value), want);
        }
    }
}

//! `step`, `timeout`, `lookback_delta`: seconds as a number, or a Prometheus duration.

use parapet_model::{parse_duration_ms, parse_float, quote};

const NS_PER_SECOND: f64 = 1e9;

/// Reads a duration in nanoseconds (`parseDuration` of Prometheus' API).
///
/// # Errors
/// Prometheus' text, for a person.
pub(crate) fn parse_duration_ns(text: &str) -> Result<i64, String> {
    if let Some(seconds) = parse_float(text).filter(|seconds| !seconds.is_nan()) {
        let ns = seconds * NS_PER_SECOND;
        #[allow(clippy::cast_precision_loss)] // i64::MAX rounds to 2^63, the limit that Prometheus tests too
        if ns > i64::MAX as f64 || ns < i64::MIN as f64 {
            return Err(format!(
                "cannot parse {} to a valid duration. It overflows int64",
                quote(text)
            ));
        }
        #[allow(clippy::cast_possible_truncation)] // the range was tested above; a fraction of a nanosecond is cut
        return Ok(ns as i64);
    }
    parse_duration_ms(text)
        .ok()
        .and_then(|ms| ms.checked_mul(1_000_000))
        .ok_or_else(|| format!("cannot parse {} to a valid duration", quote(text)))
}

#[cfg(test)]
mod tests {
    use super::parse_duration_ns;

    #[test]
    fn reads_numbers_and_durations() {
        for (text, want) in [
            ("123", 123_000_000_000),
            ("123.333", 123_333_000_000),
            ("-1", -1_000_000_000),
            ("15s", 15_000_000_000),
            ("5m", 300_000_000_000),
            ("0", 0),
        ] {
            assert_eq!(parse_duration_ns(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn refuses_with_the_reason() {
        for (text, want) in [
            ("", r#"cannot parse "" to a valid duration"#),
            ("abc", r#"cannot parse "abc" to a valid duration"#),
            ("NaN", r#"cannot parse "NaN" to a valid duration"#),
            (
                "2015-06-03T13:21:58.555Z",
                r#"cannot parse "2015-06-03T13:21:58.555Z" to a valid duration"#,
            ),
            (
                "148966367200.372",
                r#"cannot parse "148966367200.372" to a valid duration. It overflows int64"#,
            ),
            (
                "-148966367200.372",
                r#"cannot parse "-148966367200.372" to a valid duration. It overflows int64"#,
            ),
        ] {
            assert_eq!(parse_duration_ns(text), Err(want.to_owned()));
        }
    }
}

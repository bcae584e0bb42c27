//! Points in time as the API takes and gives them.

use chrono::{DateTime, NaiveDate};
use parapet_model::{parse_float, quote};

const NS_PER_SECOND: i128 = 1_000_000_000;

/// A point in time, nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time {
    pub(crate) ns: i128,
}

impl Time {
    /// `MinTime` of Prometheus' API: where an absent `start` begins.
    pub(crate) const MIN: Self = Self {
        ns: ((i64::MIN / 1000) as i128 + 62_135_596_801) * NS_PER_SECOND,
    };
    /// `MaxTime` of Prometheus' API: where an absent `end` ends.
    pub(crate) const MAX: Self = Self {
        ns: ((i64::MAX / 1000) as i128 - 62_135_596_801) * NS_PER_SECOND + 999_999_999,
    };

    pub(crate) fn from_ms(ms: i64) -> Self {
        Self {
            ns: i128::from(ms) * 1_000_000,
        }
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub(crate) fn ms(self) -> i64 {
        let ms = self.ns.div_euclid(1_000_000);
        i64::try_from(ms).unwrap_or(if ms < 0 { i64::MIN } else { i64::MAX })
    }

    /// Reads seconds since the epoch (rounded to a millisecond) or RFC 3339 (`parseTime` of Prometheus' API).
    ///
    /// # Errors
    /// Prometheus' text, for a person.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(seconds) = parse_float(text).filter(|seconds| seconds.is_finite()) {
            return Ok(Self::from_seconds(seconds));
        }
        match text {
            "-292273086-05-16T16:47:06Z" => Ok(Self::MIN),
            "292277025-08-18T07:12:54.999999999Z" => Ok(Self::MAX),
            _ => parse_rfc3339(text).ok_or_else(|| format!("cannot parse {} to a valid timestamp", quote(text))),
        }
    }

    fn from_seconds(seconds: f64) -> Self {
        #[allow(clippy::cast_possible_truncation)] // saturates, as far out as any data can be
        let (whole, millis) = (seconds.trunc() as i64, (seconds.fract() * 1000.0).round() as i128);
        Self {
            ns: i128::from(whole) * NS_PER_SECOND + millis * 1_000_000,
        }
    }
}

/// `2015-06-03T14:21:58.555+01:00`, strictly: capital `T` and `Z`, a comma or a full stop before the fraction.
fn parse_rfc3339(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    let number = |from: usize, digits: usize| -> Option<u32> {
        let part = bytes.get(from..from + digits)?;
        part.iter().all(u8::is_ascii_digit).then_some(())?;
        std::str::from_utf8(part).ok()?.parse().ok()
    };
    let is = |at: usize, want: u8| (bytes.get(at) == Some(&want)).then_some(());
    for (at, separator) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        is(at, separator)?;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 2)?, number(8, 2)?)?;
    let local = date.and_hms_opt(number(11, 2)?, number(14, 2)?, number(17, 2)?)?;
    let mut at = 19;
    let mut fraction_ns: i128 = 0;
    if matches!(bytes.get(at), Some(b'.' | b',')) {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        // Past nanoseconds the digits are read and dropped.
        let kept = digits.min(9);
        (kept > 0).then_some(())?;
        let exponent = u32::try_from(9 - kept).ok()?;
        fraction_ns = i128::from(number(at + 1, kept)?) * 10i128.pow(exponent);
        at += 1 + digits;
    }
    let (offset_seconds, zone_bytes) = match bytes.get(at)? {
        b'Z' => (0, 1),
        sign @ (b'+' | b'-') => {
            is(at + 3, b':')?;
            let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
            (hours < 24 && minutes < 60).then_some(())?;
            let seconds = i64::from(hours * 3600 + minutes * 60);
            (if *sign == b'-' { -seconds } else { seconds }, 6)
        }
        _ => return None,
    };
    (bytes.len() == at + zone_bytes).then_some(())?;
    let seconds = local.and_utc().timestamp() - offset_seconds;
    Some(Time {
        ns: i128::from(seconds) * NS_PER_SECOND + fraction_ns,
    })
}

/// Writes a time as Go marshals it (RFC 3339, no trailing zeros in the fraction); `None` is Go's zero time.
pub(crate) fn format_rfc3339(at_ms: Option<i64>) -> String {
    let Some(at) = at_ms.and_then(DateTime::from_timestamp_millis) else {
        return "0001-01-01T00:00:00Z".to_owned();
    };
    let seconds = at.format("%Y-%m-%dT%H:%M:%S");
    match at.timestamp_subsec_millis() {
        0 => format!("{seconds}Z"),
        millis => format!("{seconds}.{}Z", format!("{millis:03}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_rfc3339() {
        for (text, want_ms) in [
            ("123", 123_000),
            ("123.123", 123_123),
            ("-0.5", -500),
            ("1543578564.705", 1_543_578_564_705),
            ("148966367200.372", 148_966_367_200_372),
            ("2015-06-03T13:21:58.555Z", 1_433_337_718_555),
            ("2015-06-03T14:21:58.555+01:00", 1_433_337_718_555),
            ("2015-06-03T13:21:58.5559999999999Z", 1_433_337_718_555),
            ("1969-12-31T23:59:59.999Z", -1),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ] {
            assert_eq!(Time::parse(text).map(Time::ms), Ok(want_ms), "{text}");
        }
    }

    #[test]
    fn the_limits_read_back() {
        assert_eq!(Time::parse("-292273086-05-16T16:47:06Z"), Ok(Time::MIN));
        assert_eq!(Time::parse("292277025-08-18T07:12:54.999999999Z"), Ok(Time::MAX));
        assert!(Time::MIN.ms() < 0 && Time::MAX.ms() > 0 && Time::MAX.ms() < i64::MAX);
    }

    #[test]
    fn refuses() {
        for text in [
            "",
            "abc",
            "30s",
            "NaN",
            "Inf",
            "2015-06-03",
            "2015-06-03t13:21:58Z",
            "2015-06-03 13:21:58Z",
            "2015-06-03T13:21:58",
            "2015-06-03T13:21:58.Z",
            "2015-13-03T13:21:58Z",
            "2015-06-03T24:21:58Z",
            "2015-06-03T13:21:60Z",
            "2015-06-03T13:21:58Zx",
            "2015-06-03T13:21:58+01",
            "2015-06-03T13:21:58é",
        ] {
            assert_eq!(
                Time::parse(text),
                Err(format!("cannot parse {} to a valid timestamp", quote(text))),
                "{text}"
            );
        }
    }

    #[test]
    fn writes_as_go() {
        assert_eq!(format_rfc3339(None), "0001-01-01T00:00:00Z");
        assert_eq!(format_rfc3339(Some(1_433_337_718_000)), "2015-06-03T13:21:58Z");
        assert_eq!(format_rfc3339(Some(1_433_337_718_550)), "2015-06-03T13:21:58.55Z");
        assert_eq!(format_rfc3339(Some(i64::MAX)), "0001-01-01T00:00:00Z");
    }
}

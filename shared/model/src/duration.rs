//! Durations as Prometheus writes them: `1h30m`, `15s`, `0`.

/// A duration that does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// Nothing was written.
    Empty,
    /// Not of the form `1y2w3d4h5m6s7ms`; holds what was written.
    Invalid(String),
    /// A unit that there is not; holds the unit and what was written.
    UnknownUnit(String, String),
    /// Longer than can be held; holds what was written.
    OutOfRange(String),
}

impl std::error::Error for DurationError {}

impl std::fmt::Display for DurationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("empty duration string"),
            Self::Invalid(text) => write!(f, "not a valid duration string: {}", crate::quote(text)),
            Self::UnknownUnit(unit, text) => {
                write!(
                    f,
                    "unknown unit {} in duration {}",
                    crate::quote(unit),
                    crate::quote(text)
                )
            }
            Self::OutOfRange(_) => f.write_str("duration out of range"),
        }
    }
}

/// Units from the longest to the shortest: the order in which they must stand.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a Prometheus duration, in milliseconds (`model.ParseDuration` of prometheus/common).
///
/// # Errors
/// [`DurationError`] where the text is not a duration: units in the wrong order or repeated, a sign, a fraction.
pub fn parse_duration_ms(text: &str) -> Result<i64, DurationError> {
    match text {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(0),
        _ => {}
    }
    let invalid = || DurationError::Invalid(text.to_owned());
    let out_of_range = || DurationError::OutOfRange(text.to_owned());
    let mut total: i64 = 0;
    let mut rest = text;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len() - digits);
        let unit = &rest[digits..digits + letters];
        if digits == 0 || letters == 0 {
            return Err(invalid());
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(DurationError::UnknownUnit(unit.to_owned(), text.to_owned()));
        }
        let (_, unit_ms) = units.find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        let count: i64 = rest[..digits].parse().map_err(|_| out_of_range())?;
        total = count
            .checked_mul(*unit_ms)
            .and_then(|ms| total.checked_add(ms))
            .ok_or_else(out_of_range)?;
        rest = &rest[digits + letters..];
    }
    // Prometheus holds durations in nanoseconds.
    if total > i64::MAX / 1_000_000 {
        Err(out_of_range())
    } else {
        Ok(total)
    }
}

/// Writes a duration as Prometheus does (`model.Duration.String`): `90000` is `1m30s`, `0` is `0s`.
#[must_use]
pub fn format_duration_ms(duration_ms: i64) -> String {
    if duration_ms == 0 {
        return "0s".to_owned();
    }
    let mut out = if duration_ms < 0 { "-".to_owned() } else { String::new() };
    let mut rest = duration_ms.unsigned_abs();
    for (unit, unit_ms) in UNITS {
        let unit_ms = unit_ms.unsigned_abs();
        // Years and weeks are only used where nothing is left over, as Prometheus does.
        let exact_only = matches!(unit, "y" | "w");
        if rest < unit_ms || (exact_only && !rest.is_multiple_of(unit_ms)) {
            continue;
        }
        out.push_str(&(rest / unit_ms).to_string());
        out.push_str(unit);
        rest %= unit_ms;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, ms, written) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("15s", 15_000, "15s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("90m", 5_400_000, "1h30m"),
            ("4d", 345_600_000, "4d"),
            ("4d1h30m", 351_000_000, "4d1h30m"),
            ("3w2d1h", 1_990_800_000, "23d1h"),
            ("14d", 1_209_600_000, "2w"),
            ("10y", 315_360_000_000, "10y"),
            ("5m1ms", 300_001, "5m1ms"),
        ] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
            assert_eq!(format_duration_ms(ms), written, "{text}");
        }
    }

    #[test]
    fn refuses() {
        for text in [
            "",
            "1",
            "-5m",
            "1.5h",
            "1s1m",
            "1m1m",
            "s",
            "5 m",
            "d1",
            "300000y",
            "99999999999999999999s",
            "1é",
        ] {
            assert!(parse_duration_ms(text).is_err(), "{text}");
        }
    }
}

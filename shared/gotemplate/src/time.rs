//! [`Time`]: an instant in a time zone, with the methods that templates call on Go's `time.Time`; and durations.

mod layout;

use crate::value::Value;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike};
use chrono_tz::{OffsetName, Tz};
use std::fmt;

const NANOS: i64 = 1_000_000_000;

/// Seconds from the Unix epoch to Go's zero time, 0001-01-01T00:00:00Z.
const GO_ZERO_SECONDS: i64 = -62_135_596_800;

/// An instant, and the zone in which it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// Seconds since the Unix epoch.
    seconds: i64,
    /// Nanoseconds within the second.
    nanos: u32,
    zone: Zone,
}

#[derive(Clone, Copy, Debug)]
enum Zone {
    Utc,
    Named(Tz),
    /// Seconds east of UTC.
    Fixed(i32),
}

/// A time as a calendar and a clock show it.
pub(crate) struct Civil {
    pub(crate) date_time: NaiveDateTime,
    pub(crate) offset_seconds: i32,
    pub(crate) abbreviation: String,
}

impl Time {
    /// A time in UTC from milliseconds since the Unix epoch.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        let nanos = u32::try_from(millis.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
        Self {
            seconds: millis.div_euclid(1000),
            nanos,
            zone: Zone::Utc,
        }
    }

    /// A time in UTC from nanoseconds since the Unix epoch.
    #[must_use]
    pub fn from_nanos(nanos: i64) -> Self {
        Self {
            seconds: nanos.div_euclid(1_000_000_000),
            nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0),
            zone: Zone::Utc,
        }
    }

    /// Nanoseconds since the Unix epoch, as many as fit.
    pub(crate) fn nanos(&self) -> i64 {
        self.seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(self.nanos))
    }

    /// Go's zero time, the year 1.
    #[must_use]
    pub fn zero() -> Self {
        Self {
            seconds: GO_ZERO_SECONDS,
            nanos: 0,
            zone: Zone::Utc,
        }
    }

    /// Reads an RFC 3339 time.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        Self::parse("2006-01-02T15:04:05.999999999Z07:00", text).ok()
    }

    /// Whether it is Go's zero time.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.seconds == GO_ZERO_SECONDS && self.nanos == 0
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn millis(&self) -> i64 {
        self.seconds
            .saturating_mul(1000)
            .saturating_add(i64::from(self.nanos / 1_000_000))
    }

    /// The same instant shown in a zone of the IANA database; `UTC` and the empty name are UTC, `Local` too.
    ///
    /// # Errors
    /// Go's message for a name that is not in the database.
    pub fn in_zone(self, name: &str) -> Result<Self, String> {
        let zone = match name {
            "" | "UTC" | "Local" => Zone::Utc,
            _ => Zone::Named(name.parse().map_err(|_| format!("unknown time zone {name}"))?),
        };
        Ok(Self { zone, ..self })
    }

    /// Writes it by a Go layout such as `2006-01-02 15:04:05`.
    #[must_use]
    pub fn format(&self, layout: &str) -> String {
        layout::format(self, layout)
    }

    /// As JSON and the webhook show it.
    #[must_use]
    pub fn to_rfc3339(&self) -> String {
        self.format("2006-01-02T15:04:05.999999999Z07:00")
    }

    /// Reads `text` by a Go layout, in UTC where it names no zone.
    pub(crate) fn parse(layout: &str, text: &str) -> Result<Self, String> {
        let (date_time, offset_seconds) = layout::parse(layout, text)?;
        Ok(Self::from_civil(date_time, offset_seconds.unwrap_or_default()))
    }

    /// The same, in a zone where the text names none; one that is not known is UTC.
    pub(crate) fn parse_in_zone(layout: &str, zone: &str, text: &str) -> Result<Self, String> {
        let (date_time, offset_seconds) = layout::parse(layout, text)?;
        let Ok(Zone::Named(tz)) = Self::zero().in_zone(zone).map(|time| time.zone) else {
            return Ok(Self::from_civil(date_time, offset_seconds.unwrap_or_default()));
        };
        let offset_seconds = offset_seconds.unwrap_or_else(|| {
            let local = tz.offset_from_local_datetime(&date_time).earliest();
            // An hour that clocks leave out.
            let offset = local.unwrap_or_else(|| tz.offset_from_utc_datetime(&date_time));
            offset.fix().local_minus_utc()
        });
        let time = Self::from_civil(date_time, offset_seconds);
        Ok(Self {
            zone: Zone::Named(tz),
            ..time
        })
    }

    fn from_civil(date_time: NaiveDateTime, offset_seconds: i32) -> Self {
        let utc = date_time.and_utc();
        let zone = if offset_seconds == 0 {
            Zone::Utc
        } else {
            Zone::Fixed(offset_seconds)
        };
        Self {
            seconds: utc.timestamp() - i64::from(offset_seconds),
            nanos: utc.timestamp_subsec_nanos(),
            zone,
        }
    }

    /// The nanoseconds from `earlier` to this, held to what a duration can be.
    pub(crate) fn since(&self, earlier: &Self) -> i64 {
        let nanos = i128::from(self.seconds - earlier.seconds) * i128::from(NANOS) + i128::from(self.nanos)
            - i128::from(earlier.nanos);
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    fn add(self, nanos: i64) -> Self {
        let total = i64::from(self.nanos) + nanos.rem_euclid(NANOS);
        Self {
            seconds: self
                .seconds
                .saturating_add(nanos.div_euclid(NANOS))
                .saturating_add(total / NANOS),
            nanos: u32::try_from(total % NANOS).unwrap_or(0),
            zone: self.zone,
        }
    }

    pub(crate) fn civil(&self) -> Civil {
        // Outside chrono's 262,000 years nothing sensible can be shown: the epoch stands in.
        let utc = DateTime::from_timestamp(self.seconds, self.nanos)
            .unwrap_or_default()
            .naive_utc();
        let (offset_seconds, abbreviation) = match self.zone {
            Zone::Utc => (0, "UTC".to_owned()),
            Zone::Fixed(seconds) => (seconds, String::new()),
            Zone::Named(zone) => {
                let offset = zone.offset_from_utc_datetime(&utc);
                (
                    offset.fix().local_minus_utc(),
                    offset.abbreviation().unwrap_or_default().to_owned(),
                )
            }
        };
        let date_time = utc
            .checked_add_signed(TimeDelta::seconds(i64::from(offset_seconds)))
            .unwrap_or(utc);
        Civil {
            date_time,
            offset_seconds,
            abbreviation,
        }
    }

    fn add_date(self, years: i64, months: i64, days: i64) -> Option<Self> {
        let civil = self.civil();
        let date = civil.date_time.date();
        let month0 = i64::from(date.month0()).checked_add(months)?;
        let year = i64::from(date.year())
            .checked_add(years)?
            .checked_add(month0.div_euclid(12))?;
        let month = u32::try_from(month0.rem_euclid(12)).ok()? + 1;
        // Like Go, a day past the month's end runs into the next month.
        let first = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, 1)?;
        let moved = first.checked_add_signed(TimeDelta::try_days(i64::from(date.day0()).checked_add(days)?)?)?;
        let mut time = Self::from_civil(moved.and_time(civil.date_time.time()), civil.offset_seconds);
        time.zone = self.zone;
        Some(time)
    }

    /// Calls a method of `time.Time`.
    pub(crate) fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let civil = || self.civil().date_time;
        let value = match (name, arguments) {
            ("Format", [Value::String(layout)]) => Value::from(self.format(layout)),
            ("String", []) => Value::from(self.to_string()),
            ("Unix", []) => Value::Int(self.seconds),
            ("UnixMilli", []) => Value::Int(self.millis()),
            ("UnixMicro", []) => Value::Int(
                self.seconds
                    .saturating_mul(1_000_000)
                    .saturating_add(i64::from(self.nanos / 1000)),
            ),
            ("UnixNano", []) => Value::Int(self.seconds.saturating_mul(NANOS).saturating_add(i64::from(self.nanos))),
            ("UTC" | "Local", []) => Value::Time(Self {
                zone: Zone::Utc,
                ..*self
            }),
            ("Add", [Value::Duration(nanos)]) => Value::Time(self.add(*nanos)),
            ("Sub", [Value::Time(other)]) => Value::Duration(self.since(other)),
            ("AddDate", [Value::Int(years), Value::Int(months), Value::Int(days)]) => {
                Value::Time(self.add_date(*years, *months, *days).unwrap_or(*self))
            }
            ("Before", [Value::Time(other)]) => Value::Bool(self.since(other) < 0),
            ("After", [Value::Time(other)]) => Value::Bool(self.since(other) > 0),
            ("Equal", [Value::Time(other)]) => Value::Bool(self.since(other) == 0),
            ("IsZero", []) => Value::Bool(self.is_zero()),
            ("Truncate", [Value::Duration(unit)]) if *unit > 0 => {
                let past = self.since_zero().rem_euclid(i128::from(*unit));
                Value::Time(self.add(-i64::try_from(past).unwrap_or(0)))
            }
            ("Year", []) => Value::Int(i64::from(civil().year())),
            ("Month", []) => Value::from(civil().format("%B").to_string()),
            ("Day", []) => Value::Int(i64::from(civil().day())),
            ("Hour", []) => Value::Int(i64::from(civil().hour())),
            ("Minute", []) => Value::Int(i64::from(civil().minute())),
            ("Second", []) => Value::Int(i64::from(civil().second())),
            ("Nanosecond", []) => Value::Int(i64::from(self.nanos)),
            ("Weekday", []) => Value::from(civil().format("%A").to_string()),
            ("YearDay", []) => Value::Int(i64::from(civil().ordinal())),
            (
                "Format" | "String" | "Unix" | "UnixMilli" | "UnixMicro" | "UnixNano" | "UTC" | "Local" | "Add" | "Sub"
                | "AddDate" | "Before" | "After" | "Equal" | "IsZero" | "Truncate" | "Year" | "Month" | "Day" | "Hour"
                | "Minute" | "Second" | "Nanosecond" | "Weekday" | "YearDay",
                _,
            ) => return Some(Err(format!("wrong arguments for {name}"))),
            _ => return None,
        };
        Some(Ok(value))
    }

    /// Nanoseconds since Go's zero time.
    fn since_zero(&self) -> i128 {
        i128::from(self.seconds - GO_ZERO_SECONDS) * i128::from(NANOS) + i128::from(self.nanos)
    }
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        (self.seconds, self.nanos) == (other.seconds, other.nanos)
    }
}

/// As Go's `Time.String`: `2006-01-02 15:04:05.999999999 -0700 MST`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// Go's `Duration.String`: `1h2m3.5s`, `1.5ms`, `0s`.
pub(crate) fn format_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let total = nanos.unsigned_abs();
    let fraction = |value: u64, digits: usize| {
        let text = format!("{value:0digits$}");
        let text = text.trim_end_matches('0');
        if text.is_empty() {
            String::new()
        } else {
            format!(".{text}")
        }
    };
    match total {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{total}ns"),
        1_000..1_000_000 => format!("{sign}{}{}µs", total / 1_000, fraction(total % 1_000, 3)),
        1_000_000..1_000_000_000 => format!("{sign}{}{}ms", total / 1_000_000, fraction(total % 1_000_000, 6)),
        _ => {
            let seconds = total / 1_000_000_000;
            let tail = format!("{}{}s", seconds % 60, fraction(total % 1_000_000_000, 9));
            match (seconds / 3600, seconds / 60 % 60) {
                (0, 0) => format!("{sign}{tail}"),
                (0, minutes) => format!("{sign}{minutes}m{tail}"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{tail}"),
            }
        }
    }
}

/// Calls a method of `time.Duration`.
pub(crate) fn duration_method(nanos: i64, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
    let value = match (name, arguments) {
        ("String", []) => Value::from(format_duration(nanos)),
        ("Nanoseconds", []) => Value::Int(nanos),
        ("Microseconds", []) => Value::Int(nanos / 1_000),
        ("Milliseconds", []) => Value::Int(nanos / 1_000_000),
        ("Seconds", []) => Value::Float(nanos as f64 / 1e9),
        ("Minutes", []) => Value::Float(nanos as f64 / 60e9),
        ("Hours", []) => Value::Float(nanos as f64 / 3600e9),
        ("Abs", []) => Value::Duration(nanos.saturating_abs()),
        ("Truncate", [Value::Duration(unit)]) => Value::Duration(if *unit > 0 { nanos - nanos % unit } else { nanos }),
        ("Round", [Value::Duration(unit)]) if *unit > 0 => {
            let rest = nanos % unit;
            let away = if i128::from(rest.abs()) * 2 >= i128::from(*unit) {
                unit * rest.signum()
            } else {
                0
            };
            Value::Duration((nanos - rest).saturating_add(away))
        }
        ("Round", [Value::Duration(_)]) => Value::Duration(nanos),
        (
            "String" | "Nanoseconds" | "Microseconds" | "Milliseconds" | "Seconds" | "Minutes" | "Hours" | "Abs"
            | "Truncate" | "Round",
            _,
        ) => return Some(Err(format!("wrong arguments for {name}"))),
        _ => return None,
    };
    Some(Ok(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_go() {
        for (nanos, want) in [
            (0, "0s"),
            (1_800 * NANOS, "30m0s"),
            (1_500_000, "1.5ms"),
            (-90 * NANOS, "-1m30s"),
            (3_600 * NANOS + 500_000_000, "1h0m0.5s"),
            (1_100, "1.1µs"),
        ] {
            assert_eq!(format_duration(nanos), want);
        }
    }

    #[test]
    fn dates_roll_over_as_go() {
        let time = Time::parse_rfc3339("2024-01-31T10:00:00Z").unwrap();
        assert_eq!(time.add_date(0, 1, 0).unwrap().to_rfc3339(), "2024-03-02T10:00:00Z");
        assert_eq!(
            time.in_zone("Europe/Paris").unwrap().to_string(),
            "2024-01-31 11:00:00 +0100 CET"
        );
        assert_eq!(Time::zero().to_rfc3339(), "0001-01-01T00:00:00Z");
    }
}

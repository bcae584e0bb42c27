//! Recurring times: office hours, weekends, the last day of a month.

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Timelike as _};
use chrono_tz::Tz;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// A recurring time (`timeinterval.TimeInterval` of Alertmanager): every part that is given must hold; of a part's
/// ranges one. It reads from YAML as Alertmanager writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeInterval {
    /// Times of day.
    pub times: Option<Vec<TimeRange>>,
    /// Days of the week.
    pub weekdays: Option<Vec<WeekdayRange>>,
    /// Days of the month; negative ones count from its end.
    pub days_of_month: Option<Vec<DayOfMonthRange>>,
    /// Months.
    pub months: Option<Vec<MonthRange>>,
    /// Years.
    pub years: Option<Vec<YearRange>>,
    /// The time zone; UTC where absent.
    pub location: Option<Location>,
}

/// Minutes since midnight: from the start until before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// First minute.
    pub start_minute: u32,
    /// Minute after the last, 1440 at most.
    pub end_minute: u32,
}

/// Days of the week, 0 is Sunday, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekdayRange(pub i32, pub i32);

/// Days of a month, both ends included; -1 is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayOfMonthRange(pub i32, pub i32);

/// Months, 1 is January, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthRange(pub i32, pub i32);

/// Years, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YearRange(pub i32, pub i32);

/// A time zone by its name in the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location(pub Tz);

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl TimeInterval {
    /// Whether a moment, in milliseconds since the Unix epoch, falls into it.
    #[must_use]
    pub fn contains(&self, at_ms: i64) -> bool {
        let Some(at) = DateTime::from_timestamp_millis(at_ms) else {
            return false;
        };
        let at = at.with_timezone(&self.location.map_or(Tz::UTC, |location| location.0));
        let minute = at.hour() * 60 + at.minute();
        let day = i32::try_from(at.day()).unwrap_or_default();
        let month = i32::try_from(at.month()).unwrap_or_default();
        let weekday = i32::try_from(at.weekday().num_days_from_sunday()).unwrap_or_default();
        let last_day = last_day_of_month(at.date_naive());
        any(&self.times, |range| {
            (range.start_minute..range.end_minute).contains(&minute)
        }) && any(&self.days_of_month, |range| range.contains(day, last_day))
            && any(&self.months, |range| (range.0..=range.1).contains(&month))
            && any(&self.weekdays, |range| (range.0..=range.1).contains(&weekday))
            && any(&self.years, |range| (range.0..=range.1).contains(&at.year()))
    }
}

/// A part that is not given holds.
fn any<T>(ranges: &Option<Vec<T>>, holds: impl Fn(&T) -> bool) -> bool {
    ranges.as_ref().is_none_or(|ranges| ranges.iter().any(holds))
}

fn last_day_of_month(date: NaiveDate) -> i32 {
    let first = date
        .with_day(1)
        .and_then(|first| first.checked_add_months(Months::new(1)));
    let last = first.and_then(|next| next.pred_opt());
    last.and_then(|last| i32::try_from(last.day()).ok()).unwrap_or(31)
}

impl DayOfMonthRange {
    fn contains(self, day: i32, last_day: i32) -> bool {
        let absolute = |n: i32| if n < 0 { last_day + n + 1 } else { n };
        let (begin, end) = (absolute(self.0), absolute(self.1));
        // A range that begins after this month's end is not in this month at all.
        begin <= last_day && day >= begin && day <= end.min(last_day)
    }
}

/// `a:b`, or `a` for `a:a`, each read by `member`.
fn range(text: &str, member: impl Fn(&str) -> Result<i32, String>) -> Result<(i32, i32), String> {
    let text = text.to_lowercase();
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [one] => member(one).map(|value| (value, value)),
        [begin, end] => Ok((member(begin)?, member(end)?)),
        _ => Err(format!("couldn't parse range {text}, invalid format; write FROM:TO")),
    }
}

fn name_in(names: &[&str], text: &str) -> Option<i32> {
    names
        .iter()
        .position(|name| *name == text)
        .and_then(|index| i32::try_from(index).ok())
}

fn number(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

impl TryFrom<&str> for WeekdayRange {
    type Error = String;
    fn try_from(text: &str) -> Result<Self, String> {
        let day = |name: &str| {
            name_in(&WEEKDAYS, name).ok_or_else(|| format!("{name} is not a valid weekday; write such as monday"))
        };
        let (begin, end) = range(text, day)?;
        if begin > end {
            return Err("start day cannot be before end day; write two ranges".to_owned());
        }
        Ok(Self(begin, end))
    }
}

impl TryFrom<&str> for DayOfMonthRange {
    type Error = String;
    fn try_from(text: &str) -> Result<Self, String> {
        let (begin, end) = range(text, number)?;
        for day in [begin, end] {
            if day == 0 || !(-31..=31).contains(&day) {
                return Err(format!(
                    "{day} is not a valid day of the month: out of range; write 1 to 31 or -31 to -1"
                ));
            }
        }
        if begin < 0 && end > 0 {
            return Err("end day must be negative if start day is negative".to_owned());
        }
        // Where one counts from the end: it is wrong for sure if it is in the shortest month.
        let shortest = |day: i32| if day < 0 { 28 + day } else { day };
        if shortest(begin) > shortest(end) {
            return Err(format!("end day {end} is always before start day {begin}"));
        }
        Ok(Self(begin, end))
    }
}

impl TryFrom<&str> for MonthRange {
    type Error = String;
    fn try_from(text: &str) -> Result<Self, String> {
        let month = |name: &str| {
            let month = name_in(&MONTHS, name).map_or_else(|| number(name).ok(), |index| Some(index + 1));
            month.ok_or_else(|| format!("{name} is not a valid month; write such as january or 1"))
        };
        let (begin, end) = range(text, month)?;
        if begin > end {
            let name = |month: i32| {
                usize::try_from(month - 1)
                    .ok()
                    .and_then(|index| MONTHS.get(index))
                    .copied()
                    .unwrap_or_default()
            };
            return Err(format!("end month {} is before start month {}", name(end), name(begin)));
        }
        Ok(Self(begin, end))
    }
}

impl TryFrom<&str> for YearRange {
    type Error = String;
    fn try_from(text: &str) -> Result<Self, String> {
        let (begin, end) = range(text, number)?;
        if begin > end {
            return Err(format!("end year {end} is before start year {begin}"));
        }
        Ok(Self(begin, end))
    }
}

impl TryFrom<&str> for Location {
    type Error = String;
    fn try_from(text: &str) -> Result<Self, String> {
        let name = if text.is_empty() { "UTC" } else { text };
        name.parse()
            .map(Self)
            .map_err(|_| format!("unknown time zone {text}; write such as Europe/Berlin"))
    }
}

macro_rules! deserialize_from_text {
    ($($kind:ty),*) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::try_from(text.as_str()).map_err(D::Error::custom)
            }
        }
    )*};
}

deserialize_from_text!(WeekdayRange, DayOfMonthRange, MonthRange, YearRange, Location);

impl<'de> Deserialize<'de> for TimeRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Written {
            start_time: String,
            end_time: String,
        }
        let written = Written::deserialize(deserializer)?;
        if written.start_time.is_empty() || written.end_time.is_empty() {
            return Err(D::Error::custom(
                "both start and end times must be provided; write start_time and end_time",
            ));
        }
        let minute = |text: &str| minute_of_day(text).map_err(D::Error::custom);
        let (start_minute, end_minute) = (minute(&written.start_time)?, minute(&written.end_time)?);
        if start_minute >= end_minute {
            let message = "start time cannot be equal or greater than end time; write two ranges to pass midnight";
            return Err(D::Error::custom(message));
        }
        Ok(Self {
            start_minute,
            end_minute,
        })
    }
}

/// `HH:MM`, up to `24:00`.
fn minute_of_day(text: &str) -> Result<u32, String> {
    let wrong = || format!("couldn't parse timestamp {text}, invalid format; write HH:MM");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let part = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten()
    };
    match (part(hour).ok_or_else(wrong)?, part(minute).ok_or_else(wrong)?) {
        (24, 0) => Ok(1440),
        (hour @ 0..=23, minute @ 0..=59) => Ok(hour * 60 + minute),
        _ => Err(wrong()),
    }
}

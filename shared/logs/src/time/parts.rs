//! What a time is made of, and how it becomes one.

use chrono::{DateTime, Datelike, LocalResult, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

pub(super) const NANOS: i64 = 1_000_000_000;
const DAY_NS: i64 = 86_400 * NANOS;

/// One part of a format.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    Year,
    ShortYear,
    Month,
    MonthName,
    Day,
    DayOfYear,
    Hour,
    Hour12,
    Minute,
    Second,
    /// Digits of a second's fraction.
    Fraction,
    /// A point or comma with digits of a fraction, if they are there.
    OptionalFraction,
    AmPm,
    Weekday,
    /// `Z`, `+01`, `+0100`, `+01:00`.
    Offset,
    /// A name or an abbreviation of a zone, or an offset.
    Zone,
    /// Seconds since the epoch times ten to this power, with a fraction perhaps.
    Epoch(u32),
    /// Any number since the epoch, its unit by its size.
    AnyEpoch,
    /// What RFC 3339 and ISO 8601 allow.
    Iso8601,
    Space,
    Literal(char),
}

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    pub(super) year: Option<i32>,
    pub(super) month: Option<u32>,
    pub(super) day: Option<u32>,
    pub(super) ordinal: Option<u32>,
    pub(super) hour: u32,
    pub(super) pm: Option<bool>,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) nanos: u32,
    pub(super) offset_seconds: Option<i32>,
    pub(super) zone: Option<Tz>,
    /// The whole time, where it was one number.
    pub(super) epoch_ns: Option<i64>,
}

impl Parts {
    pub(super) fn resolve(mut self, zone: Tz, now_ns: i64) -> Option<i64> {
        if self.epoch_ns.is_some() {
            return self.epoch_ns;
        }
        match self.pm {
            Some(_) if !(1..=12).contains(&self.hour) => return None,
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let zone = self.zone.unwrap_or(zone);
        let now = || DateTime::<Utc>::from_timestamp_nanos(now_ns).with_timezone(&zone);
        let dated = self.month.is_some() || self.ordinal.is_some();
        match self.year {
            Some(year) => self.at(year, zone),
            None if dated => {
                // The latest year that does not lie in the future; a clock may be ahead by a day.
                let latest = now().year() + 1;
                (0..9)
                    .filter_map(|back| self.at(latest - back, zone))
                    .find(|time| *time <= now_ns.saturating_add(DAY_NS))
            }
            None => {
                let now = now();
                (self.month, self.day) = (Some(now.month()), Some(now.day()));
                self.at(now.year(), zone)
            }
        }
    }

    fn at(&self, year: i32, zone: Tz) -> Option<i64> {
        let date = match self.ordinal {
            Some(ordinal) => NaiveDate::from_yo_opt(year, ordinal)?,
            None => NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?,
        };
        // A leap second is the last moment of its minute.
        let (second, nanos) = match self.second {
            60 => (59, 999_999_999),
            second => (second, self.nanos),
        };
        let local = date.and_time(NaiveTime::from_hms_nano_opt(self.hour, self.minute, second, nanos)?);
        if let Some(offset) = self.offset_seconds {
            let utc = local.checked_sub_signed(TimeDelta::seconds(offset.into()))?;
            return utc.and_utc().timestamp_nanos_opt();
        }
        if zone == Tz::UTC {
            return local.and_utc().timestamp_nanos_opt();
        }
        match zone.from_local_datetime(&local) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time.timestamp_nanos_opt(),
            // The clock was put forward over it: count on with the offset from before.
            LocalResult::None => {
                let before = zone.from_utc_datetime(&local.checked_sub_signed(TimeDelta::days(1))?);
                let offset = before.offset().fix().local_minus_utc();
                let utc = local.checked_sub_signed(TimeDelta::seconds(offset.into()))?;
                utc.and_utc().timestamp_nanos_opt()
            }
        }
    }
}

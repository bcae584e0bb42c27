//! Days, UTC: the partitions of stored data.

use std::fmt;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// A day, UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    /// 0000-01-01, the first day whose name sorts as the days do.
    pub const FIRST_NAMED: Self = Self(-719_528);
    /// 9999-12-31, the last one.
    pub const LAST_NAMED: Self = Self(2_932_896);

    /// The day that a time falls in.
    #[must_use]
    pub fn of_ms(at_ms: i64) -> Self {
        Self(at_ms.div_euclid(DAY_MS))
    }

    /// Its first millisecond.
    #[must_use]
    pub fn start_ms(self) -> i64 {
        self.0.saturating_mul(DAY_MS)
    }

    /// Its last millisecond.
    #[must_use]
    pub fn last_ms(self) -> i64 {
        self.start_ms().saturating_add(DAY_MS - 1)
    }

    /// The day after.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Reads `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 10 {
            return None;
        }
        let mut parts = text.splitn(3, '-');
        let year: i64 = parts.next()?.parse().ok()?;
        let month: i64 = parts.next()?.parse().ok()?;
        let day: i64 = parts.next()?.parse().ok()?;
        let parsed = Self(days_from_civil(year, month, day));
        (parsed.to_string() == text).then_some(parsed)
    }
}

/// `YYYY-MM-DD`, which sorts as the days do for the years 0 to 9999.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Howard Hinnant's `days_from_civil` (proleptic Gregorian calendar).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Its inverse, `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_days() {
        for (ms, name) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (1_709_164_800_000, "2024-02-29"),
            (1_795_219_200_000, "2026-11-21"),
        ] {
            assert_eq!(Day::of_ms(ms).to_string(), name);
            assert_eq!(Day::parse(name), Some(Day::of_ms(ms)));
        }
        assert_eq!(Day::FIRST_NAMED.to_string(), "0000-01-01");
        assert_eq!(Day::LAST_NAMED.to_string(), "9999-12-31");
        for bad in ["", "2024-2-29", "2023-02-29", "2024-13-01", "x", "2024-02-29x"] {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
        assert_eq!(
            Day::of_ms(1_709_164_800_000).next().start_ms(),
            1_709_164_800_000 + DAY_MS
        );
    }
}

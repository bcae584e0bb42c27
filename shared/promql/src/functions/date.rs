//! Calendar dates of Unix times, UTC.

/// A date and time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// Days since 1970-01-01.
    days: i64,
}

impl Date {
    /// The date of a Unix time in seconds, in the proleptic Gregorian calendar.
    pub(crate) fn of(seconds: i64) -> Self {
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Eras of 400 years that start on a first of March, so that leap days come last in their year.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: of_year - (153 * march_month + 2) / 5 + 1,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            days,
        }
    }

    /// 0 for Sunday.
    pub(crate) fn day_of_week(&self) -> i64 {
        (self.days + 4).rem_euclid(7)
    }

    fn is_leap_year(&self) -> bool {
        self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0)
    }

    pub(crate) fn days_in_month(&self) -> i64 {
        match self.month {
            2 => 28 + i64::from(self.is_leap_year()),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// 1 to 366.
    pub(crate) fn day_of_year(&self) -> i64 {
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let month = usize::try_from(self.month - 1).unwrap_or_default();
        let leap_day = i64::from(self.month > 2 && self.is_leap_year());
        before.get(month).copied().unwrap_or_default() + self.day + leap_day
    }
}

#[cfg(test)]
mod tests {
    use super::Date;

    #[test]
    fn dates_of_unix_times() {
        for (seconds, want) in [
            (0, (1970, 1, 1, 4, 1)),
            (951_782_400, (2000, 2, 29, 2, 60)),
            (1_136_239_445, (2006, 1, 2, 1, 2)),
            (-1, (1969, 12, 31, 3, 365)),
            (4_107_542_400, (2100, 3, 1, 1, 60)),
        ] {
            let date = Date::of(seconds);
            assert_eq!(
                (date.year, date.month, date.day, date.day_of_week(), date.day_of_year()),
                want,
                "{seconds}"
            );
        }
        assert_eq!(Date::of(951_782_400).days_in_month(), 29);
        assert_eq!(Date::of(i64::MIN).month, 1);
    }
}

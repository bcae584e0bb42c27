//! Go's reference-time layouts: `Mon Jan 2 15:04:05 MST 2006` (`time/format.go`).

mod read;

use super::{Civil, Time};
use chrono::{Datelike, Timelike};

pub(super) use read::parse;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    LongMonth,
    ShortMonth,
    Month {
        zero: bool,
    },
    LongDay,
    ShortDay,
    Day {
        zero: bool,
        space: bool,
    },
    YearDay,
    Hour24,
    Hour12 {
        zero: bool,
    },
    Minute {
        zero: bool,
    },
    Second {
        zero: bool,
    },
    LongYear,
    ShortYear,
    HalfDay {
        upper: bool,
    },
    ZoneName,
    /// `-0700`, `-07:00`, `-07`, and with `z` the forms that write `Z` for UTC.
    Offset {
        z: bool,
        colon: bool,
        minutes: bool,
    },
    /// `.000` or `.999` (`trim`), with that many digits; the separator is kept.
    Fraction {
        separator: char,
        digits: usize,
        trim: bool,
    },
}

/// Layout elements with their text, the longer before those that they begin with.
const PARTS: [(&str, Part); 30] = [
    ("January", Part::LongMonth),
    ("Jan", Part::ShortMonth),
    ("Monday", Part::LongDay),
    ("Mon", Part::ShortDay),
    ("MST", Part::ZoneName),
    ("002", Part::YearDay),
    ("01", Part::Month { zero: true }),
    (
        "02",
        Part::Day {
            zero: true,
            space: false,
        },
    ),
    ("03", Part::Hour12 { zero: true }),
    ("04", Part::Minute { zero: true }),
    ("05", Part::Second { zero: true }),
    ("06", Part::ShortYear),
    ("15", Part::Hour24),
    ("1", Part::Month { zero: false }),
    ("2006", Part::LongYear),
    (
        "2",
        Part::Day {
            zero: false,
            space: false,
        },
    ),
    (
        "_2",
        Part::Day {
            zero: false,
            space: true,
        },
    ),
    ("3", Part::Hour12 { zero: false }),
    ("4", Part::Minute { zero: false }),
    ("5", Part::Second { zero: false }),
    ("PM", Part::HalfDay { upper: true }),
    ("pm", Part::HalfDay { upper: false }),
    (
        "-07:00",
        Part::Offset {
            z: false,
            colon: true,
            minutes: true,
        },
    ),
    (
        "-0700",
        Part::Offset {
            z: false,
            colon: false,
            minutes: true,
        },
    ),
    (
        "-07",
        Part::Offset {
            z: false,
            colon: false,
            minutes: false,
        },
    ),
    (
        "Z07:00",
        Part::Offset {
            z: true,
            colon: true,
            minutes: true,
        },
    ),
    (
        "Z0700",
        Part::Offset {
            z: true,
            colon: false,
            minutes: true,
        },
    ),
    (
        "Z07",
        Part::Offset {
            z: true,
            colon: false,
            minutes: false,
        },
    ),
    ("__2", Part::YearDay),
    ("_2006", Part::LongYear),
];

/// The element that `layout` starts with, and how long it is.
fn part_at(layout: &str) -> Option<(Part, usize)> {
    if let Some(separator) = layout.chars().next().filter(|c| matches!(c, '.' | ',')) {
        let digit = layout[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
        let digits = layout[1..].chars().take_while(|c| *c == digit).count();
        if layout[1 + digits..].starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        return Some((
            Part::Fraction {
                separator,
                digits,
                trim: digit == '9',
            },
            digits + 1,
        ));
    }
    if layout.starts_with("_2006") {
        return None;
    }
    let (text, part) = PARTS.iter().find(|(text, _)| layout.starts_with(text))?;
    // "Jan" and "Mon" are elements only where no lower-case letter follows, as in "Month".
    if matches!(part, Part::ShortMonth | Part::ShortDay)
        && layout[text.len()..].starts_with(|c: char| c.is_ascii_lowercase())
    {
        return None;
    }
    Some((*part, text.len()))
}

/// The literal text before the next element, the element's own text and the element.
fn next_part(layout: &str) -> (&str, Option<(&str, Part)>, &str) {
    for (index, _) in layout.char_indices() {
        if let Some((part, length)) = part_at(&layout[index..]) {
            return (
                &layout[..index],
                Some((&layout[index..index + length], part)),
                &layout[index + length..],
            );
        }
    }
    (layout, None, "")
}

pub(super) fn format(time: &Time, layout: &str) -> String {
    let civil = time.civil();
    let (mut out, mut rest) = (String::new(), layout);
    while !rest.is_empty() {
        let (literal, part, tail) = next_part(rest);
        out.push_str(literal);
        if let Some((_, part)) = part {
            write_part(&mut out, part, &civil);
        }
        rest = tail;
    }
    out
}

fn write_part(out: &mut String, part: Part, civil: &Civil) {
    let at = &civil.date_time;
    let two = |value: u32, zero: bool| if zero { format!("{value:02}") } else { value.to_string() };
    let name = |names: &[&'static str], index: u32| names[index as usize % names.len()];
    let text = match part {
        Part::LongMonth => name(&MONTHS, at.month0()).to_owned(),
        Part::ShortMonth => name(&MONTHS, at.month0())[..3].to_owned(),
        Part::Month { zero } => two(at.month(), zero),
        Part::LongDay => name(&DAYS, at.weekday().num_days_from_sunday()).to_owned(),
        Part::ShortDay => name(&DAYS, at.weekday().num_days_from_sunday())[..3].to_owned(),
        Part::Day { space: true, .. } => format!("{:2}", at.day()),
        Part::Day { zero, .. } => two(at.day(), zero),
        Part::YearDay => format!("{:03}", at.ordinal()),
        Part::Hour24 => two(at.hour(), true),
        Part::Hour12 { zero } => two((at.hour() + 11) % 12 + 1, zero),
        Part::Minute { zero } => two(at.minute(), zero),
        Part::Second { zero } => two(at.second(), zero),
        Part::LongYear if at.year() < 0 => format!("-{:04}", at.year().unsigned_abs()),
        Part::LongYear => format!("{:04}", at.year()),
        Part::ShortYear => format!("{:02}", at.year().rem_euclid(100)),
        Part::HalfDay { upper } => match (at.hour() >= 12, upper) {
            (true, true) => "PM",
            (false, true) => "AM",
            (true, false) => "pm",
            (false, false) => "am",
        }
        .to_owned(),
        Part::ZoneName if civil.abbreviation.is_empty() || civil.abbreviation.starts_with(['+', '-']) => {
            offset_text(civil.offset_seconds, false, civil.offset_seconds % 3600 != 0)
        }
        Part::ZoneName => civil.abbreviation.clone(),
        Part::Offset { z: true, .. } if civil.offset_seconds == 0 => "Z".to_owned(),
        Part::Offset { colon, minutes, .. } => offset_text(civil.offset_seconds, colon, minutes),
        Part::Fraction {
            separator,
            digits,
            trim,
        } => {
            let all = format!("{:09}", at.nanosecond());
            let kept = if digits <= 9 {
                all[..digits].to_owned()
            } else {
                format!("{all:0<digits$}")
            };
            let kept = if trim { kept.trim_end_matches('0') } else { &kept };
            if kept.is_empty() {
                String::new()
            } else {
                format!("{separator}{kept}")
            }
        }
    };
    out.push_str(&text);
}

fn offset_text(seconds: i32, colon: bool, minutes: bool) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let total = seconds.unsigned_abs() / 60;
    let separator = if colon { ":" } else { "" };
    if minutes {
        format!("{sign}{:02}{separator}{:02}", total / 60, total % 60)
    } else {
        format!("{sign}{:02}", total / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_layouts() {
        let time = Time::parse_rfc3339("2024-03-05T16:07:09.12Z").unwrap();
        for (layout, want) in [
            ("Mon Jan _2 15:04:05 2006", "Tue Mar  5 16:07:09 2024"),
            ("02/01/06 03:04PM", "05/03/24 04:07PM"),
            ("2006-01-02T15:04:05.000Z07:00", "2024-03-05T16:07:09.120Z"),
            (
                "Monday, January 2, 2006 at 3:4pm -0700",
                "Tuesday, March 5, 2024 at 4:7pm +0000",
            ),
            ("2006-002 .00", "2024-065 .12"),
            ("Month", "Month"),
        ] {
            assert_eq!(time.format(layout), want, "{layout}");
        }
        let read = Time::parse("02 Jan 2006 15:04 -07:00", "05 Mar 2024 16:07 +02:00").unwrap();
        assert_eq!(read.to_rfc3339(), "2024-03-05T16:07:00+02:00");
        assert!(parse("2006-01-02", "2024-13-01").is_err());
        assert!(parse("2006-01-02", "2024-02-30").is_err());
        assert!(parse("2006-01-02", "2024-02-03x").is_err());
    }
}

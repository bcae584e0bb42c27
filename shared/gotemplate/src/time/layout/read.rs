//! Reading a time by a layout.

use super::{DAYS, MONTHS, Part, next_part, part_at};
use chrono::{NaiveDate, NaiveDateTime};

/// What parsing has found so far.
struct Found {
    year: i32,
    month: u32,
    day: u32,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    /// From `PM` or `AM`.
    afternoon: Option<bool>,
    /// Where the text says one.
    offset_seconds: Option<i32>,
}

/// Reads what a calendar and a clock show (`time.Parse`), and the seconds east of UTC where the text says them.
pub(crate) fn parse(layout: &str, text: &str) -> Result<(NaiveDateTime, Option<i32>), String> {
    let fail = |value: &str, element: &str| {
        let quote = parapet_model::quote;
        format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(text),
            quote(layout),
            quote(value),
            quote(element)
        )
    };
    let mut found = Found {
        year: 0,
        month: 1,
        day: 1,
        year_day: None,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        afternoon: None,
        offset_seconds: None,
    };
    let (mut layout_rest, mut rest) = (layout, text);
    loop {
        let (literal, part, tail) = next_part(layout_rest);
        rest = rest.strip_prefix(literal).ok_or_else(|| fail(rest, literal))?;
        let Some((element, part)) = part else { break };
        rest = read_part(rest, part, tail, &mut found).ok_or_else(|| fail(rest, element))?;
        layout_rest = tail;
    }
    if !rest.is_empty() {
        return Err(format!(
            "parsing time {}: extra text: {}",
            parapet_model::quote(text),
            parapet_model::quote(rest)
        ));
    }
    let out_of_range = |what: &str| format!("parsing time {}: {what} out of range", parapet_model::quote(text));
    match found.afternoon {
        Some(true) if found.hour < 12 => found.hour += 12,
        Some(false) if found.hour == 12 => found.hour = 0,
        _ => {}
    }
    let date = match found.year_day {
        Some(day) => NaiveDate::from_yo_opt(found.year, day),
        None => NaiveDate::from_ymd_opt(found.year, found.month, found.day),
    };
    let date_time = date
        .ok_or_else(|| out_of_range("day"))?
        .and_hms_nano_opt(found.hour, found.minute, found.second, found.nanos)
        .ok_or_else(|| out_of_range("hour"))?;
    Ok((date_time, found.offset_seconds))
}

/// Takes between `least` and `most` digits.
fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    Some((text[..count].parse().ok()?, &text[count..]))
}

fn named<'a>(text: &'a str, names: &[&str], short: bool) -> Option<(u32, &'a str)> {
    names.iter().zip(0..).find_map(|(name, index)| {
        let name = if short { &name[..3] } else { name };
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name).then(|| (index, &text[name.len()..]))
    })
}

fn read_part<'a>(text: &'a str, part: Part, layout_tail: &str, found: &mut Found) -> Option<&'a str> {
    let least = |zero: bool| if zero { 2 } else { 1 };
    match part {
        Part::LongMonth | Part::ShortMonth => {
            let (index, rest) = named(text, &MONTHS, part == Part::ShortMonth)?;
            found.month = index + 1;
            Some(rest)
        }
        Part::LongDay | Part::ShortDay => named(text, &DAYS, part == Part::ShortDay).map(|(_, rest)| rest),
        Part::Month { zero } => store(digits(text, least(zero), 2)?, &mut found.month),
        Part::Day { zero, space } => {
            let text = if space {
                text.strip_prefix(' ').unwrap_or(text)
            } else {
                text
            };
            store(digits(text, least(zero), 2)?, &mut found.day)
        }
        Part::YearDay => {
            let (day, rest) = digits(text, 3, 3)?;
            found.year_day = Some(day);
            Some(rest)
        }
        Part::Hour24 => store(digits(text, 1, 2)?, &mut found.hour),
        Part::Hour12 { zero } => store(digits(text, least(zero), 2)?, &mut found.hour),
        Part::Minute { zero } => store(digits(text, least(zero), 2)?, &mut found.minute),
        Part::Second { zero } => {
            let rest = store(digits(text, least(zero), 2)?, &mut found.second)?;
            // A fraction may follow the seconds even where the layout has none.
            let fraction_next = matches!(part_at(layout_tail), Some((Part::Fraction { .. }, _)));
            if !fraction_next && rest.starts_with(['.', ',']) && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
                return read_fraction(rest, found);
            }
            Some(rest)
        }
        Part::LongYear => {
            let (year, rest) = digits(text, 4, 4)?;
            found.year = i32::try_from(year).ok()?;
            Some(rest)
        }
        Part::ShortYear => {
            let (year, rest) = digits(text, 2, 2)?;
            found.year = i32::try_from(year).ok()? + if year >= 69 { 1900 } else { 2000 };
            Some(rest)
        }
        Part::HalfDay { upper } => {
            let (pm, am) = if upper { ("PM", "AM") } else { ("pm", "am") };
            let afternoon = text.starts_with(pm);
            found.afternoon = Some(afternoon);
            text.strip_prefix(if afternoon { pm } else { am })
        }
        Part::ZoneName => {
            // As in Go outside the local zone, an abbreviation other than UTC has an offset of zero.
            let length = text.bytes().take(5).take_while(u8::is_ascii_uppercase).count();
            found.offset_seconds = Some(0);
            (length >= 3).then(|| &text[length..])
        }
        Part::Offset { z: true, .. } if text.starts_with('Z') => {
            found.offset_seconds = Some(0);
            Some(&text[1..])
        }
        Part::Offset { colon, minutes, .. } => read_offset(text, colon, minutes, found),
        Part::Fraction { trim, .. } => {
            if trim && !text.starts_with(['.', ',']) {
                return Some(text);
            }
            read_fraction(text, found)
        }
    }
}

fn store<'a>((value, rest): (u32, &'a str), into: &mut u32) -> Option<&'a str> {
    *into = value;
    Some(rest)
}

fn read_offset<'a>(text: &'a str, colon: bool, minutes: bool, found: &mut Found) -> Option<&'a str> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, mut rest) = digits(&text[1..], 2, 2)?;
    let mut total = hours * 60;
    if minutes {
        if colon {
            rest = rest.strip_prefix(':')?;
        }
        let (extra, tail) = digits(rest, 2, 2)?;
        total += extra;
        rest = tail;
    }
    found.offset_seconds = Some(sign * i32::try_from(total * 60).ok()?);
    Some(rest)
}

fn read_fraction<'a>(text: &'a str, found: &mut Found) -> Option<&'a str> {
    let rest = text.strip_prefix(['.', ','])?;
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return None;
    }
    let kept = &rest[..count.min(9)];
    found.nanos = format!("{kept:0<9}").parse().ok()?;
    Some(&rest[count..])
}

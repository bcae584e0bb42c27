//! Reads a text by the items of a format.

use super::parts::{Item, NANOS, Parts};
use super::zone::abbreviation_seconds;
use chrono_tz::Tz;

/// A text being read.
struct Reader<'a> {
    rest: &'a [u8],
}

pub(super) fn read(items: &[Item], text: &str) -> Option<Parts> {
    let mut reader = Reader { rest: text.as_bytes() };
    let mut parts = Parts::default();
    for (index, item) in items.iter().enumerate() {
        reader.item(item, items.get(index + 1), &mut parts)?;
    }
    reader.rest.is_empty().then_some(parts)
}

/// Reads an RFC 3339 or ISO 8601 time; without an offset it is taken as UTC. `None` where it is none.
#[must_use]
pub fn parse_rfc3339_ns(text: &str) -> Option<i64> {
    read(&[Item::Iso8601], text.trim())?.resolve(Tz::UTC, 0)
}

impl Reader<'_> {
    fn item(&mut self, item: &Item, next: Option<&Item>, parts: &mut Parts) -> Option<()> {
        match item {
            Item::Year => parts.year = Some(i32::try_from(self.number(4)?).ok()?),
            Item::ShortYear => {
                let year = i32::try_from(self.number(2)?).ok()?;
                parts.year = Some(if year < 69 { 2000 + year } else { 1900 + year });
            }
            Item::Month => parts.month = Some(self.number(2)?),
            Item::MonthName => parts.month = Some(self.month_name()?),
            Item::Day => {
                self.spaces();
                parts.day = Some(self.number(2)?);
            }
            Item::DayOfYear => parts.ordinal = Some(self.number(3)?),
            Item::Hour | Item::Hour12 => parts.hour = self.number(2)?,
            Item::Minute => parts.minute = self.number(2)?,
            Item::Second => {
                parts.second = self.number(2)?;
                // As Go does: a fraction may follow though the format has none.
                let expected = matches!(next, Some(Item::Literal('.' | ',') | Item::OptionalFraction));
                if !expected {
                    self.optional_fraction(parts);
                }
            }
            Item::Fraction => parts.nanos = self.fraction()?,
            Item::OptionalFraction => self.optional_fraction(parts),
            Item::AmPm => parts.pm = Some(self.am_pm()?),
            Item::Weekday => {
                let letters = self.count(u8::is_ascii_alphabetic);
                (letters >= 2).then(|| self.skip(letters))?;
                if self.rest.first() == Some(&b'.') {
                    self.skip(1);
                }
            }
            Item::Offset => parts.offset_seconds = Some(self.offset()?),
            Item::Zone => self.zone(parts)?,
            Item::Epoch(power) => parts.epoch_ns = Some(self.epoch(*power)?),
            Item::AnyEpoch => {
                let digits = self.count(u8::is_ascii_digit);
                let power = match digits {
                    0..=11 => 0,
                    12..=14 => 3,
                    15..=17 => 6,
                    _ => 9,
                };
                parts.epoch_ns = Some(self.epoch(power)?);
            }
            Item::Iso8601 => self.iso8601(parts)?,
            Item::Space => {
                (self.spaces() > 0).then_some(())?;
            }
            Item::Literal(c) => {
                let mut bytes = [0; 4];
                self.rest = self.rest.strip_prefix(c.encode_utf8(&mut bytes).as_bytes())?;
            }
        }
        Some(())
    }

    fn count(&self, is: impl Fn(&u8) -> bool) -> usize {
        self.rest.iter().take_while(|byte| is(byte)).count()
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn spaces(&mut self) -> usize {
        let spaces = self.count(u8::is_ascii_whitespace);
        self.skip(spaces);
        spaces
    }

    fn number(&mut self, most: usize) -> Option<u32> {
        let (mut number, mut rest) = (0, self.rest);
        while let [digit @ b'0'..=b'9', after @ ..] = rest
            && self.rest.len() - rest.len() < most
        {
            number = number * 10 + u32::from(digit - b'0');
            rest = after;
        }
        let found = rest.len() < self.rest.len();
        self.rest = rest;
        found.then_some(number)
    }

    /// Digits of a fraction, in nanoseconds; those beyond are dropped.
    fn fraction(&mut self) -> Option<u32> {
        let digits = self.count(u8::is_ascii_digit);
        let mut nanos = 0;
        for index in 0..9 {
            let digit = if index < digits { self.rest[index] - b'0' } else { 0 };
            nanos = nanos * 10 + u32::from(digit);
        }
        self.skip(digits);
        (digits > 0).then_some(nanos)
    }

    fn optional_fraction(&mut self, parts: &mut Parts) {
        if let [b'.' | b',', digit, ..] = self.rest
            && digit.is_ascii_digit()
        {
            self.skip(1);
            parts.nanos = self.fraction().unwrap_or_default();
        }
    }

    fn month_name(&mut self) -> Option<u32> {
        const NAMES: [&[u8; 3]; 12] = [
            b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
        ];
        let letters = self.count(u8::is_ascii_alphabetic);
        let name: [u8; 3] = self.rest.get(..3.min(letters))?.to_ascii_lowercase().try_into().ok()?;
        let month = NAMES.iter().position(|known| **known == name)?;
        self.skip(letters);
        u32::try_from(month + 1).ok()
    }

    fn am_pm(&mut self) -> Option<bool> {
        let pm = match self.rest.get(..2)? {
            [b'a' | b'A', b'm' | b'M'] => false,
            [b'p' | b'P', b'm' | b'M'] => true,
            _ => return None,
        };
        self.skip(2);
        Some(pm)
    }

    fn offset(&mut self) -> Option<i32> {
        let sign = match self.rest.first()? {
            b'Z' | b'z' => {
                self.skip(1);
                return Some(0);
            }
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.skip(1);
        let hours = self.number(2)?;
        if self.rest.first() == Some(&b':') {
            self.skip(1);
        }
        let minutes = self.number(2).unwrap_or_default();
        let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
        (hours < 24 && minutes < 60).then_some(sign * seconds)
    }

    fn zone(&mut self, parts: &mut Parts) -> Option<()> {
        if matches!(self.rest.first(), Some(b'+' | b'-')) {
            parts.offset_seconds = Some(self.offset()?);
            return Some(());
        }
        let length = self.count(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+'));
        let name = std::str::from_utf8(&self.rest[..length]).ok()?;
        match abbreviation_seconds(name) {
            Some(seconds) => parts.offset_seconds = Some(seconds),
            None => parts.zone = Some(name.parse().ok()?),
        }
        self.skip(length);
        Some(())
    }

    fn epoch(&mut self, power: u32) -> Option<i64> {
        let negative = self.rest.first() == Some(&b'-');
        self.skip(usize::from(negative));
        let digits = self.count(u8::is_ascii_digit);
        let whole: i64 = std::str::from_utf8(&self.rest[..digits]).ok()?.parse().ok()?;
        self.skip(digits);
        let unit = NANOS / 10_i64.pow(power);
        let mut parts = Parts::default();
        self.optional_fraction(&mut parts);
        let part = i64::from(parts.nanos) * unit / NANOS;
        let nanos = whole.checked_mul(unit)?.checked_add(part)?;
        Some(if negative { -nanos } else { nanos })
    }

    fn iso8601(&mut self, parts: &mut Parts) -> Option<()> {
        parts.year = Some(i32::try_from(self.number(4)?).ok()?);
        let dashed = self.separator(b"-/.");
        parts.month = Some(self.number(2)?);
        if dashed && !self.separator(b"-/.") {
            return self.rest.is_empty().then_some(());
        }
        parts.day = Some(self.number(2)?);
        if self.rest.is_empty() {
            return Some(());
        }
        if !self.separator(b"Tt_-") && self.spaces() == 0 {
            return None;
        }
        parts.hour = self.number(2)?;
        let colons = self.separator(b":");
        parts.minute = self.number(2)?;
        if self.separator(b":") || (!colons && self.rest.first().is_some_and(u8::is_ascii_digit)) {
            parts.second = self.number(2)?;
            self.optional_fraction(parts);
        }
        self.spaces();
        if !self.rest.is_empty() {
            self.zone_or_z(parts)?;
        }
        Some(())
    }

    fn zone_or_z(&mut self, parts: &mut Parts) -> Option<()> {
        if matches!(self.rest, [b'Z' | b'z']) {
            parts.offset_seconds = self.offset();
            return Some(());
        }
        self.zone(parts)
    }

    fn separator(&mut self, any: &[u8]) -> bool {
        let found = self.rest.first().is_some_and(|byte| any.contains(byte));
        self.skip(usize::from(found));
        found
    }
}

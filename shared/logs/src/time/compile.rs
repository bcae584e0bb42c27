//! Formats of four families, compiled to one form.

use super::parts::Item;
use super::parts::Item::{
    AmPm, AnyEpoch, Day, DayOfYear, Epoch, Fraction, Hour, Hour12, Iso8601, Literal, Minute, Month, MonthName, Offset,
    OptionalFraction, Second, ShortYear, Space, Weekday, Year, Zone,
};

pub(super) fn compile(text: &str) -> Result<Vec<Item>, String> {
    if text.is_empty() {
        return Err("an empty time format; write for example RFC3339 or 2006-01-02 15:04:05".to_owned());
    }
    let items = match named(text) {
        Some(Named::Item(item)) => vec![item],
        Some(Named::Layout(layout)) => go(layout),
        None if text.contains('%') => strftime(text)?,
        None if is_go(text) => go(text),
        None => joda(text)?,
    };
    if items.iter().all(|item| matches!(item, Literal(_) | Space)) {
        return Err(format!(
            "{} holds no part of a time; write for example 2006-01-02 15:04:05, %Y-%m-%d %H:%M:%S or yyyy-MM-dd HH:mm:ss",
            parapet_model::quote(text)
        ));
    }
    Ok(items)
}

enum Named {
    Item(Item),
    Layout(&'static str),
}

/// Names of Go's constants, of Promtail's and of Logstash's additions to them.
fn named(text: &str) -> Option<Named> {
    Some(match text {
        "Unix" | "UNIX" => Named::Item(Epoch(0)),
        "UnixMs" | "UNIX_MS" => Named::Item(Epoch(3)),
        "UnixUs" | "UNIX_US" => Named::Item(Epoch(6)),
        "UnixNs" | "UNIX_NS" => Named::Item(Epoch(9)),
        "Epoch" => Named::Item(AnyEpoch),
        "RFC3339" | "RFC3339Nano" | "ISO8601" => Named::Item(Iso8601),
        "ANSIC" => Named::Layout("Mon Jan _2 15:04:05 2006"),
        "UnixDate" => Named::Layout("Mon Jan _2 15:04:05 MST 2006"),
        "RubyDate" => Named::Layout("Mon Jan 02 15:04:05 -0700 2006"),
        "RFC822" => Named::Layout("02 Jan 06 15:04 MST"),
        "RFC822Z" => Named::Layout("02 Jan 06 15:04 -0700"),
        "RFC850" => Named::Layout("Monday, 02-Jan-06 15:04:05 MST"),
        "RFC1123" => Named::Layout("Mon, 02 Jan 2006 15:04:05 MST"),
        "RFC1123Z" => Named::Layout("Mon, 02 Jan 2006 15:04:05 -0700"),
        "Syslog" => Named::Layout("Jan _2 15:04:05"),
        "HTTPDate" => Named::Layout("02/Jan/2006:15:04:05 -0700"),
        _ => return None,
    })
}

/// Whether a format is written as Go's reference time: 15:04:05 on January 2nd, 2006.
fn is_go(text: &str) -> bool {
    ["2006", "15:04", "Jan", "01/02", "02/01", "0102", "150405", "3:04"]
        .iter()
        .any(|mark| text.contains(mark))
}

/// Go's parts, each before those that are its beginning.
const GO: [(&str, Item); 32] = [
    ("2006", Year),
    ("January", MonthName),
    ("Jan", MonthName),
    ("Monday", Weekday),
    ("Mon", Weekday),
    ("MST", Zone),
    ("Z07:00:00", Offset),
    ("Z070000", Offset),
    ("Z07:00", Offset),
    ("Z0700", Offset),
    ("Z07", Offset),
    ("-07:00:00", Offset),
    ("-070000", Offset),
    ("-07:00", Offset),
    ("-0700", Offset),
    ("-07", Offset),
    ("002", DayOfYear),
    ("__2", DayOfYear),
    ("01", Month),
    ("02", Day),
    ("03", Hour12),
    ("04", Minute),
    ("05", Second),
    ("06", ShortYear),
    ("15", Hour),
    ("_2", Day),
    ("PM", AmPm),
    ("pm", AmPm),
    ("1", Month),
    ("2", Day),
    ("3", Hour12),
    ("4", Minute),
];

fn go(layout: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        // `.000` and `,999` are fractions where no other digit follows.
        if matches!(c, '.' | ',') {
            let digit = rest[1..].chars().next();
            let run = rest[1..].chars().take_while(|next| Some(*next) == digit).count();
            if matches!(digit, Some('0' | '9')) && !rest[1 + run..].starts_with(|next: char| next.is_ascii_digit()) {
                items.push(OptionalFraction);
                rest = &rest[1 + run..];
                continue;
            }
        }
        if let Some((text, item)) = GO.iter().find(|(text, _)| rest.starts_with(text)) {
            items.push(item.clone());
            rest = &rest[text.len()..];
        } else if c == '5' {
            items.push(Second);
            rest = &rest[1..];
        } else {
            items.push(literal(c));
            rest = &rest[c.len_utf8()..];
        }
    }
    items
}

fn literal(c: char) -> Item {
    if c.is_whitespace() { Space } else { Literal(c) }
}

fn strftime(format: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            items.push(literal(c));
            continue;
        }
        let mut sign = chars.next();
        // Padding and widths say how to write: any width is read.
        let mut point = false;
        while let Some(flag @ ('-' | '_' | '0' | ':' | '.' | '3' | '6' | '9' | 'E' | 'O')) = sign {
            point |= flag == '.';
            sign = chars.next();
        }
        match sign {
            Some('Y' | 'G') => items.push(Year),
            Some('y') => items.push(ShortYear),
            Some('m') => items.push(Month),
            Some('b' | 'B' | 'h') => items.push(MonthName),
            Some('d' | 'e') => items.push(Day),
            Some('j') => items.push(DayOfYear),
            Some('H' | 'k') => items.push(Hour),
            Some('I' | 'l') => items.push(Hour12),
            Some('M') => items.push(Minute),
            Some('S') => items.push(Second),
            Some('f' | 'N' | 'L') => items.push(if point { OptionalFraction } else { Fraction }),
            Some('p' | 'P') => items.push(AmPm),
            Some('a' | 'A') => items.push(Weekday),
            Some('z') => items.push(Offset),
            Some('Z') => items.push(Zone),
            Some('s') => items.push(Epoch(0)),
            Some('F') => items.extend([Year, Literal('-'), Month, Literal('-'), Day]),
            Some('T' | 'X') => items.extend([Hour, Literal(':'), Minute, Literal(':'), Second]),
            Some('R') => items.extend([Hour, Literal(':'), Minute]),
            Some('D' | 'x') => items.extend([Month, Literal('/'), Day, Literal('/'), ShortYear]),
            Some('c') => items.extend(go("Mon Jan _2 15:04:05 2006")),
            Some('+') => items.push(Iso8601),
            Some('n' | 't') => items.push(Space),
            Some('%') => items.push(Literal('%')),
            Some(other) => return Err(format!("%{other} is no part of a time")),
            None => return Err("a % at the end; write %% for the sign itself".to_owned()),
        }
    }
    Ok(items)
}

fn joda(format: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        if c == '\'' {
            let inside = &rest[1..];
            let Some(length) = inside.find('\'') else {
                return Err("a ' that nothing closes".to_owned());
            };
            if length == 0 {
                items.push(Literal('\''));
            } else {
                items.extend(inside[..length].chars().map(literal));
            }
            rest = &inside[length + 1..];
            continue;
        }
        let run = rest.chars().take_while(|next| *next == c).count();
        let item = match c {
            'y' | 'u' | 'Y' if run == 2 => ShortYear,
            'y' | 'u' | 'Y' => Year,
            'M' | 'L' if run < 3 => Month,
            'M' | 'L' => MonthName,
            'd' => Day,
            'D' => DayOfYear,
            'H' | 'k' => Hour,
            'h' | 'K' => Hour12,
            'm' => Minute,
            's' => Second,
            'S' | 'n' => Fraction,
            'a' => AmPm,
            'E' | 'e' => Weekday,
            'Z' | 'X' | 'x' => Offset,
            'z' | 'V' => Zone,
            c if c.is_ascii_alphabetic() => {
                return Err(format!("{c} is no part of a time; put texts in '…'"));
            }
            c => {
                items.push(literal(c));
                rest = &rest[c.len_utf8()..];
                continue;
            }
        };
        items.push(item);
        rest = &rest[run..];
    }
    Ok(items)
}

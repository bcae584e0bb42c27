//! Syslog: RFC 5424, and RFC 3164 as it is met. What is neither is kept as it came.

use crate::time::{TimeFormat, parse_rfc3339_ns};
use crate::{Level, LogRecord};
use chrono_tz::Tz;
use parapet_model::Labels;
use std::sync::LazyLock;

/// The facilities, by their numbers.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

static BSD_TIME: LazyLock<Option<TimeFormat>> = LazyLock::new(|| TimeFormat::new("Syslog").ok());

/// Cuts what came over a connection into messages (RFC 6587): each with its length before it, or each on a line. Answers
/// the messages that are whole, and how many bytes they take; a message longer than `max_bytes` is cut.
#[must_use]
pub fn frames(buffer: &[u8], max_bytes: usize) -> (Vec<&[u8]>, usize) {
    let mut messages = Vec::new();
    let mut at = 0;
    while at < buffer.len() {
        let rest = &buffer[at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // Messages begin with <: a number before it is a length.
        let counted =
            (1..=7).contains(&digits) && rest.get(digits) == Some(&b' ') && rest.get(digits + 1) == Some(&b'<');
        if counted {
            let length = rest[..digits]
                .iter()
                .fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
            let Some(message) = rest[digits + 1..].get(..length) else {
                break;
            };
            messages.push(&message[..length.min(max_bytes)]);
            at += digits + 1 + length;
            continue;
        }
        let end = memchr::memchr(b'\n', rest);
        let Some(length) = end.or((rest.len() > max_bytes).then_some(max_bytes)) else {
            break;
        };
        let message = rest[..length].strip_suffix(b"\r").unwrap_or(&rest[..length]);
        let message = &message[..message.len().min(max_bytes)];
        if !message.is_empty() {
            messages.push(message);
        }
        at += length + usize::from(end.is_some());
    }
    (messages, at)
}

/// Reads a message that came at `received_ns`; its time without a zone is in `zone`.
#[must_use]
pub fn parse(message: &[u8], received_ns: i64, zone: Tz) -> LogRecord {
    let text = crate::record::lossy(message);
    let mut record = LogRecord {
        timestamp_ns: received_ns,
        raw: message.to_vec().into(),
        ..LogRecord::default()
    };
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut rest = text.as_ref();
    if let Some((priority, after)) = priority(rest) {
        record.level = Some(Level::from_syslog(priority % 8));
        if let Some(facility) = FACILITIES.get(usize::from(priority / 8)) {
            fields.push(("syslog.facility".to_owned(), (*facility).to_owned()));
        }
        rest = after;
    }
    let said = match rest
        .strip_prefix("1 ")
        .and_then(|header| rfc5424(header, &mut record, &mut fields))
    {
        Some(said) => said,
        None => rfc3164(rest, &mut record, &mut fields, zone),
    };
    record.message = said.into();
    record.attributes = Labels::from_pairs(fields);
    record
}

/// `<34>`
fn priority(text: &str) -> Option<(u8, &str)> {
    let (digits, after) = text.strip_prefix('<')?.split_once('>')?;
    let priority = digits
        .parse()
        .ok()
        .filter(|priority| *priority < 192 && digits.len() <= 3)?;
    Some((priority, after))
}

/// What follows the version: time, host, application, process, message id, structured data, text.
fn rfc5424<'a>(header: &'a str, record: &mut LogRecord, fields: &mut Vec<(String, String)>) -> Option<&'a str> {
    let mut parts = header.splitn(6, ' ');
    let mut part = || parts.next();
    let (time, host, app, process, id, rest) = (part()?, part()?, part()?, part()?, part()?, part()?);
    let given = |text: &str| if text == "-" { String::new() } else { text.to_owned() };
    let timestamp_ns = if time == "-" {
        record.timestamp_ns
    } else {
        parse_rfc3339_ns(time)?
    };
    let mut data = Vec::new();
    let said = match rest.strip_prefix('-') {
        Some(after) => after,
        None => structured_data(rest, &mut data)?,
    };
    record.timestamp_ns = timestamp_ns;
    record.host = given(host).into();
    record.service = given(app).into();
    fields.push(("process.pid".to_owned(), given(process)));
    fields.push(("syslog.msgid".to_owned(), given(id)));
    fields.extend(data);
    let said = said.strip_prefix(' ').unwrap_or(said);
    Some(said.strip_prefix('\u{feff}').unwrap_or(said))
}

/// `[id name="value" …][…]`; values are fields `id.name`.
fn structured_data<'a>(mut rest: &'a str, data: &mut Vec<(String, String)>) -> Option<&'a str> {
    while let Some(inside) = rest.strip_prefix('[') {
        let length = inside.find([' ', ']'])?;
        let (id, mut after) = inside.split_at(length);
        while let Some(pair) = after.strip_prefix(' ') {
            let (name, quoted) = pair.split_once("=\"")?;
            let mut value = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next()? {
                    (at, '"') => break at,
                    (_, '\\') => match chars.next()?.1 {
                        c @ ('"' | '\\' | ']') => value.push(c),
                        c => value.extend(['\\', c]),
                    },
                    (_, c) => value.push(c),
                }
            };
            data.push((format!("{id}.{name}"), value));
            after = &quoted[end + 1..];
        }
        rest = after.strip_prefix(']')?;
    }
    Some(rest)
}

/// `Oct 11 22:14:15 host program[pid]: text`, any of which may be missing.
fn rfc3164<'a>(text: &'a str, record: &mut LogRecord, fields: &mut Vec<(String, String)>, zone: Tz) -> &'a str {
    let mut rest = text;
    let bsd = text
        .get(..15)
        .and_then(|time| BSD_TIME.as_ref()?.parse(time, zone, record.timestamp_ns));
    let iso = || {
        let (time, _) = text.split_once(' ')?;
        Some((parse_rfc3339_ns(time).filter(|_| time.len() >= 19)?, time.len()))
    };
    let Some((time, length)) = bsd.map(|time| (time, 15)).or_else(iso) else {
        return text;
    };
    record.timestamp_ns = time;
    rest = rest[length..].trim_start();
    // A tag has a colon; a host has none, unless it is an address.
    if let Some((host, after)) = rest.split_once(' ')
        && !host.ends_with(':')
        && !host.contains('[')
    {
        record.host = host.into();
        rest = after;
    }
    let length = rest
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '(' | ')')))
        .unwrap_or(rest.len());
    let (tag, after) = rest.split_at(length);
    if tag.is_empty() {
        return rest;
    }
    let (process, after) = match after.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((process, after)) => (process, after),
        None => ("", after),
    };
    let Some(said) = after.strip_prefix(':') else {
        return rest;
    };
    record.service = tag.into();
    fields.push(("process.pid".to_owned(), process.to_owned()));
    said.strip_prefix(' ').unwrap_or(said)
}

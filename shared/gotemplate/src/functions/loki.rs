//! The functions of Loki's `line_format` and `label_format` (`pkg/logql/log/fmt.go`), sprig's among them.

use super::decimal;
use super::{Call, Function, Table, Type, pure, text, to_lower, to_upper, with_environment};
use crate::environment::MAX_TEXT_BYTES;
use crate::time::Time;
use crate::value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const S: Type = Type::String;
const ANY: Type = Type::Any;

/// A function of texts alone.
macro_rules! texts {
    ($parameters:expr, |$arguments:ident| $body:expr) => {
        pure($parameters, |$arguments| Ok(Value::from($body)))
    };
}

pub(super) const FUNCTIONS: Table = &[
    (
        "__line__",
        with_environment(&[], |environment, _| Ok(Value::from(environment.line))),
    ),
    (
        "__timestamp__",
        with_environment(&[], |environment, _| {
            Ok(Value::Time(Time::from_nanos(environment.timestamp_ns)))
        }),
    ),
    (
        "now",
        with_environment(&[], |environment, _| {
            Ok(Value::Time(Time::from_millis(environment.now_ms)))
        }),
    ),
    ("ToLower", pure(&[S], to_lower)),
    ("ToUpper", pure(&[S], to_upper)),
    ("lower", pure(&[S], to_lower)),
    ("upper", pure(&[S], to_upper)),
    ("title", texts!(&[S], |a| super::text::title(text(a, 0), false))),
    ("Trim", texts!(&[S, S], |a| trim(a, 0, 1, true, true))),
    ("TrimLeft", texts!(&[S, S], |a| trim(a, 0, 1, true, false))),
    ("TrimRight", texts!(&[S, S], |a| trim(a, 0, 1, false, true))),
    ("trimAll", texts!(&[S, S], |a| trim(a, 1, 0, true, true))),
    ("TrimSpace", texts!(&[S], |a| text(a, 0).trim())),
    ("trim", texts!(&[S], |a| text(a, 0).trim())),
    ("TrimPrefix", texts!(&[S, S], |a| strip_prefix(text(a, 0), text(a, 1)))),
    ("TrimSuffix", texts!(&[S, S], |a| strip_suffix(text(a, 0), text(a, 1)))),
    ("trimPrefix", texts!(&[S, S], |a| strip_prefix(text(a, 1), text(a, 0)))),
    ("trimSuffix", texts!(&[S, S], |a| strip_suffix(text(a, 1), text(a, 0)))),
    (
        "Replace",
        pure(&[S, S, S, ANY], |a| {
            replace(text(a, 0), text(a, 1), text(a, 2), int(&a[3]))
        }),
    ),
    (
        "replace",
        pure(&[S, S, S], |a| replace(text(a, 2), text(a, 0), text(a, 1), -1)),
    ),
    ("contains", texts!(&[S, S], |a| text(a, 1).contains(text(a, 0)))),
    ("hasPrefix", texts!(&[S, S], |a| text(a, 1).starts_with(text(a, 0)))),
    ("hasSuffix", texts!(&[S, S], |a| text(a, 1).ends_with(text(a, 0)))),
    ("trunc", texts!(&[ANY, S], |a| trunc(int(&a[0]), text(a, 1)))),
    (
        "substr",
        pure(&[ANY, ANY, S], |a| substr(int(&a[0]), int(&a[1]), text(a, 2))),
    ),
    ("repeat", pure(&[ANY, S], |a| repeat(text(a, 1), int(&a[0])))),
    ("indent", pure(&[ANY, S], |a| indent(a, ""))),
    ("nindent", pure(&[ANY, S], |a| indent(a, "\n"))),
    ("alignLeft", pure(&[ANY, S], |a| align(a, true))),
    ("alignRight", pure(&[ANY, S], |a| align(a, false))),
    ("regexReplaceAll", pure(&[S, S, S], |a| regex_replace(a, false))),
    ("regexReplaceAllLiteral", pure(&[S, S, S], |a| regex_replace(a, true))),
    ("count", pure(&[S, S], count)),
    ("urlencode", texts!(&[S], |a| super::text::query_escape(text(a, 0)))),
    (
        "urldecode",
        pure(&[S], |a| super::text::query_unescape(text(a, 0)).map(Value::from)),
    ),
    ("b64enc", texts!(&[S], |a| STANDARD.encode(text(a, 0)))),
    ("b64dec", pure(&[S], b64dec)),
    ("bytes", pure(&[S], bytes)),
    ("duration", pure(&[S], duration)),
    ("duration_seconds", pure(&[S], duration)),
    (
        "unixEpoch",
        texts!(&[Type::Time], |a| (time(a, 0).nanos() / 1_000_000_000).to_string()),
    ),
    (
        "unixEpochMillis",
        texts!(&[Type::Time], |a| (time(a, 0).nanos() / 1_000_000).to_string()),
    ),
    (
        "unixEpochNanos",
        texts!(&[Type::Time], |a| time(a, 0).nanos().to_string()),
    ),
    ("unixToTime", pure(&[S], unix_to_time)),
    ("date", texts!(&[S, Type::Time], |a| time(a, 1).format(text(a, 0)))),
    (
        "toDate",
        pure(&[S, S], |a| {
            Ok(Value::Time(
                Time::parse(text(a, 0), text(a, 1)).unwrap_or_else(|_| Time::zero()),
            ))
        }),
    ),
    (
        "toDateInZone",
        pure(&[S, S, S], |a| {
            let time = Time::parse_in_zone(text(a, 0), text(a, 1), text(a, 2));
            Ok(Value::Time(time.unwrap_or_else(|_| Time::zero())))
        }),
    ),
    ("fromJson", texts!(&[S], |a| crate::json::from_json(text(a, 0)))),
    (
        "default",
        pure(&[ANY, ANY], |a| Ok(a[usize::from(a[1].is_true())].clone())),
    ),
    ("int", texts!(&[ANY], |a| int(&a[0]))),
    ("float64", texts!(&[ANY], |a| float(&a[0]))),
    ("add", integers(|a, b| Some(a.wrapping_add(b)))),
    ("sub", pure(&[ANY, ANY], |a| integer(a, |a, b| Some(a.wrapping_sub(b))))),
    ("mul", integers(|a, b| Some(a.wrapping_mul(b)))),
    ("div", pure(&[ANY, ANY], |a| integer(a, i64::checked_div))),
    ("mod", pure(&[ANY, ANY], |a| integer(a, i64::checked_rem))),
    ("max", integers(|a, b| Some(a.max(b)))),
    ("min", integers(|a, b| Some(a.min(b)))),
    ("addf", floats(|a, b| Some(decimal::add(a, b)))),
    ("subf", floats(|a, b| Some(decimal::add(a, -b)))),
    ("mulf", floats(|a, b| Some(decimal::multiply(a, b)))),
    ("divf", floats(|a, b| (b != 0.0).then(|| a / b))),
    ("maxf", floats(|a, b| Some(a.max(b)))),
    ("minf", floats(|a, b| Some(a.min(b)))),
    ("ceil", texts!(&[ANY], |a| float(&a[0]).ceil())),
    ("floor", texts!(&[ANY], |a| float(&a[0]).floor())),
    ("round", texts!(&[ANY, ANY], |a| round(float(&a[0]), int(&a[1])))),
];

/// A function of one integer or more, from left to right.
const fn integers(operation: fn(i64, i64) -> Option<i64>) -> Function {
    Function {
        parameters: &[ANY],
        variadic: Some(ANY),
        call: Call::Integers(operation),
    }
}

/// A function of one float or more, from left to right.
const fn floats(operation: fn(f64, f64) -> Option<f64>) -> Function {
    Function {
        parameters: &[ANY],
        variadic: Some(ANY),
        call: Call::Floats(operation),
    }
}

/// Folds integers.
pub(crate) fn fold_integers(arguments: &[Value], operation: fn(i64, i64) -> Option<i64>) -> Result<Value, String> {
    integer(arguments, operation)
}

/// Folds floats.
pub(crate) fn fold_floats(arguments: &[Value], operation: fn(f64, f64) -> Option<f64>) -> Result<Value, String> {
    let mut rest = arguments.iter().map(float);
    let first = rest.next().unwrap_or_default();
    let folded = rest.try_fold(first, operation);
    folded
        .map(Value::Float)
        .ok_or_else(|| "decimal division by 0".to_owned())
}

fn integer(arguments: &[Value], operation: impl Fn(i64, i64) -> Option<i64>) -> Result<Value, String> {
    let mut rest = arguments.iter().map(int);
    let first = rest.next().unwrap_or_default();
    let folded = rest.try_fold(first, operation);
    folded
        .map(Value::Int)
        .ok_or_else(|| "integer divide by zero".to_owned())
}

/// As sprig casts: what is no number is 0.
#[allow(clippy::cast_possible_truncation)] // Saturates, as is wanted.
fn int(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        Value::String(text) => integer_of(text).unwrap_or_default(),
        other => float(other) as i64,
    }
}

/// As Go reads an integer literal, without what stands behind a point.
fn integer_of(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = match unsigned.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte.is_ascii_digit()) => whole,
        _ => unsigned,
    };
    let lower = whole.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    let sign = if text.starts_with('-') { "-" } else { "" };
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

#[allow(clippy::cast_precision_loss)]
fn float(value: &Value) -> f64 {
    match value {
        Value::Float(number) => *number,
        Value::Int(number) | Value::Duration(number) => *number as f64,
        Value::Uint(number) => *number as f64,
        Value::Bool(is) => f64::from(u8::from(*is)),
        Value::String(text) => text.parse().unwrap_or_default(),
        _ => 0.0,
    }
}

fn time(arguments: &[Value], index: usize) -> Time {
    match arguments.get(index) {
        Some(Value::Time(time)) => *time,
        _ => Time::zero(),
    }
}

fn bounded(text: String) -> Result<Value, String> {
    if text.len() > MAX_TEXT_BYTES {
        return Err("text is too long".to_owned());
    }
    Ok(Value::from(text))
}

fn trim(arguments: &[Value], of: usize, set: usize, left: bool, right: bool) -> &str {
    let (mut trimmed, set) = (text(arguments, of), text(arguments, set));
    if left {
        trimmed = trimmed.trim_start_matches(|c| set.contains(c));
    }
    if right {
        trimmed = trimmed.trim_end_matches(|c| set.contains(c));
    }
    trimmed
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> &'a str {
    text.strip_prefix(prefix).unwrap_or(text)
}

fn strip_suffix<'a>(text: &'a str, suffix: &str) -> &'a str {
    text.strip_suffix(suffix).unwrap_or(text)
}

fn replace(text: &str, old: &str, new: &str, times: i64) -> Result<Value, String> {
    if text.len().saturating_add(1).saturating_mul(new.len()) > 64 * MAX_TEXT_BYTES {
        return Err("text is too long".to_owned());
    }
    bounded(match usize::try_from(times) {
        Ok(times) => text.replacen(old, new, times),
        Err(_) => text.replace(old, new),
    })
}

fn characters(text: &str, from: usize, to: usize) -> String {
    text.chars().skip(from).take(to.saturating_sub(from)).collect()
}

/// Of bytes, as sprig's: what is left of a character that is cut is shown as the replacement character.
fn bytes_of(text: &str, from: usize, to: usize) -> String {
    String::from_utf8_lossy(text.as_bytes().get(from..to).unwrap_or_default()).into_owned()
}

fn trunc(length: i64, text: &str) -> String {
    let wanted = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
    if wanted >= text.len() {
        text.to_owned()
    } else if length < 0 {
        bytes_of(text, text.len() - wanted, text.len())
    } else {
        bytes_of(text, 0, wanted)
    }
}

/// A negative start is the beginning, a negative end the end; Go panics at others that are not in the text.
fn substr(start: i64, end: i64, text: &str) -> Result<Value, String> {
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let (from, to) = match (start, end) {
        (..0, end) => (0, end),
        (start, end) if end < 0 || end > length => (start, length),
        (start, end) => (start, end),
    };
    match (usize::try_from(from), usize::try_from(to)) {
        (Ok(from), Ok(to)) if from <= to && to <= text.len() => Ok(Value::from(bytes_of(text, from, to))),
        _ => Err(format!("slice bounds out of range [{from}:{to}]")),
    }
}

fn repeat(text: &str, times: i64) -> Result<Value, String> {
    let times = usize::try_from(times).unwrap_or(0);
    if times.saturating_mul(text.len()) > MAX_TEXT_BYTES {
        return Err("text is too long".to_owned());
    }
    Ok(Value::from(text.repeat(times)))
}

fn indent(arguments: &[Value], before: &str) -> Result<Value, String> {
    let width = usize::try_from(int(&arguments[0])).unwrap_or(0).min(1 << 10);
    let pad = " ".repeat(width);
    bounded(format!(
        "{before}{pad}{}",
        text(arguments, 1).replace('\n', &format!("\n{pad}"))
    ))
}

/// Cuts or fills to a width.
fn align(arguments: &[Value], left: bool) -> Result<Value, String> {
    let text = text(arguments, 1);
    let Ok(width) = usize::try_from(int(&arguments[0])) else {
        return Ok(Value::from(text));
    };
    let length = text.chars().count();
    if length >= width {
        let from = if left { 0 } else { length - width };
        return Ok(Value::from(characters(text, from, from + width)));
    }
    if width > MAX_TEXT_BYTES {
        return Err("text is too long".to_owned());
    }
    let pad = " ".repeat(width - length);
    Ok(Value::from(if left {
        format!("{text}{pad}")
    } else {
        format!("{pad}{text}")
    }))
}

fn regex_replace(arguments: &[Value], literal: bool) -> Result<Value, String> {
    let regex = super::regex(text(arguments, 0))?;
    let (subject, with) = (text(arguments, 1), text(arguments, 2));
    bounded(if literal {
        regex.replace_all(subject, regex::NoExpand(with)).into_owned()
    } else {
        let replaced = regex.replace_all(subject, |captures: &regex::Captures<'_>| {
            parapet_model::expand_go(with, &regex, captures)
        });
        replaced.into_owned()
    })
}

fn count(arguments: &[Value]) -> Result<Value, String> {
    let found = super::regex(text(arguments, 0))?.find_iter(text(arguments, 1)).count();
    Ok(Value::Int(i64::try_from(found).unwrap_or(i64::MAX)))
}

/// As Loki does, a fault is the answer.
fn b64dec(arguments: &[Value]) -> Result<Value, String> {
    let text = text(arguments, 0).trim_end_matches('=');
    let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    Ok(Value::from(match STANDARD.decode(padded) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(base64::DecodeError::InvalidByte(at, _)) if at < text.len() => {
            format!("illegal base64 data at input byte {at}")
        }
        Err(_) => format!("illegal base64 data at input byte {}", text.len() / 4 * 4),
    }))
}

/// `10KB` and `1.5 MiB` in bytes.
fn bytes(arguments: &[Value]) -> Result<Value, String> {
    let text = text(arguments, 0).trim();
    let length = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..length].parse().map_err(|_| format!("invalid size {text:?}"))?;
    let factor = match text[length..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "ki" | "kib" => 1_024.0,
        "mi" | "mib" => 1_048_576.0,
        "gi" | "gib" => 1_073_741_824.0,
        "ti" | "tib" => 1_099_511_627_776.0,
        _ => return Err(format!("unhandled size name: {}", &text[length..])),
    };
    Ok(Value::Float((number * factor).floor()))
}

/// Go's durations in seconds.
fn duration(arguments: &[Value]) -> Result<Value, String> {
    let text = text(arguments, 0);
    let invalid = || format!("time: invalid duration {}", parapet_model::quote(text));
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let mut seconds = 0.0;
    while !rest.is_empty() && rest != "0" {
        let length = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(invalid)?;
        let number: f64 = rest[..length].parse().map_err(|_| invalid())?;
        let after = &rest[length..];
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let unit = match &after[..end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return Err(invalid()),
        };
        seconds += number * unit;
        rest = &after[end..];
    }
    // Go counts whole nanoseconds, and has the seconds from them.
    let nanos = (seconds * 1e9).round();
    let seconds = (nanos / 1e9).floor() + nanos % 1e9 / 1e9;
    if text.is_empty() {
        Err(invalid())
    } else {
        Ok(Value::Float(sign * seconds))
    }
}

/// Days, seconds, milliseconds, microseconds or nanoseconds, by how many digits there are.
fn unix_to_time(arguments: &[Value]) -> Result<Value, String> {
    let text = text(arguments, 0);
    let unable = || format!("unable to parse time '{text}'");
    let number: i64 = text.parse().map_err(|_| unable())?;
    let unit = match text.len() {
        5 => 86_400_000_000_000,
        10 => 1_000_000_000,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return Err(unable()),
    };
    Ok(Value::Time(Time::from_nanos(number.saturating_mul(unit))))
}

/// As sprig rounds: half up, and what is negative always down.
fn round(number: f64, digits: i64) -> f64 {
    let scale = 10_f64.powi(i32::try_from(digits).unwrap_or(0).clamp(-300, 300));
    let scaled = number * scale;
    let rounded = if scaled.fract() >= 0.5 {
        scaled.ceil()
    } else {
        scaled.floor()
    };
    rounded / scale
}

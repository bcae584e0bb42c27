//! Numbers, durations and times for people (`helpers/templates` of prometheus/common, `template.go` of Prometheus).

use crate::float::{format_default, format_float};
use crate::time::Time;
use crate::value::Value;

fn four(value: f64) -> String {
    format_float(value, 'g', Some(4), false)
}

/// Any number, a text that holds one, or a duration in seconds.
pub(super) fn to_float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(value) => Ok(*value),
        Value::Int(value) => Ok(*value as f64),
        Value::Uint(value) => Ok(*value as f64),
        Value::Duration(nanos) => Ok(*nanos as f64 / 1e9),
        Value::String(text) => parapet_model::parse_float(text).ok_or_else(|| {
            format!(
                "strconv.ParseFloat: parsing {}: invalid syntax",
                parapet_model::quote(text)
            )
        }),
        other => Err(format!("can't convert {} to float", other.type_name())),
    }
}

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const LARGE_BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

fn scale_down(mut value: f64, base: f64, prefixes: [&'static str; 8]) -> (f64, &'static str) {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < base {
            break;
        }
        prefix = next;
        value /= base;
    }
    (value, prefix)
}

fn scale_up(mut value: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    (value, prefix)
}

pub(super) fn humanize(arguments: &[Value]) -> Result<Value, String> {
    let value = to_float(&arguments[0])?;
    if value == 0.0 || !value.is_finite() {
        return Ok(Value::from(four(value)));
    }
    let (value, prefix) = if value.abs() >= 1.0 {
        scale_down(value, 1000.0, LARGE)
    } else {
        scale_up(value)
    };
    Ok(Value::from(format!("{}{prefix}", four(value))))
}

pub(super) fn humanize_1024(arguments: &[Value]) -> Result<Value, String> {
    let value = to_float(&arguments[0])?;
    if value.abs() <= 1.0 || !value.is_finite() {
        return Ok(Value::from(four(value)));
    }
    let (value, prefix) = scale_down(value, 1024.0, LARGE_BINARY);
    Ok(Value::from(format!("{}{prefix}", four(value))))
}

pub(super) fn humanize_percentage(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::from(format!("{}%", four(to_float(&arguments[0])? * 100.0))))
}

pub(super) fn humanize_duration(arguments: &[Value]) -> Result<Value, String> {
    let value = to_float(&arguments[0])?;
    if !value.is_finite() {
        return Ok(Value::from(four(value)));
    }
    if value == 0.0 {
        return Ok(Value::from(format!("{}s", four(value))));
    }
    if value.abs() < 1.0 {
        let (value, prefix) = scale_up(value);
        return Ok(Value::from(format!("{}{prefix}s", four(value))));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let whole = value.abs() as u64;
    let (seconds, minutes, hours, days) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86400);
    Ok(Value::from(match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{}s", four(value.abs())),
        (0, 0, _) => format!("{sign}{minutes}m {seconds}s"),
        (0, ..) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }))
}

/// Seconds since the epoch as a time of whole milliseconds, as Prometheus holds them.
pub(super) fn float_to_time(value: f64) -> Result<Time, String> {
    if !value.is_finite() {
        return Err("value is NaN or Inf".to_owned());
    }
    let nanos = value * 1e9;
    // As in Go, 2^63 itself passes the comparison of floats and is then held to the largest integer.
    if nanos > i64::MAX as f64 || nanos < i64::MIN as f64 {
        let shown = format_default(value);
        return Err(format!(
            "{shown} cannot be represented as a nanoseconds timestamp since it overflows int64"
        ));
    }
    Ok(Time::from_millis(nanos as i64 / 1_000_000))
}

pub(super) fn humanize_timestamp(arguments: &[Value]) -> Result<Value, String> {
    let value = to_float(&arguments[0])?;
    if !value.is_finite() {
        return Ok(Value::from(four(value)));
    }
    Ok(Value::from(float_to_time(value)?.to_string()))
}

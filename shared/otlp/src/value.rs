//! Attribute values as texts (`pcommon.Value.AsString` of the Go library).

use crate::proto::{AnyValue, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

/// The text of a value: a map or a list as JSON, bytes in base64, empty where there is none.
#[must_use]
pub fn as_text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(is)) => is.to_string(),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Double(number)) if number.is_finite() => json_float(*number),
        Some(Value::Double(number)) => {
            format!("json: unsupported value: {}", parapet_model::format_float(*number))
        }
        Some(Value::Bytes(bytes)) => STANDARD.encode(bytes),
        Some(compound) => {
            let mut out = String::new();
            // A list with a number that JSON has not is the empty text, as there.
            if write_json(compound, &mut out) {
                out
            } else {
                String::new()
            }
        }
    }
}

/// Writes JSON as Go does; `false` where it has no form.
fn write_json(value: &Value, out: &mut String) -> bool {
    let inner = |value: &AnyValue, out: &mut String| match &value.value {
        Some(value) => write_json(value, out),
        None => {
            out.push_str("null");
            true
        }
    };
    match value {
        Value::String(text) => write_text(text, out),
        Value::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Double(number) if number.is_finite() => out.push_str(&json_float(*number)),
        Value::Double(_) => return false,
        Value::Bytes(bytes) => write_text(&STANDARD.encode(bytes), out),
        Value::Array(array) => {
            out.push('[');
            for (place, value) in array.values.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                if !inner(value, out) {
                    return false;
                }
            }
            out.push(']');
        }
        Value::Map(map) => {
            // Members in order of name; of a name that stands twice the last.
            let empty = AnyValue::default();
            let members = map.values.iter();
            let members: BTreeMap<&str, &AnyValue> = members
                .map(|pair| (pair.key.as_str(), pair.value.as_ref().unwrap_or(&empty)))
                .collect();
            out.push('{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                if !inner(value, out) {
                    return false;
                }
            }
            out.push('}');
        }
    }
    true
}

/// A text in quotes, as Go writes it where HTML is not cared for.
fn write_text(text: &str, out: &mut String) {
    for c in serde_json::Value::from(text).to_string().chars() {
        match c {
            '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

/// A number as Go's JSON writes it: an exponent below 1e-6 and from 1e21 on.
fn json_float(number: f64) -> String {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        };
    }
    format!("{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Array, KeyValue, Map};

    fn any(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    #[test]
    fn texts_are_those_of_the_go_library() {
        let list = Value::Array(Array {
            values: vec![
                any(Value::Int(1)),
                any(Value::String("<a&b>".to_owned())),
                AnyValue::default(),
            ],
        });
        let map = Value::Map(Map {
            values: vec![
                KeyValue {
                    key: "b".to_owned(),
                    value: Some(any(Value::Double(1.0))),
                },
                KeyValue {
                    key: "a".to_owned(),
                    value: Some(any(list.clone())),
                },
            ],
        });
        for (value, want) in [
            (Value::String("x".to_owned()), "x"),
            (Value::Bool(true), "true"),
            (Value::Int(-7), "-7"),
            (Value::Double(1.0), "1"),
            (Value::Double(0.25), "0.25"),
            (Value::Double(1e21), "1e+21"),
            (Value::Double(1.5e-7), "1.5e-7"),
            (Value::Double(f64::NAN), "json: unsupported value: NaN"),
            (Value::Bytes(vec![1, 2]), "AQI="),
            (list, r#"[1,"<a&b>",null]"#),
            (map, r#"{"a":[1,"<a&b>",null],"b":1}"#),
            (
                Value::Array(Array {
                    values: vec![any(Value::Double(f64::INFINITY))],
                }),
                "",
            ),
        ] {
            assert_eq!(as_text(Some(&any(value))), want);
        }
        assert_eq!(as_text(None), "");
    }
}

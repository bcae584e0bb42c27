//! `toJson`: Go's `json.Marshal`, HTML-safe and with keys in order; `fromJson`.

use crate::value::Value;

/// Reads JSON as Go does into an `interface {}`: numbers are floats. Nil for what is no JSON, as sprig has it.
pub(crate) fn from_json(text: &str) -> Value {
    serde_json::from_str(text).map_or(Value::Nil, read)
}

fn read(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(is) => Value::Bool(is),
        serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => Value::list(items.into_iter().map(read)),
        serde_json::Value::Object(entries) => Value::map(entries.into_iter().map(|(key, item)| (key, read(item)))),
    }
}

/// Writes a value as JSON.
///
/// # Errors
/// For NaN and infinities, which JSON does not have.
pub(crate) fn to_json(value: &Value) -> Result<String, String> {
    let mut out = String::new();
    write(&mut out, value, 0)?;
    Ok(out)
}

fn write(out: &mut String, value: &Value, depth: usize) -> Result<(), String> {
    if depth > 100 {
        return Err("json: value is nested too deeply".to_owned());
    }
    if out.len() > crate::environment::MAX_TEXT_BYTES {
        return Err("json: value is too long".to_owned());
    }
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) | Value::Duration(value) => out.push_str(&value.to_string()),
        Value::Uint(value) => out.push_str(&value.to_string()),
        Value::Float(value) => out.push_str(&float(*value)?),
        Value::String(text) | Value::Html(text) | Value::Url(text) => quote(out, text),
        Value::Time(time) => quote(out, &time.to_rfc3339()),
        Value::Object(object) if object.is_nil() => out.push_str("null"),
        Value::List(_) | Value::Map(_) | Value::Object(_) => {
            if let Some(items) = value.items() {
                return write_all(out, '[', items.iter().map(|item| (None, item.clone())), ']', depth);
            }
            if let Some(entries) = value.entries() {
                return write_all(
                    out,
                    '{',
                    entries.into_iter().map(|(key, item)| (Some(key), item)),
                    '}',
                    depth,
                );
            }
            let Value::Object(object) = value else { return Ok(()) };
            let fields = object
                .fields()
                .into_iter()
                .map(|(name, item)| (Some(name.into()), item));
            return write_all(out, '{', fields, '}', depth);
        }
    }
    Ok(())
}

fn write_all(
    out: &mut String,
    open: char,
    items: impl Iterator<Item = (Option<std::sync::Arc<str>>, Value)>,
    close: char,
    depth: usize,
) -> Result<(), String> {
    out.push(open);
    for (index, (key, item)) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        if let Some(key) = key {
            quote(out, &key);
            out.push(':');
        }
        write(out, &item, depth + 1)?;
    }
    out.push(close);
    Ok(())
}

fn float(value: f64) -> Result<String, String> {
    if !value.is_finite() {
        return Err(format!(
            "json: unsupported value: {}",
            crate::float::format_default(value)
        ));
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = crate::float::format_float(value, 'e', None, false);
        return Ok(text.replace("e-0", "e-"));
    }
    Ok(crate::float::format_float(value, 'f', None, false))
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

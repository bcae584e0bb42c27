//! OTLP's JSON: 64-bit numbers are texts, identifiers hexadecimal digits.

use super::super::BodyError;
use super::proto::{
    AnyValue, Array, KeyValue, LogRecord, Map, Request, Resource, ResourceLogs, Scope, ScopeLogs, Value,
};
use serde_json::Value as Json;

pub(super) fn request(json: &Json) -> Result<Request, BodyError> {
    if !json.is_object() {
        return Err(BodyError(
            "JSON: the body must be an object with resourceLogs".to_owned(),
        ));
    }
    Ok(Request {
        resource_logs: list(json, "resourceLogs", "resource_logs", resource_logs)?,
    })
}

/// A member by its name in camel or in snake case, as the protobuf mapping allows.
fn get<'a>(json: &'a Json, camel: &str, snake: &str) -> &'a Json {
    json.get(camel).or_else(|| json.get(snake)).unwrap_or(&Json::Null)
}

fn list<T>(
    json: &Json,
    camel: &str,
    snake: &str,
    read: impl Fn(&Json) -> Result<T, BodyError>,
) -> Result<Vec<T>, BodyError> {
    match get(json, camel, snake) {
        Json::Null => Ok(Vec::new()),
        Json::Array(items) => items.iter().map(read).collect(),
        _ => Err(BodyError(format!("JSON: {camel} must be a list"))),
    }
}

fn text(json: &Json, camel: &str, snake: &str) -> Result<String, BodyError> {
    match get(json, camel, snake) {
        Json::Null => Ok(String::new()),
        Json::String(text) => Ok(text.clone()),
        _ => Err(BodyError(format!("JSON: {camel} must be a text"))),
    }
}

/// A number, which may be written as a text.
fn number<T: std::str::FromStr + Default>(json: &Json, camel: &str, snake: &str) -> Result<T, BodyError> {
    let written = match get(json, camel, snake) {
        Json::Null => return Ok(T::default()),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    written
        .parse()
        .map_err(|_| BodyError(format!("JSON: {camel} must be a whole number, not {written}")))
}

fn identifier(json: &Json, camel: &str, snake: &str) -> Result<Vec<u8>, BodyError> {
    let digits = text(json, camel, snake)?;
    let fault = || BodyError(format!("JSON: {camel} must be hexadecimal digits"));
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return Err(fault());
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| fault()))
        .collect()
}

fn resource_logs(json: &Json) -> Result<ResourceLogs, BodyError> {
    let resource = get(json, "resource", "resource");
    Ok(ResourceLogs {
        resource: Some(Resource {
            attributes: list(resource, "attributes", "attributes", key_value)?,
        }),
        scope_logs: list(json, "scopeLogs", "scope_logs", |json| {
            let scope = get(json, "scope", "scope");
            Ok(ScopeLogs {
                scope: Some(Scope {
                    name: text(scope, "name", "name")?,
                    version: text(scope, "version", "version")?,
                }),
                log_records: list(json, "logRecords", "log_records", log_record)?,
            })
        })?,
    })
}

fn log_record(json: &Json) -> Result<LogRecord, BodyError> {
    Ok(LogRecord {
        time_unix_nano: number(json, "timeUnixNano", "time_unix_nano")?,
        observed_time_unix_nano: number(json, "observedTimeUnixNano", "observed_time_unix_nano")?,
        severity_number: number(json, "severityNumber", "severity_number")?,
        severity_text: text(json, "severityText", "severity_text")?,
        body: match get(json, "body", "body") {
            Json::Null => None,
            body => Some(any_value(body)?),
        },
        attributes: list(json, "attributes", "attributes", key_value)?,
        flags: number(json, "flags", "flags")?,
        trace_id: identifier(json, "traceId", "trace_id")?,
        span_id: identifier(json, "spanId", "span_id")?,
        event_name: text(json, "eventName", "event_name")?,
    })
}

fn key_value(json: &Json) -> Result<KeyValue, BodyError> {
    Ok(KeyValue {
        key: text(json, "key", "key")?,
        value: Some(any_value(get(json, "value", "value"))?),
    })
}

fn any_value(json: &Json) -> Result<AnyValue, BodyError> {
    let Json::Object(members) = json else {
        return Ok(AnyValue { value: None });
    };
    let Some((kind, inner)) = members.iter().next() else {
        return Ok(AnyValue { value: None });
    };
    let value = match kind.as_str() {
        "stringValue" | "string_value" => Value::String(text(json, "stringValue", "string_value")?),
        "boolValue" | "bool_value" => Value::Bool(inner.as_bool().unwrap_or_default()),
        "intValue" | "int_value" => Value::Int(number(json, "intValue", "int_value")?),
        "doubleValue" | "double_value" => Value::Double(match inner {
            Json::String(text) => parapet_model::parse_float(text).unwrap_or(f64::NAN),
            other => other.as_f64().unwrap_or(f64::NAN),
        }),
        "arrayValue" | "array_value" => Value::Array(Array {
            values: list(inner, "values", "values", any_value)?,
        }),
        "kvlistValue" | "kvlist_value" => Value::Map(Map {
            values: list(inner, "values", "values", key_value)?,
        }),
        // Base64, kept as it is written.
        "bytesValue" | "bytes_value" => Value::String(text(json, "bytesValue", "bytes_value")?),
        other => {
            return Err(BodyError(format!(
                "JSON: {other} is no kind of value; write for example stringValue"
            )));
        }
    };
    Ok(AnyValue { value: Some(value) })
}

/// A value as plain JSON.
pub(super) fn of(value: Value) -> Json {
    let inner = |value: AnyValue| value.value.map_or(Json::Null, of);
    match value {
        Value::String(text) => Json::String(text),
        Value::Bool(is) => Json::Bool(is),
        Value::Int(number) => number.into(),
        Value::Double(number) => number.into(),
        Value::Array(array) => Json::Array(array.values.into_iter().map(inner).collect()),
        Value::Map(map) => {
            let pairs = map
                .values
                .into_iter()
                .map(|pair| (pair.key, pair.value.map_or(Json::Null, inner)));
            Json::Object(pairs.collect())
        }
        Value::Bytes(bytes) => Json::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

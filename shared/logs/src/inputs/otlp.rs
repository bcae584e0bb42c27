//! OTLP logs (`POST /v1/logs`), in protobuf and in JSON.

use super::BodyError;
use crate::{Level, LogRecord};
use parapet_model::{Labels, LabelsBuilder};
use parapet_otlp::{as_text, decode_logs_json, decode_logs_protobuf, proto};

/// Attributes of a resource that are labels of the stream, as Loki has them by default; others are attributes.
const STREAM_ATTRIBUTES: [&str; 11] = [
    "cloud.availability_zone",
    "cloud.region",
    "deployment.environment",
    "deployment.environment.name",
    "k8s.cluster.name",
    "k8s.container.name",
    "k8s.deployment.name",
    "k8s.namespace.name",
    "service.name",
    "service.namespace",
    "container.name",
];

/// Reads a body in protobuf.
///
/// # Errors
/// A body that is none.
pub fn parse_protobuf(body: &[u8]) -> Result<Vec<LogRecord>, BodyError> {
    let request = decode_logs_protobuf(body).map_err(|error| BodyError(error.to_string()))?;
    Ok(records(request))
}

/// Reads a body in JSON.
///
/// # Errors
/// A body that is none.
pub fn parse_json(body: &[u8]) -> Result<Vec<LogRecord>, BodyError> {
    let request = decode_logs_json(body).map_err(|error| BodyError(error.to_string()))?;
    Ok(records(request))
}

fn records(request: proto::LogsRequest) -> Vec<LogRecord> {
    let mut records = Vec::new();
    for resource_logs in request.resource_logs {
        let mut stream = LabelsBuilder::default();
        let mut shared = Vec::new();
        let mut host = String::new();
        let mut service = String::new();
        for (name, value) in flatten(resource_logs.resource.unwrap_or_default().attributes) {
            match name.as_str() {
                "host.name" => host.clone_from(&value),
                "service.name" => service.clone_from(&value),
                _ => {}
            }
            if STREAM_ATTRIBUTES.contains(&name.as_str()) {
                stream.set(name.replace('.', "_"), value);
            } else {
                shared.push((name, value));
            }
        }
        let stream = stream.build();
        for scope_logs in resource_logs.scope_logs {
            let mut attributes = shared.clone();
            let scope = scope_logs.scope.unwrap_or_default();
            attributes.extend([
                ("scope.name".to_owned(), scope.name),
                ("scope.version".to_owned(), scope.version),
            ]);
            for record in scope_logs.log_records {
                records.push(LogRecord {
                    stream: stream.clone(),
                    host: host.as_str().into(),
                    service: service.as_str().into(),
                    ..log_record(record, &attributes)
                });
            }
        }
    }
    records
}

fn log_record(record: proto::LogRecord, shared: &[(String, String)]) -> LogRecord {
    let mut attributes = shared.to_vec();
    attributes.extend(flatten(record.attributes));
    attributes.push(("span_id".to_owned(), hex(&record.span_id)));
    if record.flags != 0 {
        attributes.push(("flags".to_owned(), record.flags.to_string()));
    }
    let level = Level::from_otlp(record.severity_number).or_else(|| Level::from_word(&record.severity_text));
    attributes.push(("severity_text".to_owned(), record.severity_text));
    attributes.push(("event_name".to_owned(), record.event_name));
    let time = if record.time_unix_nano == 0 {
        record.observed_time_unix_nano
    } else {
        record.time_unix_nano
    };
    LogRecord {
        timestamp_ns: i64::try_from(time).unwrap_or_default(),
        level,
        trace_id: hex(&record.trace_id).into(),
        raw: line(record.body).into(),
        attributes: Labels::from_pairs(attributes),
        ..LogRecord::default()
    }
}

/// Lower-case hexadecimal digits; identifiers of zeros are none.
fn hex(bytes: &[u8]) -> String {
    if bytes.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The line: bytes as they are, what is no text as one.
fn line(body: Option<proto::AnyValue>) -> Vec<u8> {
    match body {
        Some(proto::AnyValue {
            value: Some(proto::Value::Bytes(bytes)),
        }) => bytes,
        body => as_text(body.as_ref()).into_bytes(),
    }
}

/// Attributes with the names of nested ones joined by points.
fn flatten(attributes: Vec<proto::KeyValue>) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for attribute in attributes {
        match attribute.value {
            Some(proto::AnyValue {
                value: Some(proto::Value::Map(map)),
            }) => {
                let inner = flatten(map.values);
                out.extend(
                    inner
                        .into_iter()
                        .map(|(name, value)| (format!("{}.{name}", attribute.key), value)),
                );
            }
            value => out.push((attribute.key, as_text(value.as_ref()))),
        }
    }
    out
}

//! Loki's push API (`POST /loki/api/v1/push`).

use super::BodyError;
use crate::LogRecord;
use crate::discover::with_service;
use parapet_model::{Labels, MatchOp};
use prost::Message as _;
use std::collections::BTreeMap;

mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct PushRequest {
        #[prost(message, repeated, tag = "1")]
        pub(super) streams: Vec<Stream>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Stream {
        #[prost(string, tag = "1")]
        pub(super) labels: String,
        #[prost(message, repeated, tag = "2")]
        pub(super) entries: Vec<Entry>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Entry {
        #[prost(message, optional, tag = "1")]
        pub(super) timestamp: Option<Timestamp>,
        /// A text, as the message has it; Loki takes any bytes.
        #[prost(bytes = "vec", tag = "2")]
        pub(super) line: Vec<u8>,
        #[prost(message, repeated, tag = "3")]
        pub(super) structured_metadata: Vec<Pair>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct Timestamp {
        #[prost(int64, tag = "1")]
        pub(super) seconds: i64,
        #[prost(int32, tag = "2")]
        pub(super) nanos: i32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Pair {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) value: String,
    }
}

/// Reads a push in protobuf, compressed with Snappy as Loki's clients send it; decompressed it may have `max_bytes`.
///
/// # Errors
/// A body that is not that, is larger, or has a stream whose labels do not read.
pub fn parse_protobuf(body: &[u8], max_bytes: usize) -> Result<Vec<LogRecord>, BodyError> {
    let length = snap::raw::decompress_len(body).map_err(|error| BodyError::new("snappy", error))?;
    if length > max_bytes {
        return Err(BodyError(format!(
            "the body has {length} bytes decompressed, more than {max_bytes}"
        )));
    }
    let bytes = snap::raw::Decoder::new()
        .decompress_vec(body)
        .map_err(|error| BodyError::new("snappy", error))?;
    let request = proto::PushRequest::decode(bytes.as_slice()).map_err(|error| BodyError::new("protobuf", error))?;
    let mut records = Vec::new();
    for stream in request.streams {
        let labels = with_service(parse_labels(&stream.labels)?);
        for entry in stream.entries {
            let time = entry.timestamp.unwrap_or_default();
            let nanos = time.seconds.checked_mul(1_000_000_000);
            let metadata = entry
                .structured_metadata
                .into_iter()
                .map(|pair| (pair.name, pair.value));
            records.push(LogRecord {
                timestamp_ns: nanos
                    .and_then(|nanos| nanos.checked_add(time.nanos.into()))
                    .unwrap_or_default(),
                raw: entry.line.into(),
                stream: labels.clone(),
                attributes: Labels::from_pairs(metadata),
                ..LogRecord::default()
            });
        }
    }
    Ok(records)
}

/// Labels as Loki's protobuf has them: `{app="web", env="prod"}`.
fn parse_labels(text: &str) -> Result<Labels, BodyError> {
    let fault = |reason: String| BodyError(format!("error parsing labels {}: {reason}", parapet_model::quote(text)));
    let matchers = crate::logql::parse_selector(text).map_err(|error| fault(error.to_string()))?;
    if let Some(other) = matchers.iter().find(|matcher| matcher.op != MatchOp::Equal) {
        return Err(fault(format!("{other} is no label; write name=\"value\"")));
    }
    Ok(Labels::from_pairs(
        matchers.into_iter().map(|matcher| (matcher.name, matcher.value)),
    ))
}

#[derive(serde::Deserialize)]
struct JsonPush {
    streams: Vec<JsonStream>,
}

#[derive(serde::Deserialize)]
struct JsonStream {
    #[serde(default)]
    stream: BTreeMap<String, String>,
    values: Vec<JsonEntry>,
}

/// Time in nanoseconds, line, and structured metadata perhaps.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum JsonEntry {
    Short(String, String),
    Long(String, String, BTreeMap<String, serde_json::Value>),
}

/// Reads a push in JSON: `{"streams": [{"stream": {…}, "values": [["NANOSECONDS", "line", {…}]]}]}`.
///
/// # Errors
/// A body that is not that.
pub fn parse_json(body: &[u8]) -> Result<Vec<LogRecord>, BodyError> {
    let push: JsonPush = serde_json::from_slice(body).map_err(|error| BodyError::new("JSON", error))?;
    let mut records = Vec::new();
    for stream in push.streams {
        let labels = with_service(Labels::from_pairs(stream.stream));
        for entry in stream.values {
            let (time, line, metadata) = match entry {
                JsonEntry::Short(time, line) => (time, line, BTreeMap::new()),
                JsonEntry::Long(time, line, metadata) => (time, line, metadata),
            };
            let timestamp_ns = time.parse().map_err(|_| {
                let time = parapet_model::quote(&time);
                BodyError(format!("{time} is no time; write nanoseconds since 1970 as a text"))
            })?;
            let metadata = metadata
                .into_iter()
                .map(|(name, value)| (name, super::json_text(&value)));
            records.push(LogRecord {
                timestamp_ns,
                raw: line.into_bytes().into(),
                stream: labels.clone(),
                attributes: Labels::from_pairs(metadata),
                ..LogRecord::default()
            });
        }
    }
    Ok(records)
}

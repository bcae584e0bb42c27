//! OTLP: metrics as Prometheus' series, and the messages of logs.
//!
//! [`decode_protobuf`] and [`decode_json`] read a request, [`translate`] makes series of it as Prometheus 3.5 does
//! (`storage/remote/otlptranslator`), [`DeltaState::accumulate`] makes cumulative series of deltas. It is no HTTP
//! handler: content types, compression and limits are the API's.
//!
//! ```
//! use parapet_otlp::{Settings, decode_json, translate};
//! let body = br#"{"resourceMetrics": [{
//!     "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
//!     "scopeMetrics": [{"metrics": [{"name": "http.requests", "unit": "1", "sum": {
//!         "aggregationTemporality": 2, "isMonotonic": true,
//!         "dataPoints": [{"timeUnixNano": "1700000000000000000", "asInt": "7"}]}}]}]}]}"#;
//! let translated = translate(&decode_json(body)?, &Settings::default());
//! assert_eq!(translated.series[0].labels.to_string(), r#"http_requests_total{job="shop"}"#);
//! # Ok::<(), parapet_otlp::DecodeError>(())
//! ```
//!
//! Contract: nothing panics on any bytes; what is allocated is bounded by the length of the body and of the promoted
//! attributes times the points. A point that cannot be translated is left out alone and counted.
#![warn(missing_docs)]

mod delta;
mod histogram;
mod json;
mod labels;
mod name;
pub mod proto;
mod settings;
mod translate;
mod value;

pub use delta::{Accumulated, DeltaLimits, DeltaState};
pub use settings::{Deltas, Promotion, Settings};
pub use translate::{DeltaGroup, Translated, translate};
pub use value::as_text;

use prost::Message as _;

/// A body that is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

/// Reads an `ExportMetricsServiceRequest` in protobuf.
///
/// # Errors
/// A body that is none.
pub fn decode_protobuf(body: &[u8]) -> Result<proto::MetricsRequest, DecodeError> {
    proto::MetricsRequest::decode(body).map_err(|error| DecodeError(format!("protobuf: {error}")))
}

/// Reads an `ExportMetricsServiceRequest` in OTLP's JSON.
///
/// # Errors
/// A body that is none; line and column are named.
pub fn decode_json(body: &[u8]) -> Result<proto::MetricsRequest, DecodeError> {
    request(body, "resourceMetrics")
}

/// Reads an `ExportLogsServiceRequest` in protobuf. What becomes of it is the caller's.
///
/// # Errors
/// A body that is none.
pub fn decode_logs_protobuf(body: &[u8]) -> Result<proto::LogsRequest, DecodeError> {
    proto::LogsRequest::decode(body).map_err(|error| DecodeError(format!("protobuf: {error}")))
}

/// Reads an `ExportLogsServiceRequest` in OTLP's JSON.
///
/// # Errors
/// A body that is none; line and column are named.
pub fn decode_logs_json(body: &[u8]) -> Result<proto::LogsRequest, DecodeError> {
    request(body, "resourceLogs")
}

fn request<T: serde::de::DeserializeOwned>(body: &[u8], member: &str) -> Result<T, DecodeError> {
    // A list would read as the members of the request in their order.
    if !body.trim_ascii_start().starts_with(b"{") && !body.trim_ascii().is_empty() {
        return Err(DecodeError(format!("JSON: the body must be an object with {member}")));
    }
    serde_json::from_slice(body).map_err(|error| DecodeError(format!("JSON: {error}")))
}

/// Writes an `ExportMetricsServiceResponse`: how many points were refused and why; empty where none were.
#[must_use]
pub fn encode_response_protobuf(rejected_points: u64, message: &str) -> Vec<u8> {
    let is_full = rejected_points == 0 && message.is_empty();
    let partial = (!is_full).then(|| proto::PartialSuccess {
        rejected_data_points: i64::try_from(rejected_points).unwrap_or(i64::MAX),
        error_message: message.to_owned(),
    });
    proto::MetricsResponse {
        partial_success: partial,
    }
    .encode_to_vec()
}

/// As [`encode_response_protobuf`], in OTLP's JSON.
#[must_use]
pub fn encode_response_json(rejected_points: u64, message: &str) -> String {
    if rejected_points == 0 && message.is_empty() {
        return "{}".to_owned();
    }
    let partial = serde_json::json!({"rejectedDataPoints": rejected_points.to_string(), "errorMessage": message});
    serde_json::json!({"partialSuccess": partial}).to_string()
}

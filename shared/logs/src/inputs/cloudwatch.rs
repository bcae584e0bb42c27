//! What a subscription of CloudWatch Logs delivers, decompressed.

use super::BodyError;
use crate::LogRecord;
use parapet_model::Labels;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    message_type: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    log_group: String,
    #[serde(default)]
    log_stream: String,
    #[serde(default)]
    log_events: Vec<Event>,
}

#[derive(serde::Deserialize)]
struct Event {
    #[serde(default)]
    id: String,
    /// Milliseconds since the Unix epoch.
    timestamp: i64,
    message: String,
}

/// Reads a delivery. One that only tests the way (`CONTROL_MESSAGE`) has no records.
///
/// # Errors
/// A body that is not that.
pub fn parse(body: &[u8]) -> Result<Vec<LogRecord>, BodyError> {
    let delivery: Delivery = serde_json::from_slice(body).map_err(|error| BodyError::new("JSON", error))?;
    if delivery.message_type != "DATA_MESSAGE" {
        return Ok(Vec::new());
    }
    let stream = Labels::from_pairs([
        ("log_group", delivery.log_group.as_str()),
        ("log_stream", &delivery.log_stream),
        ("account", &delivery.owner),
    ]);
    let events = delivery.log_events.into_iter().map(|event| LogRecord {
        timestamp_ns: event.timestamp.saturating_mul(1_000_000),
        raw: event.message.into_bytes().into(),
        stream: stream.clone(),
        attributes: Labels::from_pairs([("cloudwatch.event_id", event.id)]),
        ..LogRecord::default()
    });
    Ok(events.collect())
}

//! The kinds of event that Lambda hands to our functions: a schedule's tick, a batch of queue messages, a delivery of
//! CloudWatch Logs.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parapet_ports::{Message, Queue, Received};
use serde::Deserialize;

/// An event, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A schedule's tick.
    Tick {
        /// The minute it is meant for, milliseconds since the Unix epoch.
        at_ms: i64,
    },
    /// Messages of one queue.
    Batch {
        /// Which queue.
        queue: Queue,
        /// The messages.
        received: Vec<Received>,
    },
    /// What a subscription of CloudWatch Logs delivers: gzip of JSON.
    Delivery(bytes::Bytes),
}

/// An event that is none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventError(String);

impl std::error::Error for EventError {}

impl std::fmt::Display for EventError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unexpected event: {}", self.0)
    }
}

/// One record of an SQS event.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SqsRecord {
    message_id: String,
    body: String,
    #[serde(default)]
    receipt_handle: String,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    #[serde(default)]
    attributes: SqsAttributes,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct SqsAttributes {
    #[serde(rename = "ApproximateReceiveCount", default)]
    receive_count: String,
}

/// Reads an event. The queue is told from the end of its ARN: `…:parapet-scrape-tasks` is `scrape-tasks`.
///
/// # Errors
/// [`EventError`] for anything else.
pub fn parse_event(event: serde_json::Value) -> Result<Event, EventError> {
    if let Some(records) = event.get("Records") {
        let records: Vec<SqsRecord> = serde_json::from_value(records.clone())
            .map_err(|error| EventError(format!("records do not read: {error}")))?;
        let arn = records
            .first()
            .map(|record| record.event_source_arn.clone())
            .unwrap_or_default();
        let queue = queue_of(&arn).ok_or_else(|| EventError(format!("no queue of ours: {arn:?}")))?;
        let received = records
            .into_iter()
            .map(|record| Received {
                message: Message {
                    id: record.message_id,
                    body: record.body,
                    receive_count: record.attributes.receive_count.parse().unwrap_or(1),
                },
                receipt: record.receipt_handle,
            })
            .collect();
        return Ok(Event::Batch { queue, received });
    }
    if let Some(data) = event.pointer("/awslogs/data").and_then(serde_json::Value::as_str) {
        let bytes = BASE64_STANDARD
            .decode(data)
            .map_err(|error| EventError(format!("data of CloudWatch Logs is not base64: {error}")))?;
        return Ok(Event::Delivery(bytes.into()));
    }
    let time = event.get("time").and_then(serde_json::Value::as_str);
    let time = time.ok_or_else(|| EventError("neither \"Records\" nor \"awslogs\" nor \"time\"".to_owned()))?;
    let at =
        chrono::DateTime::parse_from_rfc3339(time).map_err(|error| EventError(format!("time {time:?}: {error}")))?;
    Ok(Event::Tick {
        at_ms: at.timestamp_millis().div_euclid(60_000) * 60_000,
    })
}

fn queue_of(arn: &str) -> Option<Queue> {
    let name = arn.rsplit(':').next()?;
    Queue::ALL
        .into_iter()
        .find(|queue| name == queue.as_str() || name.ends_with(&format!("-{}", queue.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_a_tick_and_truncates_it_to_the_minute() {
        let event = parse_event(json!({"source": "aws.events", "time": "2026-01-02T03:04:59Z"}));
        assert_eq!(
            event,
            Ok(Event::Tick {
                at_ms: 1_767_323_040_000
            })
        );
    }

    #[test]
    fn reads_a_batch() {
        let event = parse_event(json!({"Records": [{
            "messageId": "m1", "body": "{}", "receiptHandle": "x", "attributes": {"ApproximateReceiveCount": "3"},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:prod-rule-tasks"}]}));
        let message = Message {
            id: "m1".into(),
            body: "{}".into(),
            receive_count: 3,
        };
        let received = vec![Received {
            message,
            receipt: "x".into(),
        }];
        assert_eq!(
            event,
            Ok(Event::Batch {
                queue: Queue::RuleTasks,
                received
            })
        );
    }

    #[test]
    fn reads_a_delivery() {
        let event = parse_event(json!({"awslogs": {"data": "H4sI"}}));
        assert_eq!(event, Ok(Event::Delivery(bytes::Bytes::from_static(&[0x1F, 0x8B, 8]))));
    }

    #[test]
    fn refuses_the_rest() {
        for event in [
            json!({"awslogs": {"data": "?"}}),
            json!({}),
            json!({"time": "noon"}),
            json!({"Records": [{"body": 1}]}),
            json!(null),
        ] {
            assert!(parse_event(event.clone()).is_err(), "{event}");
        }
    }
}

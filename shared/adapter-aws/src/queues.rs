//! Queues in SQS.

mod reader;

use crate::error::port_error;
use crate::settings::QueueUrls;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use futures::{StreamExt, TryStreamExt, stream};
use parapet_ports::queue::{check_messages, is_message_char};
use parapet_ports::{Error, Kind, Outgoing, Queue, Queues};
use std::collections::BTreeMap;

/// The message attribute of a dead letter that says why it is one.
const REASON: &str = "reason";

/// A reason is shortened to this, so that a message at the size limit still has room for it.
const MAX_REASON_BYTES: usize = 1024;

/// Most messages of one call: SQS's limit.
const BATCH_MESSAGES: usize = 10;

/// Most bytes of all bodies of one call: SQS's limit of 1 MiB.
const BATCH_BYTES: usize = 1024 * 1024;

/// Calls of one `send_batch` at a time.
const CONCURRENT_CALLS: usize = 8;

/// How often messages are sent that SQS refused for a fault of its own while it took their batch-mates.
const PARTIAL_ATTEMPTS: usize = 3;

/// [`Queues`] and [`parapet_ports::QueueReader`] over SQS.
#[derive(Debug)]
pub(crate) struct SqsQueues {
    client: Client,
    urls: BTreeMap<Queue, QueueUrls>,
}

impl SqsQueues {
    pub(crate) fn new(client: Client, urls: BTreeMap<Queue, QueueUrls>) -> Self {
        Self { client, urls }
    }

    fn urls(&self, queue: Queue) -> Result<&QueueUrls, Error> {
        let urls = self.urls.get(&queue);
        urls.ok_or_else(|| Error::new(Kind::Internal, format!("the queue {} has no URL", queue.as_str())))
    }

    /// Sends one batch that is within the limits; messages that SQS refused alone are sent again.
    async fn send_call(&self, url: &str, mut messages: Vec<Outgoing>) -> Result<(), Error> {
        for _ in 0..PARTIAL_ATTEMPTS {
            let entries = messages.iter().enumerate().map(|(index, message)| {
                SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(&message.body)
                    .delay_seconds(i32::try_from(message.delay_seconds).unwrap_or(i32::MAX))
                    .build()
            });
            let entries = entries.collect::<Result<_, _>>().map_err(unbuildable)?;
            let request = self
                .client
                .send_message_batch()
                .queue_url(url)
                .set_entries(Some(entries));
            let answer = request
                .send()
                .await
                .map_err(|error| port_error("SQS SendMessageBatch", error))?;

            let mut failed = Vec::new();
            for entry in answer.failed() {
                if entry.sender_fault() {
                    let detail = entry.message().unwrap_or_default();
                    let text = format!("SQS refused a message: {}: {detail}", entry.code());
                    return Err(Error::new(Kind::Invalid, text));
                }
                tracing::debug!(
                    code = entry.code(),
                    message = entry.message(),
                    "SQS took a batch in part"
                );
                let index = entry.id().parse().ok();
                failed.extend(index.and_then(|index: usize| messages.get(index)).cloned());
            }
            if answer.failed().is_empty() {
                return Ok(());
            }
            messages = failed;
        }
        let text = format!("SQS did not take {} messages of a batch", messages.len());
        Err(Error::new(Kind::Unavailable, text))
    }
}

fn unbuildable(error: aws_sdk_sqs::error::BuildError) -> Error {
    Error::new(Kind::Internal, "building an SQS request failed").with_source(error)
}

/// Cuts a list of messages into calls within SQS's limits, in order.
fn calls(messages: Vec<Outgoing>) -> Vec<Vec<Outgoing>> {
    let mut calls: Vec<Vec<Outgoing>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        match calls.last_mut() {
            Some(call) if call.len() < BATCH_MESSAGES && bytes + message.body.len() <= BATCH_BYTES => {
                bytes += message.body.len();
                call.push(message);
            }
            _ => {
                bytes = message.body.len();
                calls.push(vec![message]);
            }
        }
    }
    calls
}

/// A reason as SQS takes it for an attribute: not empty, not long, no controls.
fn attribute_text(reason: &str) -> String {
    let text: String = reason
        .chars()
        .map(|c| if is_message_char(c) { c } else { '\u{fffd}' })
        .collect();
    let end = text.floor_char_boundary(MAX_REASON_BYTES);
    match &text[..end] {
        "" => "no reason given".to_owned(),
        text => text.to_owned(),
    }
}

#[async_trait::async_trait]
impl Queues for SqsQueues {
    async fn send_batch(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), Error> {
        check_messages(&messages)?;
        let url = &self.urls(queue)?.queue;
        let sends = calls(messages).into_iter().map(|call| self.send_call(url, call));
        Box::pin(stream::iter(sends).buffer_unordered(CONCURRENT_CALLS).try_collect()).await
    }

    async fn send_dead_letter(&self, queue: Queue, body: String, reason: String) -> Result<(), Error> {
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(attribute_text(&reason))
            .build()
            .map_err(unbuildable)?;
        let url = &self.urls(queue)?.dead_letters;
        let request = self.client.send_message().queue_url(url).message_body(body);
        let sent = request.message_attributes(REASON, reason).send().await;
        sent.map(|_| ()).map_err(|error| port_error("SQS SendMessage", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(lengths: &[usize]) -> Vec<Vec<usize>> {
        let messages = lengths
            .iter()
            .map(|length| Outgoing::now("x".repeat(*length)))
            .collect();
        let lengths = |call: Vec<Outgoing>| call.into_iter().map(|message| message.body.len()).collect();
        calls(messages).into_iter().map(lengths).collect()
    }

    #[test]
    fn calls_are_within_both_limits() {
        const MIB: usize = 1024 * 1024;
        assert_eq!(sizes(&[]), Vec::<Vec<usize>>::new());
        assert_eq!(sizes(&[1; 10]), [vec![1; 10]]);
        assert_eq!(sizes(&[1; 21]), [vec![1; 10], vec![1; 10], vec![1; 1]]);
        assert_eq!(sizes(&[MIB / 2, MIB / 2, 1]), [vec![MIB / 2, MIB / 2], vec![1]]);
        assert_eq!(sizes(&[MIB, 1, MIB - 1, 1]), [vec![MIB], vec![1, MIB - 1], vec![1]]);
    }

    #[test]
    fn reasons_fit_an_attribute() {
        assert_eq!(attribute_text(""), "no reason given");
        assert_eq!(attribute_text("a\u{1}b\nc"), "a\u{fffd}b\nc");
        let long = attribute_text(&"ż".repeat(2000));
        assert_eq!((long.len(), long.chars().count()), (1024, 512));
    }
}

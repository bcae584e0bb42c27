//! The receiving side, for hosts that poll. On Lambda the service polls.

use super::{BATCH_MESSAGES, REASON, SqsQueues, unbuildable};
use crate::error::port_error;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    Message as SqsMessage, MessageSystemAttributeName, QueueAttributeName,
};
use futures::future::try_join_all;
use parapet_ports::{Error, Kind, Message, Queue, QueueReader, Received};
use std::collections::BTreeMap;

/// The longest poll: SQS's limit.
const MAX_WAIT_SECONDS: u32 = 20;

/// For how long a look into a dead-letter queue hides its messages from other looks; they are shown again at its end.
const LOOK_SECONDS: i32 = 30;

fn system_attribute<'m>(message: &'m SqsMessage, name: &MessageSystemAttributeName) -> Option<&'m str> {
    message.attributes()?.get(name).map(String::as_str)
}

fn received(message: SqsMessage) -> Received {
    let count = system_attribute(&message, &MessageSystemAttributeName::ApproximateReceiveCount);
    let receive_count = count.and_then(|count| count.parse().ok()).unwrap_or(1);
    Received {
        message: Message {
            id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            receive_count,
        },
        receipt: message.receipt_handle.unwrap_or_default(),
    }
}

/// An error for the entries that SQS would take another time. What it will never take is a receipt that has lapsed or
/// been used: its message is gone or has been given to someone else, and there is nothing to settle.
fn refused(call: &str, failed: &[BatchResultErrorEntry]) -> Result<(), Error> {
    for entry in failed {
        if !entry.sender_fault() {
            let text = format!("{call} failed in part: {}", entry.code());
            return Err(Error::new(Kind::Unavailable, text));
        }
        tracing::debug!(code = entry.code(), call, "a receipt has lapsed");
    }
    Ok(())
}

impl SqsQueues {
    async fn receive_call(&self, url: &str, max: usize, wait_seconds: u32) -> Result<Vec<SqsMessage>, Error> {
        let max = i32::try_from(max.min(BATCH_MESSAGES)).unwrap_or(1);
        let wait = i32::try_from(wait_seconds.min(MAX_WAIT_SECONDS)).unwrap_or_default();
        let request = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(max)
            .wait_time_seconds(wait)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = request
            .send()
            .await
            .map_err(|error| port_error("SQS ReceiveMessage", error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    async fn hide(&self, url: &str, receipts: &[String], seconds: u32) -> Result<(), Error> {
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        let calls = receipts.chunks(BATCH_MESSAGES).map(async |receipts| {
            let entries = receipts.iter().enumerate().map(|(index, receipt)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(seconds)
                    .build()
            });
            let entries = entries.collect::<Result<_, _>>().map_err(unbuildable)?;
            let request = self
                .client
                .change_message_visibility_batch()
                .queue_url(url)
                .set_entries(Some(entries));
            let answer = request.send().await;
            let answer = answer.map_err(|error| port_error("SQS ChangeMessageVisibilityBatch", error))?;
            refused("SQS ChangeMessageVisibilityBatch", answer.failed())
        });
        Box::pin(try_join_all(calls)).await.map(|_| ())
    }

    /// Up to `max` dead letters with their receipts, by the time they were sent.
    async fn look(&self, url: &str, max: usize) -> Result<BTreeMap<String, SqsMessage>, Error> {
        let mut found = BTreeMap::new();
        while found.len() < max {
            let batch = (max - found.len()).min(BATCH_MESSAGES);
            let request = self
                .client
                .receive_message()
                .queue_url(url)
                .max_number_of_messages(i32::try_from(batch).unwrap_or(1))
                .visibility_timeout(LOOK_SECONDS)
                .wait_time_seconds(0)
                .message_attribute_names(REASON)
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
            let answer = request
                .send()
                .await
                .map_err(|error| port_error("SQS ReceiveMessage", error))?;
            let before = found.len();
            for message in answer.messages.unwrap_or_default() {
                found.insert(message.message_id.clone().unwrap_or_default(), message);
            }
            if found.len() == before {
                break;
            }
        }
        Ok(found)
    }
}

#[async_trait::async_trait]
impl QueueReader for SqsQueues {
    async fn receive(&self, queue: Queue, max: usize, wait_seconds: u32) -> Result<Vec<Received>, Error> {
        let url = &self.urls(queue)?.queue;
        let mut messages = Box::pin(self.receive_call(url, max, wait_seconds)).await?;
        // A full answer may mean that more are waiting.
        while messages.len() < max && !messages.is_empty() && messages.len().is_multiple_of(BATCH_MESSAGES) {
            match Box::pin(self.receive_call(url, max - messages.len(), 0)).await {
                Ok(more) if !more.is_empty() => messages.extend(more),
                Ok(_) => break,
                // What has been received must be handed over.
                Err(error) => {
                    tracing::debug!(error = error.chain(), "a further receive failed");
                    break;
                }
            }
        }
        Ok(messages.into_iter().map(received).collect())
    }

    async fn delete(&self, queue: Queue, receipts: Vec<String>) -> Result<(), Error> {
        let url = &self.urls(queue)?.queue;
        let calls = receipts.chunks(BATCH_MESSAGES).map(async |receipts| {
            let entries = receipts.iter().enumerate().map(|(index, receipt)| {
                let entry = DeleteMessageBatchRequestEntry::builder();
                entry.id(index.to_string()).receipt_handle(receipt).build()
            });
            let entries = entries.collect::<Result<_, _>>().map_err(unbuildable)?;
            let request = self
                .client
                .delete_message_batch()
                .queue_url(url)
                .set_entries(Some(entries));
            let answer = request
                .send()
                .await
                .map_err(|error| port_error("SQS DeleteMessageBatch", error))?;
            refused("SQS DeleteMessageBatch", answer.failed())
        });
        Box::pin(try_join_all(calls)).await.map(|_| ())
    }

    async fn release(&self, queue: Queue, receipts: Vec<String>, delay_seconds: u32) -> Result<(), Error> {
        let url = &self.urls(queue)?.queue;
        Box::pin(self.hide(url, &receipts, delay_seconds)).await
    }

    async fn depth(&self, queue: Queue) -> Result<u64, Error> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let url = &self.urls(queue)?.queue;
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .set_attribute_names(Some(names.to_vec()));
        let answer = request
            .send()
            .await
            .map_err(|error| port_error("SQS GetQueueAttributes", error))?;
        let count = |name: &QueueAttributeName| answer.attributes()?.get(name)?.parse::<u64>().ok();
        Ok(names.iter().filter_map(count).sum())
    }

    /// SQS cannot look without receiving: the letters are hidden from other looks until this one is over.
    async fn dead_letters(&self, queue: Queue, max: usize) -> Result<Vec<(String, String)>, Error> {
        let url = &self.urls(queue)?.dead_letters;
        let found = Box::pin(self.look(url, max)).await?;
        let receipts: Vec<String> = found
            .values()
            .filter_map(|message| message.receipt_handle.clone())
            .collect();
        Box::pin(self.hide(url, &receipts, 0)).await?;

        let mut letters: Vec<SqsMessage> = found.into_values().collect();
        letters.sort_by_key(|message| {
            let sent = system_attribute(message, &MessageSystemAttributeName::SentTimestamp);
            sent.and_then(|sent| sent.parse::<u64>().ok())
        });
        let letters = letters.into_iter().map(|message| {
            let reason = message
                .message_attributes()
                .and_then(|attributes| attributes.get(REASON));
            let reason = reason.and_then(|reason| reason.string_value());
            let reason = reason.unwrap_or("received too often without success").to_owned();
            (message.body.unwrap_or_default(), reason)
        });
        Ok(letters.collect())
    }
}

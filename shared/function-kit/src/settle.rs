//! From a handler's answers to what the queue is told.

use parapet_ports::{Disposition, Message, Queue, QueueReader, Queues, Received};

/// Puts rejected messages in the dead-letter queue with their reason, and gives the ids of the messages that must
/// come again: those to retry, and those that the dead-letter queue did not take.
///
/// A handler that gives fewer answers than messages has the rest retried.
pub async fn settle(queues: &dyn Queues, queue: Queue, messages: &[Message], answers: Vec<Disposition>) -> Vec<String> {
    let mut again = Vec::new();
    let missing = || Disposition::Retry {
        reason: "the handler gave no answer".to_owned(),
    };
    let answers = answers.into_iter().chain(std::iter::repeat_with(missing));
    for (message, answer) in messages.iter().zip(answers) {
        match answer {
            Disposition::Done => {}
            Disposition::Retry { reason } => {
                tracing::warn!(
                    queue = queue.as_str(),
                    message = message.id,
                    receives = message.receive_count,
                    reason,
                    "will retry"
                );
                again.push(message.id.clone());
            }
            Disposition::Reject { reason } => {
                tracing::error!(
                    queue = queue.as_str(),
                    message = message.id,
                    reason,
                    "rejected to the dead-letter queue"
                );
                if let Err(error) = queues.send_dead_letter(queue, message.body.clone(), reason).await {
                    tracing::error!(error = error.chain(), "the dead-letter queue did not take it");
                    again.push(message.id.clone());
                }
            }
        }
    }
    again
}

/// Makes the messages that [`settle`] named receivable again: soon at first, so that a fault of a moment delays little,
/// then ever later, so that an outage of an hour is outlived. Where this fails they stay hidden until their timeout.
pub async fn release(reader: &dyn QueueReader, queue: Queue, received: &[Received], again: &[String]) {
    let retried: Vec<&Received> = received
        .iter()
        .filter(|received| again.contains(&received.message.id))
        .collect();
    let Some(receives) = retried.iter().map(|received| received.message.receive_count).max() else {
        return;
    };
    let receipts = retried.iter().map(|received| received.receipt.clone()).collect();
    if let Err(error) = reader.release(queue, receipts, backoff_seconds(receives)).await {
        tracing::warn!(
            queue = queue.as_str(),
            error = error.chain(),
            "messages stay hidden until their timeout"
        );
    }
}

/// 1, 4, 16, 64, 256 seconds, then ten minutes each time.
fn backoff_seconds(receives: u32) -> u32 {
    4u32.checked_pow(receives.saturating_sub(1))
        .unwrap_or(600)
        .clamp(1, 600)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::{ConfigFiles, memory::MemoryPorts};

    #[test]
    fn backs_off_to_ten_minutes() {
        assert_eq!(
            [0, 1, 2, 3, 5, 6, 40].map(backoff_seconds),
            [1, 1, 4, 16, 256, 600, 600]
        );
    }

    #[tokio::test]
    async fn rejects_go_to_the_dead_letter_queue_and_unanswered_come_again() {
        let memory = MemoryPorts::new(0, ConfigFiles::default());
        let message = |id: &str| Message {
            id: id.into(),
            body: format!("body {id}"),
            receive_count: 1,
        };
        let messages = [message("1"), message("2"), message("3"), message("4")];
        let answers = vec![
            Disposition::Done,
            Disposition::Reject {
                reason: "not JSON".into(),
            },
            Disposition::Retry { reason: "busy".into() },
        ];
        let again = settle(&*memory.queues, Queue::Samples, &messages, answers).await;
        assert_eq!(again, ["3", "4"]);
        let dead = memory.queues.dead_letters(Queue::Samples, 9).await.unwrap();
        assert_eq!(dead, [("body 2".to_owned(), "not JSON".to_owned())]);
    }
}

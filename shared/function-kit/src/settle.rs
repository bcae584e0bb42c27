//! From a handler's answers to what the queue is told.

use parapet_ports::{Disposition, Message, Queue, Queues};

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

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::{ConfigFiles, QueueReader, memory::MemoryPorts};

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

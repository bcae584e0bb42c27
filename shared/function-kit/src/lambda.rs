//! The loop of a Lambda function that is called by schedules and queues.

use crate::{Event, parse_event, release, settle};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use parapet_ports::{Disposition, Function, Message, QueueReader, Queues};
use serde_json::{Value, json};
use std::sync::Arc;

/// Serves events until the runtime ends the process. Messages that must come again are named in a partial batch
/// response, and made visible again before their timeout, which is many times the function's own; a failed tick fails
/// the invocation, and the schedule's own retry repeats it.
///
/// # Errors
/// Where the runtime cannot be reached.
pub async fn run(
    function: Arc<dyn Function>,
    queues: Arc<dyn Queues>,
    reader: Arc<dyn QueueReader>,
) -> Result<(), Error> {
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let (function, queues, reader) = (function.clone(), queues.clone(), reader.clone());
        async move { handle(&*function, &*queues, &*reader, event.payload).await }
    }))
    .await
}

async fn handle(
    function: &dyn Function,
    queues: &dyn Queues,
    reader: &dyn QueueReader,
    payload: Value,
) -> Result<Value, Error> {
    match parse_event(payload)? {
        Event::Tick { at_ms } => {
            function
                .handle_tick(at_ms)
                .await
                .inspect_err(|error| tracing::error!(at_ms, error = error.chain(), "the tick failed"))?;
            Ok(Value::Null)
        }
        Event::Delivery(delivery) => {
            function
                .handle_delivery(delivery)
                .await
                .inspect_err(|error| tracing::error!(error = error.chain(), "the delivery failed"))?;
            Ok(Value::Null)
        }
        Event::Batch { queue, received } => {
            let messages: Vec<Message> = received.iter().map(|received| received.message.clone()).collect();
            let answers: Vec<Disposition> = function.handle_batch(queue, messages.clone()).await;
            let again = settle(queues, queue, &messages, answers).await;
            release(reader, queue, &received, &again).await;
            let failures: Vec<Value> = again.into_iter().map(|id| json!({ "itemIdentifier": id })).collect();
            Ok(json!({ "batchItemFailures": failures }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::{ConfigFiles, Kind, Queue, memory::MemoryPorts};

    struct Echo;

    #[async_trait::async_trait]
    impl Function for Echo {
        async fn handle_tick(&self, at_ms: i64) -> Result<(), parapet_ports::Error> {
            if at_ms == 0 {
                Err(parapet_ports::Error::new(Kind::Unavailable, "no"))
            } else {
                Ok(())
            }
        }

        async fn handle_batch(&self, _: Queue, messages: Vec<Message>) -> Vec<Disposition> {
            let answer = |message: Message| match message.body.as_str() {
                "bad" => Disposition::Retry { reason: "bad".into() },
                _ => Disposition::Done,
            };
            messages.into_iter().map(answer).collect()
        }
    }

    #[tokio::test]
    async fn names_only_the_failed_messages() {
        let memory = MemoryPorts::new(0, ConfigFiles::default());
        let record = |id: &str, body: &str| json!({"messageId": id, "body": body, "eventSourceARN": "a:b:samples"});
        let event = json!({"Records": [record("1", "good"), record("2", "bad")]});
        let answer = handle(&Echo, &*memory.queues, &*memory.queues, event).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "2"}]}));
        assert!(
            handle(
                &Echo,
                &*memory.queues,
                &*memory.queues,
                json!({"time": "1970-01-01T00:00:00Z"})
            )
            .await
            .is_err()
        );
        assert!(
            handle(
                &Echo,
                &*memory.queues,
                &*memory.queues,
                json!({"time": "1970-01-01T00:01:00Z"})
            )
            .await
            .is_ok()
        );
    }
}

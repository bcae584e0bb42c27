//! The pump: takes messages from the queues and hands them to functions, as Lambda's own pollers do in the cloud.

use parapet_function_kit::{release, settle};
use parapet_ports::{Disposition, Function, Message, Queue, QueueReader, Queues, Received};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// How the messages of one queue are handed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) queue: Queue,
    /// Messages in one call at most.
    pub(crate) batch: usize,
    /// How long a call waits for more messages after its first one.
    pub(crate) window: Duration,
    /// Calls at the same time at most.
    pub(crate) concurrency: usize,
}

/// The plans of all queues: what the event source mappings of template.yaml say, for one process.
pub(crate) const PLANS: [Plan; 7] = [
    Plan {
        queue: Queue::ScrapeTasks,
        batch: 1,
        window: Duration::ZERO,
        // A task mostly waits, at worst for as long as its interval: where nobody answers, tens of thousands of
        // targets still begin at their moments.
        concurrency: 1024,
    },
    Plan {
        queue: Queue::Samples,
        batch: 200,
        window: Duration::from_millis(1000),
        concurrency: 2,
    },
    Plan {
        queue: Queue::RuleTasks,
        batch: 1,
        window: Duration::ZERO,
        concurrency: 8,
    },
    Plan {
        queue: Queue::Alerts,
        batch: 100,
        window: Duration::from_millis(50),
        concurrency: 2,
    },
    Plan {
        queue: Queue::Timers,
        batch: 10,
        window: Duration::ZERO,
        concurrency: 4,
    },
    Plan {
        queue: Queue::Deliveries,
        batch: 1,
        window: Duration::ZERO,
        concurrency: 32,
    },
    Plan {
        queue: Queue::Logs,
        batch: 50,
        window: Duration::from_millis(500),
        concurrency: 2,
    },
];

/// How long one receive waits for a message.
const WAIT_SECONDS: u32 = 1;
/// A failed receive is tried again after this.
const PAUSE: Duration = Duration::from_secs(1);

/// What a pump needs.
#[derive(Clone)]
pub(crate) struct Pump {
    pub(crate) queues: Arc<dyn Queues>,
    pub(crate) reader: Arc<dyn QueueReader>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Pump {
    /// Pumps one queue until told to stop, then waits for the calls under way.
    pub(crate) async fn run(self, plan: Plan, function: Arc<dyn Function>) {
        let permits = Arc::new(Semaphore::new(plan.concurrency));
        let (mut calls, mut stop) = (JoinSet::new(), self.stop.clone());
        while !*stop.borrow() {
            // A message is taken only when a call is free for it: what waits stays in the queue.
            let Ok(permit) = permits.clone().acquire_owned().await else {
                break;
            };
            let received = tokio::select! {
                received = self.gather(plan) => received,
                _ = stop.changed() => break,
            };
            while calls.try_join_next().is_some() {}
            if received.is_empty() {
                continue;
            }
            let (pump, function) = (self.clone(), function.clone());
            calls.spawn(async move {
                pump.call(plan.queue, function, received).await;
                drop(permit);
            });
        }
        while calls.join_next().await.is_some() {}
    }

    async fn gather(&self, plan: Plan) -> Vec<Received> {
        let mut received = self.receive(plan.queue, plan.batch, WAIT_SECONDS).await;
        if received.is_empty() || received.len() >= plan.batch || plan.window.is_zero() {
            return received;
        }
        pause(plan.window).await;
        while received.len() < plan.batch {
            let more = self.receive(plan.queue, plan.batch - received.len(), 0).await;
            if more.is_empty() {
                break;
            }
            received.extend(more);
        }
        received
    }

    async fn receive(&self, queue: Queue, max: usize, wait_seconds: u32) -> Vec<Received> {
        match self.reader.receive(queue, max, wait_seconds).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(queue = queue.as_str(), error = error.chain(), "cannot receive");
                pause(PAUSE).await;
                Vec::new()
            }
        }
    }

    async fn call(&self, queue: Queue, function: Arc<dyn Function>, received: Vec<Received>) {
        let messages: Vec<Message> = received.iter().map(|received| received.message.clone()).collect();
        let handed = messages.clone();
        // A panic is a fault of one call, not of the process: its messages come again, and end as dead letters.
        let answers = tokio::spawn(async move { function.handle_batch(queue, handed).await }).await;
        let answers = answers.unwrap_or_else(|error| {
            tracing::error!(queue = queue.as_str(), %error, "a handler panicked");
            vec![
                Disposition::Retry {
                    reason: "the handler panicked".to_owned()
                };
                messages.len()
            ]
        });
        let again = settle(&*self.queues, queue, &messages, answers).await;
        let done: Vec<String> = received
            .iter()
            .filter(|received| !again.contains(&received.message.id))
            .map(|received| received.receipt.clone())
            .collect();
        metrics::counter!("parapet_messages_handled_total", "queue" => queue.as_str()).increment(done.len() as u64);
        if !done.is_empty()
            && let Err(error) = self.reader.delete(queue, done).await
        {
            tracing::warn!(
                queue = queue.as_str(),
                error = error.chain(),
                "handled messages will come again"
            );
        }
        if !again.is_empty() {
            metrics::counter!("parapet_messages_retried_total", "queue" => queue.as_str())
                .increment(again.len() as u64);
            release(&*self.reader, queue, &received, &again).await;
        }
    }
}

#[allow(clippy::disallowed_methods)] // The pump is the one place that waits.
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

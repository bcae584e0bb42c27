//! Queues: at least once, in any order, with a delay per message.

use crate::{Error, Kind};

/// Every queue there is. Each has a dead-letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Queue {
    /// Which targets to scrape, delayed to their slot.
    ScrapeTasks,
    /// Sample batches on their way to the store.
    Samples,
    /// Which rule groups to evaluate, delayed to their slot.
    RuleTasks,
    /// Alerts on their way to their groups.
    Alerts,
    /// Deadlines of alert groups.
    Timers,
    /// One notification to one receiver integration.
    Deliveries,
    /// Log lines on their way to their pipelines and the store.
    Logs,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 7] = [
        Self::ScrapeTasks,
        Self::Samples,
        Self::RuleTasks,
        Self::Alerts,
        Self::Timers,
        Self::Deliveries,
        Self::Logs,
    ];

    /// Its name, as in template.yaml and in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScrapeTasks => "scrape-tasks",
            Self::Samples => "samples",
            Self::RuleTasks => "rule-tasks",
            Self::Alerts => "alerts",
            Self::Timers => "timers",
            Self::Deliveries => "deliveries",
            Self::Logs => "logs",
        }
    }
}

/// The largest body of one message, and of one `send_batch` call's message: 1 MiB less room for attributes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024 - 4096;

/// The longest delay of a message: what SQS allows.
pub const MAX_DELAY_SECONDS: u32 = 900;

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Text, at most [`MAX_BODY_BYTES`].
    pub body: String,
    /// Seconds before it can be received, at most [`MAX_DELAY_SECONDS`].
    pub delay_seconds: u32,
}

impl Outgoing {
    /// A message without delay.
    pub fn now(body: impl Into<String>) -> Self {
        Self {
            body: body.into(),
            delay_seconds: 0,
        }
    }
}

/// Refuses messages that no queue could take: every adapter calls it first, so that all have the same limits.
///
/// # Errors
/// [`Kind::Invalid`] for an empty body, one over [`MAX_BODY_BYTES`], one with a character that SQS does not take
/// (controls other than tab and line ends, U+FFFE, U+FFFF), or a delay over [`MAX_DELAY_SECONDS`].
pub fn check_messages(messages: &[Outgoing]) -> Result<(), Error> {
    let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
    for Outgoing { body, delay_seconds } in messages {
        if body.is_empty() {
            return invalid("a message body is empty".into());
        }
        if body.len() > MAX_BODY_BYTES {
            let limit = format!("is over the limit of {MAX_BODY_BYTES}");
            return invalid(format!("a message body of {} bytes {limit}", body.len()));
        }
        if let Some(at) = body.find(|c| !is_message_char(c)) {
            return invalid(format!("a message body has a control character at byte {at}"));
        }
        if *delay_seconds > MAX_DELAY_SECONDS {
            let limit = format!("is over the limit of {MAX_DELAY_SECONDS} s");
            return invalid(format!("a delay of {delay_seconds} s {limit}"));
        }
    }
    Ok(())
}

/// Whether a message may hold the character: those of XML 1.0, as SQS has it.
#[must_use]
pub fn is_message_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// A message as a handler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The queue's own id of the message, for logs and answers.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// How often it has been received, this time included.
    pub receive_count: u32,
}

/// A handler's answer for one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Its effects are durable: forget it.
    Done,
    /// Give it again later, at the earliest after this long.
    Retry {
        /// What went wrong, for the log.
        reason: String,
    },
    /// It can never be handled: to the dead-letter queue with the reason.
    Reject {
        /// Why, for whoever looks into the dead-letter queue.
        reason: String,
    },
}

/// The sending side.
///
/// # Contract
/// - When a call answers `Ok`, every message of it is durable. When it answers `Err`, any of them may be:
///   the caller sends all again, and receivers bear duplicates.
/// - Order is not kept. A message is not received before its delay has passed.
/// - A batch may have any number of messages; the adapter splits it by its own limits.
/// - What [`check_messages`] refuses is refused, and nothing is sent.
/// - A dead letter keeps its body; its reason may be shortened.
#[async_trait::async_trait]
pub trait Queues: Send + Sync + std::fmt::Debug {
    /// Sends messages to a queue.
    async fn send_batch(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), Error>;

    /// Puts a message that can never be handled in the queue's dead-letter queue, with the reason.
    async fn send_dead_letter(&self, queue: Queue, body: String, reason: String) -> Result<(), Error>;
}

/// A message with what is needed to settle it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The message.
    pub message: Message,
    /// Names this receive of it; given back to settle it.
    pub receipt: String,
}

/// The receiving side, used by hosts that poll (on AWS Lambda the service itself polls).
///
/// # Contract
/// - A received message is hidden for the queue's visibility timeout; unless deleted, it comes again after that,
///   or at once when the process was killed (embedded adapter).
/// - After the queue's maximum receives it goes to the dead-letter queue instead of being received.
#[async_trait::async_trait]
pub trait QueueReader: Send + Sync + std::fmt::Debug {
    /// Receives up to `max` messages; waits up to `wait_seconds` for the first one.
    async fn receive(&self, queue: Queue, max: usize, wait_seconds: u32) -> Result<Vec<Received>, Error>;

    /// Forgets messages that are done.
    async fn delete(&self, queue: Queue, receipts: Vec<String>) -> Result<(), Error>;

    /// Makes messages receivable again after a delay.
    async fn release(&self, queue: Queue, receipts: Vec<String>, delay_seconds: u32) -> Result<(), Error>;

    /// How many messages wait (visible, delayed and in flight), about.
    async fn depth(&self, queue: Queue) -> Result<u64, Error>;

    /// The dead letters of a queue, at most `max`, oldest first, without removing them: body and reason.
    async fn dead_letters(&self, queue: Queue, max: usize) -> Result<Vec<(String, String)>, Error>;
}

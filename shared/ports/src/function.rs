//! The shape of every function, the same for all three hosts.

use crate::{Disposition, Error, Kind, Message, Queue};

/// A function: called for a tick or for a batch of messages, keeps nothing that matters between calls.
///
/// # Contract
/// Any call may come twice, late, at the same time as another, or be cut off between any two of its effects.
#[async_trait::async_trait]
pub trait Function: Send + Sync {
    /// The minute tick; `at_ms` is the minute it is meant for, however late it comes.
    async fn handle_tick(&self, at_ms: i64) -> Result<(), Error> {
        let _ = at_ms;
        Ok(())
    }

    /// What a subscription delivers, compressed as it came. Only log-parse takes any.
    async fn handle_delivery(&self, delivery: bytes::Bytes) -> Result<(), Error> {
        let text = format!("a delivery of {} bytes for a function that takes none", delivery.len());
        Err(Error::new(Kind::Invalid, text))
    }

    /// Messages of one queue; one answer for each, in order.
    async fn handle_batch(&self, queue: Queue, messages: Vec<Message>) -> Vec<Disposition>;
}

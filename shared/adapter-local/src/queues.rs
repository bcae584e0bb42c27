//! [`Queues`] and [`QueueReader`] on the embedded database.
//!
//! Message bodies are on disk; which of them is hidden from receivers, and until when, is in memory only. So a message
//! that was in flight when the process was killed is received again at once, and receiving costs no write.
//! A delete need not be durable: when it is lost in a crash the message comes once more, which every handler bears.

use crate::LocalSettings;
use crate::database::{DEAD_LETTERS, MESSAGES, Writer, failed};
use parapet_ports::memory::check_messages;
use parapet_ports::{Clock, Error, Message, Outgoing, Queue, QueueReader, Queues, Received};
use redb::{Database, ReadableDatabase, ReadableTable};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Longest wait between two looks at a queue with delayed messages: the clock may be a driven one.
const POLL: Duration = Duration::from_millis(100);

/// The queues in `state.redb`.
pub struct LocalQueues {
    database: Arc<Database>,
    writer: Writer,
    clock: Arc<dyn Clock>,
    visibility_timeout_ms: i64,
    max_receives: u32,
    index: Mutex<BTreeMap<Queue, Index>>,
    arrived: BTreeMap<Queue, Notify>,
}

/// What is known of a queue's messages without reading them.
#[derive(Debug, Default)]
struct Index {
    /// Visible at (ms), message id; messages in flight stand here with the end of their invisibility.
    order: BTreeSet<(i64, u64)>,
    /// By message id: where it stands in `order`, and how often it was received.
    messages: BTreeMap<u64, (i64, u32)>,
}

impl Index {
    fn put(&mut self, id: u64, visible_at_ms: i64, receives: u32) {
        if let Some((old, _)) = self.messages.insert(id, (visible_at_ms, receives)) {
            self.order.remove(&(old, id));
        }
        self.order.insert((visible_at_ms, id));
    }

    fn remove(&mut self, id: u64) {
        if let Some((at, _)) = self.messages.remove(&id) {
            self.order.remove(&(at, id));
        }
    }
}

impl std::fmt::Debug for LocalQueues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalQueues").finish_non_exhaustive()
    }
}

impl LocalQueues {
    pub(crate) fn open(
        database: &Arc<Database>,
        writer: Writer,
        clock: Arc<dyn Clock>,
        settings: &LocalSettings,
    ) -> Result<Self, Error> {
        let transaction = database.begin_read().map_err(failed)?;
        let messages = transaction.open_table(MESSAGES).map_err(failed)?;
        let mut index: BTreeMap<Queue, Index> = BTreeMap::new();
        for queue in Queue::ALL {
            for entry in messages
                .range((queue.as_str(), 0)..=(queue.as_str(), u64::MAX))
                .map_err(failed)?
            {
                let (key, value) = entry.map_err(failed)?;
                let (visible_at_ms, receives, _) = value.value();
                index
                    .entry(queue)
                    .or_default()
                    .put(key.value().1, visible_at_ms, receives);
            }
        }
        Ok(Self {
            database: database.clone(),
            writer,
            clock,
            visibility_timeout_ms: settings.visibility_timeout_ms,
            max_receives: settings.max_receives,
            index: Mutex::new(index),
            arrived: Queue::ALL.into_iter().map(|queue| (queue, Notify::new())).collect(),
        })
    }

    fn index(&self) -> MutexGuard<'_, BTreeMap<Queue, Index>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims visible messages: hides them until the visibility timeout, and tells which have been received too often.
    fn claim(&self, queue: Queue, max: usize) -> (Vec<(u64, u32)>, Vec<u64>) {
        let now_ms = self.clock.now_ms();
        let mut guard = self.index();
        let index = guard.entry(queue).or_default();
        let due: Vec<u64> = index
            .order
            .range(..=(now_ms, u64::MAX))
            .take(max)
            .map(|(_, id)| *id)
            .collect();
        let (mut claimed, mut exhausted) = (Vec::with_capacity(due.len()), Vec::new());
        for id in due {
            let receives = index.messages.get(&id).map_or(0, |(_, receives)| *receives);
            if receives >= self.max_receives {
                exhausted.push(id);
            } else {
                claimed.push((id, receives + 1));
            }
            index.put(id, now_ms + self.visibility_timeout_ms, receives + 1);
        }
        (claimed, exhausted)
    }

    fn read(&self, queue: Queue, claimed: &[(u64, u32)]) -> Result<Vec<Received>, Error> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let messages = transaction.open_table(MESSAGES).map_err(failed)?;
        let mut received = Vec::with_capacity(claimed.len());
        for (id, receive_count) in claimed {
            let Some(stored) = messages.get((queue.as_str(), *id)).map_err(failed)? else {
                continue;
            };
            let body = stored.value().2.to_owned();
            let message = Message {
                id: id.to_string(),
                body,
                receive_count: *receive_count,
            };
            received.push(Received {
                message,
                receipt: format!("{id}/{receive_count}"),
            });
        }
        Ok(received)
    }

    /// Moves messages to the dead-letter queue in one transaction.
    async fn bury(&self, queue: Queue, ids: Vec<u64>) -> Result<(), Error> {
        let reason = format!("received {} times without success", self.max_receives);
        let moved = ids.clone();
        self.writer
            .durable(move |batch| {
                for id in moved {
                    let body = match batch.messages.remove((queue.as_str(), id)).map_err(failed)? {
                        Some(stored) => stored.value().2.to_owned(),
                        None => continue,
                    };
                    batch
                        .dead_letters
                        .insert((queue.as_str(), id), (body.as_str(), reason.as_str()))
                        .map_err(failed)?;
                }
                Ok(())
            })
            .await?;
        let mut guard = self.index();
        let index = guard.entry(queue).or_default();
        ids.into_iter().for_each(|id| index.remove(id));
        Ok(())
    }

    /// The ids of receipts that still stand: a message received again since has another receipt.
    fn standing(&self, queue: Queue, receipts: &[String]) -> Vec<(u64, u32)> {
        let guard = self.index();
        let Some(index) = guard.get(&queue) else {
            return Vec::new();
        };
        receipts
            .iter()
            .filter_map(|receipt| {
                let (id, receives) = receipt.split_once('/')?;
                let (id, receives) = (id.parse().ok()?, receives.parse().ok()?);
                index
                    .messages
                    .get(&id)
                    .is_some_and(|(_, now)| *now == receives)
                    .then_some((id, receives))
            })
            .collect()
    }
}

#[async_trait::async_trait]
impl Queues for LocalQueues {
    async fn send_batch(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), Error> {
        check_messages(&messages)?;
        let now_ms = self.clock.now_ms();
        let stored = self
            .writer
            .durable(move |batch| {
                let mut stored = Vec::with_capacity(messages.len());
                for message in &messages {
                    let (id, at) = (batch.next_sequence(), now_ms + i64::from(message.delay_seconds) * 1000);
                    batch
                        .messages
                        .insert((queue.as_str(), id), (at, 0, message.body.as_str()))
                        .map_err(failed)?;
                    stored.push((id, at));
                }
                Ok(stored)
            })
            .await?;
        {
            let mut guard = self.index();
            let index = guard.entry(queue).or_default();
            stored.into_iter().for_each(|(id, at)| index.put(id, at, 0));
        }
        if let Some(arrived) = self.arrived.get(&queue) {
            arrived.notify_one();
        }
        Ok(())
    }

    async fn send_dead_letter(&self, queue: Queue, body: String, reason: String) -> Result<(), Error> {
        self.writer
            .durable(move |batch| {
                let id = batch.next_sequence();
                batch
                    .dead_letters
                    .insert((queue.as_str(), id), (body.as_str(), reason.as_str()))
                    .map_err(failed)?;
                Ok(())
            })
            .await
    }
}

#[async_trait::async_trait]
impl QueueReader for LocalQueues {
    async fn receive(&self, queue: Queue, max: usize, wait_seconds: u32) -> Result<Vec<Received>, Error> {
        let end = tokio::time::Instant::now() + Duration::from_secs(u64::from(wait_seconds));
        loop {
            let (claimed, exhausted) = self.claim(queue, max);
            if !exhausted.is_empty() {
                self.bury(queue, exhausted).await?;
            }
            let received = self.read(queue, &claimed)?;
            if !received.is_empty() || tokio::time::Instant::now() >= end {
                return Ok(received);
            }
            if let Some(arrived) = self.arrived.get(&queue) {
                let _ = tokio::time::timeout(POLL, arrived.notified()).await;
            }
        }
    }

    async fn delete(&self, queue: Queue, receipts: Vec<String>) -> Result<(), Error> {
        let ids: Vec<u64> = self.standing(queue, &receipts).into_iter().map(|(id, _)| id).collect();
        let removed = ids.clone();
        self.writer
            .relaxed(move |batch| {
                for id in removed {
                    batch.messages.remove((queue.as_str(), id)).map_err(failed)?;
                }
                Ok(())
            })
            .await?;
        let mut guard = self.index();
        let index = guard.entry(queue).or_default();
        ids.into_iter().for_each(|id| index.remove(id));
        Ok(())
    }

    async fn release(&self, queue: Queue, receipts: Vec<String>, delay_seconds: u32) -> Result<(), Error> {
        let visible_at_ms = self.clock.now_ms() + i64::from(delay_seconds) * 1000;
        let standing = self.standing(queue, &receipts);
        let released = standing.clone();
        // The count of receives is kept through a restart, so that a poison message does end.
        self.writer
            .relaxed(move |batch| {
                for (id, receives) in released {
                    let body = match batch.messages.get((queue.as_str(), id)).map_err(failed)? {
                        Some(stored) => stored.value().2.to_owned(),
                        None => continue,
                    };
                    batch
                        .messages
                        .insert((queue.as_str(), id), (visible_at_ms, receives, body.as_str()))
                        .map_err(failed)?;
                }
                Ok(())
            })
            .await?;
        {
            let mut guard = self.index();
            let index = guard.entry(queue).or_default();
            standing
                .into_iter()
                .for_each(|(id, receives)| index.put(id, visible_at_ms, receives));
        }
        if let Some(arrived) = self.arrived.get(&queue) {
            arrived.notify_one();
        }
        Ok(())
    }

    async fn depth(&self, queue: Queue) -> Result<u64, Error> {
        Ok(self.index().get(&queue).map_or(0, |index| index.messages.len() as u64))
    }

    async fn dead_letters(&self, queue: Queue, max: usize) -> Result<Vec<(String, String)>, Error> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let dead = transaction.open_table(DEAD_LETTERS).map_err(failed)?;
        let mut letters = Vec::new();
        for entry in dead
            .range((queue.as_str(), 0)..=(queue.as_str(), u64::MAX))
            .map_err(failed)?
            .take(max)
        {
            let (_, value) = entry.map_err(failed)?;
            let (body, reason) = value.value();
            letters.push((body.to_owned(), reason.to_owned()));
        }
        Ok(letters)
    }
}

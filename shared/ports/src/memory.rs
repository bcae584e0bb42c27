//! The ports in memory: for tests and simulation. They keep the contracts, and are driven by the clock they are given.

use crate::{
    Clock, Condition, ConfigFiles, Entropy, Error, FixedClock, FixedConfig, Http, HttpRequest, HttpResponse, Item, Key,
    Kind, Message, Outgoing, Page, Ports, Queue, QueueReader, Queues, Received, SkRange, Table, Write,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub mod mortal;

pub use crate::queue::check_messages;
pub use crate::table::check_transaction;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A [`Table`] in memory.
#[derive(Debug)]
pub struct MemoryTable {
    clock: Arc<dyn Clock>,
    items: Mutex<(BTreeMap<Key, Item>, u64)>,
}

impl MemoryTable {
    /// An empty table.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            items: Mutex::default(),
        }
    }

    /// Every item, for assertions.
    pub fn items(&self) -> Vec<Item> {
        lock(&self.items).0.values().cloned().collect()
    }

    fn is_live(&self, item: &Item) -> bool {
        item.expires_at
            .is_none_or(|at| at.saturating_mul(1000) > self.clock.now_ms())
    }
}

#[async_trait::async_trait]
impl Table for MemoryTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        Ok(lock(&self.items).0.get(key).filter(|item| self.is_live(item)).cloned())
    }

    async fn query_page(&self, pk: &str, range: &SkRange, limit: usize) -> Result<Page, Error> {
        let items = lock(&self.items);
        let mut matching = items
            .0
            .range(Key::new(pk, range.from.as_str())..)
            .take_while(|(key, _)| key.pk == pk && (range.to.is_empty() || key.sk < range.to))
            .filter(|(_, item)| self.is_live(item))
            .map(|(_, item)| item.clone());
        let page: Vec<Item> = matching.by_ref().take(if limit == 0 { 100 } else { limit }).collect();
        let next = matching.next().map(|item| item.key.sk);
        Ok(Page { items: page, next })
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        check_transaction(&writes)?;
        let mut guard = lock(&self.items);
        let (items, counter) = &mut *guard;
        for write in &writes {
            let found = items.get(write.key()).filter(|item| self.is_live(item));
            check_condition(write, found)?;
        }
        let mut versions = Vec::with_capacity(writes.len());
        for write in writes {
            versions.push(match write {
                Write::Put {
                    key, value, expires_at, ..
                } => {
                    *counter += 1;
                    items.insert(
                        key.clone(),
                        Item {
                            key,
                            value,
                            version: *counter,
                            expires_at,
                        },
                    );
                    *counter
                }
                Write::Delete { key, .. } => {
                    items.remove(&key);
                    0
                }
                Write::Check { .. } => 0,
            });
        }
        Ok(versions)
    }
}

/// Tests a write's condition against what stands at its key.
///
/// # Errors
/// [`Kind::Conflict`].
pub fn check_condition(write: &Write, found: Option<&Item>) -> Result<(), Error> {
    let condition = match write {
        Write::Put { condition, .. } | Write::Delete { condition, .. } | Write::Check { condition, .. } => *condition,
    };
    let holds = match condition {
        Condition::Any => true,
        Condition::Absent => found.is_none(),
        Condition::Version(version) => found.is_some_and(|item| item.version == version),
    };
    let key = write.key();
    if holds {
        Ok(())
    } else {
        Err(Error::new(
            Kind::Conflict,
            format!("the item {}/{} is not as expected", key.pk, key.sk),
        ))
    }
}

/// [`Queues`] and [`QueueReader`] in memory: visibility timeout 30 s, five receives before the dead-letter queue.
#[derive(Debug)]
pub struct MemoryQueues {
    clock: Arc<dyn Clock>,
    state: Mutex<QueueState>,
}

#[derive(Debug, Default)]
struct QueueState {
    messages: BTreeMap<Queue, Vec<Held>>,
    dead: BTreeMap<Queue, Vec<(String, String)>>,
    next_id: u64,
}

#[derive(Debug)]
struct Held {
    id: u64,
    body: String,
    visible_at_ms: i64,
    receive_count: u32,
}

const VISIBILITY_MS: i64 = 30_000;
const MAX_RECEIVES: u32 = 5;

impl MemoryQueues {
    /// Empty queues.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// Takes every message out of a queue whatever its delay, with the time at which it would become visible.
    pub fn drain(&self, queue: Queue) -> Vec<(i64, Message)> {
        let mut held = lock(&self.state).messages.remove(&queue).unwrap_or_default();
        held.sort_by_key(|message| (message.visible_at_ms, message.id));
        held.into_iter()
            .map(|message| {
                let at = message.visible_at_ms;
                (
                    at,
                    Message {
                        id: message.id.to_string(),
                        body: message.body,
                        receive_count: message.receive_count + 1,
                    },
                )
            })
            .collect()
    }
}

#[async_trait::async_trait]
impl Queues for MemoryQueues {
    async fn send_batch(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), Error> {
        check_messages(&messages)?;
        let now = self.clock.now_ms();
        let mut state = lock(&self.state);
        for message in messages {
            state.next_id += 1;
            let id = state.next_id;
            let visible_at_ms = now + i64::from(message.delay_seconds) * 1000;
            let held = Held {
                id,
                body: message.body,
                visible_at_ms,
                receive_count: 0,
            };
            state.messages.entry(queue).or_default().push(held);
        }
        Ok(())
    }

    async fn send_dead_letter(&self, queue: Queue, body: String, reason: String) -> Result<(), Error> {
        lock(&self.state).dead.entry(queue).or_default().push((body, reason));
        Ok(())
    }
}

#[async_trait::async_trait]
impl QueueReader for MemoryQueues {
    async fn receive(&self, queue: Queue, max: usize, _wait_seconds: u32) -> Result<Vec<Received>, Error> {
        let now = self.clock.now_ms();
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let held = state.messages.entry(queue).or_default();
        let mut received = Vec::new();
        let mut exhausted = Vec::new();
        for message in held.iter_mut().filter(|message| message.visible_at_ms <= now).take(max) {
            message.receive_count += 1;
            message.visible_at_ms = now + VISIBILITY_MS;
            if message.receive_count > MAX_RECEIVES {
                exhausted.push(message.id);
                continue;
            }
            let id = message.id.to_string();
            let body = message.body.clone();
            let receipt = format!("{}/{}", message.id, message.receive_count);
            received.push(Received {
                message: Message {
                    id,
                    body,
                    receive_count: message.receive_count,
                },
                receipt,
            });
        }
        for id in exhausted {
            if let Some(at) = held.iter().position(|message| message.id == id) {
                let reason = format!("received {MAX_RECEIVES} times without success");
                state
                    .dead
                    .entry(queue)
                    .or_default()
                    .push((held.swap_remove(at).body, reason));
            }
        }
        Ok(received)
    }

    async fn delete(&self, queue: Queue, receipts: Vec<String>) -> Result<(), Error> {
        lock(&self.state)
            .messages
            .entry(queue)
            .or_default()
            .retain(|message| !receipts.contains(&message.receipt()));
        Ok(())
    }

    async fn release(&self, queue: Queue, receipts: Vec<String>, delay_seconds: u32) -> Result<(), Error> {
        let visible_at_ms = self.clock.now_ms() + i64::from(delay_seconds) * 1000;
        for message in lock(&self.state).messages.entry(queue).or_default() {
            if receipts.contains(&message.receipt()) {
                message.visible_at_ms = visible_at_ms;
            }
        }
        Ok(())
    }

    async fn depth(&self, queue: Queue) -> Result<u64, Error> {
        Ok(lock(&self.state)
            .messages
            .get(&queue)
            .map_or(0, |held| held.len() as u64))
    }

    async fn dead_letters(&self, queue: Queue, max: usize) -> Result<Vec<(String, String)>, Error> {
        Ok(lock(&self.state)
            .dead
            .get(&queue)
            .map(|dead| dead.iter().take(max).cloned().collect())
            .unwrap_or_default())
    }
}

impl Held {
    fn receipt(&self) -> String {
        format!("{}/{}", self.id, self.receive_count)
    }
}

/// An [`Http`] that answers from a list, in order, and remembers what it was asked. An exhausted list is a refused connection.
#[derive(Debug, Default)]
pub struct FixedHttp {
    answers: Mutex<VecDeque<Result<HttpResponse, Error>>>,
    requests: Mutex<Vec<HttpRequest>>,
}

impl FixedHttp {
    /// Adds an answer.
    pub fn answer(&self, answer: Result<HttpResponse, Error>) {
        lock(&self.answers).push_back(answer);
    }

    /// Adds an answer of a status and a body.
    pub fn answer_with(&self, status: http::StatusCode, content_type: &str, body: impl Into<bytes::Bytes>) {
        let mut headers = http::HeaderMap::new();
        if let Ok(value) = http::HeaderValue::from_str(content_type) {
            headers.insert(http::header::CONTENT_TYPE, value);
        }
        self.answer(Ok(HttpResponse {
            status,
            headers,
            body: body.into(),
        }));
    }

    /// What it was asked so far.
    pub fn requests(&self) -> Vec<HttpRequest> {
        lock(&self.requests).clone()
    }
}

#[async_trait::async_trait]
impl Http for FixedHttp {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let answer = lock(&self.answers).pop_front();
        let url = request.url.clone();
        lock(&self.requests).push(request);
        answer.unwrap_or_else(|| Err(Error::new(Kind::Unavailable, format!("connection to {url} refused"))))
    }
}

/// Counts up: distinct, repeatable "randomness".
#[derive(Debug, Default)]
pub struct CountingEntropy(AtomicU64);

impl Entropy for CountingEntropy {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Every port in memory, with handles to look inside.
#[derive(Clone, Debug)]
pub struct MemoryPorts {
    /// The ports as a function takes them.
    pub ports: Ports,
    /// The clock that drives them.
    pub clock: Arc<FixedClock>,
    /// The queues.
    pub queues: Arc<MemoryQueues>,
    /// The table.
    pub table: Arc<MemoryTable>,
    /// The HTTP client.
    pub http: Arc<FixedHttp>,
}

impl MemoryPorts {
    /// Empty ports at a time, with a configuration.
    pub fn new(now_ms: i64, config: ConfigFiles) -> Self {
        let clock = Arc::new(FixedClock::new(now_ms));
        let queues = Arc::new(MemoryQueues::new(clock.clone()));
        let table = Arc::new(MemoryTable::new(clock.clone()));
        let http = Arc::new(FixedHttp::default());
        let ports = Ports {
            objects: Arc::new(object_store::memory::InMemory::new()),
            queues: queues.clone(),
            table: table.clone(),
            http: http.clone(),
            clock: clock.clone(),
            entropy: Arc::new(CountingEntropy::default()),
            config: Arc::new(FixedConfig(Arc::new(config))),
        };
        Self {
            ports,
            clock,
            queues,
            table,
            http,
        }
    }
}

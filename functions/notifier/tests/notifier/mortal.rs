//! Ports of a process that can die between any two effects, chosen or by chance.

use crate::chaos::Chaos;
use parapet_ports::{Error, Item, Key, Kind, Outgoing, Page, Queue, Queues, SkRange, Table, Write};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// When the process dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Death {
    /// At its so manyth effect.
    pub effect: Option<u64>,
    /// Whether that effect still happens.
    pub after: bool,
}

/// What the process has done, and whether it is dead.
#[derive(Debug, Default)]
pub struct Life {
    pub effects: u64,
    pub death: Death,
    pub dead: bool,
    /// What the last effect before the death was.
    pub last: &'static str,
    /// Faults by chance.
    pub chaos: Option<Chaos>,
    /// What is known of deliveries beside the process' own records.
    pub sends: Sends,
}

/// Which deliveries a death leaves in doubt, by dedup key.
#[derive(Debug, Default)]
pub struct Sends {
    claimed: BTreeSet<String>,
    unrecorded: BTreeSet<String>,
    /// Claimed by a process that died: it cannot be known from the table whether they were sent.
    pub doubtful: BTreeSet<String>,
    /// How often a process died after sending one and before recording that.
    pub windows: BTreeMap<String, usize>,
}

impl Sends {
    pub fn sent(&mut self, key: &str) {
        self.unrecorded.insert(key.to_owned());
    }

    fn written(&mut self, write: &Write) {
        let Write::Put { key, value, .. } = write else { return };
        if key.pk != "alert-delivery" {
            return;
        }
        if value.contains("\"state\":\"claimed\"") {
            self.claimed.insert(key.sk.clone());
        } else {
            self.claimed.remove(&key.sk);
            self.unrecorded.remove(&key.sk);
        }
    }

    fn die(&mut self) {
        self.doubtful.append(&mut self.claimed);
        for key in std::mem::take(&mut self.unrecorded) {
            *self.windows.entry(key).or_default() += 1;
        }
    }
}

impl Life {
    /// Whether an effect happens, and whether its caller hears of it.
    pub fn effect(&mut self, what: &'static str) -> (bool, bool) {
        if self.dead {
            return (false, false);
        }
        self.effects += 1;
        let (dies, after) = match &mut self.chaos {
            Some(chaos) => chaos.death(),
            None => (self.death.effect == Some(self.effects), self.death.after),
        };
        if !dies {
            if self.death.effect.is_none_or(|effect| self.effects < effect) {
                self.last = what;
            }
            return (true, true);
        }
        self.dead = true;
        if after {
            self.last = what;
        }
        (after, false)
    }

    /// A new process in place of a dead one; whether it was dead.
    pub fn resurrect(&mut self) -> bool {
        let was_dead = std::mem::take(&mut self.dead);
        if was_dead {
            self.sends.die();
        }
        was_dead
    }
}

/// Lets others go first, now and then: what runs at the same time meets between any two effects.
pub async fn meet(life: &Mutex<Life>) {
    let times = life.lock().unwrap().chaos.as_mut().map_or(0, Chaos::pauses);
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

pub fn died() -> Error {
    Error::new(Kind::Unavailable, "the process is dead")
}

#[derive(Clone, Debug)]
pub struct MortalTable(pub Arc<dyn Table>, pub Arc<Mutex<Life>>);

#[async_trait::async_trait]
impl Table for MortalTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        if self.1.lock().unwrap().dead {
            Err(died())
        } else {
            self.0.get(key).await
        }
    }
    async fn query_page(&self, pk: &str, range: &SkRange, limit: usize) -> Result<Page, Error> {
        if self.1.lock().unwrap().dead {
            Err(died())
        } else {
            self.0.query_page(pk, range, limit).await
        }
    }
    async fn transact(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        meet(&self.1).await;
        let (happens, heard) = self.1.lock().unwrap().effect("table");
        let result = if happens {
            let result = self.0.transact(writes.clone()).await;
            if result.is_ok() {
                let mut life = self.1.lock().unwrap();
                writes.iter().for_each(|write| life.sends.written(write));
            }
            result
        } else {
            Err(died())
        };
        if heard { result } else { Err(died()) }
    }
}

#[derive(Clone, Debug)]
pub struct MortalQueues(pub Arc<dyn Queues>, pub Arc<Mutex<Life>>);

#[async_trait::async_trait]
impl Queues for MortalQueues {
    async fn send_batch(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), Error> {
        meet(&self.1).await;
        let messages = match &mut self.1.lock().unwrap().chaos {
            Some(chaos) => chaos.shuffle(messages),
            None => messages,
        };
        let (happens, heard) = self.1.lock().unwrap().effect("queue");
        let result = if happens {
            self.0.send_batch(queue, messages).await
        } else {
            Err(died())
        };
        if heard { result } else { Err(died()) }
    }
    async fn send_dead_letter(&self, queue: Queue, body: String, reason: String) -> Result<(), Error> {
        self.0.send_dead_letter(queue, body, reason).await
    }
}

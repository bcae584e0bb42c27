//! The life of a process that can die between any two effects, chosen or by chance.

use crate::chaos::Chaos;
use parapet_ports::memory::mortal::{Effect, Fate, Verdict};
use parapet_ports::{Outgoing, Queue, Write};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

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
    /// What it wrote to the table and as objects.
    pub bytes: usize,
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
    fn effect(&mut self, effect: Effect<'_>) -> Verdict {
        if self.dead {
            return Verdict {
                happens: false,
                heard: false,
            };
        }
        let what = match effect {
            Effect::Table(_) => "table",
            Effect::Queue => "queue",
            Effect::Object(_) => "object",
            Effect::Http => "http",
        };
        self.effects += 1;
        let (dies, after) = match &mut self.chaos {
            Some(chaos) => chaos.death(),
            None => (self.death.effect == Some(self.effects), self.death.after),
        };
        if !dies {
            if self.death.effect.is_none_or(|effect| self.effects < effect) {
                self.last = what;
            }
            return Verdict {
                happens: true,
                heard: true,
            };
        }
        self.dead = true;
        if after {
            self.last = what;
        }
        Verdict {
            happens: after,
            heard: false,
        }
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

/// The life of the process, as its ports see it.
#[derive(Debug, Default)]
pub struct SharedLife(pub Mutex<Life>);

#[async_trait::async_trait]
impl Fate for SharedLife {
    fn verdict(&self, effect: Effect<'_>) -> Verdict {
        self.0.lock().unwrap().effect(effect)
    }

    fn happened(&self, effect: Effect<'_>) {
        let mut life = self.0.lock().unwrap();
        match effect {
            Effect::Table(writes) => {
                for write in writes {
                    life.sends.written(write);
                    if let Write::Put { value, .. } = write {
                        life.bytes += value.len();
                    }
                }
            }
            Effect::Object(bytes) => life.bytes += bytes,
            Effect::Queue | Effect::Http => {}
        }
    }

    fn is_dead(&self) -> bool {
        self.0.lock().unwrap().dead
    }

    fn carry(&self, _: Queue, messages: Vec<Outgoing>) -> Vec<Outgoing> {
        match &mut self.0.lock().unwrap().chaos {
            Some(chaos) => chaos.shuffle(messages),
            None => messages,
        }
    }

    /// What runs at the same time meets between any two effects.
    async fn meet(&self) {
        let times = self.0.lock().unwrap().chaos.as_mut().map_or(0, Chaos::pauses);
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
    }
}

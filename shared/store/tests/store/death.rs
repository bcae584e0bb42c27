//! Processes that die at a chosen effect, and processes that meet another one there.

use futures::future::BoxFuture;
use parapet_ports::Ports;
use parapet_ports::memory::mortal::{Effect, Fate, MortalObjects, MortalQueues, MortalTable, Verdict};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What happens at an effect (counted from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The process dies before the effect.
    DiesBefore,
    /// The process dies after the effect, and before it hears of it.
    DiesAfter,
    /// Somebody else does all that it has to do first.
    IsOvertaken,
}

pub(crate) type Work = Box<dyn FnMut() -> BoxFuture<'static, ()> + Send>;

/// A process and what becomes of it.
pub(crate) struct Life {
    seen: AtomicUsize,
    at: usize,
    event: Event,
    /// What somebody else does.
    other: Mutex<Option<Work>>,
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {}", self.event, self.at)
    }
}

impl Life {
    /// The ports of a process that meets the event at its `at`-th effect.
    pub(crate) fn of(ports: &Ports, at: usize, event: Event, other: Option<Work>) -> (Ports, Arc<Self>) {
        let life = Arc::new(Self {
            seen: AtomicUsize::new(0),
            at,
            event,
            other: Mutex::new(other),
        });
        let mortal = Ports {
            objects: Arc::new(MortalObjects(ports.objects.clone(), life.clone())),
            table: Arc::new(MortalTable(ports.table.clone(), life.clone())),
            queues: Arc::new(MortalQueues(ports.queues.clone(), life.clone())),
            ..ports.clone()
        };
        (mortal, life)
    }

    /// Whether the process got as far as the event.
    pub(crate) fn was_met(&self) -> bool {
        self.seen.load(Ordering::SeqCst) > self.at
    }
}

#[async_trait::async_trait]
impl Fate for Life {
    fn verdict(&self, _: Effect<'_>) -> Verdict {
        let seen = self.seen.fetch_add(1, Ordering::SeqCst);
        let dies = self.event != Event::IsOvertaken;
        Verdict {
            happens: !dies || seen < self.at || seen == self.at && self.event == Event::DiesAfter,
            heard: !dies || seen < self.at,
        }
    }

    fn is_dead(&self) -> bool {
        self.event != Event::IsOvertaken && self.was_met()
    }

    async fn meet(&self) {
        if self.event == Event::IsOvertaken && self.seen.load(Ordering::SeqCst) == self.at {
            let other = self.other.lock().unwrap().take();
            if let Some(mut other) = other {
                other().await;
            }
        }
    }
}

//! The memory that bodies from outside may take in a process, all of them together: what is scraped, and what is
//! pushed, as it is read, decompressed and parsed.
//!
//! Each body has a limit of its own, which bounds it alone. This bounds how many of them are large at the same time.
//!
//! # Invariant
//! Everything that bodies hold at any moment is at most the budget, and what one body more takes: the one that has the
//! *turn*. There is one turn; whoever has it is given memory at once, always, and gives the turn back together with all
//! that it holds. So there is no deadlock, however many half-read bodies wait for each other's memory: the one with the
//! turn ends, by its own limit of bytes or of time, and then the next has it.
//!
//! Half of the budget is for the first `SMALL_BYTES` of each body, so that a few endless ones hold up no small one.
//!
//! Whoever holds what bodies were made of for a while, to store much at once, does so as long as nobody waits
//! ([`BodyMemory::wanted`]).

use crate::{Error, Kind, VarReader, Vars};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, watch};

/// What a body may take of the half of the budget that is kept for small ones, bytes.
const SMALL_BYTES: usize = 4 * 1024 * 1024;

/// The budget where none is configured, bytes.
const DEFAULT_BYTES: usize = 256 * 1024 * 1024;

const VARIABLE: &str = "PARAPET_BODY_MEMORY_BYTES";

/// The memory for bodies of one process. Clones share it.
#[derive(Clone, Debug)]
pub struct BodyMemory {
    bytes: usize,
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    turn: Arc<tokio::sync::Mutex<()>>,
    /// How many draws wait.
    waiting: Arc<watch::Sender<usize>>,
}

impl Default for BodyMemory {
    fn default() -> Self {
        Self::new(DEFAULT_BYTES)
    }
}

impl BodyMemory {
    /// So many bytes for all bodies together, and for the one that has the turn what it needs besides.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self {
            bytes,
            small: Arc::new(Semaphore::new(bytes / 2)),
            large: Arc::new(Semaphore::new(bytes - bytes / 2)),
            turn: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// Comes back when a body waits for memory.
    pub async fn wanted(&self) {
        // The sender is not dropped meanwhile.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await;
    }

    /// What `PARAPET_BODY_MEMORY_BYTES` says.
    ///
    /// # Errors
    /// [`Kind::Invalid`] where that is no number.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, Error> {
        let mut reader = VarReader::new(vars);
        let bytes = reader.parsed(VARIABLE, DEFAULT_BYTES);
        reader.finish(Self::new(bytes))
    }

    /// A share for one body, empty yet. What it draws is given back when its last clone is dropped.
    #[must_use]
    pub fn share(&self) -> BodyShare {
        BodyShare(Arc::new(Share {
            memory: self.clone(),
            held: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }))
    }

    /// Why a body cannot grow.
    #[must_use]
    pub fn exhausted(&self) -> Error {
        metrics::counter!("parapet_body_memory_refused_total").increment(1);
        Error::new(
            Kind::Unavailable,
            format!(
                "no memory for the body: others take the {} bytes that all may have ({VARIABLE})",
                self.bytes
            ),
        )
    }
}

/// What one body holds of the memory for all. Clones are the same share.
#[derive(Clone, Debug)]
pub struct BodyShare(Arc<Share>);

#[derive(Debug)]
struct Share {
    memory: BodyMemory,
    held: Mutex<Held>,
    /// How many draws wait; see [`BodyShare::is_waiting`].
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    small: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Held {
    fn note(&mut self, bytes: usize) {
        self.bytes += bytes;
        metrics::gauge!("parapet_body_memory_bytes").increment(bytes as f64);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        metrics::gauge!("parapet_body_memory_bytes").decrement(self.bytes as f64);
    }
}

/// The permit with another that was there already.
fn add(held: &mut Option<OwnedSemaphorePermit>, permit: OwnedSemaphorePermit) {
    match held {
        Some(held) => held.merge(permit),
        None => *held = Some(permit),
    }
}

impl BodyShare {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.held().bytes
    }

    /// Whether a draw waits at this moment: where time runs out meanwhile, that is why.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }

    /// The memory that it is a share of.
    #[must_use]
    pub fn memory(&self) -> &BodyMemory {
        &self.0.memory
    }

    /// Takes so many bytes more if they can be had now; whether that is so.
    #[must_use]
    pub fn try_draw(&self, bytes: usize) -> bool {
        let memory = &self.0.memory;
        let mut held = self.held();
        if held.turn.is_none() {
            // One draw counts for 4 GiB at the most.
            let count = u32::try_from(bytes).unwrap_or(u32::MAX);
            let take = |from: &Arc<Semaphore>| from.clone().try_acquire_many_owned(count).ok();
            let small = (held.bytes + bytes <= SMALL_BYTES)
                .then(|| take(&memory.small))
                .flatten();
            if let Some(permit) = small {
                add(&mut held.small, permit);
            } else if let Some(permit) = take(&memory.large) {
                add(&mut held.large, permit);
            } else if let Ok(turn) = memory.turn.clone().try_lock_owned() {
                held.turn = Some(turn);
            } else {
                return false;
            }
        }
        held.note(bytes);
        true
    }

    /// Takes so many bytes more, and waits for them where others have them.
    ///
    /// Dropped while it waits, it has taken nothing.
    pub async fn draw(&self, bytes: usize) {
        if self.try_draw(bytes) {
            return;
        }
        metrics::counter!("parapet_body_memory_waits_total").increment(1);
        let _waiting = Waiting::of(&self.0);
        let memory = &self.0.memory;
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        // Not for what is kept for small ones: whoever waits for permits takes those that there are, and smaller ones
        // would find none. The semaphore is never closed.
        tokio::select! {
            turn = memory.turn.clone().lock_owned() => self.held().turn = Some(turn),
            Ok(permit) = memory.large.clone().acquire_many_owned(count) => add(&mut self.held().large, permit),
        }
        self.held().note(bytes);
    }
}

/// Counts a wait for as long as it lasts: of the share, and of all.
struct Waiting<'a>(&'a Share);

impl<'a> Waiting<'a> {
    fn of(share: &'a Share) -> Self {
        share.waiting.fetch_add(1, Ordering::Relaxed);
        share.memory.waiting.send_modify(|waiting| *waiting += 1);
        Self(share)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.memory.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

/// A body as it grows. Its memory is drawn from a share before it is allocated; without a share, it is not counted.
#[derive(Debug)]
pub struct BodyBuffer {
    bytes: Vec<u8>,
    share: Option<BodyShare>,
}

impl BodyBuffer {
    /// An empty one.
    #[must_use]
    pub fn new(share: Option<BodyShare>) -> Self {
        Self {
            bytes: Vec::new(),
            share,
        }
    }

    /// How long it is, bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes are to be allocated for so many more in it: it doubles, and so copies itself seldom.
    fn growth(&self, more: usize) -> usize {
        let (length, capacity) = (self.bytes.len(), self.bytes.capacity());
        match length + more > capacity {
            true => (length + more).max(2 * capacity) - capacity,
            false => 0,
        }
    }

    fn grow(&mut self, growth: usize) {
        self.bytes
            .reserve_exact(self.bytes.capacity() + growth - self.bytes.len());
    }

    /// Adds a piece; waits for its memory.
    pub async fn push(&mut self, piece: &[u8]) {
        let growth = self.growth(piece.len());
        if growth > 0 {
            if let Some(share) = &self.share {
                share.draw(growth).await;
            }
            self.grow(growth);
        }
        self.bytes.extend_from_slice(piece);
    }

    /// Makes room for so many bytes more if there is memory for them now.
    fn try_reserve(&mut self, more: usize) -> Result<(), Error> {
        let growth = self.growth(more);
        if growth > 0 {
            if let Some(share) = &self.share
                && !share.try_draw(growth)
            {
                return Err(share.memory().exhausted());
            }
            self.grow(growth);
        }
        Ok(())
    }

    /// Adds a piece if there is memory for it now.
    ///
    /// # Errors
    /// [`BodyMemory::exhausted`].
    pub fn try_push(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.try_reserve(piece.len())?;
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Reads what `from` gives, at most so many bytes and one more, which tells that it was not the end.
    ///
    /// # Errors
    /// [`BodyMemory::exhausted`]; [`Kind::Invalid`] with what `from` says.
    pub fn try_fill(&mut self, from: &mut dyn std::io::Read, limit: usize) -> Result<(), Error> {
        let end = limit.saturating_add(1);
        while self.bytes.len() < end {
            self.try_reserve(FILL_BYTES.min(end - self.bytes.len()))?;
            let room = (self.bytes.capacity() - self.bytes.len()).min(end - self.bytes.len());
            let mut piece = std::io::Read::take(&mut *from, room as u64);
            let read = std::io::Read::read_to_end(&mut piece, &mut self.bytes);
            let read = read.map_err(|error| Error::new(Kind::Invalid, error.to_string()))?;
            if read < room {
                break;
            }
        }
        Ok(())
    }

    /// What was put in.
    #[must_use]
    pub fn into_bytes(self) -> bytes::Bytes {
        self.bytes.into()
    }
}

/// The least room that is made for what is decompressed, bytes.
const FILL_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests;

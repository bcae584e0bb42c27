//! A cache of bounded size that drops what was used longest ago.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// Values by key, each loaded once however many ask for it at the same time.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    budget_bytes: usize,
    state: Mutex<State<V>>,
}

#[derive(Debug)]
struct State<V> {
    slots: HashMap<String, Slot<V>>,
    used_bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Slot<V> {
    cell: Arc<OnceCell<Arc<V>>>,
    last_used: u64,
    size_bytes: usize,
}

impl<V> Cache<V> {
    pub(crate) fn new(budget_bytes: usize) -> Self {
        Self {
            budget_bytes,
            state: Mutex::new(State {
                slots: HashMap::new(),
                used_bytes: 0,
                clock: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of `key`, where it is there.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<V>> {
        let mut state = self.state();
        state.clock += 1;
        let now = state.clock;
        let slot = state.slots.get_mut(key)?;
        slot.last_used = now;
        slot.cell.get().cloned()
    }

    /// The value of `key`, loaded by `load` where it is not there; what `load` gives with its size.
    pub(crate) async fn get_or_load<E>(
        &self,
        key: &str,
        load: impl Future<Output = Result<(Arc<V>, usize), E>>,
    ) -> Result<Arc<V>, E> {
        let cell = {
            let mut state = self.state();
            state.clock += 1;
            let now = state.clock;
            match state.slots.get_mut(key) {
                Some(slot) => {
                    slot.last_used = now;
                    slot.cell.clone()
                }
                None => {
                    let cell: Arc<OnceCell<Arc<V>>> = Arc::default();
                    let slot = Slot {
                        cell: cell.clone(),
                        last_used: now,
                        size_bytes: 0,
                    };
                    state.slots.insert(key.to_owned(), slot);
                    cell
                }
            }
        };
        let mut loaded_bytes = None;
        let loaded = cell.get_or_try_init(|| async {
            let (value, size_bytes) = load.await?;
            loaded_bytes = Some(size_bytes);
            Ok(value)
        });
        let value = match loaded.await {
            Ok(value) => value.clone(),
            Err(error) => {
                // Keys of what cannot be had would add up.
                self.state()
                    .slots
                    .retain(|other, slot| other != key || slot.cell.initialized());
                return Err(error);
            }
        };
        if let Some(size_bytes) = loaded_bytes {
            self.account(key, size_bytes);
        }
        Ok(value)
    }

    fn account(&self, key: &str, size_bytes: usize) {
        let mut state = self.state();
        if let Some(slot) = state.slots.get_mut(key) {
            slot.size_bytes = size_bytes;
            state.used_bytes += size_bytes;
        }
        while state.used_bytes > self.budget_bytes {
            let loaded = state
                .slots
                .iter()
                .filter(|(other, slot)| slot.size_bytes > 0 && *other != key);
            let Some(oldest) = loaded
                .min_by_key(|(_, slot)| slot.last_used)
                .map(|(key, _)| key.clone())
            else {
                break;
            };
            if let Some(slot) = state.slots.remove(&oldest) {
                state.used_bytes -= slot.size_bytes;
            }
        }
    }

    /// Forgets a value.
    pub(crate) fn remove(&self, key: &str) {
        let mut state = self.state();
        if let Some(slot) = state.slots.remove(key) {
            state.used_bytes -= slot.size_bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn load(cache: &Cache<u32>, key: &str, value: u32, size: usize) -> u32 {
        *cache
            .get_or_load::<()>(key, async { Ok((Arc::new(value), size)) })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn drops_what_was_used_longest_ago() {
        let cache = Cache::new(10);
        assert_eq!(load(&cache, "a", 1, 4).await, 1);
        assert_eq!(load(&cache, "b", 2, 4).await, 2);
        assert_eq!(load(&cache, "a", 9, 4).await, 1, "cached");
        assert_eq!(load(&cache, "c", 3, 4).await, 3);
        assert_eq!(load(&cache, "b", 8, 4).await, 8, "was dropped");
        assert_eq!(load(&cache, "c", 9, 4).await, 3, "still cached");
        let failed = cache.get_or_load::<&str>("d", async { Err("away") }).await;
        assert_eq!(failed, Err("away"));
        assert!(!cache.state().slots.contains_key("d"));
        assert_eq!(load(&cache, "d", 5, 1).await, 5, "a failure is not cached");
    }
}

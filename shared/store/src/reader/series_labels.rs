//! Label sets by series id, shared by every file that is open.

use parapet_model::Labels;
use parapet_segment::LabelCache;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Known label sets. When there are too many, all are forgotten: what is still in use is learnt again.
#[derive(Clone, Debug)]
pub(super) struct SeriesLabels {
    known: Arc<Mutex<HashMap<i64, Labels>>>,
    limit: usize,
}

impl SeriesLabels {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            known: Arc::default(),
            limit,
        }
    }
}

impl LabelCache for SeriesLabels {
    fn get(&mut self, series_id: i64) -> Option<Labels> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&series_id)
            .cloned()
    }

    fn insert(&mut self, series_id: i64, labels: &Labels) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.limit {
            known.clear();
        }
        known.insert(series_id, labels.clone());
    }
}

//! Rows that come to have the same labels.

use super::{Computed, Evaluator, Result, Row, failure};
use std::collections::HashMap;

pub(super) const SAME_LABELS: &str = "vector cannot contain metrics with the same labelset";

impl Evaluator<'_> {
    /// After a function of instant vectors: rows of the same labels become one, unless they have values at the same
    /// step. At a single step Prometheus leaves them apart while names are still to be dropped.
    pub(crate) fn merge_results(&self, rows: Vec<Row>) -> Result<Vec<Row>> {
        if !self.grid.is_single() {
            return self.merge_same_labels(rows);
        }
        if !self.delays_names() && self.has_same_labels(&rows)? {
            failure(SAME_LABELS)
        } else {
            Ok(rows)
        }
    }

    /// After a function of range vectors, which has no rows to merge.
    pub(crate) fn refuse_same_labels(&self, rows: Vec<Row>) -> Result<Vec<Row>> {
        if !self.delays_names() && self.has_same_labels(&rows)? {
            failure(SAME_LABELS)
        } else {
            Ok(rows)
        }
    }

    /// Rows of the same labels become one, unless they have values at the same step.
    pub(crate) fn merge_same_labels(&self, rows: Vec<Row>) -> Result<Vec<Row>> {
        if !self.has_same_labels(&rows)? {
            return Ok(rows);
        }
        let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
        let mut index = HashMap::new();
        for row in rows {
            self.check_interrupt()?;
            let at = *index.entry(row.labels.clone()).or_insert(merged.len());
            let Some(earlier) = merged.get_mut(at) else {
                merged.push(row);
                continue;
            };
            for step in 0..row.floats.len() {
                let Some(value) = row.get(step).map(Computed::from) else {
                    continue;
                };
                if earlier.get(step).is_some() {
                    return failure(SAME_LABELS);
                }
                earlier.set(step, value);
            }
        }
        Ok(merged)
    }

    fn has_same_labels(&self, rows: &[Row]) -> Result<bool> {
        if rows.len() < 2 {
            return Ok(false);
        }
        let mut seen = std::collections::HashSet::with_capacity(rows.len());
        for row in rows {
            self.check_interrupt()?;
            if !seen.insert(&row.labels) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

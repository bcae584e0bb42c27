//! What was left out of a run, and why.

use parapet_ml::Reason;
use std::collections::BTreeMap;

/// Problems of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems(Vec<(Reason, String)>);

impl Problems {
    pub(crate) fn note(&mut self, reason: Reason, what: impl Into<String>) {
        self.0.push((reason, what.into()));
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        self.0.extend(others.0.iter().cloned());
    }

    pub(crate) fn counts(&self) -> BTreeMap<Reason, u64> {
        let mut counts = BTreeMap::new();
        for (reason, _) in &self.0 {
            *counts.entry(*reason).or_default() += 1;
        }
        counts
    }

    /// Logs those that the run before did not have: a file that stays broken is told of once.
    pub(crate) fn log_new(&self, before: &Self) {
        for problem in self.0.iter().filter(|problem| !before.0.contains(problem)) {
            let (reason, what) = problem;
            tracing::warn!(reason = reason.as_str(), "left out: {what}");
        }
    }
}

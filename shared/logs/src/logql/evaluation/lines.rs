//! Queries of lines.

use super::{Direction, Entry, Parameters, Stream};
use crate::LogRecord;
use crate::logql::ast::LogExpr;
use crate::logql::compile::{self, Compiled};
use crate::logql::{hints, stages};
use parapet_model::Labels;
use std::collections::BTreeMap;

/// The entries that are kept so far, by how well they stand: of two the one that comes later in the answer is greater.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    stages: Vec<Compiled>,
    direction: Direction,
    limit: usize,
    categorize: bool,
    /// The labels of an entry's stream, and the entry.
    kept: BTreeMap<(i64, u64), (Labels, Entry)>,
    count: u64,
}

impl Lines {
    pub(super) fn new(log: &LogExpr, parameters: &Parameters) -> Result<Self, String> {
        Ok(Self {
            stages: compile::stages(log)?,
            direction: parameters.direction,
            limit: parameters.limit,
            categorize: parameters.categorize,
            kept: BTreeMap::new(),
            count: 0,
        })
    }

    fn rank(&self, timestamp_ns: i64) -> i64 {
        match self.direction {
            Direction::Forward => timestamp_ns,
            // Never less than the least: a bitwise not turns the order round.
            Direction::Backward => !timestamp_ns,
        }
    }

    pub(super) fn bound_ns(&self) -> Option<i64> {
        if self.kept.len() < self.limit {
            return None;
        }
        self.kept.last_key_value().map(|((rank, _), _)| self.rank(*rank))
    }

    pub(super) fn push(&mut self, record: &LogRecord, now_ns: i64) {
        let rank = self.rank(record.timestamp_ns);
        let full = self.kept.len() >= self.limit;
        if full && self.kept.last_key_value().is_none_or(|((worst, _), _)| rank >= *worst) {
            return;
        }
        let Some(row) = stages::run(record, &self.stages, &hints::ALL, now_ns) else {
            return;
        };
        self.count += 1;
        let [labels, metadata, parsed] = match self.categorize {
            true => row.categorized(),
            false => [row.labels(), Labels::empty(), Labels::empty()],
        };
        let entry = Entry {
            timestamp_ns: record.timestamp_ns,
            line: row.line.into_owned(),
            metadata,
            parsed,
        };
        self.kept.insert((rank, self.count), (labels, entry));
        if full {
            self.kept.pop_last();
        }
    }

    pub(super) fn finish(self) -> Vec<Stream> {
        let mut streams: BTreeMap<Labels, Vec<Entry>> = BTreeMap::new();
        for (labels, entry) in self.kept.into_values() {
            streams.entry(labels).or_default().push(entry);
        }
        streams
            .into_iter()
            .map(|(labels, entries)| Stream { labels, entries })
            .collect()
    }
}

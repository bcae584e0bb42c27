//! What is in which block: kept in the footer, read without the rows.

use crate::count::index;
use hashbrown::HashTable;
use parapet_logs::discover::{SERVICE_NAME, label, service_name};
use parapet_logs::{Level, LogRecord, Need, index::IndexSet};
use parapet_model::{Labels, Matcher, compare};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64;

/// A file names at most this many different origins; where it has more, blocks say nothing about theirs.
const MAX_ORIGINS: usize = 1_000;

/// Where records come from: few, and the same for many of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The labels of the stream.
    pub stream: Labels,
    /// The service.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// The host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
}

impl Origin {
    /// The labels that its streams have: the service too, where the stream has no `service_name`.
    #[must_use]
    pub fn labels(&self) -> Labels {
        match self.stream.get(SERVICE_NAME) {
            None => self
                .stream
                .with(SERVICE_NAME, service_name(&self.stream, &self.service)),
            Some(_) => self.stream.clone(),
        }
    }

    /// Whether a record of this origin may match: labels of the stream, or `service_name` and `host` of the record.
    /// What may be told by a record alone (`detected_level`) is taken to match.
    #[must_use]
    pub fn may_match(&self, matchers: &[Matcher]) -> bool {
        matchers.iter().all(|matcher| {
            label(&matcher.name, &self.stream, &self.service, &self.host, None)
                .is_none_or(|value| matcher.matches(value))
        })
    }
}

/// What is known of a block without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its earliest record, nanoseconds since the Unix epoch.
    pub min_ns: i64,
    /// Its latest record.
    pub max_ns: i64,
    /// Bytes of its lines.
    pub line_bytes: u64,
    /// A bit for each level that it has, from 1 for DEBUG on; 0 stands for records without one.
    pub levels: u8,
    /// The numbers of its origins in the file; `None` where the file has too many.
    pub origins: Option<Vec<u32>>,
}

impl Block {
    /// Whether it has records of the level.
    #[must_use]
    pub fn has_level(&self, level: Option<Level>) -> bool {
        self.levels & level_bit(level) != 0
    }
}

fn level_bit(level: Option<Level>) -> u8 {
    1 << index(level)
}

/// The index in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexPlace {
    pub(crate) offset: u64,
    pub(crate) slots: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) blocks: Vec<Block>,
    pub(crate) origins: Vec<Origin>,
    /// Records of each origin in the file, and bytes of their lines. Files of before have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) volumes: Vec<(u64, u64)>,
    pub(crate) index: IndexPlace,
}

impl Summary {
    /// Whether a block may hold what is needed, by those parts of the index that were fetched.
    pub(crate) fn may_match(&self, need: &Need, block: usize, parts: &HashMap<usize, bytes::Bytes>) -> bool {
        IndexSet::may_match(need, self.index.slots, &|slot| {
            let part = parts.get(&slot)?;
            part.get(block * IndexSet::SLOT_BYTES..(block + 1) * IndexSet::SLOT_BYTES)
        })
    }
}

/// Collects the summary of a file.
#[derive(Debug, Default)]
pub(crate) struct SummaryBuilder {
    summary: Summary,
    open: Block,
    rows: u64,
    /// The numbers of origins, found by their hashes.
    numbers: HashTable<u32>,
    /// The last record's stream, and its hash: the next one is the same mostly.
    last_stream: (Labels, u64),
    /// Those of the open block, and for each origin whether it is among them.
    of_block: Vec<u32>,
    is_of_block: Vec<bool>,
    many: bool,
}

/// A hash of an origin, given that of its stream.
fn hash(stream: u64, service: &str, host: &str) -> u64 {
    stream ^ xxh3_64(host.as_bytes()) ^ xxh3_64(service.as_bytes()).rotate_left(1)
}

fn is_of(origin: &Origin, record: &LogRecord) -> bool {
    let same = |a: &str, b: &str| compare::same(a.as_bytes(), b.as_bytes());
    same(&origin.host, &record.host) && same(&origin.service, &record.service) && origin.stream == record.stream
}

impl SummaryBuilder {
    pub(crate) fn push(&mut self, record: &LogRecord) {
        if self.rows == 0 {
            self.open.min_ns = record.timestamp_ns;
        }
        self.rows += 1;
        self.open.max_ns = record.timestamp_ns;
        self.open.line_bytes += record.raw.len() as u64;
        self.open.levels |= level_bit(record.level);
        if self.many {
            return;
        }
        if self.last_stream.0 != record.stream {
            self.last_stream = (record.stream.clone(), record.stream.series_id().cast_unsigned());
        }
        let hash_of = hash(self.last_stream.1, &record.service, &record.host);
        let origins = &mut self.summary.origins;
        let known = self
            .numbers
            .find(hash_of, |number| is_of(&origins[*number as usize], record));
        let number = known.copied().unwrap_or_else(|| {
            let number = u32::try_from(origins.len()).unwrap_or(u32::MAX);
            origins.push(Origin {
                stream: record.stream.clone(),
                service: record.service.to_string(),
                host: record.host.to_string(),
            });
            self.summary.volumes.push((0, 0));
            self.is_of_block.push(false);
            self.many = origins.len() > MAX_ORIGINS;
            self.numbers.insert_unique(hash_of, number, |number| {
                let origin = &origins[*number as usize];
                hash(origin.stream.series_id().cast_unsigned(), &origin.service, &origin.host)
            });
            number
        });
        let is_new = !std::mem::replace(&mut self.is_of_block[number as usize], true);
        self.of_block.extend(is_new.then_some(number));
        let (records, line_bytes) = &mut self.summary.volumes[number as usize];
        *records += 1;
        *line_bytes += record.raw.len() as u64;
    }

    /// Ends a block.
    pub(crate) fn close(&mut self) {
        let mut block = std::mem::take(&mut self.open);
        let mut origins = std::mem::take(&mut self.of_block);
        origins.sort_unstable();
        block.origins = Some(origins);
        self.is_of_block.fill(false);
        self.rows = 0;
        self.summary.blocks.push(block);
    }

    pub(crate) fn line_bytes(&self) -> u64 {
        self.open.line_bytes
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn finish(mut self, index: IndexPlace) -> Summary {
        self.summary.index = index;
        if self.many {
            self.summary.origins.clear();
            self.summary.blocks.iter_mut().for_each(|block| block.origins = None);
            self.summary.volumes.clear();
        }
        self.summary
    }
}

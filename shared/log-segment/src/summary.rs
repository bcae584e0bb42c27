//! What is in which block: kept in the footer, read without the rows.

use parapet_logs::discover::{SERVICE_NAME, service_name};
use parapet_logs::{Level, LogRecord, Need, index::IndexSet};
use parapet_model::{Labels, Matcher};
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
            let own = match matcher.name.as_str() {
                SERVICE_NAME => service_name(&self.stream, &self.service),
                "host" => &self.host,
                "detected_level" if self.stream.get("detected_level").is_none() => return true,
                _ => "",
            };
            matcher.matches(self.stream.get(&matcher.name).unwrap_or(own))
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
    1 << level.map_or(0, |level| level as u8 + 1)
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
    /// The numbers of origins by their hashes.
    numbers: HashMap<u64, u32>,
    /// The last record's stream, and its hash: the next one is the same mostly.
    last_stream: (Labels, u64),
    of_block: Vec<u32>,
    many: bool,
}

fn is_of(origin: &Origin, record: &LogRecord) -> bool {
    // Empty texts are not compared: C's `memcmp` takes its time to find out that it must not look where they are.
    let same = |a: &str, b: &str| a.len() == b.len() && (a.is_empty() || a == b);
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
        let texts = xxh3_64(record.host.as_bytes()) ^ xxh3_64(record.service.as_bytes()).rotate_left(1);
        let hash = texts ^ self.last_stream.1;
        let origins = &mut self.summary.origins;
        let known = self.numbers.get(&hash).copied();
        let number = known.filter(|number| is_of(&origins[*number as usize], record));
        let number = number.unwrap_or_else(|| {
            // Two origins of one hash have their numbers by turns.
            let number = origins.iter().position(|origin| is_of(origin, record));
            let number = u32::try_from(number.unwrap_or(origins.len())).unwrap_or(u32::MAX);
            if number as usize == origins.len() {
                origins.push(Origin {
                    stream: record.stream.clone(),
                    service: record.service.to_string(),
                    host: record.host.to_string(),
                });
            }
            self.numbers.insert(hash, number);
            number
        });
        self.many = origins.len() > MAX_ORIGINS;
        if let Err(at) = self.of_block.binary_search(&number) {
            self.of_block.insert(at, number);
        }
        let number = number as usize;
        if number >= self.summary.volumes.len() {
            self.summary.volumes.resize(number + 1, (0, 0));
        }
        let (records, line_bytes) = &mut self.summary.volumes[number];
        *records += 1;
        *line_bytes += record.raw.len() as u64;
    }

    /// Ends a block.
    pub(crate) fn close(&mut self) {
        let mut block = std::mem::take(&mut self.open);
        block.origins = Some(std::mem::take(&mut self.of_block));
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

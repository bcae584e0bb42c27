//! Counting: how many records there are when, by what their level and their origin tell. Of each block no more is read
//! than tells that.

use super::open_file::LogFile;
use super::reader::Chosen;
use super::{LogQuery, LogReader, LogStats};
use crate::reader::again::{ReadError, again};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parapet_log_segment::{Counting, Origin, Projection, Rows};
use parapet_logs::{Level, LogRecord, Need, Steps};
use parapet_ports::Error;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;

/// So many records that are of one kind and of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count<K> {
    /// What they count for.
    pub kind: K,
    /// The time of one of them, nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// How many.
    pub records: u64,
}

/// What a record counts for, by its level and its origin; `None` for nothing.
pub type Kind<'a, K> = &'a (dyn Fn(&LogRecord) -> Option<K> + Send + Sync);

/// All there are: no level, and each level.
const LEVELS: [Option<Level>; Level::ALL.len() + 1] = [
    None,
    Some(Level::Debug),
    Some(Level::Info),
    Some(Level::Warning),
    Some(Level::Error),
    Some(Level::Critical),
];

/// What records of an origin count for, by their level: numbers of kinds.
type ByLevel = [Option<usize>; LEVELS.len()];

struct Kinds<'a, K> {
    query: &'a LogQuery,
    kind: Kind<'a, K>,
}

impl<K: Eq + Hash> Kinds<'_, K> {
    fn of(&self, record: &LogRecord) -> Option<K> {
        let is_wanted = self.query.wants_level(record.level) && self.query.matches(record);
        is_wanted.then(|| (self.kind)(record)).flatten()
    }

    /// The kinds of each origin of a file.
    fn of_origins(&self, file: &LogFile, numbers: &mut HashMap<K, usize>) -> Vec<ByLevel> {
        let origins = file.footer.all_origins().iter();
        let by_level = origins.map(|origin| {
            let mut record = origin.record();
            LEVELS.map(|level| {
                record.level = level;
                let kind = self.of(&record)?;
                let next = numbers.len();
                Some(*numbers.entry(kind).or_insert(next))
            })
        });
        by_level.collect()
    }
}

/// What has to be read of a block, and what is asked of it.
#[derive(Clone, Debug)]
struct Part {
    block: Chosen,
    projection: Projection,
    counting: Counting,
}

/// What of a block tells how many records of which kind it has; `None` where none of them counts.
fn part(block: Chosen, of_origins: &[ByLevel], query: &LogQuery, steps: &Steps) -> Option<Part> {
    let footer = &block.file.footer;
    let known = &footer.blocks()[block.number];
    let levels: Vec<usize> = (0..LEVELS.len())
        .filter(|level| known.has_level(LEVELS[*level]))
        .collect();
    let told = known.origins.as_ref().map(|numbers| {
        let numbers = numbers.iter().map(|number| *number as usize);
        let told = numbers.map(|number| (&footer.all_origins()[number], &of_origins[number]));
        told.collect::<Vec<(&Origin, &ByLevel)>>()
    });
    let first = told.iter().flatten().next().copied();
    // Where the file does not tell its origins, there may be records of any kind.
    let any = |differs: &dyn Fn(&Origin, &ByLevel) -> bool| match &told {
        Some(told) => told.iter().any(|(origin, kinds)| differs(origin, kinds)),
        None => true,
    };
    let counted: Vec<usize> = levels
        .iter()
        .copied()
        .filter(|level| any(&|_, kinds| kinds[*level].is_some()))
        .collect();
    let (Some(level), false) = (levels.first().copied(), counted.is_empty()) else {
        return None;
    };
    let is_within = query.start_ns <= known.min_ns && known.max_ns <= query.end_ns;
    let by_origin =
        any(&|_, kinds| first.is_some_and(|(_, first)| counted.iter().any(|level| kinds[*level] != first[*level])));
    let projection = Projection {
        time: !is_within || steps.last_ns(known.min_ns) < known.max_ns,
        level: any(&|_, kinds| levels.iter().any(|other| kinds[*other] != kinds[level])),
        stream: by_origin && any(&|origin, _| first.is_some_and(|(first, _)| origin.stream != first.stream)),
        origin: by_origin
            && any(&|origin, _| {
                first.is_some_and(|(first, _)| (&origin.service, &origin.host) != (&first.service, &first.host))
            }),
        ..Projection::NONE
    };
    let counting = Counting {
        range_ns: (query.start_ns, query.end_ns),
        steps: steps.clone(),
        levels: counted.into_iter().map(|level| LEVELS[level]).collect(),
        alike: LogRecord {
            timestamp_ns: known.min_ns,
            level: LEVELS[level],
            ..first.map_or_else(LogRecord::default, |(origin, _)| origin.record())
        },
    };
    Some(Part {
        block,
        projection,
        counting,
    })
}

impl LogReader {
    /// How many records there are of each kind in each of `steps`: `kind` is told the level, the stream, the service, the
    /// host and a time of a record. What the query says of words, fields, columns and order narrows nothing down. Of a
    /// kind and a step there may be several counts. `goes_on` is asked after each block, and once it says no, the answer
    /// is of what was read so far.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn count<K: Clone + Eq + Hash>(
        &self,
        tenant: &str,
        query: &LogQuery,
        steps: &Steps,
        kind: Kind<'_, K>,
        goes_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<(Vec<Count<K>>, LogStats), Error> {
        let bytes_read = AtomicU64::new(0);
        let kinds = Kinds { query, kind };
        let count = || self.count_once(tenant, steps, &kinds, goes_on, &bytes_read);
        let (counts, mut stats) = again(|key| self.forget(key), count).await?;
        stats.bytes_read = bytes_read.into_inner();
        Ok((counts, stats))
    }

    async fn count_once<K: Clone + Eq + Hash>(
        &self,
        tenant: &str,
        steps: &Steps,
        kinds: &Kinds<'_, K>,
        goes_on: &(dyn Fn() -> bool + Send + Sync),
        bytes_read: &AtomicU64,
    ) -> Result<(Vec<Count<K>>, LogStats), ReadError> {
        let query = LogQuery {
            need: Need::Nothing,
            fields: Vec::new(),
            ..kinds.query.clone()
        };
        let (query, mut stats) = (&query, LogStats::default());
        let mut of_files: HashMap<String, Vec<ByLevel>> = HashMap::new();
        let mut numbers = HashMap::new();
        let mut parts = Vec::new();
        for block in self.choose(tenant, query, &mut stats, bytes_read).await? {
            if !of_files.contains_key(&block.file.key) {
                of_files.insert(block.file.key.clone(), kinds.of_origins(&block.file, &mut numbers));
            }
            parts.extend(part(block.clone(), &of_files[&block.file.key], query, steps));
        }
        // Levels and times take little memory, streams more.
        let parallel = match parts.iter().any(|part| part.projection.stream) {
            true => self.inner.settings.parallel_blocks,
            false => self.inner.settings.parallel_requests,
        };
        let reads = parts.into_iter().map(|part| async move {
            let rows = part.block.file.footer.records(part.block.number);
            if part.projection == Projection::NONE {
                return Ok::<_, ReadError>((0, vec![(part.counting.alike, rows)]));
            }
            let count = move |mut rows: Rows| rows.count(&part.counting);
            let counts = self.of_block(&part.block.file, part.block.number, part.projection, bytes_read, count);
            Ok((rows, counts.await?))
        });
        let mut reads = stream::iter(reads).buffered(parallel.max(1));
        let mut counts = Vec::new();
        while goes_on()
            && let Some((rows, alike)) = reads.try_next().await?
        {
            stats.blocks_read += u64::from(rows > 0);
            stats.rows_read += rows;
            for (record, records) in alike {
                let Some(kind) = kinds.of(&record) else { continue };
                let time_ns = record.timestamp_ns;
                stats.records += records;
                counts.push(Count { kind, time_ns, records });
            }
        }
        Ok((counts, stats))
    }
}

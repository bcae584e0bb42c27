//! Counting: how many records there are when, by what their level and their origin tell. Of each block no more is read
//! than tells that.

use super::open_file::LogFile;
use super::reader::Chosen;
use super::{LogQuery, LogReader, LogStats};
use crate::reader::again::{Attempts, ReadError};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parapet_log_segment::{Counting, Origin, Projection, Rows};
use parapet_logs::{Level, LogRecord, Steps};
use parapet_ports::Error;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;

/// How many records of a kind there are when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count<K> {
    /// What they count for.
    pub kind: K,
    /// For each step that has any the time of one of them, nanoseconds since the Unix epoch, and how many; of a step there
    /// may be several.
    pub steps: Vec<(i64, u64)>,
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

/// The kinds that were met, by number.
struct Kinds<'a, K> {
    query: &'a LogQuery,
    kind: Kind<'a, K>,
    numbers: HashMap<K, usize>,
}

impl<K: Eq + Hash> Kinds<'_, K> {
    fn of(&mut self, record: &LogRecord) -> Option<usize> {
        if !self.query.wants_level(record.level) || !self.query.matches(record) {
            return None;
        }
        let (kind, next) = ((self.kind)(record)?, self.numbers.len());
        Some(*self.numbers.entry(kind).or_insert(next))
    }

    /// The kinds of each origin of a file.
    fn of_origins(&mut self, file: &LogFile) -> Vec<ByLevel> {
        let origins = file.footer.all_origins().iter();
        let by_level = origins.map(|origin| {
            let mut record = origin.record();
            LEVELS.map(|level| {
                record.level = level;
                self.of(&record)
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

/// An origin, and what its records count for.
type Told<'a> = (&'a Origin, &'a ByLevel);

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
        told.collect::<Vec<Told<'_>>>()
    });
    // Whether any origin is so, beside the first. Where the file does not tell them, there may be records of any kind.
    let any = |is_so: &dyn Fn(&Told<'_>, &Told<'_>) -> bool| match &told {
        Some(told) => told.iter().any(|other| is_so(other, &told[0])),
        None => true,
    };
    let counted: Vec<usize> = levels
        .iter()
        .copied()
        .filter(|level| any(&|(_, kinds), _| kinds[*level].is_some()))
        .collect();
    let (Some(level), false) = (levels.first().copied(), counted.is_empty()) else {
        return None;
    };
    let is_within = query.start_ns <= known.min_ns && known.max_ns <= query.end_ns;
    let by_origin = any(&|(_, kinds), (_, first)| counted.iter().any(|level| kinds[*level] != first[*level]));
    let projection = Projection {
        time: !is_within || steps.last_ns(known.min_ns) < known.max_ns,
        level: any(&|(_, kinds), _| levels.iter().any(|other| kinds[*other] != kinds[level])),
        stream: by_origin && any(&|(origin, _), (first, _)| origin.stream != first.stream),
        origin: by_origin
            && any(&|(origin, _), (first, _)| origin.service != first.service || origin.host != first.host),
        ..Projection::NONE
    };
    let origin = told.iter().flatten().next();
    let counting = Counting {
        range_ns: (query.start_ns, query.end_ns),
        steps: steps.clone(),
        levels: counted.into_iter().map(|level| LEVELS[level]).collect(),
        alike: LogRecord {
            timestamp_ns: known.min_ns,
            level: LEVELS[level],
            ..origin.map_or_else(LogRecord::default, |(origin, _)| origin.record())
        },
    };
    Some(Part {
        block,
        projection,
        counting,
    })
}

impl LogReader {
    /// How many records there are of each kind in each of `steps`, of those that [`Self::search`] would give: `kind` is
    /// told the level, the stream, the service, the host and a time of a record. `goes_on` is asked after each block,
    /// with how many numbers the answer has so far; once it says no, the answer is of what was read.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn count<K: Eq + Hash>(
        &self,
        tenant: &str,
        query: &LogQuery,
        steps: &Steps,
        kind: Kind<'_, K>,
        goes_on: &(dyn Fn(usize) -> bool + Send + Sync),
    ) -> Result<(Vec<Count<K>>, LogStats), Error> {
        let (mut stats, mut attempts) = (LogStats::default(), Attempts::default());
        loop {
            let bytes_read = AtomicU64::new(0);
            let mut kinds = Kinds {
                query,
                kind,
                numbers: HashMap::new(),
            };
            stats.records = 0;
            let outcome = self
                .count_once(tenant, steps, &mut kinds, goes_on, &mut stats, &bytes_read)
                .await;
            stats.bytes_read += bytes_read.into_inner();
            let Some(mut counts) = attempts.settle(outcome, |key| self.forget(key))? else {
                continue;
            };
            let numbers = kinds.numbers.into_iter();
            let counts = numbers.filter_map(|(kind, number)| {
                let steps = counts.get_mut(number).map(std::mem::take)?;
                (!steps.is_empty()).then_some(Count { kind, steps })
            });
            return Ok((counts.collect(), stats));
        }
    }

    /// The counts by number of kind.
    async fn count_once<K: Eq + Hash>(
        &self,
        tenant: &str,
        steps: &Steps,
        kinds: &mut Kinds<'_, K>,
        goes_on: &(dyn Fn(usize) -> bool + Send + Sync),
        stats: &mut LogStats,
        bytes_read: &AtomicU64,
    ) -> Result<Vec<Vec<(i64, u64)>>, ReadError> {
        let query = kinds.query;
        let (mut of_files, mut parts) = (HashMap::new(), Vec::new());
        for block in self.choose(tenant, query, stats, bytes_read).await? {
            let of_origins: &Vec<ByLevel> = of_files
                .entry(block.file.key.clone())
                .or_insert_with(|| kinds.of_origins(&block.file));
            parts.extend(part(block, of_origins, query, steps));
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
        let (mut counts, mut held): (Vec<Vec<(i64, u64)>>, usize) = (Vec::new(), 0);
        while goes_on(held)
            && let Some((rows, alike)) = reads.try_next().await?
        {
            stats.blocks_read += u64::from(rows > 0);
            stats.rows_read += rows;
            for (record, records) in alike {
                let Some(number) = kinds.of(&record) else { continue };
                stats.records += records;
                if counts.len() <= number {
                    counts.resize(number + 1, Vec::new());
                }
                let (of_kind, time_ns) = (&mut counts[number], record.timestamp_ns);
                // Blocks come in the order of their times, mostly.
                match of_kind.last_mut() {
                    Some((last_ns, count)) if steps.last_ns(*last_ns) == steps.last_ns(time_ns) => *count += records,
                    _ => {
                        of_kind.push((time_ns, records));
                        held += 1;
                    }
                }
            }
        }
        Ok(counts)
    }
}

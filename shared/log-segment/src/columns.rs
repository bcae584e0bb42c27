//! Records on their way into a record batch, column by column.

use crate::Error;
use crate::fields::{FieldColumns, Maps};
use crate::schema::{SCHEMA, element, timestamp_type};
use crate::texts::{Ends, Texts};
use arrow_array::{ArrayRef, Int32Array, ListArray, RecordBatch, TimestampMillisecondArray};
use parapet_logs::shape::Cut;
use parapet_logs::{Level, LogRecord};
use std::sync::Arc;

/// Rows are handed to the Parquet writer in batches of about this many rows, or bytes of lines: few, so that the columns
/// are read again while they are in a core's own cache.
const BATCH_ROWS: usize = 1024;
const BATCH_BYTES: usize = 4 << 20;

pub(crate) const NANOS_PER_MS: i64 = 1_000_000;

#[derive(Debug, Default)]
pub(crate) struct Columns {
    milliseconds: Vec<i64>,
    nanoseconds: Vec<i32>,
    level: Texts,
    service: Texts,
    host: Texts,
    trace_id: Texts,
    route: Texts,
    message: Texts,
    stream: Maps,
    fields: FieldColumns,
    shape: Texts,
    variables: Texts,
    variable_ends: Ends,
    raw: Texts,
    line_bytes: usize,
}

impl Columns {
    pub(crate) fn is_empty(&self) -> bool {
        self.milliseconds.is_empty()
    }

    /// Whether the rows so far are to be written.
    pub(crate) fn is_full(&self) -> bool {
        self.milliseconds.len() >= BATCH_ROWS || self.line_bytes >= BATCH_BYTES
    }

    /// Adds a row; the record's line is cut, or stays as it is.
    pub(crate) fn push(&mut self, record: &LogRecord, cut: Option<Cut<'_>>) {
        let at = record.timestamp_ns;
        self.milliseconds.push(at.div_euclid(NANOS_PER_MS));
        self.nanoseconds
            .push(i32::try_from(at.rem_euclid(NANOS_PER_MS)).unwrap_or_default());
        for (column, text) in [
            (&mut self.level, record.level.map_or("", Level::as_str)),
            (&mut self.service, &record.service),
            (&mut self.host, &record.host),
            (&mut self.trace_id, &record.trace_id),
            (&mut self.route, &record.route),
            (&mut self.message, &record.message),
        ] {
            column.push_some(text.as_bytes());
        }
        self.stream.push_all(&record.stream);
        self.fields.push(&record.attributes);
        match cut {
            Some(cut) => {
                self.shape.push(cut.shape.as_bytes());
                for variable in cut.variables {
                    self.variables.push(&record.raw[variable.clone()]);
                }
                self.raw.push_missing();
            }
            None => {
                self.shape.push_missing();
                self.raw.push(&record.raw);
            }
        }
        self.variable_ends.push(self.variables.len());
        self.line_bytes += record.raw.len();
    }

    /// The rows so far, which it then forgets.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, Error> {
        let milliseconds = std::mem::take(&mut self.milliseconds);
        let milliseconds = TimestampMillisecondArray::from(milliseconds).with_data_type(timestamp_type());
        let variables = self.variables.finish()?;
        let variables = ListArray::try_new(element(), self.variable_ends.finish(), variables, None)?;
        self.line_bytes = 0;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(milliseconds),
            Arc::new(Int32Array::from(std::mem::take(&mut self.nanoseconds))),
            self.level.finish()?,
            self.service.finish()?,
            self.host.finish()?,
            self.trace_id.finish()?,
            self.route.finish()?,
            self.message.finish()?,
            self.stream.finish()?,
        ];
        columns.extend(self.fields.finish()?);
        columns.push(self.shape.finish()?);
        columns.push(Arc::new(variables));
        columns.push(self.raw.finish_binary()?);
        Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
    }

    /// What comes next is of another block.
    pub(crate) fn next_block(&mut self) {
        self.fields.next_block();
    }
}

//! Records on their way into a record batch, column by column.

use crate::Error;
use crate::schema::{SCHEMA, element, entries, entry_fields, timestamp_type};
use arrow_array::builder::{ArrayBuilder as _, BinaryBuilder, StringBuilder};
use arrow_array::{ArrayRef, Int32Array, ListArray, MapArray, RecordBatch, StructArray, TimestampMillisecondArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use parapet_logs::{Level, LogRecord, Shape};
use parapet_model::Labels;
use std::sync::Arc;

/// Rows are handed to the Parquet writer in batches of about this many rows, or bytes of lines.
const BATCH_ROWS: usize = 8 * 1024;
const BATCH_BYTES: usize = 16 << 20;

pub(crate) const NANOS_PER_MS: i64 = 1_000_000;

/// Maps of texts, one for each row.
#[derive(Debug, Default)]
struct Maps {
    ends: Vec<i32>,
    names: StringBuilder,
    values: StringBuilder,
}

impl Maps {
    fn push(&mut self, labels: &Labels) {
        for (name, value) in labels.iter() {
            self.names.append_value(name);
            self.values.append_value(value);
        }
        self.ends.push(length(self.names.len()));
    }

    fn finish(mut self) -> Result<ArrayRef, Error> {
        let columns: Vec<ArrayRef> = vec![Arc::new(self.names.finish()), Arc::new(self.values.finish())];
        let entry = StructArray::try_new(entry_fields(), columns, None)?;
        Ok(Arc::new(MapArray::try_new(
            entries(),
            offsets(self.ends),
            entry,
            None,
            false,
        )?))
    }
}

/// Batches are far from two milliards of anything.
fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    offsets.extend(ends);
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

#[derive(Debug, Default)]
pub(crate) struct Columns {
    milliseconds: Vec<i64>,
    nanoseconds: Vec<i32>,
    level: StringBuilder,
    service: StringBuilder,
    host: StringBuilder,
    trace_id: StringBuilder,
    route: StringBuilder,
    message: StringBuilder,
    stream: Maps,
    attributes: Maps,
    shape: StringBuilder,
    variables: StringBuilder,
    variable_ends: Vec<i32>,
    raw: BinaryBuilder,
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

    pub(crate) fn push(&mut self, record: &LogRecord) {
        let at = record.timestamp_ns;
        self.milliseconds.push(at.div_euclid(NANOS_PER_MS));
        self.nanoseconds
            .push(i32::try_from(at.rem_euclid(NANOS_PER_MS)).unwrap_or_default());
        self.level.append_option(record.level.map(Level::as_str));
        for (column, text) in [
            (&mut self.service, &record.service),
            (&mut self.host, &record.host),
            (&mut self.trace_id, &record.trace_id),
            (&mut self.route, &record.route),
            (&mut self.message, &record.message),
        ] {
            column.append_option((!text.is_empty()).then_some(text));
        }
        self.stream.push(&record.stream);
        self.attributes.push(&record.attributes);
        match Shape::cut(record) {
            Some(shape) => {
                self.shape.append_value(&shape.text);
                for variable in &shape.variables {
                    self.variables.append_value(variable);
                }
                self.raw.append_null();
            }
            None => {
                self.shape.append_null();
                self.raw.append_value(&record.raw);
            }
        }
        self.variable_ends.push(length(self.variables.len()));
        self.line_bytes += record.raw.len();
    }

    pub(crate) fn finish(mut self) -> Result<RecordBatch, Error> {
        let milliseconds = TimestampMillisecondArray::from(self.milliseconds).with_data_type(timestamp_type());
        let variables: ArrayRef = Arc::new(self.variables.finish());
        let variables = ListArray::try_new(element(), offsets(self.variable_ends), variables, None)?;
        Ok(RecordBatch::try_new(
            SCHEMA.clone(),
            vec![
                Arc::new(milliseconds),
                Arc::new(Int32Array::from(self.nanoseconds)),
                Arc::new(self.level.finish()),
                Arc::new(self.service.finish()),
                Arc::new(self.host.finish()),
                Arc::new(self.trace_id.finish()),
                Arc::new(self.route.finish()),
                Arc::new(self.message.finish()),
                self.stream.finish()?,
                self.attributes.finish()?,
                Arc::new(self.shape.finish()),
                Arc::new(variables),
                Arc::new(self.raw.finish()),
            ],
        )?)
    }
}

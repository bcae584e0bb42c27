//! Rows on their way into a record batch, column by column.

use crate::Error;
use crate::chunk::Part;
use crate::exemplars::ExemplarColumn;
use crate::histograms::HistogramColumn;
use crate::schema::{SCHEMA, element, label_entries, label_entry_fields, timestamp_type};
use arrow_array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray,
    TimestampMillisecondArray,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Fields};
use parapet_model::{Labels, METRIC_NAME, MetricType, Rollup, is_stale_nan};
use std::sync::Arc;

/// Rows are handed to the Parquet writer in batches of about this many samples, rows, or bytes of labels.
const BATCH_SAMPLES: usize = 64 * 1024;
const BATCH_ROWS: usize = 8 * 1024;
const BATCH_LABEL_BYTES: usize = 64 << 20;

/// Texts on their way into a string array.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    fn finish(self) -> Result<ArrayRef, Error> {
        let too_long = |_| Error::form("the labels of a row are too long");
        let mut offsets = Vec::with_capacity(self.ends.len() + 1);
        offsets.push(0i32);
        for end in self.ends {
            offsets.push(i32::try_from(end).map_err(too_long)?);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(StringArray::try_new(
            offsets,
            Buffer::from_vec(self.bytes),
            None,
        )?))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Columns {
    metric: Texts,
    label_counts: Vec<usize>,
    label_names: Texts,
    label_values: Texts,
    series_id: Vec<i64>,
    kind: Vec<&'static str>,
    min_ts: Vec<i64>,
    max_ts: Vec<i64>,
    samples: Vec<i32>,
    stale_samples: Vec<i32>,
    timestamps: Vec<i64>,
    timestamp_counts: Vec<usize>,
    values: Vec<f64>,
    value_counts: Vec<usize>,
    has_values: Vec<bool>,
    rollups: Vec<Option<Rollup>>,
    has_rollups: bool,
    histograms: HistogramColumn,
    exemplars: ExemplarColumn,
}

impl Columns {
    pub(crate) fn rows(&self) -> usize {
        self.series_id.len()
    }

    /// Whether the rows so far are to be written.
    pub(crate) fn is_full(&self) -> bool {
        self.timestamps.len() >= BATCH_SAMPLES
            || self.rows() >= BATCH_ROWS
            || self.label_names.bytes.len().max(self.label_values.bytes.len()) >= BATCH_LABEL_BYTES
    }

    /// Whether samples come at even intervals, as scrapes at their intended times do: of the differences between
    /// times nine in ten are the one before. Rows of one or two samples say nothing.
    pub(crate) fn is_even(&self) -> bool {
        let (mut even, mut uneven, mut start) = (0usize, 0usize, 0);
        for count in &self.timestamp_counts {
            let end = start + count;
            for window in self.timestamps[start..end].windows(3) {
                // Rows are in order of time, so neither difference is negative; far apart they may overflow.
                let same = window[2].wrapping_sub(window[1]) == window[1].wrapping_sub(window[0]);
                even += usize::from(same);
                uneven += usize::from(!same);
            }
            start = end;
        }
        even >= uneven.saturating_mul(9)
    }

    pub(crate) fn push(
        &mut self,
        labels: &Labels,
        kind: MetricType,
        row: Part<'_>,
        series_id: i64,
        (min_ts, max_ts): (i64, i64),
        rollup_min_samples: usize,
    ) -> Result<(), Error> {
        self.samples
            .push(i32::try_from(row.sample_count()).map_err(|_| Error::form("a chunk has too many samples"))?);
        let (mut metric, mut label_count) = (&[][..], 0);
        for (name, value) in labels.iter_bytes() {
            if name == METRIC_NAME.as_bytes() {
                metric = value;
                continue;
            }
            self.label_names.push(name);
            self.label_values.push(value);
            label_count += 1;
        }
        self.metric.push(metric);
        self.label_counts.push(label_count);
        self.series_id.push(series_id);
        self.kind.push(kind.as_str());
        self.min_ts.push(min_ts);
        self.max_ts.push(max_ts);
        let before = self.timestamps.len();
        let (mut rollup, mut value_count) = (None, None);
        let stale = match row {
            Part::Floats { timestamps, values } => {
                self.timestamps.extend_from_slice(timestamps);
                self.values.extend_from_slice(values);
                value_count = Some(values.len());
                if values.len() >= rollup_min_samples {
                    rollup = Rollup::of(values);
                }
                values.iter().filter(|value| is_stale_nan(**value)).count()
            }
            Part::Histograms(samples) => {
                self.timestamps.extend(samples.iter().map(|(at, _)| *at));
                samples
                    .iter()
                    .filter(|(_, histogram)| is_stale_nan(histogram.sum))
                    .count()
            }
            Part::Exemplars(_) => 0,
            Part::Summary { rollup: summary, .. } => {
                rollup = summary;
                0
            }
        };
        self.timestamp_counts.push(self.timestamps.len() - before);
        match row {
            Part::Histograms(samples) => self.histograms.push(samples),
            _ => self.histograms.push_null(),
        }
        match row {
            Part::Exemplars(exemplars) => self.exemplars.push(exemplars),
            _ => self.exemplars.push_null(),
        }
        self.value_counts.push(value_count.unwrap_or_default());
        self.has_values.push(value_count.is_some());
        self.has_rollups |= rollup.is_some();
        self.rollups.push(rollup);
        self.stale_samples.push(i32::try_from(stale).unwrap_or(i32::MAX));
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<RecordBatch, Error> {
        let entries = StructArray::try_new(
            label_entry_fields(),
            vec![self.label_names.finish()?, self.label_values.finish()?],
            None,
        )?;
        let labels = MapArray::try_new(
            label_entries(),
            OffsetBuffer::from_lengths(self.label_counts),
            entries,
            None,
            false,
        )?;
        let timestamps = ListArray::try_new(
            element(timestamp_type()),
            OffsetBuffer::from_lengths(self.timestamp_counts),
            timestamp_array(self.timestamps),
            None,
        )?;
        let values = ListArray::try_new(
            element(DataType::Float64),
            OffsetBuffer::from_lengths(self.value_counts),
            Arc::new(Float64Array::new(ScalarBuffer::from(self.values), None)),
            Some(NullBuffer::from(self.has_values)),
        )?;
        let mut columns: Vec<ArrayRef> = vec![
            self.metric.finish()?,
            Arc::new(labels),
            Arc::new(Int64Array::from(self.series_id)),
            Arc::new(StringArray::from_iter_values(self.kind)),
            timestamp_array(self.min_ts),
            timestamp_array(self.max_ts),
            Arc::new(Int32Array::from(self.samples)),
            Arc::new(Int32Array::from(self.stale_samples)),
            Arc::new(timestamps),
            Arc::new(values),
        ];
        let rollup = |read: fn(&Rollup) -> f64| -> ArrayRef {
            if !self.has_rollups {
                return Arc::new(Float64Array::new_null(self.rollups.len()));
            }
            Arc::new(
                self.rollups
                    .iter()
                    .map(|rollup| rollup.as_ref().map(read))
                    .collect::<Float64Array>(),
            )
        };
        // In the order of `schema::ROLLUPS`.
        columns.extend([
            rollup(|r| r.first),
            rollup(|r| r.last),
            rollup(|r| r.min),
            rollup(|r| r.max),
            rollup(|r| r.sum),
            rollup(Rollup::increase),
            rollup(|r| r.resets),
            rollup(|r| r.changes),
        ]);
        columns.push(self.histograms.finish()?);
        columns.push(self.exemplars.finish()?);
        Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
    }
}

fn timestamp_array(values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(values).with_data_type(timestamp_type()))
}

/// A nullable list of structs: `lengths` and `valid` are by row, `columns` hold all rows' items one after another.
pub(crate) fn list_of_structs(
    fields: Fields,
    columns: Vec<ArrayRef>,
    lengths: Vec<usize>,
    valid: Vec<bool>,
) -> Result<ArrayRef, Error> {
    let structs = StructArray::try_new(fields.clone(), columns, None)?;
    Ok(Arc::new(ListArray::try_new(
        element(DataType::Struct(fields)),
        OffsetBuffer::from_lengths(lengths),
        Arc::new(structs),
        Some(NullBuffer::from(valid)),
    )?))
}

//! Rows on their way into a record batch, column by column.

use crate::Error;
use crate::chunk::{Chunk, Samples};
use crate::exemplars::ExemplarColumn;
use crate::histograms::HistogramColumn;
use crate::schema::{SCHEMA, element, label_entries, label_entry_fields, timestamp_type};
use arrow_array::builder::StringBuilder;
use arrow_array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray,
    TimestampMillisecondArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Fields};
use parapet_model::{METRIC_NAME, Rollup, is_stale_nan};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Columns {
    metric: StringBuilder,
    label_counts: Vec<usize>,
    label_names: StringBuilder,
    label_values: StringBuilder,
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
    histograms: HistogramColumn,
    exemplars: ExemplarColumn,
}

impl Columns {
    pub(crate) fn rows(&self) -> usize {
        self.series_id.len()
    }

    pub(crate) fn samples(&self) -> usize {
        self.timestamps.len()
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
        chunk: &Chunk,
        series_id: i64,
        (min_ts, max_ts): (i64, i64),
        rollup_min_samples: usize,
    ) -> Result<(), Error> {
        let labels = || chunk.labels.iter().filter(|(name, _)| *name != METRIC_NAME);
        let count = chunk.samples.sample_count();
        self.samples
            .push(i32::try_from(count).map_err(|_| Error::form("a chunk has too many samples"))?);
        self.metric.append_value(chunk.labels.metric_name().unwrap_or_default());
        let mut label_count = 0;
        for (name, value) in labels() {
            self.label_names.append_value(name);
            self.label_values.append_value(value);
            label_count += 1;
        }
        self.label_counts.push(label_count);
        self.series_id.push(series_id);
        self.kind.push(chunk.kind.as_str());
        self.min_ts.push(min_ts);
        self.max_ts.push(max_ts);
        let before = self.timestamps.len();
        let stale = match &chunk.samples {
            Samples::Floats { timestamps, values } => {
                self.timestamps.extend_from_slice(timestamps);
                self.values.extend_from_slice(values);
                self.value_counts.push(values.len());
                self.has_values.push(true);
                let is_worth = values.len() >= rollup_min_samples;
                self.rollups.push(if is_worth { Rollup::of(values) } else { None });
                self.histograms.push_null();
                self.exemplars.push_null();
                values.iter().filter(|value| is_stale_nan(**value)).count()
            }
            Samples::Histograms(samples) => {
                self.timestamps.extend(samples.iter().map(|(at, _)| *at));
                self.value_counts.push(0);
                self.has_values.push(false);
                self.rollups.push(None);
                self.histograms.push(samples);
                self.exemplars.push_null();
                samples
                    .iter()
                    .filter(|(_, histogram)| is_stale_nan(histogram.sum))
                    .count()
            }
            Samples::Exemplars(exemplars) => {
                self.value_counts.push(0);
                self.has_values.push(false);
                self.rollups.push(None);
                self.histograms.push_null();
                self.exemplars.push(exemplars);
                0
            }
            Samples::Summary { rollup, .. } => {
                self.value_counts.push(0);
                self.has_values.push(false);
                self.rollups.push(*rollup);
                self.histograms.push_null();
                self.exemplars.push_null();
                0
            }
        };
        self.timestamp_counts.push(self.timestamps.len() - before);
        self.stale_samples.push(i32::try_from(stale).unwrap_or(i32::MAX));
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<RecordBatch, Error> {
        let entries = StructArray::try_new(
            label_entry_fields(),
            vec![
                Arc::new(self.label_names.finish()),
                Arc::new(self.label_values.finish()),
            ],
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
            Arc::new(self.metric.finish()),
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

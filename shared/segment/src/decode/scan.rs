//! Reading a segment from the first row to the last, for merging.

use super::index::{LabelColumns, int64s, strings};
use super::{Footer, all};
use crate::schema;
use crate::{Error, Source};
use arrow_array::RecordBatch;
use parapet_model::MetricType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

/// A batch holds about this many samples, whatever the length of rows: a merge holds one batch per input.
const BATCH_SAMPLES: usize = 32 * 1024;

pub(crate) struct MergeReader(ParquetRecordBatchReader);

impl MergeReader {
    pub(crate) fn open(source: &Source) -> Result<Self, Error> {
        let footer = Footer::read(source)?;
        let batch_rows = BATCH_SAMPLES / footer.samples_per_row().max(1);
        let mut columns = vec![schema::METRIC, schema::LABELS, schema::SERIES_ID, schema::TYPE];
        columns.extend(footer.sample_columns());
        if footer.has_exemplars() {
            columns.push(schema::EXEMPLARS);
        }
        Ok(Self(footer.reader(
            source,
            &columns,
            &[all(footer.rows())],
            batch_rows.clamp(16, 4096),
        )?))
    }

    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>, Error> {
        Ok(self.0.next().transpose()?)
    }
}

impl Footer {
    /// Samples of a row, on average.
    fn samples_per_row(&self) -> usize {
        let groups = self.metadata.metadata().row_groups();
        let leaves = groups.iter().flat_map(|group| group.columns());
        let samples: i64 = leaves
            .filter(|column| {
                column
                    .column_path()
                    .parts()
                    .first()
                    .is_some_and(|name| name == schema::TIMESTAMPS)
            })
            .map(|column| column.num_values())
            .sum();
        usize::try_from(samples).unwrap_or_default() / self.rows().max(1)
    }
}

impl<'a> LabelColumns<'a> {
    pub(crate) fn metric_of(batch: &'a RecordBatch, row: usize) -> Result<&'a str, Error> {
        Ok(strings(batch, schema::METRIC)?.value(row))
    }
}

pub(crate) fn series_id_of(batch: &RecordBatch, row: usize) -> Result<i64, Error> {
    Ok(int64s(batch, schema::SERIES_ID)?[row])
}

pub(crate) fn kind_of(batch: &RecordBatch, row: usize) -> Result<MetricType, Error> {
    Ok(MetricType::from_word(strings(batch, schema::TYPE)?.value(row)).unwrap_or_default())
}

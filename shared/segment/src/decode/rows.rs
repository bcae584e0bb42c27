//! The samples of chosen rows.

use super::Footer;
use crate::error::contained;
use crate::schema;
use crate::{Error, Source, exemplars, histograms};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{Array as _, ListArray, RecordBatch};
use parapet_model::{Exemplar, Histogram};
use std::ops::Range;

/// Batches are this many rows: 240 samples each are 8 MB.
const BATCH_ROWS: usize = 2 * 1024;

/// The samples of one row, in order of time.
#[derive(Debug)]
pub enum RowSamples<'a> {
    /// Float samples.
    Floats {
        /// Milliseconds since the Unix epoch.
        timestamps: &'a [i64],
        /// The values, as many.
        values: &'a [f64],
    },
    /// Native histogram samples.
    Histograms {
        /// Milliseconds since the Unix epoch.
        timestamps: &'a [i64],
        /// The histograms, as many.
        histograms: Vec<Histogram>,
    },
}

impl Footer {
    /// Reads the samples of rows (sorted, disjoint ranges) and hands each row to `visit` with its number;
    /// `source` needs [`Footer::row_ranges`] of the same rows.
    ///
    /// # Errors
    /// [`Error`] where the columns do not read or are not of the segment's form.
    pub fn read_rows(
        &self,
        source: &Source,
        rows: &[Range<usize>],
        mut visit: impl FnMut(usize, RowSamples<'_>),
    ) -> Result<(), Error> {
        contained(|| {
            let mut numbers = rows.iter().cloned().flatten();
            for batch in self.reader(source, &self.sample_columns(), rows, BATCH_ROWS)? {
                let batch = batch?;
                let columns = SampleColumns::of(&batch)?;
                for (row, number) in (0..batch.num_rows()).zip(numbers.by_ref()) {
                    visit(number, columns.row(row)?);
                }
            }
            Ok(())
        })
    }
}

impl Footer {
    /// Whether any row has exemplars.
    #[must_use]
    pub fn has_exemplars(&self) -> bool {
        self.has_exemplars
    }

    /// The bytes that [`Footer::read_exemplars`] reads for these rows.
    #[must_use]
    pub fn exemplar_ranges(&self, rows: &[Range<usize>]) -> Vec<Range<u64>> {
        if self.has_exemplars {
            self.ranges(&[schema::EXEMPLARS], rows)
        } else {
            Vec::new()
        }
    }

    /// Reads the exemplars of rows (sorted, disjoint ranges) and hands those of each row that has some to `visit` with
    /// its number; `source` needs [`Footer::exemplar_ranges`] of the same rows.
    ///
    /// # Errors
    /// [`Error`] where the column does not read or is not of the segment's form.
    pub fn read_exemplars(
        &self,
        source: &Source,
        rows: &[Range<usize>],
        mut visit: impl FnMut(usize, Vec<Exemplar>),
    ) -> Result<(), Error> {
        if !self.has_exemplars {
            return Ok(());
        }
        contained(|| {
            let mut numbers = rows.iter().cloned().flatten();
            for batch in self.reader(source, &[schema::EXEMPLARS], rows, BATCH_ROWS)? {
                let batch = batch?;
                let column = exemplar_column(&batch).ok_or_else(|| Error::form("exemplars are not a list column"))?;
                for (row, number) in (0..batch.num_rows()).zip(numbers.by_ref()) {
                    if column.is_valid(row) {
                        visit(number, exemplars::read_row(column, row)?);
                    }
                }
            }
            Ok(())
        })
    }
}

fn exemplar_column(batch: &RecordBatch) -> Option<&ListArray> {
    batch.column_by_name(schema::EXEMPLARS)?.as_list_opt()
}

/// The exemplars of a row that has some instead of samples.
pub(crate) fn exemplars_of(batch: &RecordBatch, row: usize) -> Result<Vec<Exemplar>, Error> {
    match exemplar_column(batch).filter(|column| column.is_valid(row)) {
        Some(column) => exemplars::read_row(column, row),
        None => Ok(Vec::new()),
    }
}

/// The columns that samples are read from.
pub(crate) struct SampleColumns<'a> {
    timestamp_lists: &'a ListArray,
    timestamps: &'a [i64],
    value_lists: &'a ListArray,
    values: &'a [f64],
    histograms: Option<&'a ListArray>,
}

impl<'a> SampleColumns<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Self, Error> {
        let list = |name: &str| {
            batch
                .column_by_name(name)
                .and_then(|column| column.as_list_opt::<i32>())
        };
        let required = |name: &str| list(name).ok_or_else(|| Error::form(format!("{name} is not a list column")));
        let (timestamp_lists, value_lists) = (required(schema::TIMESTAMPS)?, required(schema::VALUES)?);
        let timestamps = timestamp_lists.values().as_primitive_opt::<TimestampMillisecondType>();
        let values = value_lists.values().as_primitive_opt::<Float64Type>();
        Ok(Self {
            timestamps: timestamps
                .ok_or_else(|| Error::form("timestamps are no timestamps"))?
                .values(),
            values: values.ok_or_else(|| Error::form("values are no doubles"))?.values(),
            histograms: list(schema::HISTOGRAMS),
            timestamp_lists,
            value_lists,
        })
    }

    pub(crate) fn row(&self, row: usize) -> Result<RowSamples<'a>, Error> {
        let range = |list: &ListArray| {
            let offsets = list.value_offsets();
            let place = |at: i32| usize::try_from(at).unwrap_or_default();
            place(offsets[row])..place(offsets[row + 1])
        };
        let timestamps = &self.timestamps[range(self.timestamp_lists)];
        if let Some(column) = self.histograms.filter(|column| column.is_valid(row)) {
            let histograms = histograms::read_row(column, row)?;
            if histograms.len() != timestamps.len() {
                return Err(Error::form("a row has not one histogram for each timestamp"));
            }
            return Ok(RowSamples::Histograms { timestamps, histograms });
        }
        let values = &self.values[range(self.value_lists)];
        if values.len() != timestamps.len() {
            return Err(Error::form("a row has not one value for each timestamp"));
        }
        Ok(RowSamples::Floats { timestamps, values })
    }
}

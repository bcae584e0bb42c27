//! The rollups of chosen rows.

use super::Footer;
use crate::error::contained;
use crate::schema;
use crate::{Error, Source};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int32Type};
use arrow_array::{Array as _, Float64Array, RecordBatch};
use parapet_model::Rollup;
use std::ops::Range;

const BATCH_ROWS: usize = 8 * 1024;

/// A figure of a [`Rollup`], as a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Named as the fields are.
pub enum RollupColumn {
    First,
    Last,
    Min,
    Max,
    Sum,
    Increase,
    Resets,
    Changes,
}

impl RollupColumn {
    /// Every column, in the order of the file's.
    pub const ALL: [Self; 8] = [
        Self::First,
        Self::Last,
        Self::Min,
        Self::Max,
        Self::Sum,
        Self::Increase,
        Self::Resets,
        Self::Changes,
    ];

    fn name(self) -> &'static str {
        schema::ROLLUPS[self as usize]
    }
}

/// What a row's samples come to.
#[derive(Clone, Copy, Debug)]
pub struct RowRun {
    /// How many samples it has, staleness markers left out.
    pub samples: u64,
    /// Whether there are staleness markers among them: the row's times may then be those of markers.
    pub has_stale: bool,
    /// The figures; `None` where the row has none. A figure that was not asked for is NaN; `corrections` are told from
    /// `first`, `last`, `increase` and `resets`.
    pub rollup: Option<Rollup>,
}

impl Footer {
    /// The bytes that [`Footer::read_runs`] reads for these columns and rows.
    #[must_use]
    pub fn run_ranges(&self, columns: &[RollupColumn], rows: &[Range<usize>]) -> Vec<Range<u64>> {
        self.ranges(&names(columns), rows)
    }

    /// Reads figures of rows (sorted, disjoint ranges) and hands those of each row to `visit` with its number;
    /// `source` needs [`Footer::run_ranges`] of the same columns and rows.
    ///
    /// # Errors
    /// [`Error`] where the columns do not read or are not of the segment's form.
    pub fn read_runs(
        &self,
        source: &Source,
        columns: &[RollupColumn],
        rows: &[Range<usize>],
        mut visit: impl FnMut(usize, RowRun),
    ) -> Result<(), Error> {
        contained(|| {
            let mut numbers = rows.iter().cloned().flatten();
            for batch in self.reader(source, &names(columns), rows, BATCH_ROWS)? {
                let batch = batch?;
                let (samples, stale) = (int32s(&batch, schema::SAMPLES)?, int32s(&batch, schema::STALE_SAMPLES)?);
                let resets = doubles(&batch, RollupColumn::Resets.name())?;
                let figures: Vec<Option<&Float64Array>> = RollupColumn::ALL
                    .into_iter()
                    .map(|column| match columns.contains(&column) {
                        true => doubles(&batch, column.name()).map(Some),
                        false => Ok(None),
                    })
                    .collect::<Result<_, _>>()?;
                for (row, number) in (0..batch.num_rows()).zip(numbers.by_ref()) {
                    let figure = |column: RollupColumn| figures[column as usize].map_or(f64::NAN, |all| all.value(row));
                    let rollup = resets.is_valid(row).then(|| {
                        let (first, last, resets) = (
                            figure(RollupColumn::First),
                            figure(RollupColumn::Last),
                            resets.value(row),
                        );
                        // Nothing is lost to rounding where there is no reset.
                        let corrections = if resets == 0.0 {
                            0.0
                        } else {
                            figure(RollupColumn::Increase) - (last - first)
                        };
                        Rollup {
                            first,
                            last,
                            min: figure(RollupColumn::Min),
                            max: figure(RollupColumn::Max),
                            sum: figure(RollupColumn::Sum),
                            corrections,
                            resets,
                            changes: figure(RollupColumn::Changes),
                        }
                    });
                    let run = RowRun {
                        samples: u64::try_from(samples[row].saturating_sub(stale[row])).unwrap_or_default(),
                        has_stale: stale[row] != 0,
                        rollup,
                    };
                    visit(number, run);
                }
            }
            Ok(())
        })
    }
}

/// `resets` tells of a row whether it has figures at all, and takes next to no room.
fn names(columns: &[RollupColumn]) -> Vec<&'static str> {
    let mut names = vec![schema::SAMPLES, schema::STALE_SAMPLES, RollupColumn::Resets.name()];
    let more = columns.iter().filter(|column| **column != RollupColumn::Resets);
    names.extend(more.map(|column| column.name()));
    names
}

fn int32s<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [i32], Error> {
    let column = batch
        .column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<Int32Type>());
    Ok(column
        .ok_or_else(|| Error::form(format!("{name} is not an int32 column")))?
        .values())
}

fn doubles<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a Float64Array, Error> {
    let column = batch
        .column_by_name(name)
        .and_then(|column| column.as_primitive_opt::<Float64Type>());
    column.ok_or_else(|| Error::form(format!("{name} is not a double column")))
}

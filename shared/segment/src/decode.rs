//! Reading: the footer, then the index (labels and times of rows), then the samples of chosen rows.

mod index;
mod rows;
mod runs;
mod scan;

pub(crate) use index::LabelColumns;
pub use index::{Index, LabelCache, NoLabelCache};
pub use rows::RowSamples;
pub(crate) use rows::{SampleColumns, exemplars_of};
pub use runs::{RollupColumn, RowRun};
pub(crate) use scan::{MergeReader, kind_of, series_id_of};

use crate::error::contained;
use crate::schema;
use crate::{Error, Source};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelectionPolicy,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use std::ops::Range;

/// The footer of a segment: what is where. Immutable as the file is; cheap to clone.
#[derive(Clone, Debug)]
pub struct Footer {
    metadata: ArrowReaderMetadata,
    has_histograms: bool,
    has_exemplars: bool,
    rows: usize,
}

impl Footer {
    /// Reads the footer; `source` needs the last [`crate::SegmentInfo::footer_bytes`] of the file.
    ///
    /// # Errors
    /// [`Error::Form`] where the file is of another version or lacks a column.
    pub fn read(source: &Source) -> Result<Self, Error> {
        contained(|| Self::read_contained(source))
    }

    fn read_contained(source: &Source) -> Result<Self, Error> {
        let options = ArrowReaderOptions::new()
            .with_skip_arrow_metadata(true)
            .with_column_index_policy(PageIndexPolicy::Skip)
            .with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(source, options)?;
        let pairs = metadata.metadata().file_metadata().key_value_metadata();
        let version = pairs
            .and_then(|pairs| pairs.iter().find(|pair| pair.key == schema::VERSION_KEY))
            .and_then(|pair| pair.value.as_deref());
        if version != Some(schema::VERSION) {
            return Err(Error::form(format!(
                "version {}, known is {}",
                version.unwrap_or("none"),
                schema::VERSION
            )));
        }
        let columns = metadata.schema();
        for name in [
            schema::METRIC,
            schema::LABELS,
            schema::SERIES_ID,
            schema::TIMESTAMPS,
            schema::VALUES,
        ] {
            if columns.column_with_name(name).is_none() {
                return Err(Error::form(format!("no column {name}")));
            }
        }
        let rows = usize::try_from(metadata.metadata().file_metadata().num_rows())
            .map_err(|_| Error::form("a negative number of rows"))?;
        let has_histograms = has_any(metadata.metadata(), schema::HISTOGRAMS);
        let has_exemplars = has_any(metadata.metadata(), schema::EXEMPLARS);
        Ok(Self {
            metadata,
            has_histograms,
            has_exemplars,
            rows,
        })
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The memory that the footer takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.metadata.metadata().memory_size() + 512
    }

    /// The bytes that [`Footer::read_index`] reads.
    #[must_use]
    pub fn index_ranges(&self) -> Vec<Range<u64>> {
        self.ranges(&index::COLUMNS, &[all(self.rows)])
    }

    /// The bytes that [`Footer::read_rows`] reads for these rows.
    #[must_use]
    pub fn row_ranges(&self, rows: &[Range<usize>]) -> Vec<Range<u64>> {
        self.ranges(&self.sample_columns(), rows)
    }

    fn sample_columns(&self) -> Vec<&'static str> {
        let mut columns = vec![schema::TIMESTAMPS, schema::VALUES];
        if self.has_histograms {
            columns.push(schema::HISTOGRAMS);
        }
        columns
    }

    fn mask(&self, columns: &[&str]) -> ProjectionMask {
        ProjectionMask::columns(self.metadata.parquet_schema(), columns.iter().copied())
    }

    /// For each row group with chosen rows: its number and which of its rows.
    fn by_row_group(&self, rows: &[Range<usize>]) -> Vec<(usize, Vec<Range<usize>>, usize)> {
        let (mut start, mut chosen) = (0, Vec::new());
        for (number, group) in self.metadata.metadata().row_groups().iter().enumerate() {
            let count = usize::try_from(group.num_rows()).unwrap_or_default();
            let end = start + count;
            let first = rows.partition_point(|range| range.end <= start);
            let within: Vec<Range<usize>> = rows[first..]
                .iter()
                .take_while(|range| range.start < end)
                .map(|range| range.start.max(start) - start..range.end.min(end) - start)
                .collect();
            if !within.is_empty() {
                chosen.push((number, within, count));
            }
            start = end;
        }
        chosen
    }

    fn ranges(&self, columns: &[&str], rows: &[Range<usize>]) -> Vec<Range<u64>> {
        let (mask, metadata) = (self.mask(columns), self.metadata.metadata());
        let mut ranges = Vec::new();
        for (group, rows, count) in self.by_row_group(rows) {
            let selection = RowSelection::from_consecutive_ranges(rows.into_iter(), count);
            let page_index = metadata.page_index();
            for (leaf, column) in metadata.row_group(group).columns().iter().enumerate() {
                if !mask.leaf_included(leaf) {
                    continue;
                }
                let (start, length) = column.byte_range();
                match page_index.and_then(|index| index.page_locations(group, leaf)) {
                    Some(pages) if !pages.is_empty() => {
                        // The dictionary stands before the first page.
                        let first = u64::try_from(pages[0].offset).unwrap_or(start);
                        ranges.push(start..first.max(start));
                        ranges.extend(selection.scan_ranges(pages));
                    }
                    _ => ranges.push(start..start + length),
                }
            }
        }
        ranges
    }

    fn reader(
        &self,
        source: &Source,
        columns: &[&str],
        rows: &[Range<usize>],
        batch_rows: usize,
    ) -> Result<ParquetRecordBatchReader, Error> {
        let groups = self.by_row_group(rows);
        let (mut offset, mut relative) = (0, Vec::new());
        for (_, rows, count) in &groups {
            relative.extend(rows.iter().map(|range| range.start + offset..range.end + offset));
            offset += count;
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(source.clone(), self.metadata.clone())
            .with_projection(self.mask(columns))
            .with_batch_size(batch_rows.max(1))
            // A mask would decode pages in between that were not fetched.
            .with_row_selection_policy(RowSelectionPolicy::Selectors)
            .with_row_groups(groups.iter().map(|group| group.0).collect());
        let builder = if relative.len() == 1 && relative[0] == (0..offset) {
            builder
        } else {
            builder.with_row_selection(RowSelection::from_consecutive_ranges(relative.into_iter(), offset))
        };
        Ok(builder.build()?)
    }
}

pub(crate) fn all(rows: usize) -> Range<usize> {
    0..rows
}

/// Whether any row has a value in a nested column: its leaves hold something that is not null.
fn has_any(metadata: &ParquetMetaData, name: &str) -> bool {
    metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns())
        .any(|column| {
            let is_within = column.column_path().parts().first().is_some_and(|first| first == name);
            let nulls = column.statistics().and_then(|statistics| statistics.null_count_opt());
            is_within && nulls != u64::try_from(column.num_values()).ok()
        })
}

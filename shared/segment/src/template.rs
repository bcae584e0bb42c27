//! [`Template`]: a segment whose rows come again with other samples.

use crate::encode::{closed, properties};
use crate::schema;
use crate::{EncodeOptions, Error, ListEncoding, Segment, SegmentInfo};
use bytes::Bytes;
use parapet_model::is_stale_nan;
use parquet::basic::Type;
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use std::sync::Arc;

/// A segment of one float sample a row, from which the next segment of the same series is made: what says which series
/// they are is copied as it is encoded, the samples are written anew. The labels of a row cost many times what its
/// sample does.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Bytes,
    metadata: Arc<ParquetMetaData>,
    properties: WriterPropertiesPtr,
    info: SegmentInfo,
}

/// A column that a sample decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changing {
    Time,
    StaleSamples,
    Times,
    Values,
}

impl Changing {
    fn of(path: &[String]) -> Option<Self> {
        let [name, ..] = path else { return None };
        match name.as_str() {
            schema::MIN_TS | schema::MAX_TS => Some(Self::Time),
            schema::STALE_SAMPLES => Some(Self::StaleSamples),
            schema::TIMESTAMPS => Some(Self::Times),
            schema::VALUES => Some(Self::Values),
            _ => None,
        }
    }
}

impl Template {
    /// The template that a segment is, written with these options; `None` where a row has not just one float sample,
    /// or has rollups of it.
    ///
    /// # Errors
    /// Where the segment does not read.
    pub fn of(segment: &Segment, options: &EncodeOptions) -> Result<Option<Self>, Error> {
        if segment.info.rows != segment.info.samples || options.rollup_min_samples <= 1 {
            return Ok(None);
        }
        // The statistics of encodings as they stand there, to write them again.
        let options_of_reading = ParquetMetaDataOptions::new().with_encoding_stats_as_mask(false);
        let metadata = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Required)
            .with_metadata_options(Some(options_of_reading))
            .parse_and_finish(&segment.bytes)?;
        // Rows of one timestamp each in all, none of them a histogram or exemplars.
        let others = |group: &RowGroupMetaData| {
            group.columns().iter().any(|column| {
                let name = column.column_path().parts().first().map(String::as_str);
                let nulls = column.statistics().and_then(|statistics| statistics.null_count_opt());
                matches!(name, Some(schema::HISTOGRAMS | schema::EXEMPLARS))
                    && nulls.and_then(|nulls| i64::try_from(nulls).ok()) != Some(group.num_rows())
            })
        };
        if metadata.row_groups().iter().any(others) {
            return Ok(None);
        }
        // Of rows of one sample, `Columns::is_even` says yes.
        let timestamps = options.timestamps.unwrap_or(ListEncoding::DeltaBinaryPacked);
        Ok(Some(Self {
            bytes: segment.bytes.clone(),
            metadata: Arc::new(metadata),
            properties: Arc::new(properties(options, timestamps)?),
            info: segment.info.clone(),
        }))
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        usize::try_from(self.info.rows).unwrap_or(usize::MAX)
    }

    /// The memory that it takes, bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + self.metadata.memory_size()
    }

    /// The segment of the same series with other samples, one for each row in order: the pages that a
    /// [`crate::SegmentWriter`] would write, and a footer that says the same of them.
    ///
    /// # Errors
    /// [`Error::Form`] where there is not a sample for each row.
    pub fn fill(&self, timestamps: &[i64], values: &[f64]) -> Result<Segment, Error> {
        if timestamps.len() != self.rows() || values.len() != self.rows() {
            return Err(Error::form("not a sample for each row"));
        }
        let schema = self.metadata.file_metadata().schema_descr().root_schema_ptr();
        let out = Vec::with_capacity(self.bytes.len() + self.bytes.len() / 8);
        let mut writer = SerializedFileWriter::new(out, schema, self.properties.clone())?;
        let mut from = 0;
        for (number, group) in self.metadata.row_groups().iter().enumerate() {
            let rows = usize::try_from(group.num_rows()).unwrap_or_default();
            let samples = (&timestamps[from..from + rows], &values[from..from + rows]);
            from += rows;
            let mut to = writer.next_row_group()?;
            for (leaf, column) in group.columns().iter().enumerate() {
                match Changing::of(column.column_path().parts()) {
                    Some(changing) => write(
                        &mut to,
                        changing,
                        column.column_descr().max_def_level(),
                        column.column_type(),
                        samples,
                    )?,
                    None => self.copy(&mut to, number, leaf)?,
                }
            }
            to.close()?;
        }
        let metadata = writer.finish()?;
        let bytes = std::mem::take(writer.inner_mut());
        let info = SegmentInfo {
            min_ts: timestamps.iter().copied().min().unwrap_or(i64::MAX),
            max_ts: timestamps.iter().copied().max().unwrap_or(i64::MIN),
            ..self.info.clone()
        };
        Ok(closed(bytes, &metadata, info))
    }

    /// Copies a column as it is encoded.
    fn copy(&self, to: &mut SerializedRowGroupWriter<'_, Vec<u8>>, group: usize, leaf: usize) -> Result<(), Error> {
        let (of, index) = (self.metadata.row_group(group), self.metadata.page_index());
        let column = of.column(leaf);
        let (start, length) = column.byte_range();
        let close = ColumnCloseResult {
            bytes_written: length,
            rows_written: u64::try_from(of.num_rows()).unwrap_or_default(),
            metadata: column.clone(),
            bloom_filter: None,
            column_index: index.and_then(|index| index.column_index(group, leaf)).cloned(),
            offset_index: index.and_then(|index| index.offset_index(group, leaf)).cloned(),
        };
        debug_assert_eq!(
            column.dictionary_page_offset().unwrap_or(column.data_page_offset()),
            i64::try_from(start).unwrap_or_default()
        );
        Ok(to.append_column(&self.bytes, close)?)
    }
}

/// Writes a column of rows of one sample each; `levels` is the definition level of what is there.
fn write(
    to: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    column: Changing,
    levels: i16,
    physical: Type,
    (timestamps, values): (&[i64], &[f64]),
) -> Result<(), Error> {
    match (column, physical) {
        (Changing::Time, Type::INT64) => write_column::<Int64Type>(to, timestamps, levels, false),
        (Changing::Times, Type::INT64) => write_column::<Int64Type>(to, timestamps, levels, true),
        (Changing::Values, Type::DOUBLE) => write_column::<DoubleType>(to, values, levels, true),
        (Changing::StaleSamples, Type::INT32) => {
            let stale: Vec<i32> = values.iter().map(|value| i32::from(is_stale_nan(*value))).collect();
            write_column::<Int32Type>(to, &stale, levels, false)
        }
        _ => Err(Error::form(format!("a column of another type: {physical}"))),
    }
}

fn write_column<T: DataType>(
    to: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    definition: i16,
    repeated: bool,
) -> Result<(), Error> {
    let Some(mut column) = to.next_column()? else {
        return Err(Error::form("a column too many"));
    };
    let definitions = (definition > 0).then(|| vec![definition; values.len()]);
    let repetitions = repeated.then(|| vec![0; values.len()]);
    column
        .typed::<T>()
        .write_batch(values, definitions.as_deref(), repetitions.as_deref())?;
    Ok(column.close()?)
}

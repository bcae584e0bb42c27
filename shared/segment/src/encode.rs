//! Writing: chunks in the order of rows in, Parquet bytes out.

use crate::Error;
use crate::chunk::{Chunk, Part, SortKey, sort_with_ids};
use crate::columns::Columns;
use crate::schema::{self, SCHEMA};
use bytes::Bytes;
use parapet_model::{Labels, MetricType};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

/// How to write a segment. The choices are those of `docs/adr/0004-segment-v1.md`.
#[derive(Clone, Debug)]
pub struct EncodeOptions {
    /// A chunk with more samples is split.
    pub max_chunk_samples: usize,
    /// The zstd level: 1 for files that live for minutes, more for those that stay.
    pub zstd_level: i32,
    /// A row with fewer samples has null rollups: they would be larger than what they sum up, and reading the samples
    /// costs as little.
    pub rollup_min_samples: usize,
    /// Most rows of a row group.
    pub row_group_rows: usize,
    /// A row group is closed when its encoded pages reach this, about.
    pub row_group_bytes: usize,
    /// A page is closed when it reaches this, about.
    pub page_bytes: usize,
    /// How timestamps are encoded; `None` for deltas where samples come at even intervals, and a dictionary where
    /// they do not: the samples of one scrape share their time, but bit-packed uneven deltas do not compress.
    pub timestamps: Option<ListEncoding>,
    /// How values are encoded.
    pub values: ListEncoding,
}

/// An encoding of the samples' columns. Readers take each of them; the defaults are what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEncoding {
    /// Different values once, and their numbers.
    Dictionary,
    /// As they are.
    Plain,
    /// Differences, bit-packed; for timestamps only.
    DeltaBinaryPacked,
    /// First bytes of all values, second bytes of all values, …; for values only.
    ByteStreamSplit,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            max_chunk_samples: 240,
            rollup_min_samples: 8,
            zstd_level: 3,
            row_group_rows: 128 * 1024,
            row_group_bytes: 32 << 20,
            page_bytes: 128 << 10,
            timestamps: None,
            values: ListEncoding::ByteStreamSplit,
        }
    }
}

impl EncodeOptions {
    /// For what ingest writes: it is merged within minutes.
    #[must_use]
    pub fn flush() -> Self {
        Self {
            zstd_level: 1,
            ..Self::default()
        }
    }
}

/// A finished segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The Parquet file.
    pub bytes: Bytes,
    /// What the manifest keeps of it.
    pub info: SegmentInfo,
}

/// What is known of a segment without opening it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Rows: series chunks.
    pub rows: u64,
    /// Different series.
    pub series: u64,
    /// Samples, staleness markers included.
    pub samples: u64,
    /// The earliest sample, milliseconds.
    pub min_ts: i64,
    /// The latest sample, milliseconds.
    pub max_ts: i64,
    /// Metric name of the first row.
    pub first_metric: String,
    /// Metric name of the last row.
    pub last_metric: String,
    /// Bytes from the first page index to the end of the file: what a reader fetches first.
    pub footer_bytes: u64,
}

/// Writes one segment, row by row.
pub struct SegmentWriter {
    /// Opened with the first batch of rows, which decides how timestamps are encoded.
    writer: Option<ArrowWriter<Vec<u8>>>,
    options: EncodeOptions,
    columns: Columns,
    info: SegmentInfo,
    last: Option<SortKey>,
    size_bytes: usize,
}

impl std::fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentWriter")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl SegmentWriter {
    /// An empty segment.
    #[must_use]
    pub fn new(options: EncodeOptions) -> Self {
        Self {
            writer: None,
            options,
            columns: Columns::default(),
            info: SegmentInfo {
                min_ts: i64::MAX,
                max_ts: i64::MIN,
                ..SegmentInfo::default()
            },
            last: None,
            size_bytes: 0,
        }
    }

    /// Adds a chunk; one that is too long becomes several rows. A chunk without samples is left out.
    ///
    /// # Errors
    /// [`Error::Order`] where the chunk sorts before the last one or starts before it ends.
    pub fn push(&mut self, chunk: Chunk) -> Result<(), Error> {
        self.push_series(&[chunk])
    }

    /// Adds the chunks of one series, in any order.
    ///
    /// # Errors
    /// [`Error::Order`] where the series sorts before the last one.
    pub fn push_series(&mut self, chunks: &[Chunk]) -> Result<(), Error> {
        let Some(first) = chunks.first() else { return Ok(()) };
        let parts = chunks.iter().map(|chunk| (chunk.kind, chunk.samples.part()));
        self.push_parts(&first.labels, first.labels.series_id(), parts)
    }

    /// Adds float samples of a series, in order of time; `series_id` is that of the labels.
    ///
    /// # Errors
    /// [`Error::Order`] where they sort before the last row or start before it ends.
    pub fn push_floats(
        &mut self,
        labels: &Labels,
        series_id: i64,
        kind: MetricType,
        timestamps: &[i64],
        values: &[f64],
    ) -> Result<(), Error> {
        let part = Part::Floats { timestamps, values };
        for row in part.rows(self.options.max_chunk_samples)? {
            self.push_row(labels, series_id, kind, row)?;
        }
        Ok(())
    }

    pub(crate) fn push_parts<'a>(
        &mut self,
        labels: &Labels,
        series_id: i64,
        parts: impl Iterator<Item = (MetricType, Part<'a>)>,
    ) -> Result<(), Error> {
        let max = self.options.max_chunk_samples;
        let mut rows: Vec<(MetricType, Part<'_>)> = Vec::new();
        for (kind, part) in parts {
            rows.extend(part.rows(max)?.map(|row| (kind, row)));
        }
        rows.sort_by_key(|(_, row)| row.time_range());
        rows.into_iter()
            .try_for_each(|(kind, row)| self.push_row(labels, series_id, kind, row))
    }

    fn push_row(&mut self, labels: &Labels, series_id: i64, kind: MetricType, row: Part<'_>) -> Result<(), Error> {
        let Some((min_ts, max_ts)) = row.time_range() else {
            return Ok(());
        };
        let key = SortKey {
            labels: labels.clone(),
            series_id,
            min_ts,
        };
        match &self.last {
            Some(last) if *last > key => return Err(Error::Order),
            Some(last) if last.labels == key.labels => {}
            _ => self.info.series += 1,
        }
        if self.info.rows == 0 {
            self.info.first_metric = name(labels);
        }
        self.info.rows += 1;
        self.info.samples += row.sample_count() as u64;
        self.info.min_ts = self.info.min_ts.min(min_ts);
        self.info.max_ts = self.info.max_ts.max(max_ts);
        let rollup_min_samples = self.options.rollup_min_samples;
        self.columns
            .push(labels, kind, row, series_id, (min_ts, max_ts), rollup_min_samples)?;
        self.last = Some(key);
        if self.columns.is_full() {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.columns.rows() == 0 {
            return Ok(());
        }
        let columns = std::mem::take(&mut self.columns);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let timestamps = self.options.timestamps.unwrap_or(match columns.is_even() {
                    true => ListEncoding::DeltaBinaryPacked,
                    false => ListEncoding::Dictionary,
                });
                let options = ArrowWriterOptions::new()
                    .with_properties(properties(&self.options, timestamps)?)
                    .with_skip_arrow_metadata(true);
                none.insert(ArrowWriter::try_new_with_options(Vec::new(), SCHEMA.clone(), options)?)
            }
        };
        writer.write(&columns.finish()?)?;
        self.size_bytes = writer.bytes_written() + writer.in_progress_size();
        Ok(())
    }

    /// Bytes that the file has so far, about: without the last rows.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Closes the file; `None` where nothing was added.
    ///
    /// # Errors
    /// [`Error`] where the last rows cannot be written.
    pub fn finish(mut self) -> Result<Option<Segment>, Error> {
        let Some(last) = self.last.take() else { return Ok(None) };
        self.flush()?;
        self.info.last_metric = name(&last.labels);
        let Some(mut writer) = self.writer.take() else {
            return Ok(None);
        };
        let metadata = writer.finish()?;
        let bytes = std::mem::take(writer.inner_mut());
        Ok(Some(closed(bytes, &metadata, self.info)))
    }
}

/// A file that is written, with the length of its footer.
pub(crate) fn closed(bytes: Vec<u8>, metadata: &ParquetMetaData, info: SegmentInfo) -> Segment {
    let data_end = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns())
        .map(|column| column.byte_range())
        .map(|(start, length)| start + length)
        .max()
        .unwrap_or_default();
    let footer_bytes = bytes.len() as u64 - data_end;
    Segment {
        bytes: Bytes::from(bytes),
        info: SegmentInfo { footer_bytes, ..info },
    }
}

fn name(labels: &Labels) -> String {
    labels.metric_name().unwrap_or_default().to_owned()
}

/// Sorts chunks and writes them as one segment; `None` without chunks.
///
/// Chunks of one series must not overlap in time: bring them together with [`crate::SeriesMerger`] first.
///
/// # Errors
/// [`Error`] where a chunk's lists differ in length or the bytes cannot be written.
pub fn encode(chunks: Vec<Chunk>, options: EncodeOptions) -> Result<Option<Segment>, Error> {
    let mut writer = SegmentWriter::new(options);
    let sorted = sort_with_ids(chunks);
    for series in sorted.chunk_by(|a, b| a.0 == b.0 && a.1.labels == b.1.labels) {
        let parts = series.iter().map(|(_, chunk)| (chunk.kind, chunk.samples.part()));
        writer.push_parts(&series[0].1.labels, series[0].0, parts)?;
    }
    writer.finish()
}

pub(crate) fn properties(options: &EncodeOptions, timestamps: ListEncoding) -> Result<WriterProperties, Error> {
    let path = |parts: &[&str]| ColumnPath::new(parts.iter().map(|part| (*part).to_owned()).collect());
    let list = |name: &str| path(&[name, "list", "element"]);
    let column_index = |name: &str| {
        SCHEMA
            .index_of(name)
            .map(|index| i32::try_from(index).unwrap_or_default())
    };
    let mut builder = WriterProperties::builder()
        // Version 1 data pages: every reader of the field has them.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("parapet-segment version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new(
            schema::VERSION_KEY.to_owned(),
            schema::VERSION.to_owned(),
        )]))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(options.zstd_level)?))
        .set_max_row_group_row_count(Some(options.row_group_rows))
        .set_max_row_group_bytes(Some(options.row_group_bytes))
        .set_data_page_size_limit(options.page_bytes)
        .set_data_page_row_count_limit(8 * 1024)
        .set_dictionary_page_size_limit(2 << 20)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(false);
    for name in [schema::METRIC, schema::TYPE, schema::SAMPLES, schema::STALE_SAMPLES] {
        builder = builder.set_column_dictionary_enabled(path(&[name]), true);
    }
    for part in ["key", "value"] {
        builder = builder.set_column_dictionary_enabled(path(&[schema::LABELS, "key_value", part]), true);
    }
    let exemplar_labels = [schema::EXEMPLARS, "list", "element", "labels", "key_value", "key"];
    builder = builder.set_column_dictionary_enabled(path(&exemplar_labels), true);
    for name in [schema::METRIC, schema::SERIES_ID, schema::MIN_TS, schema::MAX_TS] {
        builder = builder.set_column_statistics_enabled(path(&[name]), EnabledStatistics::Page);
    }
    for name in [schema::MIN_TS, schema::MAX_TS] {
        builder = builder.set_column_dictionary_enabled(path(&[name]), true);
    }
    for name in schema::ROLLUPS {
        builder = builder.set_column_encoding(path(&[name]), Encoding::BYTE_STREAM_SPLIT);
    }
    for name in ["resets", "changes"] {
        builder = builder.set_column_dictionary_enabled(path(&[name]), true);
    }
    for (name, encoding) in [(schema::TIMESTAMPS, timestamps), (schema::VALUES, options.values)] {
        builder = match encoding {
            ListEncoding::Dictionary => builder.set_column_dictionary_enabled(list(name), true),
            ListEncoding::Plain => builder.set_column_encoding(list(name), Encoding::PLAIN),
            ListEncoding::DeltaBinaryPacked => builder.set_column_encoding(list(name), Encoding::DELTA_BINARY_PACKED),
            ListEncoding::ByteStreamSplit => builder.set_column_encoding(list(name), Encoding::BYTE_STREAM_SPLIT),
        };
        builder = builder.set_column_statistics_enabled(list(name), EnabledStatistics::None);
    }
    let sorting = [schema::METRIC, schema::SERIES_ID]
        .into_iter()
        .map(|name| {
            // The index of a leaf: of the columns before these only `labels` has two.
            let leaf = column_index(name)?;
            Ok(SortingColumn {
                column_idx: leaf + i32::from(leaf > 1),
                descending: false,
                nulls_first: false,
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(builder.set_sorting_columns(Some(sorting)).build())
}

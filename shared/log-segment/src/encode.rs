//! Writing: records in the order of their times in, Parquet bytes out.

use crate::Error;
use crate::columns::{Columns, NANOS_PER_MS};
use crate::schema::{self, SCHEMA};
use crate::summary::{IndexPlace, SummaryBuilder};
use bytes::Bytes;
use parapet_logs::LogRecord;
use parapet_logs::index::{IndexBuilder, IndexSetBuilder};
use parapet_logs::shape::Shapes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

/// How to write a segment. The choices are those of `docs/adr/0011-log-segment.md`.
#[derive(Clone, Debug)]
pub struct EncodeOptions {
    /// The zstd level: 1 for files that live for minutes, more for those that stay.
    pub zstd_level: i32,
    /// Most rows of a block.
    pub block_rows: u64,
    /// Most bytes of the lines of a block, about.
    pub block_line_bytes: u64,
    /// Most words and parts of words of a block: so many the index holds well.
    pub block_words: usize,
    /// A page is closed when it reaches this, about.
    pub page_bytes: usize,
    /// Most rows of a page.
    pub page_rows: usize,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            zstd_level: 6,
            block_rows: 128 * 1024,
            block_line_bytes: 24 << 20,
            block_words: 512 * 1024,
            page_bytes: 1 << 20,
            page_rows: 128 * 1024,
        }
    }
}

impl EncodeOptions {
    /// For what log-parse writes: it is merged within minutes. Its pages stay within a core's own cache.
    #[must_use]
    pub fn flush() -> Self {
        Self {
            zstd_level: 1,
            page_bytes: 256 << 10,
            page_rows: 16 * 1024,
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
    /// Records.
    pub rows: u64,
    /// Bytes of their lines.
    pub line_bytes: u64,
    /// The earliest record, milliseconds, rounded down.
    pub min_ts: i64,
    /// The latest record, milliseconds, rounded down.
    pub max_ts: i64,
    /// Bytes of the footer at the file's end: what a reader fetches first.
    pub footer_bytes: u64,
}

/// Writes one segment, record by record.
pub struct SegmentWriter {
    writer: Option<ArrowWriter<Vec<u8>>>,
    options: EncodeOptions,
    columns: Columns,
    /// Of the open block.
    shapes: Shapes,
    words: IndexBuilder,
    indexes: IndexSetBuilder,
    summary: SummaryBuilder,
    info: SegmentInfo,
    last_ns: i64,
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
            words: IndexBuilder::new(options.block_words),
            options,
            columns: Columns::default(),
            shapes: Shapes::default(),
            indexes: IndexSetBuilder::default(),
            summary: SummaryBuilder::default(),
            info: SegmentInfo::default(),
            last_ns: i64::MIN,
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`Error::Order`] where it is earlier than the last one.
    pub fn push(&mut self, record: &LogRecord) -> Result<(), Error> {
        if record.timestamp_ns < self.last_ns {
            return Err(Error::Order);
        }
        self.last_ns = record.timestamp_ns;
        let at_ms = record.timestamp_ns.div_euclid(NANOS_PER_MS);
        if self.info.rows == 0 {
            self.info.min_ts = at_ms;
        }
        self.info.max_ts = at_ms;
        self.info.rows += 1;
        self.info.line_bytes += record.raw.len() as u64;
        self.summary.push(record);
        let cut = self.shapes.cut(record);
        match cut {
            // What lies between the holes is in the index by the first line of this shape.
            Some(cut) if !cut.is_new => self.words.add_within(&record.raw, cut.holes),
            _ => self.words.add(&record.raw),
        }
        self.words.add(record.trace_id.as_bytes());
        self.columns.push(record, cut);
        if self.columns.is_full() {
            self.flush()?;
        }
        if self.words.len() >= self.options.block_words
            || self.summary.line_bytes() >= self.options.block_line_bytes
            || self.summary.rows() >= self.options.block_rows
        {
            self.close_block()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let batch = self.columns.finish()?;
        self.writer()?.write(&batch)?;
        Ok(())
    }

    fn close_block(&mut self) -> Result<(), Error> {
        self.flush()?;
        self.writer()?.flush()?;
        self.summary.close();
        self.columns.next_block();
        self.shapes = Shapes::default();
        let words = IndexBuilder::new(self.options.block_words);
        self.indexes.push(std::mem::replace(&mut self.words, words));
        Ok(())
    }

    fn writer(&mut self) -> Result<&mut ArrowWriter<Vec<u8>>, Error> {
        Ok(match &mut self.writer {
            Some(writer) => writer,
            none => {
                let options = ArrowWriterOptions::new()
                    .with_properties(properties(&self.options)?)
                    .with_skip_arrow_metadata(true);
                none.insert(ArrowWriter::try_new_with_options(Vec::new(), SCHEMA.clone(), options)?)
            }
        })
    }

    /// Bytes that the file has so far, about: without the open block.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let written = self.writer.as_ref().map_or(0, ArrowWriter::bytes_written);
        written + self.indexes.size_bytes()
    }

    /// Closes the file; `None` where nothing was added.
    ///
    /// # Errors
    /// [`Error`] where the last rows cannot be written.
    pub fn finish(mut self) -> Result<Option<Segment>, Error> {
        if self.info.rows == 0 {
            return Ok(None);
        }
        if self.summary.rows() > 0 {
            self.close_block()?;
        }
        let (indexes, summary) = (std::mem::take(&mut self.indexes), std::mem::take(&mut self.summary));
        let (slots, index) = indexes.finish();
        let writer = self.writer()?;
        writer.flush()?;
        // Between the rows and the footer: readers of Parquet go by the footer and never see it.
        let offset = writer.bytes_written() as u64;
        writer.write_all(&index).map_err(parquet::errors::ParquetError::from)?;
        let end = offset + index.len() as u64;
        let summary = summary.finish(IndexPlace { offset, slots });
        let text = serde_json::to_string(&summary).map_err(|error| Error::form(error.to_string()))?;
        writer.append_key_value_metadata(KeyValue::new(schema::SUMMARY_KEY.to_owned(), text));
        writer.finish()?;
        let bytes = Bytes::from(std::mem::take(writer.inner_mut()));
        self.info.footer_bytes = bytes.len() as u64 - end;
        Ok(Some(Segment { bytes, info: self.info }))
    }
}

/// The most bytes of the dictionary of a field.
const FIELD_DICTIONARY_BYTES: usize = 64 << 10;

fn properties(options: &EncodeOptions) -> Result<WriterProperties, Error> {
    let path = |parts: &[&str]| ColumnPath::new(parts.iter().map(|part| (*part).to_owned()).collect());
    let mut builder = WriterProperties::builder()
        // Version 1 data pages: every reader of the field has them.
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("parapet-log-segment version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new(
            schema::VERSION_KEY.to_owned(),
            schema::VERSION.to_owned(),
        )]))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(options.zstd_level)?))
        // Blocks are closed by the words that they have.
        .set_max_row_group_row_count(None)
        .set_data_page_size_limit(options.page_bytes)
        .set_data_page_row_count_limit(options.page_rows)
        .set_dictionary_page_size_limit(2 << 20)
        .set_offset_index_disabled(true)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_dictionary_enabled(false);
    for name in [schema::TIMESTAMP, schema::NANOSECONDS] {
        builder = builder.set_column_encoding(path(&[name]), Encoding::DELTA_BINARY_PACKED);
    }
    for name in [schema::TIMESTAMP, schema::SERVICE, schema::LEVEL] {
        builder = builder.set_column_statistics_enabled(path(&[name]), EnabledStatistics::Chunk);
    }
    for name in [
        schema::LEVEL,
        schema::SERVICE,
        schema::HOST,
        schema::ROUTE,
        schema::MESSAGE,
        schema::FIELDS,
        schema::SHAPE,
    ] {
        builder = builder.set_column_dictionary_enabled(path(&[name]), true);
    }
    for name in schema::FIELD_COLUMNS.iter() {
        // Few different values are worth a dictionary, many are not.
        let path = path(&[name]);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), true)
            .set_column_dictionary_page_size_limit(path.clone(), FIELD_DICTIONARY_BYTES)
            .set_column_encoding(path, Encoding::DELTA_LENGTH_BYTE_ARRAY);
    }
    builder = builder.set_column_encoding(
        path(&[schema::VARIABLES, "list", "element"]),
        Encoding::DELTA_LENGTH_BYTE_ARRAY,
    );
    // Identifiers are random: a search for what repeats finds little, and makes them longer.
    let trace_id = path(&[schema::TRACE_ID]);
    builder = builder
        .set_column_encoding(trace_id.clone(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
        .set_column_compression(trace_id, Compression::ZSTD(ZstdLevel::try_new(1)?));
    for name in [schema::STREAM, schema::ATTRIBUTES] {
        builder = builder.set_column_dictionary_enabled(path(&[name, "key_value", "key"]), true);
    }
    builder = builder.set_column_dictionary_enabled(path(&[schema::STREAM, "key_value", "value"]), true);
    Ok(builder.build())
}

//! A Parquet file of somebody else: its columns, and their values, one row group and column at a time.

use crate::pages::Pages;
use parapet_segment::Source;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescriptor;
use std::ops::Range;

/// How much is fetched to find a footer in.
const TAIL_BYTES: u64 = 64 * 1024;
/// The length of the footer, and the file's last word.
const TRAILER_BYTES: u64 = 8;
/// Values decoded at once.
const BATCH: usize = 8 * 1024;

/// What a file may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// The longest footer, bytes.
    pub max_footer_bytes: u64,
    /// The longest column of a row group as it is stored, bytes.
    pub max_chunk_bytes: u64,
    /// The longest page, decompressed, bytes.
    pub max_page_bytes: usize,
    /// The most rows of a row group.
    pub max_row_group_rows: u32,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self {
            max_footer_bytes: 8 << 20,
            max_chunk_bytes: 128 << 20,
            max_page_bytes: 64 << 20,
            max_row_group_rows: 20_000_000,
        }
    }
}

/// Why a file does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FileError(pub String);

impl From<ParquetError> for FileError {
    fn from(error: ParquetError) -> Self {
        Self(error.to_string())
    }
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Numbers.
    Numbers,
    /// Texts or booleans.
    Categories,
    /// Moments: no feature, but what a window may be cut by.
    Times,
    /// Anything else: lists, maps, bytes, identifiers.
    Other,
}

/// A value of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Missing,
    Number(f64),
    Category(&'a str),
}

/// Rows whose time is in a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The column of times.
    pub column: String,
    /// The first millisecond that counts.
    pub start_ms: i64,
    /// The first millisecond that does not any more.
    pub end_ms: i64,
}

/// A file whose footer is read.
#[derive(Debug)]
pub struct TableFile {
    metadata: ParquetMetaData,
    size: u64,
}

/// How a number is made of what is stored.
#[derive(Clone, Copy)]
enum Scale {
    Signed,
    Unsigned,
    /// Digits after the point.
    Decimal(i32),
}

impl TableFile {
    /// The part of a file of `size` bytes that is to be fetched first.
    #[must_use]
    pub fn tail(size: u64) -> Range<u64> {
        size.saturating_sub(TAIL_BYTES)..size
    }

    /// Where the footer is, told from the end of the file.
    ///
    /// # Errors
    /// Where it is no Parquet file, or its footer too long.
    pub fn footer(size: u64, tail: &[u8], limits: &FileLimits) -> Result<Range<u64>, FileError> {
        let trailer = tail.last_chunk::<8>().filter(|trailer| trailer.ends_with(b"PAR1"));
        let Some([a, b, c, d, ..]) = trailer else {
            let is_encrypted = tail.ends_with(b"PARE");
            let what = if is_encrypted {
                "its footer is encrypted"
            } else {
                "no Parquet file"
            };
            return Err(FileError(what.to_owned()));
        };
        let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
        if length > limits.max_footer_bytes {
            let limit = limits.max_footer_bytes;
            return Err(FileError(format!(
                "a footer of {length} bytes is over the limit of {limit}"
            )));
        }
        let end = size.saturating_sub(TRAILER_BYTES);
        let start = end
            .checked_sub(length)
            .ok_or_else(|| FileError(format!("a footer of {length} bytes in a file of {size}")))?;
        Ok(start..end)
    }

    /// Reads the footer.
    ///
    /// # Errors
    /// Where it does not read.
    pub fn open(size: u64, footer: &[u8]) -> Result<Self, FileError> {
        let metadata = ParquetMetaDataReader::decode_metadata(footer)?;
        Ok(Self { metadata, size })
    }

    fn descriptor(&self, column: usize) -> &ColumnDescriptor {
        let schema = self.metadata.file_metadata().schema_descr();
        &schema.columns()[column]
    }

    /// The columns with their names: `address.city` of a struct.
    #[must_use]
    pub fn columns(&self) -> Vec<(String, ColumnKind)> {
        let schema = self.metadata.file_metadata().schema_descr();
        let columns = schema.columns().iter();
        columns.map(|column| (column.path().string(), kind(column))).collect()
    }

    /// The place of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        let schema = self.metadata.file_metadata().schema_descr();
        schema
            .columns()
            .iter()
            .position(|column| column.path().string() == name)
    }

    /// How many row groups there are.
    #[must_use]
    pub fn row_groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    fn rows(&self, group: usize, limits: &FileLimits) -> Result<u32, FileError> {
        let rows = self.metadata.row_group(group).num_rows();
        match u32::try_from(rows) {
            Ok(rows) if rows <= limits.max_row_group_rows => Ok(rows),
            _ => {
                let limit = limits.max_row_group_rows;
                Err(FileError(format!("a row group of {rows} rows; the limit is {limit}")))
            }
        }
    }

    fn chunk(&self, group: usize, column: usize) -> Result<&ColumnChunkMetaData, FileError> {
        let chunk = self.metadata.row_group(group).columns().get(column);
        chunk.ok_or_else(|| FileError(format!("row group {group} has no column {column}")))
    }

    /// Where the values of a column of a row group are.
    ///
    /// # Errors
    /// Where they lie outside of the file, or are too many.
    pub fn range(&self, group: usize, column: usize, limits: &FileLimits) -> Result<Range<u64>, FileError> {
        let chunk = self.chunk(group, column)?;
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        let length = chunk.compressed_size();
        let name = || self.descriptor(column).path().string();
        let (Ok(start), Ok(length)) = (u64::try_from(start), u64::try_from(length)) else {
            return Err(FileError(format!("column {} lies at a negative place", name())));
        };
        if length > limits.max_chunk_bytes {
            let limit = limits.max_chunk_bytes;
            let text = format!(
                "column {} takes {length} bytes in a row group; the limit is {limit}",
                name()
            );
            return Err(FileError(text));
        }
        match start.checked_add(length) {
            Some(end) if end <= self.size => Ok(start..end),
            _ => Err(FileError(format!("column {} ends after the file", name()))),
        }
    }

    /// Whether a row group may have rows in a range of time, as far as its statistics say.
    #[must_use]
    pub fn overlaps(&self, group: usize, column: usize, range: &TimeRange) -> bool {
        let Ok(chunk) = self.chunk(group, column) else {
            return true;
        };
        let Some(Statistics::Int64(statistics)) = chunk.statistics() else {
            return true;
        };
        let Some(unit) = TimeForm::of(self.descriptor(column)) else {
            return true;
        };
        let (min, max) = (statistics.min_opt(), statistics.max_opt());
        let starts = min.is_none_or(|min| unit.to_ms(*min) < range.end_ms);
        starts && max.is_none_or(|max| unit.to_ms(*max) >= range.start_ms)
    }

    /// Which rows of a row group have their time in a range.
    ///
    /// # Errors
    /// Where the column does not read, or has no times.
    pub fn rows_in(
        &self,
        group: usize,
        column: usize,
        source: &Source,
        range: &TimeRange,
        limits: &FileLimits,
    ) -> Result<Vec<bool>, FileError> {
        let descriptor = self.descriptor(column);
        let Some(form) = TimeForm::of(descriptor) else {
            let text = format!("timestamp_column {} has no times", descriptor.path().string());
            return Err(FileError(text));
        };
        let mut rows = Vec::new();
        let mut add = |at: Option<i64>| {
            rows.push(at.is_some_and(|at_ms| (range.start_ms..range.end_ms).contains(&at_ms)));
        };
        match self.reader(group, column, source, limits)? {
            (ColumnReader::Int64ColumnReader(reader), rows) => {
                each(reader, rows, descriptor, |value| add(value.map(|at| form.to_ms(*at))))?;
            }
            (ColumnReader::Int32ColumnReader(reader), rows) => {
                each(reader, rows, descriptor, |value| {
                    add(value.map(|at| form.to_ms(i64::from(*at))))
                })?;
            }
            (ColumnReader::Int96ColumnReader(reader), rows) => {
                each(reader, rows, descriptor, |value| add(value.map(|at| at.to_millis())))?;
            }
            _ => return Err(FileError("times are stored as no form of time is".to_owned())),
        }
        Ok(rows)
    }

    fn reader(
        &self,
        group: usize,
        column: usize,
        source: &Source,
        limits: &FileLimits,
    ) -> Result<(ColumnReader, u32), FileError> {
        // Checked again: the decoder takes both for granted.
        self.range(group, column, limits)?;
        let (chunk, rows) = (self.chunk(group, column)?, self.rows(group, limits)?);
        let pages = Pages::new(source.clone(), chunk, rows, limits.max_page_bytes)?;
        Ok((get_column_reader(chunk.column_descr_ptr(), Box::new(pages)), rows))
    }

    /// Gives each value of a column of a row group, or those of the rows in `keep`, in order.
    pub(crate) fn read(
        &self,
        group: usize,
        column: usize,
        source: &Source,
        keep: Option<&[bool]>,
        limits: &FileLimits,
        mut take: impl FnMut(Cell<'_>),
    ) -> Result<(), FileError> {
        let descriptor = self.descriptor(column);
        let scale = scale(descriptor);
        let mut row = 0;
        let mut take = |cell: Cell<'_>| {
            if keep.is_none_or(|keep| keep.get(row).copied().unwrap_or(false)) {
                take(cell);
            }
            row += 1;
        };
        let number = |value: f64| {
            if value.is_nan() {
                Cell::Missing
            } else {
                Cell::Number(value)
            }
        };
        let d = descriptor;
        match self.reader(group, column, source, limits)? {
            (ColumnReader::BoolColumnReader(reader), rows) => each(reader, rows, d, |value| {
                take(value.map_or(Cell::Missing, |flag| {
                    Cell::Category(if *flag { "true" } else { "false" })
                }));
            }),
            (ColumnReader::Int32ColumnReader(reader), rows) => each(reader, rows, d, |value| {
                let value = value.map(|value| match scale {
                    Scale::Unsigned => f64::from(value.cast_unsigned()),
                    Scale::Signed => f64::from(*value),
                    Scale::Decimal(digits) => f64::from(*value) / 10f64.powi(digits),
                });
                take(value.map_or(Cell::Missing, number));
            }),
            (ColumnReader::Int64ColumnReader(reader), rows) => each(reader, rows, d, |value| {
                let value = value.map(|value| match scale {
                    Scale::Unsigned => value.cast_unsigned() as f64,
                    Scale::Signed => *value as f64,
                    Scale::Decimal(digits) => *value as f64 / 10f64.powi(digits),
                });
                take(value.map_or(Cell::Missing, number));
            }),
            (ColumnReader::FloatColumnReader(reader), rows) => each(reader, rows, d, |value| {
                take(value.map_or(Cell::Missing, |value| number(f64::from(*value))));
            }),
            (ColumnReader::DoubleColumnReader(reader), rows) => each(reader, rows, d, |value| {
                take(value.map_or(Cell::Missing, |value| number(*value)));
            }),
            (ColumnReader::ByteArrayColumnReader(reader), rows) => each(reader, rows, d, |value| match value {
                Some(bytes) => take(Cell::Category(&String::from_utf8_lossy(cut(bytes.data())))),
                None => take(Cell::Missing),
            }),
            (ColumnReader::FixedLenByteArrayColumnReader(reader), rows) => each(reader, rows, d, |value| {
                let digits = match scale {
                    Scale::Decimal(digits) => digits,
                    _ => 0,
                };
                let value = value.map(|bytes| whole(bytes.data()) / 10f64.powi(digits));
                take(value.map_or(Cell::Missing, number));
            }),
            (ColumnReader::Int96ColumnReader(_), _) => Err(FileError("times are no feature".to_owned())),
        }
    }
}

/// The longest text of a category; longer ones are cut.
const CATEGORY_BYTES: usize = 256;

fn cut(bytes: &[u8]) -> &[u8] {
    bytes.get(..CATEGORY_BYTES).unwrap_or(bytes)
}

/// A signed number, the largest byte first.
fn whole(bytes: &[u8]) -> f64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let start = if negative { -1.0 } else { 0.0 };
    if bytes.len() <= 16 {
        let sign = if negative { -1i128 } else { 0 };
        return bytes.iter().fold(sign, |sum, byte| (sum << 8) | i128::from(*byte)) as f64;
    }
    bytes.iter().fold(start, |sum, byte| sum * 256.0 + f64::from(*byte))
}

/// Gives the values of a column in order, `None` where there is none, but no more than its row group has rows.
fn each<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: u32,
    descriptor: &ColumnDescriptor,
    mut take: impl FnMut(Option<&T::T>),
) -> Result<(), FileError> {
    let most = descriptor.max_def_level();
    let (mut levels, mut values) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
    let mut left = rows as usize;
    while left > 0 {
        levels.clear();
        values.clear();
        let levels_wanted = (most > 0).then_some(&mut levels);
        let (records, _, _) = reader.read_records(left.min(BATCH), levels_wanted, None, &mut values)?;
        if records == 0 {
            return Err(FileError(format!(
                "column {} has too few rows",
                descriptor.path().string()
            )));
        }
        left = left.saturating_sub(records);
        if most == 0 {
            values.iter().for_each(|value| take(Some(value)));
            continue;
        }
        let mut values = values.iter();
        for level in &levels {
            take(if *level == most { values.next() } else { None });
        }
    }
    Ok(())
}

fn kind(column: &ColumnDescriptor) -> ColumnKind {
    if column.max_rep_level() > 0 {
        return ColumnKind::Other;
    }
    if TimeForm::of(column).is_some() {
        return ColumnKind::Times;
    }
    let logical = column.logical_type_ref();
    match column.physical_type() {
        Type::BOOLEAN => ColumnKind::Categories,
        Type::FLOAT | Type::DOUBLE => ColumnKind::Numbers,
        Type::INT32 | Type::INT64 => match logical {
            Some(LogicalType::Time(_)) => ColumnKind::Other,
            _ => ColumnKind::Numbers,
        },
        Type::BYTE_ARRAY => match (logical, column.converted_type()) {
            (Some(LogicalType::String | LogicalType::Enum), _)
            | (None, ConvertedType::NONE | ConvertedType::UTF8 | ConvertedType::ENUM) => ColumnKind::Categories,
            _ => ColumnKind::Other,
        },
        Type::FIXED_LEN_BYTE_ARRAY if matches!(scale(column), Scale::Decimal(_)) => ColumnKind::Numbers,
        Type::FIXED_LEN_BYTE_ARRAY | Type::INT96 => ColumnKind::Other,
    }
}

fn scale(column: &ColumnDescriptor) -> Scale {
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Decimal(decimal)), _) => Scale::Decimal(decimal.scale),
        (_, ConvertedType::DECIMAL) => Scale::Decimal(column.type_scale()),
        (_, ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64) => {
            Scale::Unsigned
        }
        _ => Scale::Signed,
    }
}

/// How a moment is stored.
#[derive(Clone, Copy)]
enum TimeForm {
    Days,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    /// The older form of Spark and Impala.
    Int96,
}

impl TimeForm {
    fn of(column: &ColumnDescriptor) -> Option<Self> {
        if column.max_rep_level() > 0 {
            return None;
        }
        match (
            column.physical_type(),
            column.logical_type_ref(),
            column.converted_type(),
        ) {
            (Type::INT96, _, _) => Some(Self::Int96),
            (Type::INT32, Some(LogicalType::Date), _) | (Type::INT32, _, ConvertedType::DATE) => Some(Self::Days),
            (Type::INT64, Some(LogicalType::Timestamp(timestamp)), _) => Some(match timestamp.unit {
                TimeUnit::MILLIS => Self::Milliseconds,
                TimeUnit::MICROS => Self::Microseconds,
                TimeUnit::NANOS => Self::Nanoseconds,
            }),
            (Type::INT64, _, ConvertedType::TIMESTAMP_MILLIS) => Some(Self::Milliseconds),
            (Type::INT64, _, ConvertedType::TIMESTAMP_MICROS) => Some(Self::Microseconds),
            _ => None,
        }
    }

    /// Milliseconds since the Unix epoch.
    fn to_ms(self, stored: i64) -> i64 {
        match self {
            Self::Days => stored.saturating_mul(86_400_000),
            Self::Milliseconds | Self::Int96 => stored,
            Self::Microseconds => stored.div_euclid(1_000),
            Self::Nanoseconds => stored.div_euclid(1_000_000),
        }
    }
}

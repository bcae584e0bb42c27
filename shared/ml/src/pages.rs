//! Pages of foreign Parquet files, decompressed here: into no more memory than allowed, whatever a page says of itself.
//!
//! The decoder is told that a column is not compressed, and gets pages that no longer are. So every codec is bounded in
//! the same way, and Snappy and gzip, which others write by default, need no feature of the decoder.

use bytes::Bytes;
use parapet_segment::Source;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use std::io::Read as _;
use std::sync::Arc;

/// Reads the pages of one column chunk.
pub(crate) struct Pages {
    inner: SerializedPageReader<Source>,
    compression: Compression,
    /// Whether values may have levels before them.
    has_levels: bool,
    max_page_bytes: usize,
    /// No page has more values than its row group has rows.
    max_values: u32,
}

impl Pages {
    /// The chunk's place in the file must have been checked: the decoder takes it for granted.
    pub(crate) fn new(source: Source, chunk: &ColumnChunkMetaData, rows: u32, max_page_bytes: usize) -> Result<Self> {
        let compression = chunk.compression();
        if !matches!(
            compression,
            Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_)
        ) {
            let text = format!("compressed with {compression}; write it with Snappy, zstd, gzip or uncompressed");
            return Err(ParquetError::NYI(text));
        }
        let plain = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED);
        Ok(Self {
            inner: SerializedPageReader::new(Arc::new(source), &plain.build()?, rows as usize, None)?,
            compression,
            has_levels: chunk.column_descr().max_def_level() > 0,
            max_page_bytes,
            max_values: rows,
        })
    }

    fn decompress(&self, compressed: &Bytes, levels: usize) -> Result<Bytes> {
        if compressed.len() <= levels {
            return Ok(compressed.clone());
        }
        let limit = self.max_page_bytes.saturating_sub(levels);
        let too_large = || ParquetError::General(format!("a page of more than {} bytes", self.max_page_bytes));
        let broken =
            |error: &dyn std::fmt::Display| ParquetError::General(format!("a page does not decompress: {error}"));
        let (plain_levels, packed) = compressed.split_at(levels);
        let unpacked = match self.compression {
            Compression::SNAPPY => {
                if snap::raw::decompress_len(packed).map_err(|error| broken(&error))? > limit {
                    return Err(too_large());
                }
                let mut decoder = snap::raw::Decoder::new();
                decoder.decompress_vec(packed).map_err(|error| broken(&error))?
            }
            Compression::GZIP(_) => {
                read_to(flate2::read::MultiGzDecoder::new(packed), limit).map_err(|e| broken(&e))?
            }
            Compression::ZSTD(_) => {
                let decoder = zstd::stream::read::Decoder::new(packed).map_err(|error| broken(&error))?;
                read_to(decoder, limit).map_err(|error| broken(&error))?
            }
            _ => packed.to_vec(),
        };
        if unpacked.len() > limit {
            return Err(too_large());
        }
        Ok([plain_levels, &unpacked].concat().into())
    }

    fn plain(&self, page: Page) -> Result<Page> {
        Ok(match page {
            Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding,
                rep_level_encoding,
                statistics,
            } => {
                let buf = self.decompress(&buf, 0)?;
                self.check_values(num_values)?;
                let levels = if self.has_levels { level_bytes(&buf) } else { 0 };
                self.check_lengths(encoding, &buf, levels)?;
                Page::DataPage {
                    buf,
                    num_values,
                    encoding,
                    def_level_encoding,
                    rep_level_encoding,
                    statistics,
                }
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls,
                num_rows,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed,
                statistics,
            } => {
                let levels = def_levels_byte_len as usize + rep_levels_byte_len as usize;
                if levels > buf.len() {
                    return Err(ParquetError::General("levels longer than their page".to_owned()));
                }
                let buf = if is_compressed {
                    self.decompress(&buf, levels)?
                } else {
                    buf
                };
                self.check_values(num_values)?;
                self.check_lengths(encoding, &buf, levels)?;
                Page::DataPageV2 {
                    buf,
                    num_values,
                    encoding,
                    num_nulls,
                    num_rows,
                    def_levels_byte_len,
                    rep_levels_byte_len,
                    is_compressed: false,
                    statistics,
                }
            }
            Page::DictionaryPage {
                buf,
                num_values,
                encoding,
                is_sorted,
            } => {
                let buf = self.decompress(&buf, 0)?;
                // Each value takes a byte at least; the decoder makes room for as many as the page says.
                if num_values as usize > buf.len() {
                    let text = format!("a dictionary of {num_values} values in {} bytes", buf.len());
                    return Err(ParquetError::General(text));
                }
                Page::DictionaryPage {
                    buf,
                    num_values,
                    encoding,
                    is_sorted,
                }
            }
        })
    }

    fn check_values(&self, num_values: u32) -> Result<()> {
        if num_values > self.max_values {
            let text = format!(
                "a page of {num_values} values in a row group of {} rows",
                self.max_values
            );
            return Err(ParquetError::General(text));
        }
        Ok(())
    }

    /// Encodings with lengths say how many there are, and the decoder makes room for them.
    fn check_lengths(&self, encoding: Encoding, page: &[u8], levels: usize) -> Result<()> {
        if !matches!(encoding, Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY) {
            return Ok(());
        }
        let mut values = page.get(levels..).unwrap_or_default();
        // The size of a block, how many miniblocks it has, how many lengths there are.
        let count = (0..3).map(|_| varint(&mut values)).last().flatten();
        match count {
            Some(count) if count <= u64::from(self.max_values) => Ok(()),
            _ => Err(ParquetError::General(
                "lengths of more values than there are".to_owned(),
            )),
        }
    }
}

/// How many bytes the definition levels take that a page of the first version begins with.
fn level_bytes(page: &[u8]) -> usize {
    let length = page.first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    (length as usize).saturating_add(4)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// One byte more than the limit at most, by which it is seen.
fn read_to(reader: impl std::io::Read, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut out)?;
    Ok(out)
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.inner.get_next_page()?;
        page.map(|page| self.plain(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.inner.skip_next_page()
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

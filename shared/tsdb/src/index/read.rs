//! Reading.

use super::{ChunkMeta, HEADER_BYTES, MAGIC, SERIES_ALIGNMENT, TOC_BYTES, VERSION};
use crate::cursor::Cursor;
use crate::read_at::{ReadAt, Window};
use crate::{Error, checksum};
use parapet_model::Labels;
use std::ops::Range;

const PLACE: &str = "index";

fn corrupt(what: impl Into<String>) -> Error {
    Error::corrupt(PLACE, what)
}

/// An open index. In memory are its symbols: each label name and value once.
#[derive(Debug)]
pub struct Index<R> {
    file: R,
    symbols: Symbols,
    series: Range<u64>,
}

/// A series of the index.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexedSeries {
    /// Its name within the block: tombstones refer to it.
    pub reference: u64,
    /// The labels, `__name__` included.
    pub labels: Labels,
    /// Its chunks, in order of time.
    pub chunks: Vec<ChunkMeta>,
}

#[derive(Debug)]
struct Symbols {
    text: String,
    ends: Vec<usize>,
}

impl Symbols {
    fn get(&self, number: u64) -> Option<&str> {
        let number = usize::try_from(number).ok()?;
        let start = match number.checked_sub(1) {
            None => 0,
            Some(before) => *self.ends.get(before)?,
        };
        self.text.get(start..*self.ends.get(number)?)
    }
}

impl<R: ReadAt> Index<R> {
    /// Opens an index.
    ///
    /// # Errors
    /// Where it is none, of another version than 2, or changed.
    pub fn open(file: R) -> Result<Self, Error> {
        let size = file.size().map_err(Error::io(PLACE))?;
        let read = |at: u64, length: u64| -> Result<Vec<u8>, Error> {
            if at.checked_add(length).is_none_or(|end| end > size) {
                return Err(corrupt("ends too early"));
            }
            let mut bytes = vec![0; usize::try_from(length).map_err(|_| corrupt("is too large"))?];
            file.read_at(&mut bytes, at).map_err(Error::io(PLACE))?;
            Ok(bytes)
        };
        let header = read(0, HEADER_BYTES)?;
        let mut cursor = Cursor::new(&header);
        if cursor.be32() != Some(MAGIC) {
            return Err(corrupt("is no index: its first bytes are others"));
        }
        if header[4] != VERSION {
            return Err(Error::Unsupported(format!(
                "index: version {} is not supported, {VERSION} is",
                header[4]
            )));
        }
        let toc_start = size.checked_sub(TOC_BYTES).ok_or_else(|| corrupt("ends too early"))?;
        let toc = read(toc_start, TOC_BYTES)?;
        let (offsets, sum) = toc.split_at(48);
        if checksum(offsets).to_be_bytes() != sum {
            return Err(corrupt("the checksum of the table of contents differs"));
        }
        let mut cursor = Cursor::new(offsets);
        let offsets: Vec<u64> = (0..6).filter_map(|_| cursor.be64()).collect();
        let [symbols_at, series_at, ..] = offsets[..] else {
            return Err(corrupt("ends too early"));
        };
        // Series end where the next section begins, whichever it is.
        let end = offsets[2..].iter().copied().filter(|at| *at > series_at).min();
        let end = end.unwrap_or(toc_start).min(toc_start);
        let mut length = [0; 4];
        length.copy_from_slice(&read(symbols_at, 4)?);
        let length = u64::from(u32::from_be_bytes(length));
        let section = read(symbols_at.saturating_add(4), length + 4)?;
        Ok(Self {
            symbols: Symbols::parse(&section)?,
            series: series_at.max(HEADER_BYTES)..end,
            file,
        })
    }

    /// The series, in the order of their labels.
    pub fn series(&self) -> SeriesIter<'_, R> {
        SeriesIter {
            index: self,
            at: self.series.start,
            window: Window::default(),
        }
    }
}

impl Symbols {
    fn parse(section: &[u8]) -> Result<Self, Error> {
        let ends_early = || corrupt("the symbols end too early");
        let (body, sum) = section.split_last_chunk::<4>().ok_or_else(ends_early)?;
        if checksum(body).to_be_bytes() != *sum {
            return Err(corrupt("the checksum of the symbols differs"));
        }
        let mut cursor = Cursor::new(body);
        let count = cursor.be32().ok_or_else(ends_early)?;
        let (mut text, mut ends) = (String::with_capacity(body.len()), Vec::new());
        for _ in 0..count {
            let length = cursor.uvarint().and_then(|length| usize::try_from(length).ok());
            let symbol = length.and_then(|length| cursor.take(length)).ok_or_else(ends_early)?;
            let symbol = std::str::from_utf8(symbol)
                .map_err(|_| corrupt(format!("the symbol {:?} is not UTF-8", String::from_utf8_lossy(symbol))))?;
            text.push_str(symbol);
            ends.push(text.len());
        }
        Ok(Self { text, ends })
    }
}

/// Goes through the series of an [`Index`]; ends at the first fault.
#[derive(Debug)]
pub struct SeriesIter<'i, R> {
    index: &'i Index<R>,
    at: u64,
    window: Window,
}

impl<R: ReadAt> Iterator for SeriesIter<'_, R> {
    type Item = Result<IndexedSeries, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at.next_multiple_of(SERIES_ALIGNMENT);
        let end = self.index.series.end;
        // What is left may be padding before the next section.
        if start >= end {
            return None;
        }
        let found = self.read(start, end).transpose();
        if !matches!(found, Some(Ok(_))) {
            self.at = end;
        }
        found
    }
}

/// A length takes at most so many bytes.
const MAX_LENGTH_BYTES: usize = 10;

impl<R: ReadAt> SeriesIter<'_, R> {
    fn read(&mut self, start: u64, end: u64) -> Result<Option<IndexedSeries>, Error> {
        let fault = |what: &str| Error::corrupt(format!("index, series at byte {start}"), what);
        let ends_early = || fault("ends too early");
        let file = &self.index.file;
        let mut cursor = Cursor::new(self.window.get(file, end, start, MAX_LENGTH_BYTES, PLACE)?);
        let length = cursor.uvarint().ok_or_else(ends_early)?;
        let head = cursor.position();
        if length == 0 || length > end - start {
            return Err(fault("has a length that is none"));
        }
        let whole = head + length as usize + 4;
        let bytes = self.window.get(file, end, start, whole, PLACE)?;
        let (body, sum) = bytes[head..].split_last_chunk::<4>().ok_or_else(ends_early)?;
        if bytes.len() < whole {
            return Err(ends_early());
        }
        if checksum(body).to_be_bytes() != *sum {
            return Err(fault("the checksum differs"));
        }
        let symbols = &self.index.symbols;
        let (labels, chunks) =
            parse(body, symbols).ok_or_else(|| fault("refers to what is not there, or ends too early"))?;
        self.at = start + whole as u64;
        Ok(Some(IndexedSeries {
            reference: start / SERIES_ALIGNMENT,
            labels,
            chunks,
        }))
    }
}

fn parse(body: &[u8], symbols: &Symbols) -> Option<(Labels, Vec<ChunkMeta>)> {
    let mut cursor = Cursor::new(body);
    let mut pairs = Vec::new();
    for _ in 0..cursor.uvarint()? {
        let (name, value) = (symbols.get(cursor.uvarint()?)?, symbols.get(cursor.uvarint()?)?);
        pairs.push((name, value));
    }
    let is_normal = pairs.is_sorted_by(|a, b| a.0 < b.0) && pairs.iter().all(|(_, value)| !value.is_empty());
    let labels = match is_normal {
        true => Labels::from_sorted(pairs),
        false => Labels::from_pairs(pairs),
    };
    let count = cursor.uvarint()?;
    let mut chunks: Vec<ChunkMeta> = Vec::new();
    for _ in 0..count {
        let min_ms = match chunks.last() {
            None => cursor.varint()?,
            Some(before) => before.max_ms.checked_add_unsigned(cursor.uvarint()?)?,
        };
        let max_ms = min_ms.checked_add_unsigned(cursor.uvarint()?)?;
        let reference = match chunks.last() {
            None => cursor.uvarint()?,
            Some(before) => before.reference.checked_add_signed(cursor.varint()?)?,
        };
        chunks.push(ChunkMeta {
            min_ms,
            max_ms,
            reference,
        });
    }
    Some((labels, chunks))
}

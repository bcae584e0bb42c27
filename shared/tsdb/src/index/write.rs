//! Writing.

use super::{BlockSeries, MAGIC, SERIES_ALIGNMENT, VERSION};
use crate::cursor::{put_uvarint, put_varint};
use crate::{Error, checksum};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;

/// Counts the bytes that it writes.
struct Out<W> {
    file: W,
    at: u64,
}

impl<W: Write> Out<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.at += bytes.len() as u64;
        self.file.write_all(bytes).map_err(Error::io("index"))
    }

    fn align(&mut self, alignment: u64) -> Result<(), Error> {
        let missing = self.at.next_multiple_of(alignment) - self.at;
        self.put(&[0; SERIES_ALIGNMENT as usize][..missing as usize])
    }

    /// A section: length, content, checksum.
    fn section(&mut self, content: &[u8]) -> Result<(), Error> {
        self.put(&length(content.len())?.to_be_bytes())?;
        self.put(content)?;
        self.put(&checksum(content).to_be_bytes())
    }
}

fn length(length: usize) -> Result<u32, Error> {
    u32::try_from(length)
        .map_err(|_| Error::Unsupported("index: the block has too many series; write shorter ones".to_owned()))
}

/// Writes an index of version 2. Memory is about what the index has in bytes.
///
/// # Errors
/// Where the series are not in strictly rising order of their labels, are too many, or the file is not written.
pub fn write_index<W: Write>(file: W, series: &[BlockSeries]) -> Result<(), Error> {
    if !series.is_sorted_by(|a, b| a.labels < b.labels) {
        return Err(Error::corrupt("index", "series are not in the order of their labels"));
    }
    let mut out = Out { file, at: 0 };
    out.put(&MAGIC.to_be_bytes())?;
    out.put(&[VERSION])?;
    let symbols_at = out.at;
    let symbols = write_symbols(&mut out, series)?;
    let series_at = out.at;
    let mut postings: BTreeMap<(&str, &str), Vec<u32>> = BTreeMap::new();
    // Every series, under the empty label.
    postings.insert(("", ""), Vec::with_capacity(series.len()));
    for one in series {
        out.align(SERIES_ALIGNMENT)?;
        let reference = length(usize::try_from(out.at / SERIES_ALIGNMENT).unwrap_or(usize::MAX))?;
        for label in std::iter::once(("", "")).chain(&one.labels) {
            postings.entry(label).or_default().push(reference);
        }
        let mut entry = Vec::new();
        let content = series_entry(one, &symbols);
        put_uvarint(&mut entry, content.len() as u64);
        entry.extend_from_slice(&content);
        entry.extend_from_slice(&checksum(&content).to_be_bytes());
        out.put(&entry)?;
    }
    // There are no label indices any more: their place is where they would be.
    let label_indices_at = out.at;
    let mut table = length(postings.len())?.to_be_bytes().to_vec();
    let mut postings_at = None;
    for ((name, value), references) in &postings {
        out.align(4)?;
        postings_at.get_or_insert(out.at);
        table.push(2);
        for text in [name, value] {
            put_uvarint(&mut table, text.len() as u64);
            table.extend_from_slice(text.as_bytes());
        }
        put_uvarint(&mut table, out.at);
        let mut list = length(references.len())?.to_be_bytes().to_vec();
        list.extend(references.iter().flat_map(|reference| reference.to_be_bytes()));
        out.section(&list)?;
    }
    let table_at = out.at;
    out.section(&table)?;
    let offsets = [
        symbols_at,
        series_at,
        label_indices_at,
        table_at,
        postings_at.unwrap_or(table_at),
        table_at,
    ];
    let toc: Vec<u8> = offsets.into_iter().flat_map(u64::to_be_bytes).collect();
    out.put(&toc)?;
    out.put(&checksum(&toc).to_be_bytes())?;
    out.file.flush().map_err(Error::io("index"))
}

/// Writes every name and value once, sorted; gives their numbers.
fn write_symbols<'s, W: Write>(out: &mut Out<W>, series: &'s [BlockSeries]) -> Result<HashMap<&'s str, u64>, Error> {
    let labels = series.iter().flat_map(|one| &one.labels);
    let sorted: BTreeSet<&str> = labels.flat_map(|(name, value)| [name, value]).collect();
    let mut content = length(sorted.len())?.to_be_bytes().to_vec();
    for symbol in &sorted {
        put_uvarint(&mut content, symbol.len() as u64);
        content.extend_from_slice(symbol.as_bytes());
    }
    out.section(&content)?;
    Ok(sorted.into_iter().zip(0..).collect())
}

fn series_entry(series: &BlockSeries, symbols: &HashMap<&str, u64>) -> Vec<u8> {
    let mut content = Vec::new();
    put_uvarint(&mut content, series.labels.len() as u64);
    for (name, value) in &series.labels {
        for symbol in [name, value] {
            put_uvarint(&mut content, symbols.get(symbol).copied().unwrap_or_default());
        }
    }
    put_uvarint(&mut content, series.chunks.len() as u64);
    let mut before = None;
    for chunk in &series.chunks {
        match before {
            None => {
                put_varint(&mut content, chunk.min_ms);
                put_uvarint(&mut content, chunk.max_ms.abs_diff(chunk.min_ms));
                put_uvarint(&mut content, chunk.reference);
            }
            Some((max_ms, reference)) => {
                put_uvarint(&mut content, chunk.min_ms.abs_diff(max_ms));
                put_uvarint(&mut content, chunk.max_ms.abs_diff(chunk.min_ms));
                put_varint(&mut content, chunk.reference.wrapping_sub(reference).cast_signed());
            }
        }
        before = Some((chunk.max_ms, chunk.reference));
    }
    content
}

//! [`Source`]: the bytes of a file, all of them or the ranges that were fetched.

use bytes::{Buf as _, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::ops::Range;
use std::sync::Arc;

/// The bytes of a segment, or those ranges of them that a read needs. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Source {
    size: u64,
    /// In order of their start.
    parts: Arc<[(u64, Bytes)]>,
}

impl Source {
    /// A whole file.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self {
            size: bytes.len() as u64,
            parts: [(0, bytes)].into(),
        }
    }

    /// Parts of a file of `size` bytes, each with the place where it starts.
    #[must_use]
    pub fn parts(size: u64, mut parts: Vec<(u64, Bytes)>) -> Self {
        parts.sort_by_key(|part| part.0);
        Self {
            size,
            parts: parts.into(),
        }
    }

    /// The memory that the bytes take.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.1.len()).sum()
    }

    /// From `start` on, as far as the part goes.
    fn tail(&self, start: u64) -> Result<Bytes, ParquetError> {
        let after = self.parts.partition_point(|part| part.0 <= start);
        // Of parts that overlap an earlier one may reach further.
        let held = self.parts[..after].iter().rev().find_map(|(from, bytes)| {
            let skip = usize::try_from(start - from).ok()?;
            (skip < bytes.len()).then(|| bytes.slice(skip..))
        });
        match held {
            Some(bytes) => Ok(bytes),
            None if start == self.size => Ok(Bytes::new()),
            None => Err(ParquetError::EOF(format!(
                "byte {start} of {} was not fetched",
                self.size
            ))),
        }
    }
}

impl From<Bytes> for Source {
    fn from(bytes: Bytes) -> Self {
        Self::whole(bytes)
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Source {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.tail(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        let bytes = self.tail(start)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} were not fetched")));
        }
        Ok(bytes.slice(..length))
    }
}

/// Joins ranges that overlap or lie within `gap` bytes of each other.
#[must_use]
pub fn coalesce(mut ranges: Vec<Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(gap) => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_answer_only_what_they_hold() {
        let source = Source::parts(
            100,
            vec![(50, Bytes::from_static(b"fghij")), (10, Bytes::from_static(b"abc"))],
        );
        assert_eq!(source.get_bytes(11, 2).unwrap(), "bc");
        assert_eq!(source.get_bytes(50, 5).unwrap(), "fghij");
        assert!(source.get_bytes(11, 3).is_err());
        assert!(source.get_bytes(0, 1).is_err());
        assert!(source.get_bytes(55, 1).is_err());
    }

    #[test]
    fn near_ranges_are_joined() {
        assert_eq!(coalesce(vec![30..40, 0..10, 12..20, 5..6, 7..7], 2), [0..20, 30..40]);
    }
}

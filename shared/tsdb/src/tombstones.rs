//! What was deleted of a block's series and is still in its chunks.

use crate::cursor::Cursor;
use crate::{Error, checksum};
use std::collections::HashMap;

const MAGIC: u32 = 0x0130_BA30;
const VERSION: u8 = 1;

/// Times that are deleted, by series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tombstones {
    by_series: HashMap<u64, Vec<(i64, i64)>>,
}

impl Tombstones {
    /// Reads the file `tombstones`.
    ///
    /// # Errors
    /// Where it is none, or its checksum differs.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let corrupt = |what: &str| Error::corrupt("tombstones", what);
        let mut cursor = Cursor::new(bytes);
        let (magic, version) = (cursor.be32(), cursor.byte());
        if magic != Some(MAGIC) {
            return Err(corrupt("is no tombstones file: its first bytes are others"));
        }
        if version != Some(VERSION) {
            return Err(Error::Unsupported(format!(
                "tombstones: version {} is not known, {VERSION} is",
                version.unwrap_or_default()
            )));
        }
        let length = bytes.len().checked_sub(9).ok_or_else(|| corrupt("ends too early"))?;
        let body = cursor.take(length).unwrap_or_default();
        if cursor.be32() != Some(checksum(body)) {
            return Err(corrupt("the checksum differs"));
        }
        let (mut stones, mut cursor) = (Self::default(), Cursor::new(body));
        while !cursor.is_at_end() {
            let stone = cursor.uvarint().zip(cursor.varint()).zip(cursor.varint());
            let ((series, min_ms), max_ms) = stone.ok_or_else(|| corrupt("ends too early"))?;
            stones.by_series.entry(series).or_default().push((min_ms, max_ms));
        }
        Ok(stones)
    }

    /// Whether a series' sample of this time is deleted.
    #[must_use]
    pub fn hides(&self, series: u64, timestamp_ms: i64) -> bool {
        self.by_series.get(&series).is_some_and(|stones| {
            stones
                .iter()
                .any(|(min_ms, max_ms)| (*min_ms..=*max_ms).contains(&timestamp_ms))
        })
    }

    /// Whether anything of a series is deleted.
    #[must_use]
    pub fn touches(&self, series: u64) -> bool {
        self.by_series.contains_key(&series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::{put_uvarint, put_varint};

    fn file(stones: &[(u64, i64, i64)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (series, min_ms, max_ms) in stones {
            put_uvarint(&mut body, *series);
            put_varint(&mut body, *min_ms);
            put_varint(&mut body, *max_ms);
        }
        let mut bytes = MAGIC.to_be_bytes().to_vec();
        bytes.push(VERSION);
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&checksum(&body).to_be_bytes());
        bytes
    }

    #[test]
    fn hides_what_was_deleted() {
        let stones = Tombstones::parse(&file(&[(3, 10, 20), (3, 30, 30), (9, -5, i64::MAX)])).unwrap();
        for (series, at, hidden) in [
            (3, 9, false),
            (3, 10, true),
            (3, 20, true),
            (3, 21, false),
            (3, 30, true),
            (9, 0, true),
            (1, 15, false),
        ] {
            assert_eq!(stones.hides(series, at), hidden, "{series} {at}");
        }
        assert!(stones.touches(3) && !stones.touches(1));
        assert_eq!(Tombstones::parse(&file(&[])).unwrap(), Tombstones::default());
    }

    #[test]
    fn faults_are_told() {
        let good = file(&[(3, 10, 20)]);
        let mut changed = good.clone();
        changed[6] ^= 1;
        for (bytes, want) in [
            (changed, "the checksum differs"),
            (good[..7].to_vec(), "ends too early"),
            (vec![1; 20], "is no tombstones file"),
            (Vec::new(), "is no tombstones file"),
        ] {
            let error = Tombstones::parse(&bytes).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
        let mut newer = good;
        newer[4] = 2;
        assert!(matches!(Tombstones::parse(&newer), Err(Error::Unsupported(_))));
    }
}

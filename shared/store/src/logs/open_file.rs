//! A file of logs that is open: its footer in memory, its index and its blocks one request away.

use super::reader::corrupt;
use crate::manifest::FileEntry;
use crate::objects;
use crate::reader::again::ReadError;
use bytes::Bytes;
use object_store::ObjectStore;
use parapet_log_segment::Footer;
use parapet_logs::Need;
use parapet_segment::{Source, coalesce};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ranges closer than this are fetched as one: a request costs more than the bytes in between.
const COALESCE_BYTES: u64 = 16 * 1024;

#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) key: String,
    pub(super) bytes: u64,
    pub(super) footer: Footer,
}

impl LogFile {
    pub(super) async fn open(
        objects: &dyn ObjectStore,
        entry: &FileEntry,
        bytes_read: &AtomicU64,
    ) -> Result<Self, ReadError> {
        let start = entry.bytes.saturating_sub(entry.footer_bytes);
        let footer = parts(
            objects,
            &entry.key,
            std::slice::from_ref(&(start..entry.bytes)),
            bytes_read,
        )
        .await?;
        let source = Source::parts(entry.bytes, footer);
        let footer = Footer::read(&source).map_err(|error| corrupt(&entry.key, error))?;
        Ok(Self {
            key: entry.key.clone(),
            bytes: entry.bytes,
            footer,
        })
    }

    /// What the index says of a need, by number of slot.
    pub(super) async fn index_parts(
        &self,
        objects: &dyn ObjectStore,
        need: &Need,
        bytes_read: &AtomicU64,
    ) -> Result<HashMap<usize, Bytes>, ReadError> {
        let (slots, ranges): (Vec<usize>, Vec<Range<u64>>) = self.footer.index_ranges(need).into_iter().unzip();
        let parts = parts(objects, &self.key, &ranges, bytes_read).await?;
        Ok(slots
            .into_iter()
            .zip(parts.into_iter().map(|(_, bytes)| bytes))
            .collect())
    }
}

/// Fetches ranges of a file, near ones together.
pub(super) async fn fetch(
    objects: &dyn ObjectStore,
    key: &str,
    size: u64,
    ranges: Vec<Range<u64>>,
    bytes_read: &AtomicU64,
) -> Result<Source, ReadError> {
    let ranges = coalesce(ranges, COALESCE_BYTES);
    Ok(Source::parts(size, parts(objects, key, &ranges, bytes_read).await?))
}

async fn parts(
    objects: &dyn ObjectStore,
    key: &str,
    ranges: &[Range<u64>],
    bytes_read: &AtomicU64,
) -> Result<Vec<(u64, Bytes)>, ReadError> {
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let parts = objects::get_ranges(objects, key, ranges).await?;
    let parts = parts.ok_or_else(|| ReadError::Gone(key.to_owned()))?;
    let bytes: u64 = parts.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    bytes_read.fetch_add(bytes, Ordering::Relaxed);
    Ok(parts)
}

//! The manifest: the live files of each day. The one truth of what exists.

use crate::day::Day;
use crate::{Dataset, keys};
use bytes::Bytes;
use parapet_ports::{Error, Item, Kind, SkRange, Table};
use serde::{Deserialize, Serialize};

/// A live file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The object's key.
    pub key: String,
    /// Level of compaction; 0 is what ingest writes.
    pub level: u8,
    /// The earliest sample or line, milliseconds.
    pub min_ts: i64,
    /// The latest sample or line, milliseconds.
    pub max_ts: i64,
    /// Size of the object.
    pub bytes: u64,
    /// Bytes of the footer at the object's end.
    pub footer_bytes: u64,
    /// Rows: series chunks, or lines.
    pub rows: u64,
    /// Samples, duplicates between files counted.
    pub samples: u64,
    /// Different series.
    pub series: u64,
    /// Metric name of the first row.
    pub first_metric: String,
    /// Metric name of the last row.
    pub last_metric: String,
    /// Bytes of the lines, of logs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub line_bytes: u64,
    /// Of merged logs the names of the files that are in it, and of what they replaced lately: a manifest that was read
    /// while it changed is told from that. Samples bear being read twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
    /// When it was committed, milliseconds.
    pub created_ms: i64,
    /// Version of the manifest's item.
    #[serde(skip)]
    pub version: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What stands at a manifest key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    File(FileEntry),
    /// The name is taken: its object was collected as an orphan, and whoever wrote it must write it anew.
    Tombstone {
        tombstone: bool,
    },
}

/// The value of a tombstone.
pub(crate) const TOMBSTONE: &str = r#"{"tombstone":true}"#;

/// Names a file. The name is a hash of the content and of what the file was made from: the ids of batches, or the
/// names of merged files. Both are used once only, so that no name is ever committed twice, and an attempt that is
/// repeated writes the same object. `salt` is 0 but after a collision with a tombstone.
pub(crate) fn file_name<'a>(content: &[u8], made_from: impl Iterator<Item = &'a str>, salt: u32) -> String {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&xxhash_rust::xxh3::xxh3_128(content).to_le_bytes());
    hasher.update(&salt.to_le_bytes());
    for part in made_from {
        hasher.update(part.as_bytes());
        hasher.update(&[0xFF]);
    }
    format!("{:032x}.parquet", hasher.digest128())
}

/// A file that is in no manifest yet.
#[derive(Clone, Debug)]
pub(crate) struct NewFile {
    pub(crate) bytes: Bytes,
    /// Without what its place gives it.
    entry: FileEntry,
}

impl NewFile {
    /// What the manifest says of it at its place.
    pub(crate) fn entry(&self, key: String, level: u8, created_ms: i64) -> FileEntry {
        FileEntry {
            key,
            level,
            created_ms,
            ..self.entry.clone()
        }
    }
}

impl From<parapet_segment::Segment> for NewFile {
    fn from(segment: parapet_segment::Segment) -> Self {
        let info = segment.info;
        Self {
            entry: FileEntry {
                min_ts: info.min_ts,
                max_ts: info.max_ts,
                bytes: segment.bytes.len() as u64,
                footer_bytes: info.footer_bytes,
                rows: info.rows,
                samples: info.samples,
                series: info.series,
                first_metric: info.first_metric,
                last_metric: info.last_metric,
                ..FileEntry::default()
            },
            bytes: segment.bytes,
        }
    }
}

impl From<parapet_log_segment::Segment> for NewFile {
    fn from(segment: parapet_log_segment::Segment) -> Self {
        let info = segment.info;
        Self {
            entry: FileEntry {
                min_ts: info.min_ts,
                max_ts: info.max_ts,
                bytes: segment.bytes.len() as u64,
                footer_bytes: info.footer_bytes,
                rows: info.rows,
                line_bytes: info.line_bytes,
                ..FileEntry::default()
            },
            bytes: segment.bytes,
        }
    }
}

impl FileEntry {
    /// Whether its rows stand for samples that are not in it.
    pub(crate) fn is_rollup(&self) -> bool {
        self.key.starts_with(crate::rollups::ROLLUP_PREFIX)
    }

    pub(crate) fn encode(&self) -> Result<String, Error> {
        serde_json::to_string(self)
            .map_err(|error| Error::new(Kind::Internal, "manifest entry does not encode").with_source(error))
    }
}

fn parse(item: Item) -> Result<Option<FileEntry>, Error> {
    match serde_json::from_str(&item.value) {
        Ok(Entry::File(file)) => Ok(Some(FileEntry {
            version: item.version,
            ..file
        })),
        Ok(Entry::Tombstone { .. }) => Ok(None),
        Err(error) => Err(Error::new(
            Kind::Corrupt,
            format!("manifest entry {}/{} does not read", item.key.pk, item.key.sk),
        )
        .with_source(error)),
    }
}

impl FileEntry {
    /// The last part of the object's key.
    pub(crate) fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

/// Whether some of the files are in another of them: a merge took effect while the manifest was read.
pub(crate) fn is_torn(files: &[FileEntry]) -> bool {
    let replaced: std::collections::HashSet<&str> = files
        .iter()
        .flat_map(|file| file.replaces.iter().map(String::as_str))
        .collect();
    files.iter().any(|file| replaced.contains(file.name()))
}

/// Whether the item is a tombstone.
pub(crate) fn is_tombstone(item: &Item) -> bool {
    matches!(serde_json::from_str(&item.value), Ok(Entry::Tombstone { .. }))
}

impl Dataset {
    /// The live files of a day in order of level and name, so that a file that is being replaced is met before its
    /// replacement.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table is; [`Kind::Corrupt`] where an entry does not read.
    pub async fn files(self, table: &dyn Table, tenant: &str, day: Day) -> Result<Vec<FileEntry>, Error> {
        let items = table
            .query(&keys::manifest(self, tenant, &day.to_string()), SkRange::all())
            .await?;
        let mut files = Vec::with_capacity(items.len());
        for item in items {
            files.extend(parse(item)?);
        }
        Ok(files)
    }

    /// The days from `first` to `last` that a tenant has files of.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table is.
    pub async fn days(self, table: &dyn Table, tenant: &str, first: Day, last: Day) -> Result<Vec<Day>, Error> {
        if first > last {
            return Ok(Vec::new());
        }
        // Beyond the year 9999 the names of days do not sort as the days do.
        let to = if last < Day::LAST_NAMED {
            last.next().to_string()
        } else {
            String::new()
        };
        let from = first.max(Day::FIRST_NAMED).to_string();
        let items = table.query(&keys::days(self, tenant), SkRange { from, to }).await?;
        Ok(items.iter().filter_map(|item| Day::parse(&item.key.sk)).collect())
    }

    /// Every day that a tenant has files of.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table is.
    pub async fn all_days(self, table: &dyn Table, tenant: &str) -> Result<Vec<Day>, Error> {
        let items = table.query(&keys::days(self, tenant), SkRange::all()).await?;
        Ok(items.iter().filter_map(|item| Day::parse(&item.key.sk)).collect())
    }

    /// The tenants that have (or had) data, sorted.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table is.
    pub async fn tenants(self, table: &dyn Table) -> Result<Vec<String>, Error> {
        Ok(table
            .query(keys::tenants(self), SkRange::all())
            .await?
            .into_iter()
            .map(|item| item.key.sk)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_content_and_origin() {
        let name = file_name(b"content", ["a", "b"].into_iter(), 0);
        for other in [
            file_name(b"content", ["a", "b"].into_iter(), 1),
            file_name(b"content", ["ab"].into_iter(), 0),
            file_name(b"contenu", ["a", "b"].into_iter(), 0),
        ] {
            assert_ne!(name, other);
        }
    }
}

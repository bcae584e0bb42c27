//! The manifest: the live files of each day. The one truth of what exists.

use crate::day::Day;
use crate::keys;
use parapet_ports::{Error, Item, Key, Kind, SkRange, Table};
use parapet_segment::SegmentInfo;
use serde::{Deserialize, Serialize};

/// Where samples stand in the bucket.
pub const OBJECT_PREFIX: &str = "metrics";

/// A live file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// The object's key.
    pub key: String,
    /// Level of compaction; 0 is what ingest writes.
    pub level: u8,
    /// The earliest sample, milliseconds.
    pub min_ts: i64,
    /// The latest sample, milliseconds.
    pub max_ts: i64,
    /// Size of the object.
    pub bytes: u64,
    /// Bytes of the footer at the object's end.
    pub footer_bytes: u64,
    /// Rows: series chunks.
    pub rows: u64,
    /// Samples, duplicates between files counted.
    pub samples: u64,
    /// Different series.
    pub series: u64,
    /// Metric name of the first row.
    pub first_metric: String,
    /// Metric name of the last row.
    pub last_metric: String,
    /// When it was committed, milliseconds.
    pub created_ms: i64,
    /// Version of the manifest's item.
    #[serde(skip)]
    pub version: u64,
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

/// The folder of a tenant's day: a partition for Athena.
pub(crate) fn partition(tenant: &str, day: Day) -> String {
    format!("{OBJECT_PREFIX}/tenant={tenant}/dt={day}")
}

/// The key of a file's object.
pub(crate) fn object_key(tenant: &str, day: Day, level: u8, name: &str) -> String {
    format!("{}/{level:02}-{name}", partition(tenant, day))
}

/// The manifest key that belongs to an object's key; `None` where the object is not of the form.
pub(crate) fn manifest_key(tenant: &str, day: Day, object_key: &str) -> Option<Key> {
    let file = object_key.strip_prefix(&partition(tenant, day))?.strip_prefix('/')?;
    let (level, name) = file.split_once('-')?;
    let level: u8 = level.parse().ok()?;
    Some(Key::new(
        keys::manifest(tenant, &day.to_string()),
        keys::manifest_file(level, name),
    ))
}

impl FileEntry {
    pub(crate) fn of(info: &SegmentInfo, key: String, level: u8, bytes: u64, created_ms: i64) -> Self {
        Self {
            key,
            level,
            min_ts: info.min_ts,
            max_ts: info.max_ts,
            bytes,
            footer_bytes: info.footer_bytes,
            rows: info.rows,
            samples: info.samples,
            series: info.series,
            first_metric: info.first_metric.clone(),
            last_metric: info.last_metric.clone(),
            created_ms,
            version: 0,
        }
    }

    /// Whether its rows stand for samples that are not in it.
    pub(crate) fn is_rollup(&self) -> bool {
        self.key.starts_with(crate::rollups::ROLLUP_PREFIX)
    }

    pub(crate) fn encode(&self) -> Result<String, Error> {
        serde_json::to_string(self)
            .map_err(|error| Error::new(Kind::Internal, "manifest entry does not encode").with_source(error))
    }
}

/// The live files of a day in order of level and name, so that a file that is being replaced is met before its
/// replacement.
///
/// # Errors
/// [`Kind::Unavailable`] where the table is; [`Kind::Corrupt`] where an entry does not read.
pub async fn files(table: &dyn Table, tenant: &str, day: Day) -> Result<Vec<FileEntry>, Error> {
    let items = table
        .query(&keys::manifest(tenant, &day.to_string()), SkRange::all())
        .await?;
    let mut files = Vec::with_capacity(items.len());
    for item in items {
        files.extend(parse(item)?);
    }
    Ok(files)
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

/// Whether the item is a tombstone.
pub(crate) fn is_tombstone(item: &Item) -> bool {
    matches!(serde_json::from_str(&item.value), Ok(Entry::Tombstone { .. }))
}

/// The days from `first` to `last` that a tenant has files of.
///
/// # Errors
/// [`Kind::Unavailable`] where the table is.
pub async fn days(table: &dyn Table, tenant: &str, first: Day, last: Day) -> Result<Vec<Day>, Error> {
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
    let items = table.query(&keys::days(tenant), SkRange { from, to }).await?;
    Ok(items.iter().filter_map(|item| Day::parse(&item.key.sk)).collect())
}

/// Every day that a tenant has files of.
///
/// # Errors
/// [`Kind::Unavailable`] where the table is.
pub async fn all_days(table: &dyn Table, tenant: &str) -> Result<Vec<Day>, Error> {
    let items = table.query(&keys::days(tenant), SkRange::all()).await?;
    Ok(items.iter().filter_map(|item| Day::parse(&item.key.sk)).collect())
}

/// The tenants that have (or had) data, sorted.
///
/// # Errors
/// [`Kind::Unavailable`] where the table is.
pub async fn tenants(table: &dyn Table) -> Result<Vec<String>, Error> {
    Ok(table
        .query(keys::TENANTS, SkRange::all())
        .await?
        .into_iter()
        .map(|item| item.key.sk)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_names_belong_together() {
        let day = Day::of_ms(0);
        let name = file_name(b"content", ["a", "b"].into_iter(), 0);
        assert_eq!(name.len(), 40);
        let key = object_key("t", day, 3, &name);
        assert_eq!(key, format!("metrics/tenant=t/dt=1970-01-01/03-{name}"));
        let found = manifest_key("t", day, &key);
        assert_eq!(found, Some(Key::new("manifest#t#1970-01-01", format!("03/{name}"))));
        assert_eq!(manifest_key("t", day, "metrics/tenant=t/dt=1970-01-01/x"), None);
        for other in [
            file_name(b"content", ["a", "b"].into_iter(), 1),
            file_name(b"content", ["ab"].into_iter(), 0),
            file_name(b"contenu", ["a", "b"].into_iter(), 0),
        ] {
            assert_ne!(name, other);
        }
    }
}

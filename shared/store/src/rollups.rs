//! Rollups of days: what the samples of each series come to, in a file of its own.
//!
//! A rollup has a row for each series and interval, in the form of a segment without samples. It is of use while it
//! stands for exactly the live files of its day ([`RollupEntry::stands_for`]): whatever changes the day makes it
//! useless, never wrong. Once the day's samples are past their retention it is what is left of them, and sealed.

use crate::day::Day;
use crate::keys;
use crate::manifest::FileEntry;
use parapet_ports::{Error, Item, Key, Kind, SkRange, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where rollups stand in the bucket.
pub(crate) const ROLLUP_PREFIX: &str = "metrics-rollup";

/// The interval that a row of a rollup is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    Hour,
    /// The whole day.
    Day,
}

impl Resolution {
    /// As it stands in keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::FiveMinutes, Self::Hour, Self::Day]
            .into_iter()
            .find(|one| one.as_str() == text)
    }

    /// Length of an interval, milliseconds. A sample belongs to the interval that it is after the start of, and at or
    /// before the end: as PromQL's windows are, intervals are open on the left.
    #[must_use]
    pub fn interval_ms(self) -> i64 {
        match self {
            Self::FiveMinutes => 300_000,
            Self::Hour => 3_600_000,
            Self::Day => crate::day::DAY_MS,
        }
    }
}

/// A rollup of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RollupEntry {
    pub(crate) file: FileEntry,
    /// What it was made of ([`fingerprint`]).
    made_of: String,
    /// The day's samples are gone: nothing replaces it any more.
    #[serde(default)]
    pub(crate) sealed: bool,
    /// Version of the table's item.
    #[serde(skip)]
    pub(crate) version: u64,
}

impl RollupEntry {
    pub(crate) fn new(file: FileEntry, made_of: &[FileEntry]) -> Self {
        Self {
            file,
            made_of: fingerprint(made_of),
            sealed: false,
            version: 0,
        }
    }

    /// The rollup that is left of a day without files: the finest.
    pub(crate) fn left_of(entries: &BTreeMap<(Day, Resolution), Self>, day: Day) -> Option<&Self> {
        let of_day = [Resolution::FiveMinutes, Resolution::Hour, Resolution::Day];
        of_day
            .into_iter()
            .filter_map(|resolution| entries.get(&(day, resolution)))
            .find(|entry| entry.sealed)
    }

    /// Whether it was made of these files, and no others.
    pub(crate) fn stands_for(&self, live: &[FileEntry]) -> bool {
        self.made_of == fingerprint(live)
    }

    pub(crate) fn encode(&self) -> Result<String, Error> {
        serde_json::to_string(self)
            .map_err(|error| Error::new(Kind::Internal, "rollup entry does not encode").with_source(error))
    }
}

/// Tells sets of files apart. No name of a file comes twice, so that the same set is the same content.
pub(crate) fn fingerprint(files: &[FileEntry]) -> String {
    let mut names: Vec<&str> = files.iter().map(|file| file.key.as_str()).collect();
    names.sort_unstable();
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for name in names {
        hasher.update(name.as_bytes());
        hasher.update(&[0xFF]);
    }
    format!("{:032x}", hasher.digest128())
}

/// The key of a rollup's entry.
pub(crate) fn key(tenant: &str, day: Day, resolution: Resolution) -> Key {
    Key::new(keys::rollups(tenant), format!("{day}/{}", resolution.as_str()))
}

/// The rollups of the days from `first` to `last`.
pub(crate) async fn entries(
    table: &dyn Table,
    tenant: &str,
    first: Day,
    last: Day,
) -> Result<BTreeMap<(Day, Resolution), RollupEntry>, Error> {
    // Beyond the year 9999 the names of days do not sort as the days do.
    let to = if last < Day::LAST_NAMED {
        last.next().to_string()
    } else {
        String::new()
    };
    let from = first.max(Day::FIRST_NAMED).to_string();
    let mut entries = BTreeMap::new();
    for item in table.query(&keys::rollups(tenant), SkRange { from, to }).await? {
        let named = item.key.sk.split_once('/');
        let place = named.and_then(|(day, resolution)| Some((Day::parse(day)?, Resolution::parse(resolution)?)));
        if let Some(place) = place {
            entries.insert(place, parse(&item)?);
        }
    }
    Ok(entries)
}

/// The entry of one rollup.
pub(crate) async fn entry(
    table: &dyn Table,
    tenant: &str,
    day: Day,
    resolution: Resolution,
) -> Result<Option<RollupEntry>, Error> {
    table
        .get(&key(tenant, day, resolution))
        .await?
        .as_ref()
        .map(parse)
        .transpose()
}

fn parse(item: &Item) -> Result<RollupEntry, Error> {
    let entry: RollupEntry = serde_json::from_str(&item.value).map_err(|error| {
        let place = format!("rollup entry {}/{} does not read", item.key.pk, item.key.sk);
        Error::new(Kind::Corrupt, place).with_source(error)
    })?;
    Ok(RollupEntry {
        version: item.version,
        ..entry
    })
}

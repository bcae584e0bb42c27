//! What is remembered of targets between two scrapes: one item per shard.

use crate::plan::{Home, Lane};
use parapet_model::Labels;
use parapet_ports::{Error, Item, Key, Kind, SkRange, Table};
use parapet_store::tenant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest error that is remembered, characters.
const MAX_ERROR_CHARS: usize = 1_000;

/// Whether the last scrape succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It did.
    Up,
    /// It did not.
    Down,
}

/// What is remembered of one target.
///
/// Written when something changed, so the times are those of the last change: the time and duration of the last
/// scrape are in `up` and `scrape_duration_seconds`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetState {
    /// The job's name in the configuration.
    pub job: String,
    /// The labels of its series.
    pub labels: Labels,
    /// Whether its last scrape succeeded.
    pub health: Health,
    /// Why its last scrape failed; empty where it did not.
    #[serde(default)]
    pub last_error: String,
    /// The scheduled time of the scrape that changed this state, milliseconds.
    pub changed_ms: i64,
    /// How long that scrape took, milliseconds.
    pub duration_ms: i64,
    /// The object that holds the series of the last scrape that succeeded; `None` where there were none.
    #[serde(default)]
    pub series_set: Option<SeriesSetRef>,
    /// Whether those series are alive: not after a failed scrape, which marked them.
    pub live: bool,
    /// The object that holds the metadata.
    #[serde(default)]
    pub metadata: Option<String>,
    /// Whether scrapes report the series of `extra_scrape_metrics` too, which end with the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extra_metrics: bool,
    /// Counts up with each slow scrape and down with each quick one, from 0 to 4: which shards it belongs to.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub slowness: u8,
}

/// What `slowness` counts up to.
const MAX_SLOWNESS: u8 = 4;

fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// Names a set of series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesSetRef {
    /// The object's name.
    pub name: String,
    /// The hash of its content.
    pub hash: u64,
    /// How many series it has.
    pub series: usize,
}

impl TargetState {
    /// Whether anything but times differs.
    pub(crate) fn differs_from(&self, other: &Self) -> bool {
        let timeless = |state: &Self| Self {
            changed_ms: 0,
            duration_ms: 0,
            ..state.clone()
        };
        timeless(self) != timeless(other)
    }

    /// `slowness` after one more scrape.
    pub(crate) fn slowness_after(before: u8, is_slow: bool) -> u8 {
        match is_slow {
            true => before.saturating_add(1).min(MAX_SLOWNESS),
            false => before.saturating_sub(1),
        }
    }

    /// Whether it belongs among the slow ones: three slow scrapes in a row bring it there, three quick ones back.
    pub(crate) fn is_slow(&self, is_in_slow_shard: bool) -> bool {
        self.slowness >= if is_in_slow_shard { 2 } else { 3 }
    }

    /// Cuts an error to what is remembered of it.
    pub(crate) fn error_text(error: &str) -> String {
        match error.char_indices().nth(MAX_ERROR_CHARS) {
            Some((at, _)) => format!("{}…", &error[..at]),
            None => error.to_owned(),
        }
    }
}

/// The item of a shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShardState {
    /// The scheduled time of the last task that wrote it, milliseconds.
    pub(crate) written_ms: i64,
    /// By identity, in hexadecimal.
    pub(crate) targets: BTreeMap<Identity, TargetState>,
}

/// A target's identity as a key of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identity(pub(crate) u64);

impl Serialize for Identity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl ShardState {
    /// What is known of a target.
    pub(crate) fn get(&self, identity: u64) -> Option<&TargetState> {
        self.targets.get(&Identity(identity))
    }

    pub(crate) fn key(home: &Home) -> Key {
        let lane = match home.lane {
            Lane::Quick => "",
            Lane::Slow => "/slow",
        };
        let shard = format!("{:013}/{:05}/{:05}{lane}", home.interval_ms, home.shards, home.shard);
        parapet_store::keys::scrape_state(tenant::DEFAULT, &shard)
    }

    /// The shard that an item is of.
    pub(crate) fn home(key: &Key) -> Option<Home> {
        let mut parts = key.sk.split('/');
        Some(Home {
            interval_ms: parts.next()?.parse().ok()?,
            shards: parts.next()?.parse().ok()?,
            shard: parts.next()?.parse().ok()?,
            lane: match parts.next() {
                Some(_) => Lane::Slow,
                None => Lane::Quick,
            },
        })
    }

    pub(crate) fn decode(item: &Item) -> Result<Self, Error> {
        serde_json::from_str(&item.value).map_err(|error| {
            Error::new(Kind::Corrupt, format!("scrape state {} does not read", item.key.sk)).with_source(error)
        })
    }

    pub(crate) fn encode(&self) -> Result<String, Error> {
        serde_json::to_string(self)
            .map_err(|error| Error::new(Kind::Internal, "scrape state does not encode").with_source(error))
    }
}

/// Every shard's item that reads; one that does not is reported and taken for absent.
pub(crate) async fn read_all(table: &dyn Table) -> Result<Vec<(Item, ShardState)>, Error> {
    let family = parapet_store::keys::scrape_state(tenant::DEFAULT, "").pk;
    let items = table.query(&family, SkRange::all()).await?;
    Ok(items
        .into_iter()
        .filter_map(|item| match ShardState::decode(&item) {
            Ok(state) => Some((item, state)),
            Err(error) => {
                tracing::error!(error = error.chain(), "scrape state is corrupt");
                None
            }
        })
        .collect())
}

/// What is remembered of each target, by the identity that the configuration gives it
/// (`parapet_config::Target::identity`). A target that was not scraped yet is not there.
///
/// # Errors
/// What the table said.
pub async fn read_targets(table: &dyn Table) -> Result<BTreeMap<u64, TargetState>, Error> {
    let mut out: BTreeMap<u64, TargetState> = BTreeMap::new();
    for (_, state) in read_all(table).await? {
        for (identity, target) in state.targets {
            keep_newer(&mut out, identity.0, target);
        }
    }
    Ok(out)
}

/// After a change of shards a target may stand in two items for a while.
pub(crate) fn keep_newer(out: &mut BTreeMap<u64, TargetState>, identity: u64, target: TargetState) {
    match out.get(&identity) {
        Some(other) if other.changed_ms >= target.changed_ms => {}
        _ => {
            out.insert(identity, target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowness_does_not_follow_one_scrape() {
        let after = |scrapes: &[bool]| {
            let (mut slowness, mut slow) = (0, Vec::new());
            for is_slow in scrapes {
                slowness = TargetState::slowness_after(slowness, *is_slow);
                let state: TargetState = serde_json::from_value(serde_json::json!({
                    "job": "j", "labels": {}, "health": "up", "changed_ms": 0, "duration_ms": 0, "live": true,
                    "slowness": slowness,
                }))
                .unwrap();
                slow.push(state.is_slow(*slow.last().unwrap_or(&false)));
            }
            slow
        };
        assert_eq!(after(&[true, false, true, false, true, false]), [false; 6]);
        assert_eq!(
            after(&[true, true, true, true, true, false, true, false, false, false, false]),
            [false, false, true, true, true, true, true, true, true, false, false]
        );
    }

    /// The stored form is read by later versions: it may grow, not change.
    #[test]
    fn stored_form() {
        let text = r#"{"written_ms":5,"targets":{"00000000000000ff":{"job":"j","labels":{"instance":"i","job":"j"},"health":"down","last_error":"e","changed_ms":5,"duration_ms":7,"series_set":{"name":"n","hash":18446744073709551615,"series":3},"live":false,"metadata":"m"}}}"#;
        let state: ShardState = serde_json::from_str(text).unwrap();
        assert_eq!(state.targets[&Identity(255)].health, Health::Down);
        assert_eq!(state.encode().unwrap(), text);
        for lane in [Lane::Quick, Lane::Slow] {
            let home = Home {
                interval_ms: 15_000,
                shards: 16,
                shard: 3,
                lane,
            };
            assert_eq!(ShardState::home(&ShardState::key(&home)), Some(home));
        }
    }
}

//! Which targets are scraped when: pure arithmetic on the configuration, on what the last scrapes cost, and on the
//! minute.
//!
//! The shards of an interval are the leaves of a tree: a shard that costs too much is split by the next bit of its
//! targets' identities, and two that together cost less than half of what one may are one again. A change of some
//! targets moves no others. Targets that answer slowly are split among themselves: a task takes as long as its slowest
//! target, so that one of slow targets alone holds up nobody.

mod measured;
mod split;
#[cfg(test)]
mod tests;

pub(crate) use measured::Measured;
pub(crate) use split::Limits;

use crate::state::Identity;
use parapet_config::{Config, ScrapeJob, Target};
use parapet_model::Labels;
use serde::{Deserialize, Serialize};
use split::{MAX_SHARDS, Weighed};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Whether a shard is of targets that answer quickly or of those that answer slowly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Lane {
    #[default]
    Quick,
    Slow,
}

impl Lane {
    fn is_quick(&self) -> bool {
        *self == Self::Quick
    }
}

/// One shard at one slot: what a message on the queue of tasks says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScrapeTask {
    /// Milliseconds between the scrapes of its targets.
    pub interval_ms: i64,
    /// How many shards of this size the targets of this interval would be split into: a power of two.
    pub shards: u64,
    /// Which of them, from 0: that of targets whose identity divided by `shards` leaves this rest.
    pub shard: u64,
    /// The slot, a multiple of the interval.
    pub slot_ms: i64,
    #[serde(default, skip_serializing_if = "Lane::is_quick")]
    pub(crate) lane: Lane,
    /// Those of the shard's targets that are known to be slow. A slow shard is of them alone, a quick one of all
    /// others, those included that the plan did not know yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) slow: Vec<Identity>,
    /// The shards whose items know the targets that come from elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) from: Vec<Home>,
    /// The fingerprint of the plan's targets; `from` is complete for no others.
    #[serde(default)]
    pub(crate) plan: u64,
}

impl ScrapeTask {
    /// The task of one shard of so many, at a slot.
    #[must_use]
    pub fn new(interval_ms: i64, shards: u64, shard: u64, slot_ms: i64) -> Self {
        Self {
            interval_ms,
            shards,
            shard,
            slot_ms,
            lane: Lane::Quick,
            slow: Vec::new(),
            from: Vec::new(),
            plan: 0,
        }
    }

    /// The moment it is meant for, and the timestamp of its samples: the slot and the shard's offset.
    #[must_use]
    pub fn scheduled_ms(&self) -> i64 {
        self.slot_ms + self.home().offset_ms()
    }

    pub(crate) fn home(&self) -> Home {
        Home {
            interval_ms: self.interval_ms,
            shards: self.shards,
            shard: self.shard,
            lane: self.lane,
        }
    }

    /// Whether the numbers make sense.
    pub(crate) fn is_valid(&self) -> bool {
        (1_000..=i64::from(u32::MAX) * 1_000).contains(&self.interval_ms)
            && (1..=MAX_SHARDS).contains(&self.shards)
            && self.shards.is_power_of_two()
            && self.shard < self.shards
            && (0..i64::MAX / 4).contains(&self.slot_ms)
    }
}

/// Where a target is scraped: interval, number of shards, shard, lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Home {
    pub(crate) interval_ms: i64,
    pub(crate) shards: u64,
    pub(crate) shard: u64,
    #[serde(default, skip_serializing_if = "Lane::is_quick")]
    pub(crate) lane: Lane,
}

impl Home {
    /// Shards begin one after the other over the interval, so that load is even: a shard that is split keeps its
    /// moment for one half, the other comes in the middle of what was its own.
    fn offset_ms(&self) -> i64 {
        let bits = self.shards.trailing_zeros();
        let place = self.shard.reverse_bits().checked_shr(64 - bits).unwrap_or_default();
        // Both are far below what an i64 holds.
        self.interval_ms * place.cast_signed() / self.shards.max(1).cast_signed()
    }

    /// Whether a target is of this shard, or of its lane's sibling.
    fn takes(&self, identity: u64) -> bool {
        identity % self.shards == self.shard
    }
}

/// A shard with what its tasks have to know.
#[derive(Clone, Debug, PartialEq)]
struct Shard {
    home: Home,
    slow: Vec<Identity>,
    from: Vec<Home>,
}

/// The assignment of every target of a configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    shards: Vec<Shard>,
    homes: HashMap<u64, Home>,
    /// The labels of every target.
    labels: HashSet<Labels>,
    fingerprint: u64,
}

impl Plan {
    /// The plan of a configuration, by what its targets cost as far as that is measured.
    pub(crate) fn new(config: &Config, limits: &Limits, measured: &Measured) -> Self {
        let mut intervals: BTreeMap<i64, BTreeMap<u64, &Target>> = BTreeMap::new();
        for target in config.jobs.iter().flat_map(|job| &job.targets) {
            let of_interval = intervals.entry(target.interval_ms).or_default();
            of_interval.insert(target.identity, target);
        }
        let mut plan = Self {
            fingerprint: fingerprint(config),
            ..Self::default()
        };
        for (interval_ms, targets) in intervals {
            let weighed = |identity: &u64| measured.weigh(*identity);
            let (slow, quick): (Vec<Weighed>, Vec<Weighed>) =
                targets.keys().map(weighed).partition(|target| target.slow);
            let slow_ones: Vec<u64> = slow.iter().map(|target| target.identity).collect();
            for (lane, members) in [(Lane::Quick, quick), (Lane::Slow, slow)] {
                let whole = Home {
                    interval_ms,
                    shards: 1,
                    shard: 0,
                    lane,
                };
                for (home, members) in split::leaves(whole, members, limits, measured) {
                    let slow = slow_ones.iter().copied().filter(|identity| home.takes(*identity));
                    let of = |member: &Weighed| targets.get(&member.identity).copied();
                    plan.shards.push(Shard {
                        home,
                        slow: slow.map(Identity).collect(),
                        from: measured.origins(home, members.iter().filter_map(of)),
                    });
                    plan.homes.extend(members.iter().map(|member| (member.identity, home)));
                }
            }
            plan.labels.extend(targets.values().map(|target| target.labels.clone()));
        }
        plan
    }

    /// Where a target is scraped; `None` where the configuration does not have it.
    pub(crate) fn home(&self, identity: u64) -> Option<Home> {
        self.homes.get(&identity).copied()
    }

    /// Whether a target has these labels. One that is not known by its identity but by its labels is the same to
    /// whoever looks at its series: only its URL or the like changed.
    pub(crate) fn has_labels(&self, labels: &Labels) -> bool {
        self.labels.contains(labels)
    }

    /// The tasks whose moment lies in the minute that begins at `minute_ms`. Every slot lies in exactly one minute.
    pub(crate) fn tasks(&self, minute_ms: i64) -> Vec<ScrapeTask> {
        let mut tasks = Vec::new();
        for Shard { home, slow, from } in &self.shards {
            let offset = home.offset_ms();
            let first = (minute_ms - offset).div_euclid(home.interval_ms) * home.interval_ms;
            let mut slot_ms = if first + offset < minute_ms {
                first + home.interval_ms
            } else {
                first
            };
            while slot_ms + offset < minute_ms + 60_000 {
                tasks.push(ScrapeTask {
                    interval_ms: home.interval_ms,
                    shards: home.shards,
                    shard: home.shard,
                    slot_ms,
                    lane: home.lane,
                    slow: slow.clone(),
                    from: from.clone(),
                    plan: self.fingerprint,
                });
                slot_ms += home.interval_ms;
            }
        }
        tasks.sort_unstable_by_key(|task| (task.scheduled_ms(), task.home()));
        tasks
    }
}

/// Of which targets a configuration is.
pub(crate) fn fingerprint(config: &Config) -> u64 {
    let targets = config.jobs.iter().flat_map(|job| &job.targets);
    targets.fold(0, |all, target| all ^ target.identity.rotate_left(17))
}

/// The targets of a task under a configuration, which may be newer than the task.
pub(crate) fn targets_of<'c>(config: &'c Config, task: &ScrapeTask) -> Vec<(&'c ScrapeJob, &'c Target)> {
    let home = task.home();
    let slow: HashSet<Identity> = task.slow.iter().copied().collect();
    config
        .jobs
        .iter()
        .flat_map(|job| job.targets.iter().map(move |target| (job, target)))
        .filter(|(_, target)| target.interval_ms == task.interval_ms && home.takes(target.identity))
        .filter(|(_, target)| slow.contains(&Identity(target.identity)) != task.lane.is_quick())
        .collect()
}

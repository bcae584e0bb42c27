//! Which targets are scraped when: pure arithmetic on the configuration and the minute.

use parapet_config::{Config, ScrapeJob, Target};
use parapet_model::Labels;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The most shards that one interval is split into.
const MAX_SHARDS: u64 = 4096;

/// One shard at one slot: what a message on the queue of tasks says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScrapeTask {
    /// Milliseconds between the scrapes of its targets.
    pub interval_ms: i64,
    /// How many shards the targets of this interval are split into.
    pub shards: u64,
    /// Which of them, from 0.
    pub shard: u64,
    /// The slot, a multiple of the interval.
    pub slot_ms: i64,
}

impl ScrapeTask {
    /// The moment it is meant for, and the timestamp of its samples: the slot and the shard's offset.
    #[must_use]
    pub fn scheduled_ms(&self) -> i64 {
        self.slot_ms + offset_ms(self.interval_ms, self.shards, self.shard)
    }

    /// Whether the numbers make sense.
    pub(crate) fn is_valid(&self) -> bool {
        (1_000..=i64::from(u32::MAX) * 1_000).contains(&self.interval_ms)
            && (1..=MAX_SHARDS).contains(&self.shards)
            && self.shard < self.shards
            && (0..i64::MAX / 4).contains(&self.slot_ms)
    }
}

/// Shards begin one after the other over the interval, so that load is even.
fn offset_ms(interval_ms: i64, shards: u64, shard: u64) -> i64 {
    // Both are far below what an i64 holds.
    interval_ms * shard.cast_signed() / shards.max(1).cast_signed()
}

/// Where a target is scraped: interval, number of shards, shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Home {
    pub(crate) interval_ms: i64,
    pub(crate) shards: u64,
    pub(crate) shard: u64,
}

/// The assignment of every target of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Shards of each interval.
    shards: BTreeMap<i64, u64>,
    homes: HashMap<u64, Home>,
    /// The labels of every target.
    labels: HashSet<Labels>,
}

impl Plan {
    /// The plan of a configuration: a power of two of shards for each interval, at least one for
    /// `targets_per_shard` targets. A target keeps its shard while that number stays.
    #[must_use]
    pub fn new(config: &Config, targets_per_shard: usize) -> Self {
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        for target in config.jobs.iter().flat_map(|job| &job.targets) {
            *counts.entry(target.interval_ms).or_default() += 1;
        }
        let per_shard = targets_per_shard.max(1) as u64;
        let shards: BTreeMap<i64, u64> = counts
            .into_iter()
            .map(|(interval_ms, count)| {
                (
                    interval_ms,
                    count.div_ceil(per_shard).next_power_of_two().min(MAX_SHARDS),
                )
            })
            .collect();
        let homes = config
            .jobs
            .iter()
            .flat_map(|job| &job.targets)
            .map(|target| {
                let shards = shards.get(&target.interval_ms).copied().unwrap_or(1);
                let home = Home {
                    interval_ms: target.interval_ms,
                    shards,
                    shard: target.identity % shards,
                };
                (target.identity, home)
            })
            .collect();
        let targets = config.jobs.iter().flat_map(|job| &job.targets);
        Self {
            shards,
            homes,
            labels: targets.map(|target| target.labels.clone()).collect(),
        }
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
    #[must_use]
    pub fn tasks(&self, minute_ms: i64) -> Vec<ScrapeTask> {
        let mut populated: Vec<Home> = self.homes.values().copied().collect();
        populated.sort_unstable();
        populated.dedup();
        let mut tasks = Vec::new();
        for home in populated {
            let offset = offset_ms(home.interval_ms, home.shards, home.shard);
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
                });
                slot_ms += home.interval_ms;
            }
        }
        tasks.sort_unstable_by_key(|task| (task.scheduled_ms(), *task));
        tasks
    }

    /// How many shards an interval has.
    #[must_use]
    pub fn shards(&self, interval_ms: i64) -> u64 {
        self.shards.get(&interval_ms).copied().unwrap_or_default()
    }
}

/// The targets of a task under a configuration, which may be newer than the task.
pub(crate) fn targets_of<'c>(config: &'c Config, task: &ScrapeTask) -> Vec<(&'c ScrapeJob, &'c Target)> {
    config
        .jobs
        .iter()
        .flat_map(|job| job.targets.iter().map(move |target| (job, target)))
        .filter(|(_, target)| target.interval_ms == task.interval_ms)
        .filter(|(_, target)| target.identity % task.shards == task.shard)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn config(jobs: &[(&str, usize)]) -> Config {
        let mut text = "scrape_configs:\n".to_owned();
        for (index, (interval, targets)) in jobs.iter().enumerate() {
            let list: Vec<String> = (0..*targets).map(|i| format!("h{i}:80")).collect();
            text.push_str(&format!(
                "- job_name: j{index}\n  scrape_interval: {interval}\n  static_configs:\n  - targets: {list:?}\n"
            ));
        }
        parapet_config::parse("p.yml", &text).unwrap()
    }

    #[test]
    fn shards_are_a_power_of_two() {
        for (targets, want) in [(1, 1), (20, 1), (21, 2), (200, 16), (640, 32)] {
            assert_eq!(
                Plan::new(&config(&[("15s", targets)]), 20).shards(15_000),
                want,
                "{targets}"
            );
        }
    }

    #[test]
    fn every_slot_lies_in_one_minute_and_none_is_left_out() {
        let config = config(&[("15s", 50), ("7s", 3), ("1m", 5), ("90s", 45), ("1h", 2), ("1500ms", 1)]);
        let plan = Plan::new(&config, 20);
        let (mut seen, hours) = (BTreeSet::new(), 3);
        for minute in 0..hours * 60 {
            for task in plan.tasks(1_700_000_040_000 + minute * 60_000) {
                assert!(task.is_valid());
                let in_minute = task.scheduled_ms() - 1_700_000_040_000 - minute * 60_000;
                assert!((0..60_000).contains(&in_minute));
                assert!(seen.insert(task), "{task:?} twice");
            }
        }
        // Each shard that has targets is scraped once in each interval.
        for job in &config.jobs {
            let tasks: Vec<_> = seen.iter().filter(|task| task.interval_ms == job.interval_ms).collect();
            let shards: BTreeSet<_> = tasks.iter().map(|task| task.shard).collect();
            for shard in shards {
                let times: Vec<_> = tasks
                    .iter()
                    .filter(|t| t.shard == shard)
                    .map(|t| t.scheduled_ms())
                    .collect();
                assert!(times.windows(2).all(|pair| pair[1] - pair[0] == job.interval_ms));
                assert!(times.len() as i64 >= hours * 3_600_000 / job.interval_ms - 1);
            }
        }
        assert_eq!(plan.tasks(1_700_000_040_000), plan.tasks(1_700_000_040_000));
    }

    #[test]
    fn each_target_is_in_one_shard() {
        let config = config(&[("15s", 100), ("30s", 10)]);
        let plan = Plan::new(&config, 20);
        let mut seen = BTreeSet::new();
        let tasks: BTreeSet<_> = plan.tasks(0).iter().map(|t| ScrapeTask { slot_ms: 0, ..*t }).collect();
        for task in tasks {
            for (_, target) in targets_of(&config, &task) {
                assert!(seen.insert(target.identity));
                assert_eq!(plan.home(target.identity).unwrap().shard, task.shard);
            }
        }
        assert_eq!(seen.len(), 110);
    }
}

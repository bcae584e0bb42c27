//! What is known of targets before a plan is made.

use super::split::Weighed;
use super::{Home, Lane};
use crate::state::{ShardState, TargetState};
use parapet_config::Target;
use parapet_model::Labels;
use std::collections::{BTreeSet, HashMap, HashSet};

/// What the last scrapes of targets told of their cost, and which shards know them.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    targets: HashMap<u64, Known>,
    /// The targets of each label set.
    labels: HashMap<Labels, Vec<u64>>,
    /// Every shard that is split into ones that are there.
    split: HashSet<Home>,
}

#[derive(Debug)]
struct Known {
    samples: usize,
    slow: bool,
    changed_ms: i64,
    homes: Vec<Home>,
}

impl Measured {
    /// What the items of shards say.
    pub(crate) fn of<'a>(items: impl Iterator<Item = (Home, &'a ShardState)>) -> Self {
        let mut out = Self::default();
        for (home, state) in items {
            let mut above = home;
            while above.shards > 1 {
                above.shards /= 2;
                above.shard %= above.shards;
                out.split.insert(above);
            }
            for (identity, target) in &state.targets {
                out.add(home, identity.0, target);
            }
        }
        out
    }

    fn add(&mut self, home: Home, identity: u64, target: &TargetState) {
        let known = self.targets.entry(identity).or_insert_with(|| {
            self.labels.entry(target.labels.clone()).or_default().push(identity);
            Known {
                samples: 0,
                slow: false,
                changed_ms: i64::MIN,
                homes: Vec::new(),
            }
        });
        known.homes.push(home);
        if target.changed_ms > known.changed_ms {
            known.changed_ms = target.changed_ms;
            known.samples = target.series_set.as_ref().map_or(0, |set| set.series);
            // Where a target stands says which way its slowness goes.
            known.slow = target.is_slow(home.lane == Lane::Slow);
        }
    }

    /// What a target costs; one that was never scraped is quick and brings nothing yet.
    pub(super) fn weigh(&self, identity: u64) -> Weighed {
        let known = self.targets.get(&identity);
        Weighed {
            identity,
            samples: known.map_or(0, |known| known.samples),
            slow: known.is_some_and(|known| known.slow),
        }
    }

    pub(super) fn was_split(&self, home: &Home) -> bool {
        self.split.contains(home)
    }

    /// The other shards that know targets which a shard is to take over, or targets that are the same but for their
    /// identity.
    pub(super) fn origins<'a>(&self, home: Home, targets: impl Iterator<Item = &'a Target>) -> Vec<Home> {
        let mut origins = BTreeSet::new();
        for target in targets {
            match self.targets.get(&target.identity) {
                Some(known) if known.homes.contains(&home) => {}
                Some(known) => origins.extend(&known.homes),
                None => {
                    let same = self.labels.get(&target.labels).into_iter().flatten();
                    let known = same.filter_map(|identity| self.targets.get(identity));
                    origins.extend(known.flat_map(|known| &known.homes));
                }
            }
        }
        origins.into_iter().collect()
    }
}

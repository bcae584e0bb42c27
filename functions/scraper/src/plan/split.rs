//! Shards by what their targets cost.

use super::{Home, Measured};

/// The most shards that one interval is split into.
pub(super) const MAX_SHARDS: u64 = 1 << 20;

/// Two shards that together cost less than this part of what one may are one again. Far enough from the whole that
/// targets which grow and shrink a little are not moved to and fro.
const JOIN_BELOW: f64 = 0.5;

/// What one shard may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most targets.
    pub(crate) targets: usize,
    /// About how many samples.
    pub(crate) samples: usize,
}

impl Limits {
    /// The part of a shard's work that a target makes: for its request, and for its samples.
    fn cost(&self, target: &Weighed) -> f64 {
        1.0 / self.targets.max(1) as f64 + target.samples as f64 / self.samples.max(1) as f64
    }
}

/// A target and what is known of its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weighed {
    pub(crate) identity: u64,
    /// Series of its last scrape that succeeded.
    pub(crate) samples: usize,
    pub(crate) slow: bool,
}

/// The shards that targets of one interval and lane are split into, with their targets. No shard is empty, and none
/// costs more than it may unless it is of one target.
pub(super) fn leaves(
    home: Home,
    members: Vec<Weighed>,
    limits: &Limits,
    measured: &Measured,
) -> Vec<(Home, Vec<Weighed>)> {
    let (mut open, mut leaves) = (vec![(home, members)], Vec::new());
    while let Some((home, members)) = open.pop() {
        let cost: f64 = members.iter().map(|target| limits.cost(target)).sum();
        let most = if measured.was_split(&home) { JOIN_BELOW } else { 1.0 };
        // Sums of parts such as 1/32 are not exact.
        if members.len() <= 1 || cost <= most + 1e-9 || home.shards >= MAX_SHARDS {
            leaves.extend((!members.is_empty()).then_some((home, members)));
            continue;
        }
        let (ones, zeros): (Vec<_>, Vec<_>) = members
            .into_iter()
            .partition(|target| target.identity & home.shards != 0);
        let shards = home.shards * 2;
        for (shard, members) in [(home.shard + home.shards, ones), (home.shard, zeros)] {
            open.push((Home { shards, shard, ..home }, members));
        }
    }
    leaves
}

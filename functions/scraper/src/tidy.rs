//! What the tick does for state: targets that left the configuration, shards that are no more.

use crate::counters::add;
use crate::outcome::{self, Context};
use crate::plan::{Home, Plan};
use crate::state::{Identity, ShardState, TargetState};
use futures::{StreamExt as _, TryStreamExt as _};
use parapet_model::Labels;
use parapet_ports::{Condition, Error, Item, Kind};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A tick later than this leaves tidying to the next one: markers carry the tick's time, and must not lie before
/// samples.
const MAX_LATE_MS: i64 = 120_000;

/// Goes through every shard's item:
/// - a target that the plan does not have gets its markers and is forgotten;
/// - one whose labels another target has now is forgotten without markers once that one is known;
/// - a target that moved to another shard is forgotten once that shard knows it;
/// - an item without targets is removed.
///
/// Markers are sent before the item is written: run twice, or cut off in between, they are sent twice, at worst with
/// the times of two ticks.
pub(crate) async fn run(
    context: &Context,
    plan: &Plan,
    items: Vec<(Item, ShardState)>,
    at_ms: i64,
) -> Result<(), Error> {
    if context.ports.clock.now_ms() - at_ms > MAX_LATE_MS {
        return Ok(());
    }
    let mut known: HashMap<u64, Vec<Home>> = HashMap::new();
    for (item, state) in &items {
        let Some(home) = ShardState::home(&item.key) else {
            continue;
        };
        for identity in state.targets.keys() {
            known.entry(identity.0).or_default().push(home);
        }
    }
    let heirs: HashSet<Labels> = items
        .iter()
        .flat_map(|(_, state)| &state.targets)
        .filter(|(identity, _)| plan.home(identity.0).is_some())
        .map(|(_, target)| target.labels.clone())
        .collect();
    let view = View { plan, known, heirs };
    for (item, state) in items {
        let Some(home) = ShardState::home(&item.key) else {
            continue;
        };
        tidy_shard(context, &view, at_ms, home, item, state).await?;
    }
    Ok(())
}

/// All shards at one moment.
struct View<'a> {
    plan: &'a Plan,
    /// Which shards know which target.
    known: HashMap<u64, Vec<Home>>,
    /// Labels of targets that are both in the plan and known to a shard.
    heirs: HashSet<Labels>,
}

async fn tidy_shard(
    context: &Context,
    view: &View<'_>,
    at_ms: i64,
    home: Home,
    item: Item,
    state: ShardState,
) -> Result<(), Error> {
    let View { plan, known, heirs } = view;
    let (mut kept, mut gone): (BTreeMap<Identity, TargetState>, Vec<(u64, TargetState)>) = Default::default();
    let before = state.targets.len();
    for (identity, target) in state.targets {
        let homes = known.get(&identity.0).map(Vec::as_slice).unwrap_or_default();
        match plan.home(identity.0) {
            // Its URL changed, its series go on: it is forgotten once its heir has taken over.
            None if plan.has_labels(&target.labels) => {
                if !heirs.contains(&target.labels) {
                    kept.insert(identity, target);
                }
            }
            None => {
                // Another item may still have it too: each target is marked once, from the item that sorts first.
                if homes.iter().all(|other| *other >= home) {
                    gone.push((identity.0, target));
                }
            }
            Some(present) if present != home && homes.contains(&present) => {}
            Some(_) => {
                kept.insert(identity, target);
            }
        }
    }
    if kept.len() == before && before > 0 {
        return Ok(());
    }
    let endings: Vec<_> = gone
        .iter()
        .map(|(identity, target)| outcome::gone(context, *identity, target, at_ms))
        .collect();
    let batches: Vec<_> = futures::stream::iter(endings)
        .buffered(context.settings.object_concurrency)
        .try_collect()
        .await?;
    parapet_store::outbox::send_samples(&context.ports, batches).await?;
    let table = context.ports.table.as_ref();
    let condition = Condition::Version(item.version);
    let written = if kept.is_empty() {
        table.delete(item.key, condition).await
    } else {
        let state = ShardState { targets: kept, ..state };
        table.put(item.key, state.encode()?, None, condition).await.map(|_| ())
    };
    match written {
        Ok(()) => {}
        // A task wrote it meanwhile: the next tick sees to it.
        Err(error) if error.kind() == Kind::Conflict => return Ok(()),
        Err(error) => return Err(error),
    }
    add(&context.counters.targets_gone, gone.len());
    for (_, target) in gone {
        if let Some(set) = target.series_set {
            context.sets.remove(&set.name).await;
        }
    }
    Ok(())
}

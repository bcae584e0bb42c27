//! A task: one shard at one slot.

use crate::counters::add;
use crate::outcome::{self, Before, Context, Outcome};
use crate::plan::{Home, Plan, ScrapeTask, targets_of};
use crate::state::{Health, Identity, ShardState, TargetState, keep_newer, read_all};
use futures::StreamExt as _;
use parapet_config::{Config, ScrapeJob, Target};
use parapet_model::Labels;
use parapet_ports::{Condition, Error, Kind};
use parapet_store::Batch;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How often a state that others write at the same time is tried again.
const WRITE_ATTEMPTS: usize = 5;

/// Runs a task; `rerun` where an earlier run may have begun it.
///
/// # Errors
/// Where a port fails; the task may be run again: its samples have the same ids, and its state has not been written.
pub(crate) async fn run(
    context: &Context,
    written: &Arc<Config>,
    config: &Config,
    plan: &Plan,
    task: &ScrapeTask,
    rerun: bool,
) -> Result<(), Error> {
    let scheduled_ms = task.scheduled_ms();
    let now_ms = context.ports.clock.now_ms();
    if now_ms > scheduled_ms + task.interval_ms {
        add(&context.counters.tasks_late, 1);
        tracing::warn!(
            ?task,
            late_ms = now_ms - scheduled_ms,
            "scrape skipped: more than an interval late"
        );
        return Ok(());
    }
    let targets = targets_of(config, task);
    if targets.is_empty() {
        return Ok(());
    }
    let home = Home {
        interval_ms: task.interval_ms,
        shards: task.shards,
        shard: task.shard,
    };
    if context.is_done(&home, scheduled_ms) {
        add(&context.counters.tasks_duplicate, 1);
        return Ok(());
    }
    let key = ShardState::key(&home);
    let table = context.ports.table.as_ref();
    let mut stored = Stored::read(context, &key).await?;
    if stored.state.written_ms >= scheduled_ms {
        add(&context.counters.tasks_duplicate, 1);
        tracing::debug!(?task, "scrape skipped: another run did it");
        return Ok(());
    }
    let mut inherited = Inherited::default();
    let known = |identity: u64| stored.state.targets.contains_key(&Identity(identity));
    if targets.iter().any(|(_, target)| !known(target.identity)) {
        inherited = Inherited::read(context, plan).await?;
    }
    let outcomes = scrape_all(
        context,
        written,
        &targets,
        scheduled_ms,
        rerun,
        &stored.state,
        &inherited,
    )
    .await?;

    // The order of effects is what makes a death in between harmless: objects, samples, state, removal.
    let (batches, outcomes): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
    let mut changes = Vec::new();
    let mut sets = Vec::new();
    for outcome in outcomes {
        let before = stored.state.targets.get(&Identity(outcome.identity));
        if before.is_none_or(|before| outcome.state.differs_from(before)) {
            note_health(before, &outcome.state);
            // Only a set that followed another is likely to be asked for again soon.
            let remember = outcome.superseded.is_some();
            sets.extend(outcome.new_set.map(|(name, set)| (name, set, remember)));
            changes.push((outcome.identity, outcome.state, outcome.superseded));
        }
    }
    let puts: Vec<_> = sets
        .into_iter()
        .map(|(name, set, remember)| context.sets.put(name, set, remember))
        .collect();
    let mut puts = futures::stream::iter(puts).buffer_unordered(context.settings.object_concurrency);
    while let Some(put) = puts.next().await {
        put?;
    }
    add(
        &context.counters.samples,
        batches.iter().map(|batch| batch.sample_count()).sum(),
    );
    parapet_store::outbox::send_samples(&context.ports, batches).await?;
    if changes.is_empty() {
        context.set_done(home, scheduled_ms);
        return Ok(());
    }
    for _ in 0..WRITE_ATTEMPTS {
        for (identity, state, _) in &changes {
            stored.state.targets.insert(Identity(*identity), state.clone());
        }
        stored.state.written_ms = scheduled_ms;
        let written = table
            .put(key.clone(), stored.state.encode()?, None, stored.condition)
            .await;
        match written {
            Ok(_) => {
                context.set_done(home, scheduled_ms);
                for (_, _, superseded) in &changes {
                    if let Some(name) = superseded {
                        context.sets.remove(name).await;
                    }
                }
                return Ok(());
            }
            Err(error) if error.kind() == Kind::Conflict => {}
            Err(error) => return Err(error),
        }
        stored = Stored::read(context, &key).await?;
        if stored.state.written_ms >= scheduled_ms {
            add(&context.counters.tasks_duplicate, 1);
            return Ok(());
        }
    }
    Err(Error::new(
        Kind::Unavailable,
        "scrape state is written by others all the time",
    ))
}

/// What other shards know, or knew, of targets that are new to this one.
#[derive(Default)]
struct Inherited {
    by_identity: BTreeMap<u64, TargetState>,
    /// Of targets that are no more: another target with the same labels goes on with their series.
    by_labels: HashMap<Labels, TargetState>,
}

impl Inherited {
    async fn read(context: &Context, plan: &Plan) -> Result<Self, Error> {
        let mut out = Self::default();
        for (_, state) in read_all(context.ports.table.as_ref()).await? {
            for (identity, target) in state.targets {
                if plan.home(identity.0).is_none() {
                    out.by_labels.insert(target.labels.clone(), target.clone());
                }
                keep_newer(&mut out.by_identity, identity.0, target);
            }
        }
        Ok(out)
    }

    fn get(&self, target: &Target) -> Option<&TargetState> {
        let by_identity = self.by_identity.get(&target.identity);
        by_identity.or_else(|| self.by_labels.get(&target.labels))
    }
}

/// Says so when a target goes down or comes back.
fn note_health(before: Option<&TargetState>, now: &TargetState) {
    let instance = now.labels.get("instance").unwrap_or_default();
    match (before.map(|state| state.health), now.health) {
        (Some(Health::Up) | None, Health::Down) => {
            tracing::warn!(job = now.job, instance, error = now.last_error, "target is down");
        }
        (Some(Health::Down), Health::Up) => tracing::info!(job = now.job, instance, "target is up again"),
        _ => {}
    }
}

/// An item with what must hold to write it.
struct Stored {
    state: ShardState,
    condition: Condition,
}

impl Stored {
    async fn read(context: &Context, key: &parapet_ports::Key) -> Result<Self, Error> {
        let Some(item) = context.ports.table.get(key).await? else {
            return Ok(Self {
                state: ShardState::default(),
                condition: Condition::Absent,
            });
        };
        let state = ShardState::decode(&item).unwrap_or_else(|error| {
            tracing::error!(error = error.chain(), "scrape state is corrupt: beginning anew");
            ShardState::default()
        });
        Ok(Self {
            state,
            condition: Condition::Version(item.version),
        })
    }
}

async fn scrape_all(
    context: &Context,
    written: &Arc<Config>,
    targets: &[(&ScrapeJob, &Target)],
    scheduled_ms: i64,
    rerun: bool,
    own: &ShardState,
    inherited: &Inherited,
) -> Result<Vec<(Batch, Outcome)>, Error> {
    // How many are under way at one time is limited in the context, for the process as a whole.
    let scrapes = targets.iter().map(|(job, target)| {
        let previous = own
            .targets
            .get(&Identity(target.identity))
            .or_else(|| inherited.get(target));
        let before = Before {
            written,
            state: previous,
            rerun,
        };
        outcome::scrape(context, job, target, scheduled_ms, before)
    });
    futures::future::try_join_all(scrapes.collect::<Vec<_>>()).await
}

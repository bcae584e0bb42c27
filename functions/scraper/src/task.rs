//! A task: one shard at one slot.

use crate::counters::add;
use crate::outcome::{self, Before, Context, Outcome};
use crate::plan::{Home, ScrapeTask, fingerprint, targets_of};
use crate::state::{Health, Identity, ShardState, TargetState, keep_newer, read_all};
use futures::StreamExt as _;
use futures::channel::mpsc;
use futures::stream::FuturesUnordered;
use parapet_config::{Config, Target};
use parapet_model::Labels;
use parapet_ports::{Condition, Error, Key, Kind};
use parapet_store::Batch;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How often a state that others write at the same time is tried again.
const WRITE_ATTEMPTS: usize = 5;

type Scraped = (Batch, Outcome);

/// Runs a task; `rerun` where an earlier run may have begun it.
///
/// What has been scraped is stored in waves: the first a short while after the first target answered, and so on, so
/// that a slow target holds up no other's samples, and no body waits for memory that others are only kept in.
///
/// # Errors
/// Where a port fails; the task may be run again: its samples have the same ids, and its state does not say that it is
/// done.
pub(crate) async fn run(
    context: &Context,
    written: &Arc<Config>,
    config: &Config,
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
    let home = task.home();
    if context.is_done(&home, scheduled_ms) {
        add(&context.counters.tasks_duplicate, 1);
        return Ok(());
    }
    let stored = Stored::read(context, &ShardState::key(&home)).await?;
    if stored.state.written_ms >= scheduled_ms {
        add(&context.counters.tasks_duplicate, 1);
        tracing::debug!(?task, "scrape skipped: another run did it");
        return Ok(());
    }
    let own = stored.state.clone();
    // What an interrupted run has stored is not scraped again.
    let is_done = |target: &Target| {
        own.get(target.identity)
            .is_some_and(|known| known.changed_ms >= scheduled_ms)
    };
    let targets: Vec<_> = targets.into_iter().filter(|(_, target)| !is_done(target)).collect();
    let mut inherited = Inherited::default();
    if targets.iter().any(|(_, target)| own.get(target.identity).is_none()) {
        inherited = Inherited::read(context, config, task).await?;
    }
    let count = targets.len();
    let mut scrapes: FuturesUnordered<_> = targets
        .into_iter()
        .map(|(job, target)| {
            let before = Before {
                written,
                state: own.get(target.identity).or_else(|| inherited.get(target)),
                rerun,
            };
            // How many are under way at one time is limited in the context, for the process as a whole.
            outcome::scrape(context, job, target, scheduled_ms, before)
        })
        .collect();
    let (sender, receiver) = mpsc::unbounded();
    // The scrapes go on while a wave is stored.
    let scraping = async move {
        while let Some(scraped) = scrapes.next().await {
            if sender.unbounded_send(scraped?).is_err() {
                break;
            }
        }
        Ok(())
    };
    let storing = Storing {
        context,
        home,
        scheduled_ms,
        stored,
        has_written: false,
    };
    tokio::try_join!(scraping, storing.run(receiver, count))?;
    Ok(())
}

/// Stores what a task's scrapes lead to, as they end.
struct Storing<'a> {
    context: &'a Context,
    home: Home,
    scheduled_ms: i64,
    /// The shard's item as it was read or written last.
    stored: Stored,
    has_written: bool,
}

/// A state to be written, and the set that nothing names then.
type Change = (Identity, TargetState, Option<String>);

impl Storing<'_> {
    /// Stores so many outcomes in waves.
    async fn run(mut self, mut scraped: mpsc::UnboundedReceiver<Scraped>, mut left: usize) -> Result<(), Error> {
        while left > 0 {
            let wave = self.next_wave(&mut scraped).await;
            if wave.is_empty() {
                // The scrapes ended early, and say why.
                return Ok(());
            }
            left -= wave.len();
            if !self.store(wave, left == 0).await? {
                add(&self.context.counters.tasks_duplicate, 1);
                return Ok(());
            }
        }
        self.context.set_done(self.home, self.scheduled_ms);
        Ok(())
    }

    /// What comes until a short while after the first of it, or until other bodies wait for the memory that it takes.
    async fn next_wave(&self, scraped: &mut mpsc::UnboundedReceiver<Scraped>) -> Vec<Scraped> {
        let mut wave = Vec::from_iter(scraped.next().await);
        let until = Instant::now() + Duration::from_millis(self.context.settings.slow_ms);
        loop {
            let holds = wave.iter().any(|(_, outcome)| outcome.memory.is_some());
            let next = async {
                tokio::select! {
                    next = scraped.next() => next,
                    () = self.context.memory.wanted(), if holds => None,
                }
            };
            match timeout_at(until, next).await {
                Ok(Some(next)) => wave.push(next),
                _ => return wave,
            }
        }
    }

    /// Stores a wave; whether the task goes on. The order of effects is what makes a death in between harmless:
    /// objects, samples, state, removal. That the task is done is said with the last state.
    async fn store(&mut self, wave: Vec<Scraped>, is_last: bool) -> Result<bool, Error> {
        let context = self.context;
        let (batches, outcomes): (Vec<_>, Vec<_>) = wave.into_iter().unzip();
        let (mut changes, mut sets): (Vec<Change>, Vec<_>) = Default::default();
        let mut memory = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            memory.push(outcome.memory);
            let before = self.stored.state.get(outcome.identity);
            if before.is_none_or(|before| outcome.state.differs_from(before)) {
                note_health(before, &outcome.state);
                // Only a set that followed another is likely to be asked for again soon.
                let remember = outcome.superseded.is_some();
                sets.extend(outcome.new_set.map(|(name, set)| (name, set, remember)));
                changes.push((Identity(outcome.identity), outcome.state, outcome.superseded));
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
        let samples = batches.iter().map(Batch::sample_count).sum();
        add(&context.counters.samples, samples);
        parapet_store::outbox::send_samples(&context.ports, batches).await?;
        drop(memory);
        if changes.is_empty() && !(is_last && self.has_written) {
            return Ok(true);
        }
        self.write(changes, is_last).await
    }

    async fn write(&mut self, mut changes: Vec<Change>, is_last: bool) -> Result<bool, Error> {
        let (context, scheduled_ms) = (self.context, self.scheduled_ms);
        let key = ShardState::key(&self.home);
        for _ in 0..WRITE_ATTEMPTS {
            let mut state = self.stored.state.clone();
            // Another run of the same slot came first with these.
            changes.retain(|(identity, ..)| {
                state
                    .get(identity.0)
                    .is_none_or(|known| known.changed_ms < scheduled_ms)
            });
            for (identity, target, _) in &changes {
                state.targets.insert(*identity, target.clone());
            }
            if is_last {
                state.written_ms = scheduled_ms;
            }
            let table = context.ports.table.as_ref();
            let written = table.put(key.clone(), state.encode()?, None, self.stored.condition);
            match written.await {
                Ok(version) => {
                    self.stored = Stored {
                        state,
                        condition: Condition::Version(version),
                    };
                    self.has_written = true;
                    for name in changes.iter().filter_map(|(.., superseded)| superseded.as_ref()) {
                        context.sets.remove(name).await;
                    }
                    return Ok(true);
                }
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
            self.stored = Stored::read(context, &key).await?;
            if self.stored.state.written_ms >= scheduled_ms {
                return Ok(false);
            }
        }
        Err(Error::new(
            Kind::Unavailable,
            "scrape state is written by others all the time",
        ))
    }
}

/// What other shards know, or knew, of targets that are new to this one.
#[derive(Default)]
struct Inherited {
    by_identity: BTreeMap<u64, TargetState>,
    /// Of targets that are no more: another target with the same labels goes on with their series.
    by_labels: HashMap<Labels, TargetState>,
}

impl Inherited {
    async fn read(context: &Context, config: &Config, task: &ScrapeTask) -> Result<Self, Error> {
        let mut states = Vec::new();
        if task.plan == fingerprint(config) {
            for home in &task.from {
                states.push(Stored::read(context, &ShardState::key(home)).await?.state);
            }
        } else {
            // The configuration changed after the tick, which did not look for these targets.
            let all = read_all(context.ports.table.as_ref()).await?;
            states.extend(all.into_iter().map(|(_, state)| state));
        }
        let targets = config.jobs.iter().flat_map(|job| &job.targets);
        let configured: HashSet<u64> = targets.map(|target| target.identity).collect();
        let mut out = Self::default();
        for (identity, target) in states.into_iter().flat_map(|state| state.targets) {
            if !configured.contains(&identity.0) {
                out.by_labels.insert(target.labels.clone(), target.clone());
            }
            keep_newer(&mut out.by_identity, identity.0, target);
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
    async fn read(context: &Context, key: &Key) -> Result<Self, Error> {
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

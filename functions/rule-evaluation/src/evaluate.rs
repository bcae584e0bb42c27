//! One task: its groups evaluated at their slot, in turn, over shared fetches.

use crate::Settings;
use crate::configuration::{Groups, name_of};
use crate::plan::{GroupName, RuleTask};
use crate::query::Stored;
use crate::state::{self, StoredState, Summary};
use parapet_model::SampleBatch;
use parapet_ports::{Condition, Error, Kind, Ports};
use parapet_promql::{Options, QueryRange};
use parapet_rules::{Answerer, Context, GroupState, Health, StepOutcome, step};
use parapet_store::logs::LogReader;
use parapet_store::{Dataset, Reader, keys, outbox};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// A task that is later than this and than the group's interval is left out.
const PATIENCE_MS: i64 = 60_000;

/// What evaluations need.
#[derive(Debug)]
pub(crate) struct Evaluator {
    pub(crate) ports: Ports,
    pub(crate) reader: Arc<Reader>,
    pub(crate) log_reader: LogReader,
    pub(crate) settings: Settings,
}

/// What became of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing is left to do at this slot.
    Done,
    /// It reads what is recorded and not stored yet: again in a moment.
    Waits,
}

type SharedAnswerer = Arc<Mutex<Answerer<Stored>>>;

impl Evaluator {
    /// Evaluates the groups of a task; gives those that have to wait.
    pub(crate) async fn task(&self, groups: &Arc<Groups>, task: &RuleTask) -> Result<Vec<GroupName>, Error> {
        let answerer = self.answerer(groups, task);
        let mut waiting = Vec::new();
        for name in &task.groups {
            match self.group(groups, name, task.slot_ms, &answerer).await {
                Ok(Progress::Done) => {}
                Ok(Progress::Waits) => waiting.push(name.clone()),
                // Another run of the same slot was faster, or a later slot: nothing is left to do for this one.
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Ok(waiting)
    }

    /// An answerer that knows what every rule of the task will ask for.
    fn answerer(&self, groups: &Groups, task: &RuleTask) -> SharedAnswerer {
        let source = Stored {
            reader: self.reader.clone(),
            log_reader: self.log_reader.clone(),
            max_samples: self.settings.max_samples,
            runtime: tokio::runtime::Handle::current(),
            tenant: self.settings.tenant.clone(),
        };
        let options = Options {
            max_samples: self.settings.max_samples,
            lookback_delta_ms: self.settings.lookback_delta_ms,
            delayed_name_removal: self.settings.delayed_name_removal,
            type_and_unit_labels: self.settings.type_and_unit_labels,
            default_subquery_step_ms: groups.evaluation_interval_ms,
            ..Options::default()
        };
        let mut answerer = Answerer::new(source, options);
        for group in task.groups.iter().filter_map(|name| groups.find(name)) {
            let offset_ms = group.query_offset_ms.unwrap_or(groups.query_offset_ms);
            for rule in &group.rules {
                answerer.plan(&rule.expr, QueryRange::instant(task.slot_ms - offset_ms));
            }
        }
        Arc::new(Mutex::new(answerer))
    }

    /// Evaluates one group at one slot.
    ///
    /// Invariant: samples and alerts are sent before the state that accounts for them is stored. A death in between
    /// repeats the slot from the old state: the samples have the same batch id and are stored once, the alerts say the
    /// same again, and `for` goes on from where it was. The state is written by compare-and-set, so of two runs at the
    /// same time one decides.
    async fn group(
        &self,
        groups: &Arc<Groups>,
        name: &GroupName,
        slot_ms: i64,
        answerer: &SharedAnswerer,
    ) -> Result<Progress, Error> {
        let Some(group) = groups.find(name) else {
            return Ok(Progress::Done);
        };
        let interval_ms = groups.interval_ms(group).max(1);
        let key = state::key(&self.settings.tenant, name);
        let (mut stored, mut condition) = match state::load(&self.ports, &key).await? {
            Some((stored, version)) => (stored, Condition::Version(version)),
            None => (StoredState::new(name), Condition::Absent),
        };
        let last_slot_ms = stored.state.last_slot_ms;
        if last_slot_ms.is_some_and(|last| last >= slot_ms) {
            return Ok(Progress::Done);
        }
        let late_ms = self.ports.clock.now_ms() - slot_ms;
        if late_ms > interval_ms.max(PATIENCE_MS).max(self.settings.catch_up_ms) {
            tracing::warn!(
                group = name.name,
                slot_ms,
                late_ms,
                "the evaluation is too late and is left out"
            );
            return Ok(Progress::Done);
        }
        if late_ms < self.settings.recorded_wait_ms.min(interval_ms / 2)
            && !self.sources_are_stored(groups, name).await?
        {
            metrics::counter!("parapet_rule_group_waits_total").increment(1);
            return Ok(Progress::Waits);
        }
        let slots = self.slots(last_slot_ms, slot_ms, interval_ms);
        // Slots before the first one are not missed, whatever was left out since the last one is.
        let passed = last_slot_ms.map_or(1, |last| (slot_ms - last) / interval_ms);
        let missed = u64::try_from(passed).unwrap_or(0).saturating_sub(slots.len() as u64);
        stored.missed_slots += missed;
        metrics::counter!("parapet_rule_group_iterations_missed_total").increment(missed);
        for at_ms in slots {
            let context = Context {
                is_catching_up: at_ms < slot_ms,
                ..self.context(groups)
            };
            let before = std::mem::take(&mut stored.state);
            let outcome = self.step(groups, name, before, at_ms, context, answerer).await?;
            count(&outcome);
            stored.state = outcome.state.clone();
            let batch = batch_id(name, at_ms);
            let summary = Summary {
                batch: (!outcome.samples.is_empty()).then(|| batch.clone()),
                seconds: outcome.state.evaluation_seconds,
            };
            self.send(batch, outcome).await?;
            let version = state::save(&self.ports, &self.settings, &mut stored, &summary, condition).await?;
            condition = Condition::Version(version);
        }
        Ok(Progress::Done)
    }

    /// The slots to evaluate: those that were missed, as far as they are caught up with, and the one that is due.
    fn slots(&self, last_slot_ms: Option<i64>, slot_ms: i64, interval_ms: i64) -> Vec<i64> {
        let reach = last_slot_ms.map_or(0, |last| (slot_ms - last - 1) / interval_ms);
        let caught_up = reach.min(self.settings.catch_up_ms / interval_ms).max(0);
        (0..=caught_up).rev().map(|back| slot_ms - back * interval_ms).collect()
    }

    /// Whether what the groups that this one reads from have recorded last can be read.
    async fn sources_are_stored(&self, groups: &Groups, name: &GroupName) -> Result<bool, Error> {
        for source in groups.sources(name) {
            let summary = state::summary(&self.ports, &self.settings.tenant, &name_of(source)).await?;
            let Some(batch) = summary.and_then(|summary| summary.batch) else {
                continue;
            };
            let mark = keys::batch(Dataset::Metrics, &self.settings.tenant, &batch);
            if self.ports.table.get(&mark).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn context(&self, groups: &Groups) -> Context {
        Context {
            external_labels: groups.external_labels.clone(),
            external_url: self.settings.external_url.clone(),
            default_interval_ms: groups.evaluation_interval_ms,
            default_query_offset_ms: groups.query_offset_ms,
            resend_delay_ms: self.settings.resend_delay_ms,
            outage_tolerance_ms: self.settings.for_outage_tolerance_ms,
            for_grace_period_ms: self.settings.for_grace_period_ms,
            stopwatch: steady_seconds,
            ..Context::default()
        }
    }

    /// Runs the pure step on a thread that may block: its queries fetch from the store.
    async fn step(
        &self,
        groups: &Arc<Groups>,
        name: &GroupName,
        state: GroupState,
        at_ms: i64,
        context: Context,
        answerer: &SharedAnswerer,
    ) -> Result<StepOutcome, Error> {
        let (groups, name, answerer) = (groups.clone(), name.clone(), answerer.clone());
        let run = tokio::task::spawn_blocking(move || {
            let group = groups.find(&name)?;
            let mut answerer = answerer.lock().unwrap_or_else(PoisonError::into_inner);
            Some(step(group, state, at_ms, &context, &mut |asked| answerer.answer(asked)))
        });
        let panicked = |error| Error::new(Kind::Internal, "the evaluation panicked").with_source(error);
        run.await
            .map_err(panicked)?
            .ok_or_else(|| Error::new(Kind::Internal, "the group is gone"))
    }

    /// Sends samples to the store and alerts to the notifier.
    pub(crate) async fn send(&self, id: String, outcome: StepOutcome) -> Result<(), Error> {
        if !outcome.samples.is_empty() {
            let batch = SampleBatch {
                id,
                tenant: self.settings.tenant.clone(),
                series: outcome.samples,
            };
            outbox::send_samples(&self.ports, vec![batch]).await?;
        }
        parapet_store::alerts::send(&self.ports, &outcome.alerts).await
    }
}

/// The id of what a group records at a slot: the same for every run of it. Names may be longer than ids.
pub(crate) fn batch_id(name: &GroupName, at_ms: i64) -> String {
    let hash = xxhash_rust::xxh3::xxh3_128(state::sort_key(name).as_bytes());
    format!("rule/{hash:032x}/{at_ms}")
}

fn count(outcome: &StepOutcome) {
    let rules = &outcome.state.rules;
    let failed = rules.iter().filter(|rule| rule.health == Health::Err).count();
    metrics::counter!("parapet_rule_group_iterations_total").increment(1);
    metrics::counter!("parapet_rule_evaluations_total").increment(rules.len() as u64);
    metrics::counter!("parapet_rule_evaluation_failures_total").increment(failed as u64);
    metrics::histogram!("parapet_rule_group_duration_seconds").record(outcome.state.evaluation_seconds);
}

/// Seconds of a clock that never goes back, since some moment.
fn steady_seconds() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

//! Ticks and tasks: decode, evaluate, send, store.

use crate::Settings;
use crate::configuration::{Configuration, Groups};
use crate::plan::{RuleTask, delay_seconds};
use crate::query::Query;
use crate::state::{self, StoredState};
use futures::stream::{self, StreamExt as _};
use parapet_model::{Alert, SampleBatch};
use parapet_ports::Condition;
use parapet_ports::queue::MAX_BODY_BYTES;
use parapet_ports::{Disposition, Error, Function, Kind, Message, Outgoing, Ports, Queue, SkRange};
use parapet_promql::Options;
use parapet_rules::{Context, GroupState, RuleGroup, StepOutcome, retire, step};
use parapet_store::{Reader, keys, outbox};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

const MINUTE_MS: i64 = 60_000;

/// Evaluates rule groups at their slots.
#[derive(Debug)]
pub struct RuleEvaluation {
    ports: Ports,
    reader: Arc<Reader>,
    settings: Settings,
    configuration: Configuration,
}

impl RuleEvaluation {
    /// A function over its ports; `reader` answers the queries of rules.
    #[must_use]
    pub fn new(ports: Ports, reader: Arc<Reader>, settings: Settings) -> Self {
        Self {
            ports,
            reader,
            settings,
            configuration: Configuration::default(),
        }
    }

    async fn plan(&self, at_ms: i64) -> Result<(), Error> {
        let groups = self.configuration.current(&self.ports).await?;
        let now_ms = self.ports.clock.now_ms();
        let mut messages = Vec::new();
        for group in &groups.groups {
            let interval_ms = groups.interval_ms(group);
            for slot_ms in group.slots(interval_ms, at_ms, at_ms + MINUTE_MS) {
                if now_ms - slot_ms >= interval_ms {
                    continue; // A later slot is due already: the evaluation of that one counts this one as missed.
                }
                let task = RuleTask {
                    file: group.file.clone(),
                    group: group.name.clone(),
                    slot_ms,
                };
                let body = serde_json::to_string(&task)
                    .map_err(|error| Error::new(Kind::Internal, "a rule task does not encode").with_source(error))?;
                messages.push(Outgoing {
                    body,
                    delay_seconds: delay_seconds(slot_ms, now_ms),
                });
            }
        }
        if !messages.is_empty() {
            self.ports.queues.send_batch(Queue::RuleTasks, messages).await?;
        }
        self.retire_removed(&groups, at_ms).await
    }

    /// Ends what removed groups have left: their series go stale, their alerts resolve. The state is forgotten last,
    /// so that a death in between ends them once more at the next tick.
    async fn retire_removed(&self, groups: &Groups, at_ms: i64) -> Result<(), Error> {
        let family = keys::rule_state(&self.settings.tenant, "").pk;
        for item in self.ports.table.query(&family, SkRange::all()).await? {
            let mut stored = state::decode(&self.ports, &item).await?;
            if groups.find(&stored.file, &stored.group).is_some() {
                continue;
            }
            let group = RuleGroup {
                file: stored.file.clone(),
                name: stored.group.clone(),
                interval_ms: None,
                query_offset_ms: None,
                limit: 0,
                rules: Vec::new(),
            };
            let outcome = retire(&group, std::mem::take(&mut stored.state), at_ms, &self.context(groups));
            self.send(
                format!("rule/{}/{}/{at_ms}/retired", stored.file, stored.group),
                outcome,
            )
            .await?;
            match state::forget(&self.ports, item, &stored).await {
                Err(error) if error.kind() != Kind::Conflict => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    async fn handle(&self, message: &Message) -> Disposition {
        let task: RuleTask = match serde_json::from_str(&message.body) {
            Ok(task) => task,
            Err(error) => {
                return Disposition::Reject {
                    reason: format!("not a rule task: {error}"),
                };
            }
        };
        match self.evaluate(&task).await {
            Ok(()) => Disposition::Done,
            // Another run of the same slot was faster, or a later slot: nothing is left to do for this one.
            Err(error) if error.kind() == Kind::Conflict => Disposition::Done,
            Err(error) => Disposition::Retry { reason: error.chain() },
        }
    }

    /// Evaluates one group at one slot.
    ///
    /// Invariant: samples and alerts are sent before the state that accounts for them is stored. A death in between
    /// repeats the slot from the old state: the samples have the same batch id and are stored once, the alerts say the
    /// same again, and `for` goes on from where it was. The state is written by compare-and-set, so of two runs at the
    /// same time one decides.
    async fn evaluate(&self, task: &RuleTask) -> Result<(), Error> {
        let groups = self.configuration.current(&self.ports).await?;
        let Some(group) = groups.find(&task.file, &task.group) else {
            return Ok(());
        };
        let interval_ms = groups.interval_ms(group);
        let key = state::key(&self.settings.tenant, &task.file, &task.group);
        let (mut stored, condition) = match state::load(&self.ports, &key).await? {
            Some((stored, version)) => (stored, Condition::Version(version)),
            None => (StoredState::new(&task.file, &task.group), Condition::Absent),
        };
        let last_slot_ms = stored.state.last_slot_ms;
        if last_slot_ms.is_some_and(|last| last >= task.slot_ms) {
            return Ok(());
        }
        let late_ms = self.ports.clock.now_ms() - task.slot_ms;
        if late_ms > interval_ms.max(MINUTE_MS) {
            tracing::warn!(
                group = task.group,
                slot_ms = task.slot_ms,
                late_ms,
                "the evaluation is too late and is left out"
            );
            return Ok(());
        }
        // Slots before the first one are not missed, whatever was left out since the last one is.
        let missed = last_slot_ms
            .map_or(0, |last| (task.slot_ms - last) / interval_ms.max(1) - 1)
            .max(0)
            .cast_unsigned();
        stored.missed_slots += missed;
        metrics::counter!("parapet_rule_group_iterations_missed_total").increment(missed);

        let outcome = self
            .step(groups.clone(), task, std::mem::take(&mut stored.state))
            .await?;
        metrics::counter!("parapet_rule_group_iterations_total").increment(1);
        metrics::histogram!("parapet_rule_group_duration_seconds").record(outcome.state.evaluation_seconds);
        stored.state = outcome.state.clone();
        self.send(format!("rule/{}/{}/{}", task.file, task.group, task.slot_ms), outcome)
            .await?;
        state::save(&self.ports, &self.settings, key, &stored, condition).await
    }

    fn context(&self, groups: &Groups) -> Context {
        Context {
            external_labels: groups.external_labels.clone(),
            external_url: self.settings.external_url.clone(),
            default_interval_ms: groups.evaluation_interval_ms,
            default_query_offset_ms: groups.query_offset_ms,
            stopwatch: steady_seconds,
            ..Context::default()
        }
    }

    /// Runs the pure step on a thread that may block: its queries fetch from the store.
    async fn step(&self, groups: Arc<Groups>, task: &RuleTask, state: GroupState) -> Result<StepOutcome, Error> {
        let query = Query {
            reader: self.reader.clone(),
            runtime: tokio::runtime::Handle::current(),
            tenant: self.settings.tenant.clone(),
            options: Options {
                max_samples: self.settings.max_samples,
                lookback_delta_ms: self.settings.lookback_delta_ms,
                ..Options::default()
            },
        };
        let (context, task) = (self.context(&groups), task.clone());
        let run = tokio::task::spawn_blocking(move || {
            let group = groups.find(&task.file, &task.group)?;
            Some(step(group, state, task.slot_ms, &context, &mut |asked| {
                query.instant(asked)
            }))
        });
        let panicked = |error| Error::new(Kind::Internal, "the evaluation panicked").with_source(error);
        run.await
            .map_err(panicked)?
            .ok_or_else(|| Error::new(Kind::Internal, "the group is gone"))
    }

    /// Sends samples to the store and alerts to the notifier.
    async fn send(&self, id: String, outcome: StepOutcome) -> Result<(), Error> {
        if !outcome.samples.is_empty() {
            let batch = SampleBatch {
                id,
                tenant: self.settings.tenant.clone(),
                series: outcome.samples,
            };
            outbox::send_samples(&self.ports, vec![batch]).await?;
        }
        let messages = alert_messages(&outcome.alerts)?;
        if !messages.is_empty() {
            self.ports.queues.send_batch(Queue::Alerts, messages).await?;
        }
        Ok(())
    }
}

/// Seconds of a clock that never goes back, since some moment.
fn steady_seconds() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// As many alerts in a message as fit.
fn alert_messages(alerts: &[Alert]) -> Result<Vec<Outgoing>, Error> {
    let mut messages = Vec::new();
    let mut body = String::new();
    for alert in alerts {
        let text = serde_json::to_string(alert)
            .map_err(|error| Error::new(Kind::Internal, "an alert does not encode").with_source(error))?;
        if !body.is_empty() && body.len() + text.len() + 2 > MAX_BODY_BYTES / 4 {
            messages.push(Outgoing::now(format!("[{body}]")));
            body.clear();
        }
        if !body.is_empty() {
            body.push(',');
        }
        body.push_str(&text);
    }
    if !body.is_empty() {
        messages.push(Outgoing::now(format!("[{body}]")));
    }
    Ok(messages)
}

#[async_trait::async_trait]
impl Function for RuleEvaluation {
    async fn handle_tick(&self, at_ms: i64) -> Result<(), Error> {
        self.plan(at_ms).await
    }

    async fn handle_batch(&self, queue: Queue, messages: Vec<Message>) -> Vec<Disposition> {
        if queue != Queue::RuleTasks {
            let reason = format!("rule-evaluation takes no {} messages", queue.as_str());
            return vec![Disposition::Reject { reason }; messages.len()];
        }
        // Collected, for the compiler cannot see that a future over a lazy `map` of references is `Send`.
        stream::iter(messages.iter().map(|message| self.handle(message)).collect::<Vec<_>>())
            .buffered(self.settings.concurrency)
            .collect()
            .await
    }
}

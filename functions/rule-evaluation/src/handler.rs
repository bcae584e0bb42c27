//! Ticks and tasks: plan, decode, hand on.

use crate::Settings;
use crate::configuration::{Configuration, Groups, name_of};
use crate::evaluate::{Evaluator, batch_id};
use crate::plan::{Due, GroupName, RuleTask, delay_seconds, pack};
use crate::state;
use futures::stream::{self, StreamExt as _};
use parapet_ports::{Disposition, Error, Function, Kind, Message, Outgoing, Ports, Queue};
use parapet_rules::{RuleGroup, retire};
use parapet_store::Reader;
use parapet_store::logs::{LogReader, LogReaderSettings};
use std::collections::HashSet;
use std::sync::Arc;

const MINUTE_MS: i64 = 60_000;
/// After which a group that waits for recorded samples looks again.
const WAIT_SECONDS: u32 = 1;

/// Evaluates rule groups at their slots.
#[derive(Debug)]
pub struct RuleEvaluation {
    evaluator: Evaluator,
    configuration: Configuration,
}

impl RuleEvaluation {
    /// A function over its ports; `reader` answers the queries of rules.
    #[must_use]
    pub fn new(ports: Ports, reader: Arc<Reader>, settings: Settings) -> Self {
        Self {
            evaluator: Evaluator {
                log_reader: LogReader::new(&ports, LogReaderSettings::default()),
                ports,
                reader,
                settings,
            },
            configuration: Configuration::default(),
        }
    }

    async fn plan(&self, at_ms: i64) -> Result<(), Error> {
        let Evaluator { ports, settings, .. } = &self.evaluator;
        let groups = self.configuration.current(ports).await?;
        let now_ms = ports.clock.now_ms();
        let summaries = state::summaries(ports, &settings.tenant).await?;
        let mut due = Vec::new();
        for group in &groups.groups {
            let name = name_of(group);
            let cost_seconds = summaries.get(&state::sort_key(&name)).map(|summary| summary.seconds);
            let interval_ms = groups.interval_ms(group);
            for slot_ms in group.slots(interval_ms, at_ms, at_ms + MINUTE_MS) {
                if now_ms - slot_ms >= interval_ms {
                    continue; // A later slot is due already: the evaluation of that one counts this one as missed.
                }
                due.push(Due {
                    slot_ms,
                    group: name.clone(),
                    cost_seconds,
                });
            }
        }
        let mut messages = Vec::new();
        for task in pack(due, settings.task_seconds) {
            messages.push(message(&task, delay_seconds(task.slot_ms, now_ms))?);
        }
        if !messages.is_empty() {
            ports.queues.send_batch(Queue::RuleTasks, messages).await?;
        }
        self.retire_removed(&groups, summaries.into_keys(), at_ms).await
    }

    /// Ends what removed groups have left: their series go stale, their alerts resolve. The state is forgotten last,
    /// so that a death in between ends them once more at the next tick.
    async fn retire_removed(
        &self,
        groups: &Groups,
        known: impl Iterator<Item = String>,
        at_ms: i64,
    ) -> Result<(), Error> {
        let Evaluator { ports, settings, .. } = &self.evaluator;
        let configured: HashSet<String> = groups
            .groups
            .iter()
            .map(|group| state::sort_key(&name_of(group)))
            .collect();
        for removed in known.filter(|key| !configured.contains(key)) {
            let key = parapet_store::keys::rule_state(&settings.tenant, &removed);
            let Some((mut stored, version)) = state::load(ports, &key).await? else {
                continue;
            };
            let name = GroupName {
                file: stored.file.clone(),
                name: stored.group.clone(),
            };
            let group = RuleGroup {
                file: stored.file.clone(),
                name: stored.group.clone(),
                interval_ms: None,
                query_offset_ms: None,
                limit: 0,
                rules: Vec::new(),
            };
            let context = self.evaluator.context(groups);
            let outcome = retire(&group, std::mem::take(&mut stored.state), at_ms, &context);
            self.evaluator
                .send(format!("{}/retired", batch_id(&name, at_ms)), outcome)
                .await?;
            match state::forget(ports, &settings.tenant, &stored, version).await {
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
        match self.evaluate(task).await {
            Ok(()) => Disposition::Done,
            Err(error) => Disposition::Retry { reason: error.chain() },
        }
    }

    /// Evaluates a task. What has to wait goes back to the queue as a task of its own.
    async fn evaluate(&self, task: RuleTask) -> Result<(), Error> {
        let ports = &self.evaluator.ports;
        let groups = self.configuration.current(ports).await?;
        let waiting = self.evaluator.task(&groups, &task).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let rest = RuleTask {
            groups: waiting,
            ..task
        };
        let again = message(&rest, WAIT_SECONDS)?;
        ports.queues.send_batch(Queue::RuleTasks, vec![again]).await
    }
}

fn message(task: &RuleTask, delay_seconds: u32) -> Result<Outgoing, Error> {
    let body = serde_json::to_string(task)
        .map_err(|error| Error::new(Kind::Internal, "a rule task does not encode").with_source(error))?;
    Ok(Outgoing { body, delay_seconds })
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
            .buffered(self.evaluator.settings.concurrency)
            .collect()
            .await
    }
}

//! Alerts into their groups.

use crate::Notifier;
use crate::bulk::Statements;
use crate::configuration::Current;
use crate::handler::disposition;
use crate::ledger;
use crate::store::{StoredGroup, group_id};
use crate::timers::{OVERDUE_MS, Timing};
use parapet_model::Alert;
use parapet_ports::{Disposition, Error, Message};
use parapet_routing::{Config, Group, Input, Policy, Route, step};
use std::collections::BTreeMap;

/// What a batch says about one group.
#[derive(Debug)]
struct Share<'a> {
    route: &'a Route,
    alerts: Vec<Alert>,
    /// The messages that it comes from, by index.
    messages: Vec<usize>,
}

impl Notifier {
    /// Merges the alerts of all messages into their groups, one write per group. A message is done when every group
    /// that it speaks of is stored.
    pub(crate) async fn take_alerts(&self, messages: &[Message]) -> Vec<Disposition> {
        let current = match self.configuration.current(&self.ports).await {
            Ok(Some(current)) => current,
            Ok(None) => {
                tracing::debug!(
                    messages = messages.len(),
                    "no Alertmanager configuration: alerts are dropped"
                );
                return messages.iter().map(|_| Disposition::Done).collect();
            }
            Err(error) => {
                let reason = error.chain();
                return messages
                    .iter()
                    .map(|_| Disposition::Retry { reason: reason.clone() })
                    .collect();
            }
        };
        let mut dispositions = vec![Disposition::Done; messages.len()];
        let mut shares: BTreeMap<String, Share<'_>> = BTreeMap::new();
        for (index, message) in messages.iter().enumerate() {
            let alerts = match parapet_store::alerts::open(&self.ports.objects, &message.body).await {
                Ok(alerts) => alerts,
                Err(error) => {
                    dispositions[index] = disposition(Err(error));
                    continue;
                }
            };
            match self.note_sources(&current.config, &alerts).await {
                Ok(()) => distribute(&current.config, index, alerts, &mut shares),
                Err(error) => dispositions[index] = disposition(Err(error)),
            }
        }
        let work = shares
            .iter()
            .map(|(id, share)| self.merge_into_group(&current, id, share));
        let results = self.several(work.collect()).await;
        for (share, result) in shares.values().zip(results) {
            if let Err(error) = result {
                let failed = disposition(Err(error));
                for index in &share.messages {
                    dispositions[*index] = failed.clone();
                }
            }
        }
        dispositions
    }

    async fn merge_into_group(&self, current: &Current, id: &str, share: &Share<'_>) -> Result<(), Error> {
        let policy = Policy::of(&current.config, share.route);
        self.until_agreed(|| async {
            let found = self.store().head(id).await?;
            let now_ms = self.ports.clock.now_ms();
            // A deadline that is long past has lost its timer, however that came about: alerts are stated again and
            // again, and each time is a chance to notice.
            let lost = |deadline_ms: i64| deadline_ms < now_ms - OVERDUE_MS;
            if let Some((head, version)) = &found {
                let statements = Statements {
                    at_ms: now_ms,
                    resolve_timeout_ms: policy.resolve_timeout_ms,
                    alerts: share.alerts.clone(),
                };
                if self.store().append(id, head, *version, &statements).await? {
                    if let Some(deadline_ms) = head.group.next_flush_at_ms.filter(|at_ms| lost(*at_ms)) {
                        self.send_timer(id, deadline_ms).await?;
                    }
                    return Ok(());
                }
            }
            let version = found.as_ref().map(|(_, version)| *version);
            let mut stored = match found {
                Some((head, _)) => self.store().whole(head).await?,
                None => match share.alerts.first() {
                    Some(alert) => {
                        let mut group = Group::new(share.route, &alert.labels);
                        group.config_version.clone_from(&current.version);
                        StoredGroup::new(group)
                    }
                    None => return Ok(()),
                },
            };
            let before = stored.group.clone();
            step(&policy, &mut stored.group, now_ms, Input::Alerts(share.alerts.clone()));
            let deadline = stored.group.next_flush_at_ms;
            if stored.group == before {
                // Said before. A crash may have left a deadline that is now without its timer.
                if let Some(deadline_ms) = deadline.filter(|deadline_ms| self.timing(*deadline_ms) == Timing::Now) {
                    self.send_timer(id, deadline_ms).await?;
                }
                return Ok(());
            }
            let moved = deadline.filter(|at_ms| deadline != before.next_flush_at_ms || lost(*at_ms));
            // A timer that comes before its group is stored finds nothing: near ones are sent after the write.
            if let Some(deadline_ms) = moved.filter(|deadline_ms| self.timing(*deadline_ms) == Timing::Soon) {
                self.send_timer(id, deadline_ms).await?;
            }
            let told = ledger::of_statements(Some(&policy), &ledger::known(&before), &stored.group, now_ms);
            stored.entries.extend(told);
            self.store()
                .save_group(id, stored, version, Vec::new(), Vec::new())
                .await?;
            if let Some(deadline_ms) = moved.filter(|deadline_ms| self.timing(*deadline_ms) == Timing::Now) {
                self.send_timer(id, deadline_ms).await?;
            }
            Ok(())
        })
        .await
    }
}

/// Finds the groups of alerts.
fn distribute<'a>(config: &'a Config, message: usize, alerts: Vec<Alert>, shares: &mut BTreeMap<String, Share<'a>>) {
    for alert in alerts {
        if alert.labels.is_empty() {
            tracing::warn!("an alert without labels is dropped");
            continue;
        }
        for route in config.route.matching(&alert.labels) {
            let id = group_id(&Group::new(route, &alert.labels));
            let share = shares.entry(id).or_insert_with(|| Share {
                route,
                alerts: Vec::new(),
                messages: Vec::new(),
            });
            share.alerts.push(alert.clone());
            if share.messages.last() != Some(&message) {
                share.messages.push(message);
            }
        }
    }
}

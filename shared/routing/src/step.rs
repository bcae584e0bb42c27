//! One step in the life of a group.

use crate::group::{TOMBSTONE_MS, compare_alerts};
use crate::merge::is_resolved;
use crate::{
    Attempt, Config, Doubtful, Failure, Fingerprint, Group, GroupAlert, IntegrationKind, LogEntry, NotifiedAlert,
    Pending, Reason, Route, Tombstone, needs_update,
};
use parapet_model::{Alert, Labels};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A notification is given up at the next flush, but not before this long (`notify.MinTimeout` of Alertmanager). Until
/// then no flush speaks, and none while a try holds the delivery ([`Group::hold`]).
const MIN_GIVE_UP_MS: i64 = 10_000;

/// What the configuration says of a group: taken anew at every step, so that a reload holds from the next one on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// From the first alert to the first flush, milliseconds.
    pub group_wait_ms: i64,
    /// Between flushes, milliseconds.
    pub group_interval_ms: i64,
    /// Before an unchanged notification is repeated, milliseconds.
    pub repeat_interval_ms: i64,
    /// How long an alert lasts that has no end of its own, milliseconds.
    pub resolve_timeout_ms: i64,
    /// Labels of the route for templates.
    pub route_labels: BTreeMap<String, String>,
    /// The integrations of the receiver.
    pub integrations: Vec<IntegrationPolicy>,
}

/// What deduplication has to know of an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationPolicy {
    /// Its key within the receiver, `webhook/0`.
    pub key: String,
    /// Whether it is told of alerts that ended.
    pub send_resolved: bool,
    /// At most so many alerts; 0 for all.
    pub max_alerts: u64,
}

impl Policy {
    /// The policy for the groups of a route.
    #[must_use]
    pub fn of(config: &Config, route: &Route) -> Self {
        let receiver = config.receiver(&route.options.receiver);
        let integrations = receiver
            .map(|receiver| receiver.integrations.as_slice())
            .unwrap_or_default();
        Self {
            group_wait_ms: route.options.group_wait_ms,
            group_interval_ms: route.options.group_interval_ms,
            repeat_interval_ms: route.options.repeat_interval_ms,
            resolve_timeout_ms: config.resolve_timeout_ms,
            route_labels: route.options.labels.clone(),
            integrations: integrations
                .iter()
                .map(|integration| IntegrationPolicy {
                    key: integration.key.clone(),
                    send_resolved: integration.send_resolved,
                    max_alerts: match &integration.kind {
                        IntegrationKind::Webhook(webhook) => webhook.max_alerts,
                        IntegrationKind::IncidentIo(incidentio) => incidentio.max_alerts,
                        _ => 0,
                    },
                })
                .collect(),
        }
    }
}

/// What happens to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Statements about alerts that fall into it, in any order, possibly late or for the second time.
    Alerts(Vec<Alert>),
    /// Its deadline may have come.
    Flush {
        /// Alerts that are not to be notified now: inhibited ones.
        muted: BTreeSet<Fingerprint>,
    },
    /// The same for a group of which everything that fires is silenced, and whose receivers are to be told that it is
    /// over (an extra of ours).
    FlushSilenced {
        /// Alerts that are not to be notified now.
        muted: BTreeSet<Fingerprint>,
        /// Those of them that an integration which knows them is told to be over.
        silenced: BTreeSet<Fingerprint>,
    },
}

/// How a try to notify went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Sent,
    /// It did not; another try follows.
    Failed {
        /// Tries so far.
        attempts: u32,
        /// What it answered.
        error: String,
    },
    /// A try ended without a word: the receiver may know or not. That alone settles nothing.
    Unknown,
    /// It did not, and this notification is not tried again. The next flush makes a new one.
    GivenUp {
        /// Tries so far.
        attempts: u32,
        /// What it answered.
        error: String,
    },
}

/// What to tell one integration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The receiver's name.
    pub receiver: String,
    /// The integration within it, `webhook/0`.
    pub integration: String,
    /// The flush that it comes of; where that of an earlier one is not known to have arrived and said the same, that
    /// earlier flush: two pages that say the same thing once have one identity.
    pub flush_id: i64,
    /// Why.
    pub reason: Reason,
    /// The group's key.
    pub group_key: String,
    /// The group's labels.
    pub group_labels: Labels,
    /// The route's labels; values are templates.
    pub route_labels: BTreeMap<String, String>,
    /// The alerts to show, in order.
    pub alerts: Vec<NotifiedAlert>,
    /// Alerts left out because of `max_alerts`.
    pub truncated_alerts: u64,
    /// Every alert of the group that fires: for the log.
    pub firing: BTreeSet<Fingerprint>,
    /// Every alert of the group that ended: for the log.
    pub resolved: BTreeSet<Fingerprint>,
    /// After this no further try is made, milliseconds since the Unix epoch.
    pub give_up_at_ms: i64,
    /// What the integration asked to remember of the group's last notification.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub receiver_data: BTreeMap<String, String>,
}

/// Takes a group one step on and answers with the notifications to send.
///
/// The caller stores the changed group and the notifications in one conditional write before it sends anything: then
/// nothing is lost, whatever dies when. Applying one input twice changes nothing the second time, and sends nothing.
pub fn step(policy: &Policy, group: &mut Group, now_ms: i64, input: Input) -> Vec<Notification> {
    match input {
        Input::Alerts(alerts) => {
            apply_alerts(policy, group, now_ms, alerts);
            Vec::new()
        }
        Input::Flush { muted } => flush(policy, group, now_ms, &muted, &BTreeSet::new()),
        Input::FlushSilenced { muted, silenced } => flush(policy, group, now_ms, &muted, &silenced),
    }
}

fn apply_alerts(policy: &Policy, group: &mut Group, now_ms: i64, alerts: Vec<Alert>) {
    let begins = group.alerts.is_empty();
    let first_starts_at_ms = group.state(now_ms, policy.resolve_timeout_ms, alerts);
    if let (true, Some(starts_at_ms)) = (begins, first_starts_at_ms) {
        // An alert that has been firing for longer than group_wait has waited elsewhere already.
        let waited = starts_at_ms.saturating_add(policy.group_wait_ms) < now_ms;
        group.next_flush_at_ms = Some(if waited {
            now_ms
        } else {
            now_ms.saturating_add(policy.group_wait_ms)
        });
    }
}

fn flush(
    policy: &Policy,
    group: &mut Group,
    now_ms: i64,
    muted: &BTreeSet<Fingerprint>,
    silenced: &BTreeSet<Fingerprint>,
) -> Vec<Notification> {
    let Some(deadline_ms) = group.next_flush_at_ms.filter(|deadline| *deadline <= now_ms) else {
        return Vec::new();
    };
    // While a notification is being tried the next one waits, else a slow receiver would be told everything twice.
    // (In Alertmanager a flush blocks until it is done or gives up; the next follows at once if its time has come.)
    let busy_until_ms = group
        .pending
        .iter()
        .map(|pending| pending.give_up_at_ms)
        .max()
        .unwrap_or(0);
    if busy_until_ms > now_ms {
        group.next_flush_at_ms = Some(busy_until_ms);
        group.waiting = true;
        return Vec::new();
    }
    let flush_id = deadline_ms.max(group.last_flush_id + 1);
    let next_ms = deadline_ms.saturating_add(policy.group_interval_ms);
    let next_ms = if next_ms > now_ms {
        next_ms
    } else {
        now_ms.saturating_add(policy.group_interval_ms)
    };
    group.last_flush_id = flush_id;
    group.next_flush_at_ms = Some(next_ms);
    group.pending.clear();
    group.waiting = false;
    group.flush_failed = false;
    let (mut firing, mut resolved) = (BTreeSet::new(), BTreeSet::new());
    group.leaving.clear();
    for (fingerprint, held) in &group.alerts {
        let over = is_resolved(held, now_ms);
        if over {
            // Muted ones too: when they are over nobody misses them.
            group.leaving.insert(*fingerprint, held.alert.updated_at_ms);
        }
        if !muted.contains(fingerprint) {
            if over { &mut resolved } else { &mut firing }.insert(*fingerprint);
        }
    }
    if firing.is_empty() && resolved.is_empty() && silenced.is_empty() {
        // Everything is muted: nobody is told anything, not even that it is over.
        finish_flush(group, now_ms);
        return Vec::new();
    }
    let mut notifications = Vec::new();
    let give_up_at_ms = now_ms.saturating_add(policy.group_interval_ms.max(MIN_GIVE_UP_MS));
    for integration in &policy.integrations {
        let entry = group.log.get(&integration.key);
        // What is silenced is over for whoever knows that it fires, and hears of ends.
        let known = entry.filter(|_| integration.send_resolved).map(|entry| &entry.firing);
        let over = |fingerprint: &&Fingerprint| known.is_some_and(|known| known.contains(fingerprint));
        let over: BTreeSet<Fingerprint> = silenced.iter().filter(over).copied().collect();
        let resolved: BTreeSet<Fingerprint> = resolved.union(&over).copied().collect();
        if firing.is_empty() && resolved.is_empty() {
            continue;
        }
        let repeat_ms = policy.repeat_interval_ms;
        let reason = needs_update(entry, &firing, &resolved, integration.send_resolved, repeat_ms, now_ms);
        let former = group.attempts.get(&integration.key).copied();
        // Whatever a receiver was perhaps told that its log entry does not say, it is told what holds now.
        let doubtful = former.and_then(|former| former.doubtful);
        let Some(reason) = reason.or_else(|| doubtful.map(|_| reason_anew(&firing))) else {
            continue;
        };
        if firing.is_empty() && !integration.send_resolved {
            // Nobody is told, but the log must know.
            let (firing, resolved) = (BTreeSet::new(), resolved.clone());
            let entry = LogEntry {
                firing,
                resolved,
                sent_at_ms: now_ms,
                flush_id,
                receiver_data: BTreeMap::new(),
            };
            group.log.insert(integration.key.clone(), entry);
            group.attempts.remove(&integration.key);
            continue;
        }
        let content = Fingerprint::of_alerts(&firing, &resolved);
        // What may be the receiver's last word already, or never left, is said under the name that it had.
        let former = former.map(|former| (former.content, former.flush_id));
        let mut said = former
            .into_iter()
            .chain(doubtful.map(|one| (one.content, one.flush_id)));
        let flush_id = said.find(|one| one.0 == content).map_or(flush_id, |one| one.1);
        let attempt = Attempt {
            flush_id,
            content,
            doubtful,
        };
        let (alerts, truncated_alerts) = shown_alerts(group, integration, now_ms, muted, &over);
        group.pending.push(Pending {
            integration: integration.key.clone(),
            flush_id,
            reason,
            queued: false,
            give_up_at_ms,
        });
        notifications.push(Notification {
            receiver: group.receiver.clone(),
            integration: integration.key.clone(),
            flush_id,
            reason,
            group_key: group.key.clone(),
            group_labels: group.labels.clone(),
            route_labels: policy.route_labels.clone(),
            alerts,
            truncated_alerts,
            firing: firing.clone(),
            resolved: resolved.clone(),
            give_up_at_ms,
            receiver_data: entry.map(|entry| entry.receiver_data.clone()).unwrap_or_default(),
        });
        group.attempts.insert(integration.key.clone(), attempt);
    }
    let is_there = |key: &String| policy.integrations.iter().any(|integration| integration.key == *key);
    group.failures.retain(|key, _| is_there(key));
    group.attempts.retain(|key, _| is_there(key));
    finish_flush(group, now_ms);
    notifications
}

/// Why an integration is told that may have been told something else.
fn reason_anew(firing: &BTreeSet<Fingerprint>) -> Reason {
    if firing.is_empty() {
        Reason::AllResolved
    } else {
        Reason::NewAlerts
    }
}

/// The alerts that an integration is shown, and how many are left out.
fn shown_alerts(
    group: &Group,
    integration: &IntegrationPolicy,
    now_ms: i64,
    muted: &BTreeSet<Fingerprint>,
    over: &BTreeSet<Fingerprint>,
) -> (Vec<NotifiedAlert>, u64) {
    let mut shown: Vec<(&Fingerprint, &GroupAlert)> = group
        .alerts
        .iter()
        .filter(|(fingerprint, _)| !muted.contains(fingerprint) || over.contains(fingerprint))
        .filter(|(_, held)| integration.send_resolved || !is_resolved(held, now_ms))
        .collect();
    shown.sort_by(|(_, a), (_, b)| compare_alerts(&a.alert.labels, &b.alert.labels));
    let total = shown.len();
    if let Ok(limit @ 1..) = usize::try_from(integration.max_alerts) {
        shown.truncate(limit);
    }
    let truncated = (total - shown.len()) as u64;
    let show = |(fingerprint, held): (&Fingerprint, &GroupAlert)| {
        let silenced = !is_resolved(held, now_ms) && over.contains(fingerprint);
        let ended_at_ms = is_resolved(held, now_ms).then_some(held.alert.ends_at_ms);
        NotifiedAlert {
            labels: held.alert.labels.clone(),
            annotations: held.alert.annotations.clone(),
            starts_at_ms: held.alert.starts_at_ms,
            ended_at_ms: ended_at_ms.or(silenced.then_some(now_ms)),
            generator_url: held.alert.generator_url.clone(),
            fingerprint: *fingerprint,
            silenced,
        }
    };
    (shown.into_iter().map(show).collect(), truncated)
}

impl Group {
    /// Notes how a try to notify went. Noting it twice changes nothing.
    pub fn note_outcome(&mut self, now_ms: i64, notification: &Notification, outcome: Outcome) {
        apply_outcome(self, now_ms, notification, outcome);
    }

    /// Keeps flushes away until a try that holds a pending notification must have ended: one that spoke before might
    /// say the same again.
    pub fn hold(&mut self, notification: &Notification, until_ms: i64) {
        for pending in &mut self.pending {
            if pending.integration == notification.integration && pending.flush_id == notification.flush_id {
                pending.give_up_at_ms = pending.give_up_at_ms.max(until_ms);
            }
        }
    }
}

fn apply_outcome(group: &mut Group, now_ms: i64, notification: &Notification, outcome: Outcome) {
    let (key, flush_id) = (&notification.integration, notification.flush_id);
    let is_pending = |pending: &Pending| pending.integration == *key && pending.flush_id == flush_id;
    let current = group.pending.iter().any(is_pending);
    match outcome {
        Outcome::Sent => {
            // A notification that a later flush has overtaken was received all the same.
            if group.log.get(key).is_none_or(|entry| entry.flush_id < flush_id) {
                let entry = LogEntry {
                    firing: notification.firing.clone(),
                    resolved: notification.resolved.clone(),
                    sent_at_ms: now_ms,
                    flush_id,
                    receiver_data: notification.receiver_data.clone(),
                };
                group.log.insert(key.clone(), entry);
                group.failures.remove(key);
            }
            if let Some(attempt) = group.attempts.get_mut(key) {
                // What came before it is settled too: the receiver's last word is known.
                attempt.doubtful = attempt.doubtful.filter(|doubtful| doubtful.flush_id > flush_id);
                if attempt.flush_id <= flush_id {
                    group.attempts.remove(key);
                }
            }
            group.pending.retain(|pending| !is_pending(pending));
        }
        Outcome::Unknown => {
            if let Some(attempt) = group.attempts.get_mut(key) {
                let content = Fingerprint::of_alerts(&notification.firing, &notification.resolved);
                if attempt.doubtful.is_none_or(|known| known.flush_id <= flush_id) {
                    attempt.doubtful = Some(Doubtful { flush_id, content });
                }
            }
        }
        Outcome::Failed { attempts, error } if current => {
            group.failures.insert(
                key.clone(),
                Failure {
                    at_ms: now_ms,
                    attempts,
                    error,
                    given_up: false,
                },
            );
        }
        Outcome::GivenUp { attempts, error } if current => {
            group.failures.insert(
                key.clone(),
                Failure {
                    at_ms: now_ms,
                    attempts,
                    error,
                    given_up: true,
                },
            );
            group.pending.retain(|pending| !is_pending(pending));
            group.flush_failed = true;
        }
        Outcome::Failed { .. } | Outcome::GivenUp { .. } => {}
    }
    if group.waiting && group.pending.is_empty() {
        group.waiting = false;
        group.next_flush_at_ms = group.next_flush_at_ms.map(|next_ms| next_ms.min(now_ms));
    }
    if current {
        finish_flush(group, now_ms);
    }
}

/// When every integration knows what the flush saw, alerts that had ended leave, unless something was said of them
/// since (`store.Alerts.DeleteIfNotModified`).
fn finish_flush(group: &mut Group, now_ms: i64) {
    if !group.pending.is_empty() || group.flush_failed {
        return;
    }
    for (fingerprint, updated_at_ms) in std::mem::take(&mut group.leaving) {
        if group
            .alerts
            .get(&fingerprint)
            .is_some_and(|held| held.alert.updated_at_ms == updated_at_ms)
        {
            group.alerts.remove(&fingerprint);
            let tombstone = Tombstone {
                updated_at_ms,
                until_ms: now_ms.saturating_add(TOMBSTONE_MS),
            };
            group.tombstones.insert(fingerprint, tombstone);
        }
    }
    if group.alerts.is_empty() {
        group.next_flush_at_ms = None;
    }
}

//! What the ledger is told: decisions as entries, each written in the transaction that makes it true.
//!
//! A message that comes twice finds the state changed already and decides nothing, so it tells nothing either. What
//! was told before (an alert that is still held back, a group in which still nothing is new) is kept beside the group.

mod files;
mod read;

use crate::store::{Delivery, StoredGroup};
use crate::suppression::Muted;
use parapet_ledger::{Entry, EntryAlert, Event};
use parapet_model::quote;
use parapet_routing::{
    Acknowledgement, Fingerprint, Group, GroupAlert, IntegrationPolicy, Notification, NotifiedAlert, Policy,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use read::read_ledger;

/// What the ledger knows of a group already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Told {
    /// What held alerts back when the group was last looked at.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    held: BTreeMap<Fingerprint, Vec<Cause>>,
    /// After which flush's notification it was said that nothing is new, by integration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unchanged_since: BTreeMap<String, i64>,
    /// When the acknowledgement was made that was told last.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_at_ms: Option<i64>,
}

impl Told {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why an alert is held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cause {
    pub(crate) event: Event,
    pub(crate) cause: String,
    #[serde(skip)]
    pub(crate) detail: String,
}

fn entry(group: &Group, at_ms: i64, event: Event, alerts: Vec<EntryAlert>) -> Entry {
    Entry {
        at_ms,
        event,
        receiver: group.receiver.clone(),
        route: group.route_key.clone(),
        group_key: group.key.clone(),
        group_labels: group.labels.clone(),
        alerts,
        ..Entry::default()
    }
}

fn held(fingerprint: Fingerprint, held: &GroupAlert, now_ms: i64) -> EntryAlert {
    EntryAlert {
        fingerprint: fingerprint.to_string(),
        labels: held.alert.labels.clone(),
        starts_at_ms: held.alert.starts_at_ms,
        ended_at_ms: (held.alert.ends_at_ms <= now_ms).then_some(held.alert.ends_at_ms),
    }
}

fn shown(alert: &NotifiedAlert) -> EntryAlert {
    EntryAlert {
        fingerprint: alert.fingerprint.to_string(),
        labels: alert.labels.clone(),
        starts_at_ms: alert.starts_at_ms,
        ended_at_ms: alert.ended_at_ms.filter(|_| !alert.silenced),
    }
}

/// Why a notification is sent.
fn reason(notification: &Notification) -> String {
    let silenced = notification.alerts.iter().any(|alert| alert.silenced);
    let reason = if silenced {
        "all that fires is silenced"
    } else {
        notification.reason.as_str()
    };
    reason.to_owned()
}

/// When each alert of a group began and ends.
pub(crate) type Known = BTreeMap<Fingerprint, (i64, i64)>;

pub(crate) fn known(group: &Group) -> Known {
    let times = |held: &GroupAlert| (held.alert.starts_at_ms, held.alert.ends_at_ms);
    group
        .alerts
        .iter()
        .map(|(fingerprint, held)| (*fingerprint, times(held)))
        .collect()
}

/// What statements about alerts have changed: alerts that joined the group, and alerts that are over. Who is told is
/// not said where no policy is at hand.
pub(crate) fn of_statements(policy: Option<&Policy>, before: &Known, after: &Group, now_ms: i64) -> Vec<Entry> {
    let (mut joined, mut over) = (Vec::new(), Vec::new());
    for (fingerprint, alert) in &after.alerts {
        let known = before.get(fingerprint);
        let is_over = |ends_at_ms: i64| ends_at_ms <= now_ms;
        // A start that moves back is the same alert, better known.
        let begins = known.is_none_or(|(starts_at_ms, _)| *starts_at_ms < alert.alert.starts_at_ms);
        let was_over = known.is_some_and(|(_, ends_at_ms)| is_over(*ends_at_ms));
        let ends = is_over(alert.alert.ends_at_ms) && (begins || !was_over);
        if begins {
            joined.push(held(*fingerprint, alert, now_ms));
        }
        if ends {
            over.push(held(*fingerprint, alert, now_ms));
        }
    }
    let mut entries = Vec::new();
    if !joined.is_empty() {
        let detail = policy.map_or_else(String::new, |policy| {
            let integrations: Vec<&str> = policy.integrations.iter().map(|one| one.key.as_str()).collect();
            match integrations.is_empty() {
                true => format!("{} tells nobody", after.receiver),
                false => format!("{} tells {}", after.receiver, integrations.join(", ")),
            }
        });
        entries.push(Entry {
            detail,
            ..entry(after, now_ms, Event::Grouped, joined)
        });
    }
    if !over.is_empty() {
        entries.push(entry(after, now_ms, Event::Resolved, over));
    }
    entries
}

/// What a look at a group has decided: who is held back or no longer, who is to be told, and where nothing is new.
/// `before` is the group as it was looked at, `stored` as the step left it.
pub(crate) fn of_flush(
    id: &str,
    policy: &Policy,
    muted: &Muted,
    before: &Group,
    stored: &mut StoredGroup,
    notifications: &[Notification],
    now_ms: i64,
) -> Vec<Entry> {
    if stored.group.last_flush_id == before.last_flush_id {
        return Vec::new();
    }
    let mut entries = of_holds(muted, before, &mut stored.told, now_ms);
    for notification in notifications {
        entries.push(Entry {
            integration: notification.integration.clone(),
            reason: reason(notification),
            delivery: crate::store::dedup_key(id, &notification.integration, notification.flush_id),
            ..entry(
                before,
                now_ms,
                Event::Notifying,
                notification.alerts.iter().map(shown).collect(),
            )
        });
    }
    let StoredGroup { group, told, .. } = stored;
    let visible = || {
        before
            .alerts
            .iter()
            .filter(|(fingerprint, _)| !muted.holds(**fingerprint))
    };
    let is_over = visible().all(|(_, alert)| alert.alert.ends_at_ms <= now_ms);
    told.unchanged_since
        .retain(|key, _| policy.integrations.iter().any(|integration| integration.key == *key));
    for integration in &policy.integrations {
        let is_told = notifications
            .iter()
            .any(|notification| notification.integration == integration.key);
        if is_told || visible().next().is_none() {
            continue;
        }
        let (since, reason, next_at_ms) = unchanged(policy, integration, group, is_over);
        if told.unchanged_since.insert(integration.key.clone(), since) == Some(since) {
            continue;
        }
        let alerts = visible()
            .map(|(fingerprint, alert)| held(*fingerprint, alert, now_ms))
            .collect();
        entries.push(Entry {
            integration: integration.key.clone(),
            reason,
            next_at_ms,
            ..entry(before, now_ms, Event::Deduplicated, alerts)
        });
    }
    entries
}

/// That a group is acknowledged, where that is not known yet.
pub(crate) fn of_acknowledgement(
    id: &str,
    said: &Acknowledgement,
    stored: &mut StoredGroup,
    now_ms: i64,
) -> Option<Entry> {
    let StoredGroup { group, told, .. } = stored;
    if !group.is_firing(now_ms) || told.acknowledged_at_ms.replace(said.created_at_ms) == Some(said.created_at_ms) {
        return None;
    }
    let firing = group.alerts.iter().filter(|(_, alert)| alert.alert.ends_at_ms > now_ms);
    let alerts = firing
        .map(|(fingerprint, alert)| held(*fingerprint, alert, now_ms))
        .collect();
    Some(Entry {
        cause: id.to_owned(),
        detail: match said.comment.as_str() {
            "" => format!("by {}", said.created_by),
            comment => format!("{} by {}", quote(comment), said.created_by),
        },
        next_at_ms: said.ends_at_ms,
        ..entry(group, now_ms, Event::Acknowledged, alerts)
    })
}

/// Why an integration is told nothing: the flush of which it was last told, words, and when it is told again.
fn unchanged(
    policy: &Policy,
    integration: &IntegrationPolicy,
    group: &Group,
    is_over: bool,
) -> (i64, String, Option<i64>) {
    match group.log.get(&integration.key) {
        Some(_) if is_over && !integration.send_resolved => (
            group.last_flush_id,
            "it is over, and send_resolved is false".to_owned(),
            None,
        ),
        Some(entry) => {
            // What is acknowledged is not repeated.
            let next_ms = entry.sent_at_ms.checked_add(policy.repeat_interval_ms);
            (
                entry.flush_id,
                "nothing is new since the last notification".to_owned(),
                next_ms.filter(|_| !is_over),
            )
        }
        None => (group.last_flush_id, "it ended before anybody was told".to_owned(), None),
    }
}

/// Alerts that are held back for another reason than before, or no longer.
fn of_holds(muted: &Muted, before: &Group, told: &mut Told, now_ms: i64) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    // One entry for each cause, with all the alerts that it newly holds.
    let mut add = |event: Event, cause: &str, detail: &str, alert: EntryAlert| match entries
        .iter_mut()
        .find(|entry| entry.event == event && entry.cause == cause)
    {
        Some(entry) => entry.alerts.push(alert),
        None => entries.push(Entry {
            cause: cause.to_owned(),
            detail: detail.to_owned(),
            ..entry(before, now_ms, event, vec![alert])
        }),
    };
    let mut now_held = BTreeMap::new();
    for (fingerprint, alert) in &before.alerts {
        let causes = muted.causes(*fingerprint);
        let known = told.held.get(fingerprint).map(Vec::as_slice).unwrap_or_default();
        let is_known = |one: &Cause| {
            known
                .iter()
                .any(|known| (known.event, &known.cause) == (one.event, &one.cause))
        };
        for one in causes.iter().filter(|one| !is_known(one)) {
            add(one.event, &one.cause, &one.detail, held(*fingerprint, alert, now_ms));
        }
        if causes.is_empty() && !known.is_empty() {
            add(Event::Released, "", "", held(*fingerprint, alert, now_ms));
        }
        if !causes.is_empty() {
            now_held.insert(*fingerprint, causes);
        }
    }
    told.held = now_held;
    entries
}

/// What became of a try.
pub(crate) fn of_try(
    key: &str,
    delivery: &Delivery,
    event: Event,
    detail: &str,
    now_ms: i64,
    next_ms: Option<i64>,
) -> Entry {
    let notification = &delivery.notification;
    Entry {
        at_ms: now_ms,
        event,
        receiver: notification.receiver.clone(),
        integration: notification.integration.clone(),
        group_key: notification.group_key.clone(),
        group_labels: notification.group_labels.clone(),
        reason: reason(notification),
        detail: detail.to_owned(),
        delivery: key.to_owned(),
        attempt: Some(delivery.attempts),
        next_at_ms: next_ms,
        alerts: notification.alerts.iter().map(shown).collect(),
        ..Entry::default()
    }
}

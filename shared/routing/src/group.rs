//! The stored state of one alert group.

use crate::{Fingerprint, Reason, Route, state_anew};
use parapet_model::{Alert, Labels};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Alerts that are notified together, what each integration was told of them, and when to look at them next.
///
/// It is stored as JSON by the caller; fields are only added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// The receiver's name.
    pub receiver: String,
    /// The key of the route.
    pub route_key: String,
    /// The group key, as Alertmanager prints it: `{}/{severity="page"}:{alertname="Down"}`.
    pub key: String,
    /// The labels that all alerts of the group share by definition.
    pub labels: Labels,
    /// The alerts, by fingerprint.
    pub alerts: BTreeMap<Fingerprint, GroupAlert>,
    /// What each integration was last told (Alertmanager's notification log), by integration key.
    pub log: BTreeMap<String, LogEntry>,
    /// When to look at the group next, milliseconds since the Unix epoch; `None` while it has no alerts.
    pub next_flush_at_ms: Option<i64>,
    /// The identity of the last flush: its deadline, or more where that would not grow. Never falls.
    pub last_flush_id: i64,
    /// Notifications of the last flush that are neither sent nor given up.
    pub pending: Vec<Pending>,
    /// Whether a flush waits for their end: it follows at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub waiting: bool,
    /// The last notification of each integration that is not known to have arrived, by integration key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attempts: BTreeMap<String, Attempt>,
    /// The alerts that had ended when the last flush looked, with the statement that said so: they leave the group
    /// once every integration knows.
    pub leaving: BTreeMap<Fingerprint, i64>,
    /// Whether an integration gave up a notification of the last flush: nothing leaves then.
    pub flush_failed: bool,
    /// Integrations that could not be notified, until they can again.
    pub failures: BTreeMap<String, Failure>,
    /// Which reading of the configuration it was last looked at with.
    pub config_version: String,
    /// Alerts that left: statements made before they did are too late.
    pub tombstones: BTreeMap<Fingerprint, Tombstone>,
}

/// An alert of a group: the merged statements about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupAlert {
    /// What holds of it.
    #[serde(flatten)]
    pub alert: Alert,
    /// Whether its end is only ours, because the sender gave none.
    #[serde(default)]
    pub timeout: bool,
}

/// What an integration was last told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The alerts that fired.
    pub firing: BTreeSet<Fingerprint>,
    /// The alerts that had ended.
    pub resolved: BTreeSet<Fingerprint>,
    /// When, milliseconds since the Unix epoch.
    pub sent_at_ms: i64,
    /// Of which flush.
    pub flush_id: i64,
    /// What the integration asked to remember.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub receiver_data: BTreeMap<String, String>,
}

/// A notification on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// To which integration.
    pub integration: String,
    /// Of which flush.
    pub flush_id: i64,
    /// Why.
    pub reason: Reason,
    /// Whether its delivery message is known to be in the queue.
    pub queued: bool,
    /// Until when it may be tried, milliseconds since the Unix epoch: no later flush speaks before.
    #[serde(default)]
    pub give_up_at_ms: i64,
}

/// A notification that is not known to have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The flush that names it: one that says the same later bears this name again.
    pub flush_id: i64,
    /// What it says ([`Fingerprint::of_alerts`]).
    pub content: Fingerprint,
    /// The last that may have arrived, it or one before it: a try of it ended without a word. What came after that
    /// certainly did not arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubtful: Option<Doubtful>,
}

/// A notification of which nobody knows whether it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubtful {
    /// The flush that names it.
    pub flush_id: i64,
    /// What it says.
    pub content: Fingerprint,
}

/// Why an integration is not being notified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When it was last tried, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// How often in a row.
    pub attempts: u32,
    /// What it answered; holds no secret.
    pub error: String,
    /// Whether the notification was given up.
    pub given_up: bool,
}

/// An alert that left a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The last statement about it, milliseconds since the Unix epoch.
    pub updated_at_ms: i64,
    /// When to forget it, milliseconds since the Unix epoch.
    pub until_ms: i64,
}

/// One alert as a notification shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifiedAlert {
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// When it began, milliseconds since the Unix epoch.
    pub starts_at_ms: i64,
    /// When it ended, milliseconds since the Unix epoch; `None` while it fires.
    pub ended_at_ms: Option<i64>,
    /// A link to the expression.
    pub generator_url: String,
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// Whether it fires on, and is over for the receiver because it is silenced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silenced: bool,
}

/// How long after an alert left a late statement about it is still told from a new one. Firing alerts are stated again
/// within minutes and the statements end by themselves soon after: an older one than this fires nothing any more.
pub(crate) const TOMBSTONE_MS: i64 = 15 * 60_000;

impl Group {
    /// The group, still empty, that an alert of these labels falls into on a route.
    #[must_use]
    pub fn new(route: &Route, alert_labels: &Labels) -> Self {
        let labels = route.group_labels(alert_labels);
        Self {
            receiver: route.options.receiver.clone(),
            route_key: route.key.clone(),
            key: group_key(&route.key, &labels),
            labels,
            ..Self::default()
        }
    }

    /// Merges statements about its alerts, and answers with the start of the first that counts. In a group that has
    /// alerts nothing else depends on them until its next flush: they may be kept and merged later, with the moment at
    /// which they came as `now_ms`.
    pub fn state(&mut self, now_ms: i64, resolve_timeout_ms: i64, alerts: Vec<Alert>) -> Option<i64> {
        self.tombstones.retain(|_, tombstone| tombstone.until_ms > now_ms);
        let mut first_starts_at_ms = None;
        for alert in alerts {
            let fingerprint = Fingerprint::of(&alert.labels);
            let left = self.tombstones.get(&fingerprint);
            if left.is_some_and(|tombstone| alert.updated_at_ms <= tombstone.updated_at_ms) {
                continue;
            }
            let merged = state_anew(self.alerts.get(&fingerprint), alert, resolve_timeout_ms, now_ms);
            first_starts_at_ms.get_or_insert(merged.alert.starts_at_ms);
            self.alerts.insert(fingerprint, merged);
        }
        first_starts_at_ms
    }

    /// Whether there is nothing to do for it until an alert comes.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.alerts.is_empty() && self.pending.is_empty()
    }

    /// Whether some notification may not have reached the queue yet.
    #[must_use]
    pub fn has_unqueued(&self) -> bool {
        self.pending.iter().any(|pending| !pending.queued)
    }

    /// Whether this is the group that an alert of these labels falls into on a route.
    #[must_use]
    pub fn belongs_to(&self, route: &Route, alert_labels: &Labels) -> bool {
        self.receiver == route.options.receiver
            && self.route_key == route.key
            && self.labels == route.group_labels(alert_labels)
    }

    /// Notes that the configuration was read again: the group is looked at once more, now, and its interval begins anew
    /// (Alertmanager rebuilds its groups on a reload). Doing so twice for one reading changes nothing.
    pub fn note_reload(&mut self, reading: &str, now_ms: i64) {
        if self.config_version != reading {
            reading.clone_into(&mut self.config_version);
            self.next_flush_at_ms = self.next_flush_at_ms.map(|_| now_ms);
        }
    }

    /// Takes out the alerts that a changed configuration sends elsewhere; `root` is its route tree. The caller states
    /// them anew before it stores this group, so that they are in two groups rather than in none.
    pub fn take_strays(&mut self, root: &Route) -> Vec<Alert> {
        let (here, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.alerts)
                .into_iter()
                .partition(|(_, GroupAlert { alert, .. })| {
                    root.matching(&alert.labels)
                        .iter()
                        .any(|route| self.belongs_to(route, &alert.labels))
                });
        self.alerts = here;
        if self.alerts.is_empty() && !gone.is_empty() {
            self.next_flush_at_ms = None;
            self.pending.clear();
        }
        gone.into_values().map(|stray| stray.alert).collect()
    }

    /// After which moment an idle group holds nothing of worth, milliseconds since the Unix epoch.
    #[must_use]
    pub fn forgettable_at_ms(&self) -> Option<i64> {
        if !self.is_idle() {
            return None;
        }
        Some(
            self.tombstones
                .values()
                .map(|tombstone| tombstone.until_ms)
                .max()
                .unwrap_or(0),
        )
    }
}

/// `{}/{a="b"}:{alertname="Down", job="x"}`: the route's key and the group's labels as Go prints them.
fn group_key(route_key: &str, labels: &Labels) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={}", parapet_model::quote(value)))
        .collect();
    format!("{route_key}:{{{}}}", labels.join(", "))
}

/// The order of alerts in a notification (`alert.AlertSlice`): by `job`, by `instance`, then by all labels.
pub(crate) fn compare_alerts(a: &Labels, b: &Labels) -> std::cmp::Ordering {
    use std::cmp::Ordering::{Equal, Greater, Less};
    for name in ["job", "instance"] {
        let order = match (a.get(name), b.get(name)) {
            (None, None) => Equal,
            (None, Some(_)) => Greater,
            (Some(_), None) => Less,
            (Some(a), Some(b)) => a.cmp(b),
        };
        if order != Equal {
            return order;
        }
    }
    // `model.LabelSet.Before`: fewer labels first, then whoever lacks the first name that only one has, then by value.
    a.len().cmp(&b.len()).then_with(|| {
        let differing = a.iter().zip(b).find(|(a, b)| a != b);
        differing.map_or(Equal, |((a_name, a_value), (b_name, b_value))| {
            b_name.cmp(a_name).then_with(|| a_value.cmp(b_value))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_alerts() {
        let sorted = [
            vec![("instance", "z"), ("job", "a")],
            vec![("instance", "a"), ("job", "b")],
            vec![("instance", "b"), ("job", "b")],
            vec![("job", "b"), ("x", "1")],
            vec![("instance", "a")],
            vec![("x", "1")],
            vec![("b", "1"), ("c", "1")],
            vec![("a", "1"), ("c", "1")],
            vec![("a", "1"), ("c", "2")],
        ];
        let sorted: Vec<Labels> = sorted.into_iter().map(Labels::from_pairs).collect();
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare_alerts(a, b), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn group_key_is_that_of_alertmanager() {
        let labels = Labels::from_pairs([("alertname", "A \"b\""), ("job", "x")]);
        assert_eq!(
            group_key("{}/{a=\"b\"}", &labels),
            r#"{}/{a="b"}:{alertname="A \"b\"", job="x"}"#
        );
    }
}

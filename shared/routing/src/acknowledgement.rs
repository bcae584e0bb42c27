//! Acknowledgements: somebody is at it, so a group need not repeat itself. Alertmanager has none; this is an extra.

use crate::merge::is_resolved;
use crate::{Group, Policy};
use parapet_model::Labels;
use serde::{Deserialize, Serialize};

/// What somebody said of a group. It is stored as JSON by the caller; fields are only added.
///
/// A group that is acknowledged is not repeated. Whatever is new is told as ever: alerts that begin, alerts that end,
/// the end of all. The acknowledgement is over when the group has nothing that fires, or at its own end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acknowledgement {
    /// The group's receiver.
    pub receiver: String,
    /// The group's key.
    pub group_key: String,
    /// The labels that the group's alerts share.
    pub group_labels: Labels,
    /// Who said so.
    pub created_by: String,
    /// What they said besides.
    pub comment: String,
    /// When, milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// Until when, milliseconds since the Unix epoch; `None` for until the group resolves.
    pub ends_at_ms: Option<i64>,
}

impl Acknowledgement {
    /// Whether it holds at a moment, as far as its own end goes.
    #[must_use]
    pub fn holds(&self, now_ms: i64) -> bool {
        self.ends_at_ms.is_none_or(|ends_at_ms| now_ms < ends_at_ms)
    }
}

impl Group {
    /// Whether any of its alerts fires, muted ones included.
    #[must_use]
    pub fn is_firing(&self, now_ms: i64) -> bool {
        self.alerts.values().any(|held| !is_resolved(held, now_ms))
    }
}

impl Policy {
    /// The same for a group that is acknowledged: nothing is said twice.
    #[must_use]
    pub fn without_repetition(self) -> Self {
        Self {
            repeat_interval_ms: i64::MAX,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Input, Notification, Outcome, Reason, step};
    use parapet_model::Alert;
    use std::collections::BTreeSet;

    const MINUTE: i64 = 60_000;

    fn alert(instance: &str, starts_at_ms: i64, ends_at_ms: i64) -> Alert {
        Alert {
            labels: Labels::from_pairs([("alertname", "Down"), ("instance", instance)]),
            starts_at_ms,
            ends_at_ms,
            updated_at_ms: starts_at_ms,
            ..Alert::default()
        }
    }

    /// A flush at a moment; what is told arrives.
    fn flush(policy: &Policy, group: &mut Group, now_ms: i64) -> Vec<Notification> {
        let muted = BTreeSet::new();
        let told = step(policy, group, now_ms, Input::Flush { muted });
        for notification in &told {
            group.note_outcome(now_ms, notification, Outcome::Sent);
        }
        told
    }

    #[test]
    fn what_is_acknowledged_is_not_repeated_and_what_is_new_is_told() {
        let text = "route: {receiver: r, group_wait: 0s, group_interval: 1m, repeat_interval: 2m}\n\
                    receivers: [{name: r, webhook_configs: [{url: 'http://h/'}]}]";
        let config = crate::parse("alertmanager.yml", text).unwrap();
        let policy = Policy::of(&config, &config.route);
        let quiet = policy.clone().without_repetition();
        let end = 1_000 * MINUTE;
        let mut group = Group::new(&config.route, &alert("a", 0, end).labels);
        step(&policy, &mut group, 1, Input::Alerts(vec![alert("a", 0, end)]));
        assert!(group.is_firing(1));
        assert_eq!(flush(&policy, &mut group, MINUTE).len(), 1);
        for minute in 2..10 {
            assert!(flush(&quiet, &mut group, minute * MINUTE).is_empty(), "{minute}");
        }
        step(
            &policy,
            &mut group,
            10 * MINUTE,
            Input::Alerts(vec![alert("b", 9 * MINUTE, 12 * MINUTE)]),
        );
        assert_eq!(flush(&quiet, &mut group, 10 * MINUTE)[0].reason, Reason::NewAlerts);
        assert!(flush(&quiet, &mut group, 11 * MINUTE).is_empty());
        assert_eq!(flush(&quiet, &mut group, 13 * MINUTE)[0].reason, Reason::NewResolved);
        // The acknowledgement is over: the repetition that is due comes at once.
        assert!(flush(&quiet, &mut group, 17 * MINUTE).is_empty());
        assert_eq!(flush(&policy, &mut group, 18 * MINUTE)[0].reason, Reason::Repeat);
        let over = Alert {
            updated_at_ms: 19 * MINUTE,
            ..alert("a", 0, 19 * MINUTE)
        };
        step(&policy, &mut group, 19 * MINUTE, Input::Alerts(vec![over]));
        assert_eq!(flush(&quiet, &mut group, 20 * MINUTE)[0].reason, Reason::AllResolved);
        assert!(!group.is_firing(20 * MINUTE));
    }

    #[test]
    fn holds_until_its_end() {
        let bounded = Acknowledgement {
            ends_at_ms: Some(10),
            ..Acknowledgement::default()
        };
        assert!(bounded.holds(9) && !bounded.holds(10));
        assert!(Acknowledgement::default().holds(i64::MAX));
    }
}

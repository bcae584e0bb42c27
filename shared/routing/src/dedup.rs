//! Whether a group is worth a notification now.

use crate::{Fingerprint, LogEntry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Why a notification is sent (`notify.NotifyReason` of Alertmanager).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing of this group is known to the receiver.
    #[default]
    FirstNotification,
    /// Alerts joined.
    NewAlerts,
    /// Some alerts ended, others still fire.
    NewResolved,
    /// Every alert ended.
    AllResolved,
    /// Nothing changed, but it is time to say so again.
    Repeat,
}

impl Reason {
    /// The words that payloads and templates show.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstNotification => "first notification",
            Self::NewAlerts => "new alerts added",
            Self::NewResolved => "some alerts resolved",
            Self::AllResolved => "all alerts resolved",
            Self::Repeat => "repeat interval elapsed",
        }
    }
}

/// Whether and why to notify (`notify.DedupStage.needsUpdate`): `entry` is what the integration was last told, `firing`
/// and `resolved` are the group's alerts now.
#[must_use]
pub fn needs_update(
    entry: Option<&LogEntry>,
    firing: &BTreeSet<Fingerprint>,
    resolved: &BTreeSet<Fingerprint>,
    send_resolved: bool,
    repeat_interval_ms: i64,
    now_ms: i64,
) -> Option<Reason> {
    let Some(entry) = entry else {
        // Of alerts that ended before anyone was told, nobody is told.
        return (!firing.is_empty()).then_some(Reason::FirstNotification);
    };
    if !firing.is_subset(&entry.firing) {
        let first = entry.firing.is_empty();
        return Some(if first {
            Reason::FirstNotification
        } else {
            Reason::NewAlerts
        });
    }
    if firing.is_empty() {
        // Irrespective of `send_resolved`: the log must forget what fired.
        return (!entry.firing.is_empty()).then_some(Reason::AllResolved);
    }
    if send_resolved && !resolved.is_subset(&entry.resolved) {
        return Some(Reason::NewResolved);
    }
    (entry.sent_at_ms < now_ms.saturating_sub(repeat_interval_ms)).then_some(Reason::Repeat)
}

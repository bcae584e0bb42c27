//! Two statements about one alert.

use crate::GroupAlert;
use parapet_model::Alert;

/// Whether an alert is over at `now_ms`. A firing alert whose sender fell silent is over when its end has come.
pub(crate) fn is_resolved(GroupAlert { alert, .. }: &GroupAlert, now_ms: i64) -> bool {
    alert.ends_at_ms <= now_ms
}

/// What is known of an alert after a statement about it, which may be late or repeated. A statement without an end
/// gets one `resolve_timeout_ms` after it was made.
#[must_use]
pub fn state_anew(old: Option<&GroupAlert>, mut alert: Alert, resolve_timeout_ms: i64, now_ms: i64) -> GroupAlert {
    let timeout = alert.ends_at_ms <= 0;
    if timeout {
        alert.ends_at_ms = alert.updated_at_ms.saturating_add(resolve_timeout_ms);
    }
    let stated = GroupAlert { alert, timeout };
    old.map_or_else(|| stated.clone(), |old| merge(old, &stated, now_ms))
}

/// What holds after `new` was said about an alert of which `old` was known (`provider/mem.Alerts.Put` and
/// `alert.Merge` of Alertmanager). In one point it is stricter: a statement that was made earlier than `old` never
/// replaces it, since queues deliver out of order.
pub(crate) fn merge(old: &GroupAlert, new: &GroupAlert, now_ms: i64) -> GroupAlert {
    let within = |at: i64| at > old.alert.starts_at_ms && at < old.alert.ends_at_ms;
    let overlap = within(new.alert.starts_at_ms) || within(new.alert.ends_at_ms);
    let late = new.alert.updated_at_ms < old.alert.updated_at_ms;
    if !overlap {
        return if late { old.clone() } else { new.clone() };
    }
    let (older, younger) = if late { (new, old) } else { (old, new) };
    let mut merged = younger.clone();
    merged.alert.starts_at_ms = merged.alert.starts_at_ms.min(older.alert.starts_at_ms);
    let older_holds = if is_resolved(younger, now_ms) {
        // Both over: the later end holds. Only the younger over: it says so.
        is_resolved(older, now_ms)
    } else {
        // An end that was given holds over the one that we set for want of any.
        !older.timeout
    };
    if older_holds && older.alert.ends_at_ms > younger.alert.ends_at_ms {
        merged.alert.ends_at_ms = older.alert.ends_at_ms;
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(starts_at_ms: i64, ends_at_ms: i64, updated_at_ms: i64) -> GroupAlert {
        let alert = Alert {
            starts_at_ms,
            ends_at_ms,
            updated_at_ms,
            ..Alert::default()
        };
        GroupAlert { alert, timeout: false }
    }

    #[test]
    fn merges_as_alertmanager_does() {
        let now = 100;
        let cases = [
            // A refresh moves the end on.
            (alert(10, 200, 1), alert(10, 300, 2), alert(10, 300, 2)),
            // An overlapping later start: the earliest start holds.
            (alert(10, 200, 1), alert(50, 300, 2), alert(10, 300, 2)),
            // The end says that it is over.
            (alert(10, 200, 1), alert(10, 90, 2), alert(10, 90, 2)),
            // Both over: the later end holds.
            (alert(10, 95, 1), alert(10, 90, 2), alert(10, 95, 2)),
            // Fires again after it was over.
            (alert(10, 40, 1), alert(60, 300, 2), alert(60, 300, 2)),
            // The shorter end of a younger firing statement does not cut the older one.
            (alert(10, 300, 1), alert(10, 200, 2), alert(10, 300, 2)),
        ];
        for (old, new, want) in cases {
            assert_eq!(merge(&old, &new, now), want, "{old:?} {new:?}");
        }
    }

    #[test]
    fn an_end_of_ours_gives_way() {
        let mut old = alert(10, 300, 1);
        old.timeout = true;
        let merged = merge(&old, &alert(10, 200, 2), 100);
        assert_eq!((merged.alert.ends_at_ms, merged.timeout), (200, false));
    }

    #[test]
    fn late_statements_never_override() {
        let resolved = alert(10, 90, 5);
        for late in [alert(10, 300, 4), alert(10, 200, 1), alert(50, 400, 3)] {
            assert_eq!(merge(&resolved, &late, 100).alert.ends_at_ms, 90, "{late:?}");
        }
    }
}

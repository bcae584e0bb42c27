//! What a message on the queue of rule tasks says: groups that are evaluated at one slot, packed by what they cost.

use serde::{Deserialize, Serialize};

/// What a group is taken to cost before it was ever measured, seconds.
const UNKNOWN_COST_SECONDS: f64 = 0.05;
/// A message with more names than this is closed, bytes.
const MAX_NAMES_BYTES: usize = 256 * 1024;

/// A rule group by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupName {
    /// The rule file.
    pub file: String,
    /// The group in it.
    pub name: String,
}

/// Groups at one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTask {
    /// The moment the groups are evaluated for, milliseconds since the Unix epoch.
    pub slot_ms: i64,
    /// Which.
    pub groups: Vec<GroupName>,
}

/// A group that is due, and what its last evaluation cost.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) slot_ms: i64,
    pub(crate) group: GroupName,
    pub(crate) cost_seconds: Option<f64>,
}

/// Packs groups into tasks: one slot a task, up to `budget_seconds` of measured cost; what costs more is alone.
/// Groups of one task share what they fetch.
pub(crate) fn pack(mut due: Vec<Due>, budget_seconds: f64) -> Vec<RuleTask> {
    due.sort_by(|a, b| (a.slot_ms, &a.group).cmp(&(b.slot_ms, &b.group)));
    let mut tasks: Vec<RuleTask> = Vec::new();
    let (mut spent_seconds, mut bytes) = (0.0, 0);
    for Due {
        slot_ms,
        group,
        cost_seconds,
    } in due
    {
        let cost_seconds = cost_seconds.unwrap_or(UNKNOWN_COST_SECONDS);
        let size = group.file.len() + group.name.len() + 32;
        match tasks.last_mut() {
            Some(task)
                if task.slot_ms == slot_ms
                    && spent_seconds + cost_seconds <= budget_seconds
                    && bytes + size <= MAX_NAMES_BYTES =>
            {
                task.groups.push(group);
                (spent_seconds, bytes) = (spent_seconds + cost_seconds, bytes + size);
            }
            _ => {
                tasks.push(RuleTask {
                    slot_ms,
                    groups: vec![group],
                });
                (spent_seconds, bytes) = (cost_seconds, size);
            }
        }
    }
    tasks
}

/// Whole seconds from now to a slot, rounded up: a task is never early.
pub(crate) fn delay_seconds(slot_ms: i64, now_ms: i64) -> u32 {
    let delay = (slot_ms - now_ms + 999).div_euclid(1000);
    u32::try_from(delay.max(0))
        .unwrap_or(u32::MAX)
        .min(parapet_ports::queue::MAX_DELAY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_early() {
        assert_eq!(
            [(10_000, 9_001), (10_000, 9_000), (10_000, 20_000)].map(|(s, n)| delay_seconds(s, n)),
            [1, 1, 0]
        );
    }

    #[test]
    fn packs_by_slot_and_measured_cost() {
        let due = |slot_ms, name: &str, cost_seconds| Due {
            slot_ms,
            group: GroupName {
                file: "f".into(),
                name: name.into(),
            },
            cost_seconds,
        };
        let tasks = pack(
            vec![
                due(20, "e", None),
                due(10, "a", Some(2.0)),
                due(10, "b", Some(9.0)),
                due(10, "c", Some(1.0)),
                due(10, "d", Some(3.5)),
            ],
            5.0,
        );
        let shown: Vec<(i64, String)> = tasks
            .iter()
            .map(|task| {
                (
                    task.slot_ms,
                    task.groups.iter().map(|group| group.name.as_str()).collect(),
                )
            })
            .collect();
        let want = [(10, "a"), (10, "b"), (10, "cd"), (20, "e")].map(|(slot, names)| (slot, names.to_owned()));
        assert_eq!(shown, want);
    }
}

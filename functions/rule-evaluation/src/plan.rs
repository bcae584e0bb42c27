//! What a message on the queue of rule tasks says, and how long it is delayed.

use serde::{Deserialize, Serialize};

/// One group at one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTask {
    /// The rule file.
    pub file: String,
    /// The group in it.
    pub group: String,
    /// The moment the group is evaluated for, milliseconds since the Unix epoch.
    pub slot_ms: i64,
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
    use super::delay_seconds;

    #[test]
    fn is_never_early() {
        assert_eq!(
            [(10_000, 9_001), (10_000, 9_000), (10_000, 20_000)].map(|(s, n)| delay_seconds(s, n)),
            [1, 1, 0]
        );
    }
}

//! An alert on its way from a rule to the notifier.

use crate::Labels;
use serde::{Deserialize, Serialize};

/// One alert, as Prometheus sends it to Alertmanager. Its identity is its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Labels, `alertname` included.
    pub labels: Labels,
    /// Expanded annotations.
    #[serde(default)]
    pub annotations: Labels,
    /// When it began to fire, milliseconds since the Unix epoch.
    pub starts_at_ms: i64,
    /// When it ends or ended: in the past for a resolved alert; in the future for a firing one, where it is
    /// the moment after which it counts as resolved unless it is sent again. 0 where the sender gave no end: the
    /// notifier sets one, by `resolve_timeout`.
    pub ends_at_ms: i64,
    /// When this statement was made: of two about the same alert the later holds.
    pub updated_at_ms: i64,
    /// A link to the expression.
    #[serde(default)]
    pub generator_url: String,
}

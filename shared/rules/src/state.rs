//! What a group remembers from one evaluation to the next: all that Prometheus holds in memory, as data.

use parapet_model::Labels;
use serde::{Deserialize, Serialize};

/// The state of a group. Stored as JSON between evaluations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupState {
    /// The time of the last evaluation, milliseconds; `None` before the first.
    #[serde(default)]
    pub last_slot_ms: Option<i64>,
    /// How long the last evaluation took.
    #[serde(default)]
    pub evaluation_seconds: f64,
    /// The state of each rule, in the order of the rules at the last evaluation.
    #[serde(default)]
    pub rules: Vec<RuleState>,
}

/// The state of a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    /// [`crate::Rule::identity`] of the rule.
    pub identity: String,
    /// Whether the last evaluation succeeded.
    #[serde(default)]
    pub health: Health,
    /// What went wrong in the last evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When the rule was last evaluated, milliseconds.
    #[serde(default)]
    pub evaluated_at_ms: Option<i64>,
    /// How long the last evaluation took.
    #[serde(default)]
    pub evaluation_seconds: f64,
    /// The series of the last evaluation that succeeded; those that vanish get a staleness marker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Labels>,
    /// The alerts, in order of labels; resolved ones stay for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<ActiveAlert>,
}

impl RuleState {
    /// The highest state of its alerts.
    #[must_use]
    pub fn alert_state(&self) -> AlertState {
        self.alerts.iter().map(|alert| alert.state).max().unwrap_or_default()
    }
}

/// Whether a rule works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not evaluated yet.
    #[default]
    Unknown,
    /// The last evaluation succeeded.
    Ok,
    /// The last evaluation failed.
    Err,
}

impl Health {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Err => "err",
        }
    }
}

/// The state of an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Resolved.
    #[default]
    Inactive,
    /// The expression holds, but not for long enough yet.
    Pending,
    /// It fires.
    Firing,
}

impl AlertState {
    /// The word of the API and of the label `alertstate`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// One alert of a rule (`rules.Alert` of Prometheus). Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ActiveAlert {
    /// Its labels, `alertname` included; they are its identity.
    pub labels: Labels,
    /// Its expanded annotations.
    #[serde(default)]
    pub annotations: Labels,
    /// What it is doing.
    pub state: AlertState,
    /// The value of the expression when it last held.
    #[serde(with = "any_float")]
    pub value: f64,
    /// Since when the expression holds.
    pub active_at_ms: i64,
    /// Since when it fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired_at_ms: Option<i64>,
    /// When it was resolved; `None` while it is active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at_ms: Option<i64>,
    /// Since when it fires only because of `keep_firing_for`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_firing_since_ms: Option<i64>,
    /// When it was last sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sent_at_ms: Option<i64>,
    /// Until when the last statement about it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until_ms: Option<i64>,
}

/// Floats as text: JSON has neither NaN nor infinities, and alerts have them.
mod any_float {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&parapet_model::format_float(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        parapet_model::parse_float(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a number")))
    }
}

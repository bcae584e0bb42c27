//! A decision, and the rows that it is.

use crate::time;
use parapet_model::Labels;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// What was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The alert took a route and fell into a group. `route` says what matched, `detail` who would be told.
    #[default]
    Grouped,
    /// It is over.
    Resolved,
    /// A silence holds it back: `cause` is its id, `detail` its comment and author.
    Silenced,
    /// Another alert holds it back: `cause` are the labels of that.
    Inhibited,
    /// A time interval of the route holds it back: `cause` is its name.
    Muted,
    /// Nothing holds it back any more.
    Released,
    /// Somebody is at it, and it is not repeated: `cause` is the acknowledgement's id, `detail` its comment and author.
    Acknowledged,
    /// Nobody is told, since nothing is new: `reason` says what was told before.
    Deduplicated,
    /// An integration is to be told: `reason` says why.
    Notifying,
    /// It was told: `detail` is what it answered.
    Sent,
    /// A try failed: `detail` is why; the next one comes at `next_at`.
    Failed,
    /// No further try is made: `detail` is why the last one failed.
    GivenUp,
}

impl Event {
    const ALL: [Self; 12] = [
        Self::Grouped,
        Self::Resolved,
        Self::Silenced,
        Self::Inhibited,
        Self::Muted,
        Self::Released,
        Self::Acknowledged,
        Self::Deduplicated,
        Self::Notifying,
        Self::Sent,
        Self::Failed,
        Self::GivenUp,
    ];

    /// As it stands in the column `event`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grouped => "grouped",
            Self::Resolved => "resolved",
            Self::Silenced => "silenced",
            Self::Inhibited => "inhibited",
            Self::Muted => "muted",
            Self::Released => "released",
            Self::Acknowledged => "acknowledged",
            Self::Deduplicated => "deduplicated",
            Self::Notifying => "notifying",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

/// A decision about alerts of one group, as it is stored until it is in a file. Fields are only added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What.
    pub event: Event,
    /// The receiver of the route.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub receiver: String,
    /// The integration of the receiver, `webhook/0`; empty where it is about all of them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub integration: String,
    /// The matchers of the route, from the root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// The group's key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group_key: String,
    /// The group's labels.
    #[serde(default)]
    pub group_labels: Labels,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What is the cause of it: the id of a silence or an acknowledgement, the labels of an alert, the name of a time interval.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// What else there is to say: a comment, a receiver's answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The delivery's dedup key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub delivery: String,
    /// Which try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// When it goes on, milliseconds since the Unix epoch: the next try, the next repeat, the end of an
    /// acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at_ms: Option<i64>,
    /// The alerts that it is about.
    #[serde(default)]
    pub alerts: Vec<EntryAlert>,
}

/// An alert that a decision is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryAlert {
    /// Its identity, 16 hexadecimal digits.
    pub fingerprint: String,
    /// Its labels.
    pub labels: Labels,
    /// Since when it fires, milliseconds since the Unix epoch.
    pub starts_at_ms: i64,
    /// Since when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at_ms: Option<i64>,
}

/// A decision about one alert: a row. Its JSON has the names of the columns, and times as RFC 3339.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The identity of the decision and the alert: the same wherever it is derived. 32 hexadecimal digits.
    pub id: String,
    /// When, milliseconds since the Unix epoch.
    #[serde(rename = "ts", with = "time")]
    pub at_ms: i64,
    /// What.
    pub event: Event,
    /// The label `alertname`.
    pub alertname: String,
    /// The alert's identity, 16 hexadecimal digits.
    pub fingerprint: String,
    /// The alert's labels.
    pub labels: Labels,
    /// Since when it fires, milliseconds since the Unix epoch.
    #[serde(rename = "starts_at", with = "time")]
    pub starts_at_ms: i64,
    /// Since when it is over; `None` while it fires.
    #[serde(rename = "ended_at", with = "time::optional")]
    pub ended_at_ms: Option<i64>,
    /// See [`Entry::receiver`].
    pub receiver: String,
    /// See [`Entry::integration`].
    pub integration: String,
    /// See [`Entry::route`].
    pub route: String,
    /// See [`Entry::group_key`].
    pub group_key: String,
    /// See [`Entry::group_labels`].
    pub group_labels: Labels,
    /// See [`Entry::reason`].
    pub reason: String,
    /// See [`Entry::cause`].
    pub cause: String,
    /// See [`Entry::detail`].
    pub detail: String,
    /// See [`Entry::delivery`].
    pub delivery: String,
    /// See [`Entry::attempt`].
    pub attempt: Option<u32>,
    /// See [`Entry::next_at_ms`].
    #[serde(rename = "next_at", with = "time::optional")]
    pub next_at_ms: Option<i64>,
}

impl Entry {
    /// The rows of the decision: one for each alert.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.alerts.iter().map(|alert| self.row(alert)).collect()
    }

    fn row(&self, alert: &EntryAlert) -> Row {
        Row {
            id: self.id(alert),
            at_ms: self.at_ms,
            event: self.event,
            alertname: alert.labels.get("alertname").unwrap_or_default().to_owned(),
            fingerprint: alert.fingerprint.clone(),
            labels: alert.labels.clone(),
            starts_at_ms: alert.starts_at_ms,
            ended_at_ms: alert.ended_at_ms,
            receiver: self.receiver.clone(),
            integration: self.integration.clone(),
            route: self.route.clone(),
            group_key: self.group_key.clone(),
            group_labels: self.group_labels.clone(),
            reason: self.reason.clone(),
            cause: self.cause.clone(),
            detail: self.detail.clone(),
            delivery: self.delivery.clone(),
            attempt: self.attempt,
            next_at_ms: self.next_at_ms,
        }
    }

    fn id(&self, alert: &EntryAlert) -> String {
        let (at, attempt) = (self.at_ms.to_string(), self.attempt.unwrap_or_default().to_string());
        let parts = [
            at.as_str(),
            self.event.as_str(),
            &self.receiver,
            &self.integration,
            &self.group_key,
            &self.cause,
            &self.delivery,
            &attempt,
            &alert.fingerprint,
        ];
        format!("{:032x}", xxh3_128(parts.join("\u{0}").as_bytes()))
    }
}

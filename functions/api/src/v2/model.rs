//! What the API shows, in Alertmanager's order of fields.

use chrono::{DateTime, SecondsFormat};
use parapet_model::Labels;
use parapet_routing::{GroupAlert, Silence, SilenceMatcher};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownAlert {
    pub(super) annotations: Labels,
    pub(super) ends_at: String,
    pub(super) fingerprint: String,
    pub(super) receivers: Vec<Name>,
    pub(super) starts_at: String,
    pub(super) status: Status,
    pub(super) updated_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    pub(super) generator_url: String,
    pub(super) labels: Labels,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Name {
    pub(super) name: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) inhibited_by: Vec<String>,
    pub(super) muted_by: Vec<String>,
    pub(super) silenced_by: Vec<String>,
    pub(super) state: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownGroup {
    pub(super) alerts: Vec<ShownAlert>,
    pub(super) labels: Labels,
    pub(super) receiver: Name,
    pub(super) route_labels: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShownSilence<'a> {
    id: &'a str,
    status: SilenceStatus,
    updated_at: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
    comment: &'a str,
    created_by: &'a str,
    ends_at: String,
    matchers: &'a [SilenceMatcher],
    starts_at: String,
}

#[derive(Debug, Serialize)]
struct SilenceStatus {
    state: &'static str,
}

impl<'a> ShownSilence<'a> {
    pub(super) fn of(silence: &'a Silence, now_ms: i64) -> Self {
        Self {
            id: &silence.id,
            status: SilenceStatus {
                state: silence.state(now_ms).as_str(),
            },
            updated_at: time(silence.updated_at_ms),
            annotations: &silence.annotations,
            comment: &silence.comment,
            created_by: &silence.created_by,
            ends_at: time(silence.ends_at_ms.unwrap_or_default()),
            matchers: silence.matcher_sets.first().map(Vec::as_slice).unwrap_or_default(),
            starts_at: time(silence.starts_at_ms.unwrap_or_default()),
        }
    }
}

impl ShownAlert {
    pub(super) fn of(fingerprint: String, held: &GroupAlert, receivers: Vec<String>, status: Status) -> Self {
        let alert = &held.alert;
        Self {
            annotations: alert.annotations.clone(),
            ends_at: time(alert.ends_at_ms),
            fingerprint,
            receivers: receivers.into_iter().map(|name| Name { name }).collect(),
            starts_at: time(alert.starts_at_ms),
            status,
            updated_at: time(alert.updated_at_ms),
            generator_url: alert.generator_url.clone(),
            labels: alert.labels.clone(),
        }
    }
}

/// RFC 3339 in UTC with milliseconds, always.
pub(super) fn time(at_ms: i64) -> String {
    DateTime::from_timestamp_millis(at_ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads a time; Go's zero time is none.
pub(super) fn parse_time(text: &str) -> Result<Option<i64>, String> {
    if text.is_empty() || text.starts_with("0001-01-01T00:00:00") {
        return Ok(None);
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| Some(time.timestamp_millis()))
        .map_err(|error| format!("{text:?} is not a time: {error}; write such as 2026-01-02T15:04:05Z"))
}

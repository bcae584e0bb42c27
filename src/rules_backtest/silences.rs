//! Silences as a server's API gives them.

use crate::query::client::Client;
use anyhow::Context as _;
use parapet_gotemplate::Time;
use parapet_routing::{Silence, SilenceMatcher};
use serde::Deserialize;

/// A silence of `/api/v2/silences`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    matchers: Vec<SilenceMatcher>,
    starts_at: String,
    ends_at: String,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
}

/// Every silence that a server remembers; `None` where it is no Alertmanager.
pub(super) fn of_server(client: &Client) -> anyhow::Result<Option<Vec<Silence>>> {
    let Some(answer) = client.get_v2("silences")? else {
        return Ok(None);
    };
    let shown: Vec<Shown> = serde_json::from_value(answer).context("/api/v2/silences answers no silences")?;
    let time = |text: &str| Time::parse_rfc3339(text).map(|time| time.millis());
    let silence = |shown: Shown| Silence {
        id: shown.id,
        matcher_sets: vec![shown.matchers],
        starts_at_ms: time(&shown.starts_at),
        ends_at_ms: time(&shown.ends_at),
        created_by: shown.created_by,
        comment: shown.comment,
        ..Silence::default()
    };
    Ok(Some(shown.into_iter().map(silence).collect()))
}

//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use super::model::{ShownSilence, parse_time};
use super::{Answer, Failure, Query, body, ok};
use crate::handler::Api;
use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use http::StatusCode;
use parapet_notifier::{SetSilenceError, expire_silence, read_silence, read_silences, set_silence};
use parapet_routing::{Matcher, Silence, SilenceMatcher, SilenceState};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A silence as it is posted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    matchers: Option<Vec<SilenceMatcher>>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default)]
    created_by: Option<String>,
    #[serde(default)]
    comment: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

pub(super) async fn list(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let query = Query::of(&request);
    let matchers = query.matchers("filter", api.settings.grammar)?;
    let wanted = [
        (SilenceState::Active, query.flag("active")?),
        (SilenceState::Pending, query.flag("pending")?),
        (SilenceState::Expired, query.flag("expired")?),
    ];
    let now_ms = api.ports.clock.now_ms();
    let mut silences = read_silences(&api.ports).await?;
    silences.retain(|silence| wanted.contains(&(silence.state(now_ms), true)) && has_matchers(silence, &matchers));
    // Active ones: the next to end first. Pending ones: the next to begin. Expired ones: the last that ended.
    silences.sort_by_key(|silence| {
        let state = silence.state(now_ms);
        let order = match state {
            SilenceState::Active => silence.ends_at_ms,
            SilenceState::Pending => silence.starts_at_ms,
            SilenceState::Expired => silence.ends_at_ms.map(|ends| -ends),
        };
        (state, order, silence.id.clone())
    });
    let shown: Vec<ShownSilence<'_>> = silences
        .iter()
        .map(|silence| ShownSilence::of(silence, now_ms))
        .collect();
    ok(&shown)
}

/// Whether each of some matchers is one of the silence's own.
fn has_matchers(silence: &Silence, wanted: &[Matcher]) -> bool {
    let sets = silence.compile().unwrap_or_default();
    sets.iter()
        .any(|set| wanted.iter().all(|matcher| set.0.contains(matcher)))
}

pub(super) async fn post(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let posted: Posted = body(&api, request, "silence").await?;
    let required = |name: &str| {
        let message = format!("silence.{name} in body is required");
        Failure::of_form(StatusCode::UNPROCESSABLE_ENTITY, 602, message)
    };
    let time = |name: &str, text: Option<String>| {
        let text = text.ok_or_else(|| required(name))?;
        parse_time(&text).map_err(Failure::bad)
    };
    let silence = Silence {
        id: posted.id.unwrap_or_default(),
        matcher_sets: vec![posted.matchers.ok_or_else(|| required("matchers"))?],
        starts_at_ms: time("startsAt", posted.starts_at)?,
        ends_at_ms: time("endsAt", posted.ends_at)?,
        updated_at_ms: 0,
        created_by: posted.created_by.ok_or_else(|| required("createdBy"))?,
        comment: posted.comment.ok_or_else(|| required("comment"))?,
        annotations: posted.annotations.unwrap_or_default(),
    };
    // Go's zero time comes before every other.
    let (starts, ends) = (
        silence.starts_at_ms.unwrap_or(i64::MIN),
        silence.ends_at_ms.unwrap_or(i64::MIN),
    );
    if starts >= ends {
        return Err(Failure::bad(
            "Failed to create silence: start time must be before end time",
        ));
    }
    if ends < api.ports.clock.now_ms() {
        return Err(Failure::bad("Failed to create silence: end time can't be in the past"));
    }
    let named = silence.matcher_sets.iter().flatten().enumerate();
    if let Some((index, matcher)) = named
        .into_iter()
        .find(|(_, m)| !api.settings.grammar.is_label_name(&m.name))
    {
        let name = parapet_model::quote(&matcher.name);
        return Err(Failure::bad(format!(
            "invalid silence: invalid label matcher {index} in set 0: invalid label name {name}"
        )));
    }
    match set_silence(&api.ports, silence).await {
        Ok(id) => ok(&serde_json::json!({"silenceID": id})),
        Err(error @ SetSilenceError::NotFound) => Err(Failure::new(StatusCode::NOT_FOUND, error.to_string())),
        Err(SetSilenceError::Port(error)) => Err(error.into()),
        Err(error) => Err(Failure::bad(error.to_string())),
    }
}

pub(super) async fn one(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer {
    check_id(&id)?;
    match read_silence(&api.ports, &id).await? {
        Some(silence) => ok(&ShownSilence::of(&silence, api.ports.clock.now_ms())),
        None => Ok(StatusCode::NOT_FOUND.into_response()),
    }
}

pub(super) async fn expire(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer {
    check_id(&id)?;
    let found = expire_silence(&api.ports, &id).await?;
    Ok(if found { StatusCode::OK } else { StatusCode::NOT_FOUND }.into_response())
}

fn check_id(id: &str) -> Result<(), Failure> {
    let groups: Vec<&str> = id.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    if lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Ok(());
    }
    let message = format!("silenceID in path must be of type uuid: {id:?}");
    Err(Failure::of_form(StatusCode::UNPROCESSABLE_ENTITY, 601, message))
}

//! `acknowledgements`: somebody is at it, so a group need not repeat itself. Alertmanager has no such thing; its own API
//! stays below `/api/v2`.

use crate::error::{ApiError, ErrorType};
use crate::handler::Api;
use crate::json::{Object, write_array};
use crate::params::{format_rfc3339, parse_duration_ns};
use crate::request::Call;
use crate::respond::success;
use axum::extract::{Path, State};
use axum::response::Response;
use parapet_notifier::{IdentifiedAcknowledgement, acknowledge, end_acknowledgement, read_acknowledgements};
use parapet_routing::{Acknowledgement, Group, Matcher, parse_matchers};
use std::sync::Arc;

/// `GET /api/v1/acknowledgements`
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let all = read_acknowledgements(&api.ports).await?;
    Ok(answer(&all))
}

/// `POST /api/v1/acknowledgements`: `match[]` chooses the groups by the alerts that fire in them, `receiver` by name;
/// `created_by`, `comment`, and `duration` for an end of its own.
pub(crate) async fn post(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let now_ms = api.ports.clock.now_ms();
    let form = &call.form;
    let matchers = matchers(form.all("match[]"))?;
    let receiver = form.get("receiver");
    let required = |name: &str| {
        let missing = || ApiError::bad_data(format!("no {name} parameter provided"));
        form.get(name).map(str::to_owned).ok_or_else(missing)
    };
    let ends_at_ms = match form.get("duration") {
        None => None,
        Some(text) => match parse_duration_ns(text) {
            Ok(ns @ 1..) => Some(now_ms.saturating_add(ns / 1_000_000)),
            Ok(_) => {
                return Err(ApiError::invalid_parameter(
                    "duration",
                    "it is not above 0; write such as 4h",
                ));
            }
            Err(reason) => return Err(ApiError::invalid_parameter("duration", reason)),
        },
    };
    let said = Acknowledgement {
        created_by: required("created_by")?,
        comment: form.get("comment").unwrap_or_default().to_owned(),
        created_at_ms: now_ms,
        ends_at_ms,
        ..Acknowledgement::default()
    };
    let wants = |group: &Group| {
        let mut alerts = group.alerts.values().filter(|held| held.alert.ends_at_ms > now_ms);
        receiver.is_none_or(|name| name == group.receiver)
            && alerts.any(|held| {
                let label = |name: &str| held.alert.labels.get(name).unwrap_or_default();
                matchers.iter().all(|matcher| matcher.matches(label(&matcher.name)))
            })
    };
    let made = acknowledge(&api.ports, &said, wants).await?;
    if made.is_empty() {
        let message = "no group with such an alert fires; GET /api/v2/alerts/groups shows those that do";
        return Err(ApiError::new(ErrorType::NotFound, message));
    }
    Ok(answer(&made))
}

/// `DELETE /api/v1/acknowledgements/{id}`
pub(crate) async fn end(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Result<Response, ApiError> {
    if end_acknowledgement(&api.ports, &id).await? {
        Ok(success(|out| out.extend_from_slice(b"null")))
    } else {
        let message = format!("there is no acknowledgement {id}");
        Err(ApiError::new(ErrorType::NotFound, message))
    }
}

/// At least one matcher, so that nobody acknowledges everything by leaving something out.
fn matchers(texts: &[String]) -> Result<Vec<Matcher>, ApiError> {
    let mut all = Vec::new();
    for text in texts {
        let parsed = parse_matchers(text).map_err(|error| ApiError::invalid_parameter("match[]", error))?;
        all.extend(parsed.0);
    }
    if all.is_empty() {
        return Err(ApiError::bad_data(
            "no match[] parameter provided; write such as alertname=\"Down\"",
        ));
    }
    Ok(all)
}

fn answer(all: &[IdentifiedAcknowledgement]) -> Response {
    success(|out| {
        write_array(out, all, |out, (id, acknowledgement)| {
            Object::write(out, |object| {
                object.string("id", id);
                object.string("receiver", &acknowledgement.receiver);
                object.string("groupKey", &acknowledgement.group_key);
                object.labels("groupLabels", &acknowledgement.group_labels);
                object.string("createdBy", &acknowledgement.created_by);
                object.string("comment", &acknowledgement.comment);
                object.string("createdAt", &format_rfc3339(Some(acknowledgement.created_at_ms)));
                if acknowledgement.ends_at_ms.is_some() {
                    object.string("endsAt", &format_rfc3339(acknowledgement.ends_at_ms));
                }
            });
        });
    })
}

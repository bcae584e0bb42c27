//! `context`: the lines of a stream around one of its lines.

use super::{Wanted, answer};
use crate::endpoints::logs::ask::{Fault, ask};
use crate::endpoints::logs::loki::{parameters, query::now_ns};
use crate::error::ApiError;
use crate::handler::Api;
use crate::params::parse_duration_ns;
use crate::request::Call;
use axum::extract::State;
use axum::response::Response;
use parapet_logs::filter::Filter;
use parapet_store::logs::Order;
use std::sync::Arc;

/// How far it is looked for lines, nanoseconds, where nothing is said.
const WITHIN_NS: i64 = 3_600_000_000_000;

/// `/api/v1/logs/context`: `time` and `selector` of a line, how many lines `before` and `after`, `within` which time.
pub(in super::super) async fn context(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let form = &call.form;
    let text = form
        .get("time")
        .ok_or_else(|| Fault::bad("time is missing; write the line's timestamp_ns"))?;
    let time_ns = parameters::parse_time(text)
        .ok_or_else(|| Fault::bad("time is no time; write the line's timestamp_ns, or RFC 3339"))?;
    if form.get("selector").is_none() {
        return Err(Fault::bad(r#"selector is missing; write the line's stream, as {app="web"}"#).into());
    }
    let before = parameters::count(form, "before", 10)?.min(parameters::MAX_ENTRIES);
    let after = parameters::count(form, "after", 10)?.min(parameters::MAX_ENTRIES);
    let within_ns = match form.get("within") {
        Some(text) => parse_duration_ns(text).map_err(|error| Fault::bad(format!("within: {error}")))?,
        None => WITHIN_NS,
    };
    let around = Wanted {
        filter: Filter::All,
        ..Wanted::of(form, now_ns(&api))?
    };
    let (found, cost) = ask(&api, &call.tenant, move |search| {
        let mut earlier = Wanted {
            start_ns: time_ns.saturating_sub(within_ns),
            end_ns: time_ns.saturating_sub(1),
            order: Order::NewestFirst,
            ..around.clone()
        }
        .lines(search, before)?;
        earlier.reverse();
        let at = Wanted {
            start_ns: time_ns,
            end_ns: time_ns,
            order: Order::OldestFirst,
            ..around.clone()
        };
        let later = Wanted {
            start_ns: time_ns.saturating_add(1),
            end_ns: time_ns.saturating_add(within_ns),
            ..at.clone()
        };
        Ok((
            earlier,
            at.lines(search, parameters::MAX_ENTRIES)?,
            later.lines(search, after)?,
        ))
    })
    .await?;
    let (before, at, after) = found;
    Ok(answer::around(&before, &at, &after, &cost))
}

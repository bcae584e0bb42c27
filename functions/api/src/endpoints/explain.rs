//! `explain/alerts`: the ledger's rows about alerts. It is Parapet's own; neither Prometheus nor Alertmanager has it.

use crate::error::ApiError;
use crate::handler::Api;
use crate::params::Time;
use crate::request::Call;
use crate::respond::success;
use axum::extract::State;
use axum::response::Response;
use parapet_ledger::Row;
use parapet_notifier::read_ledger;
use parapet_routing::{Matchers, parse_matchers};
use std::sync::Arc;

/// Where an absent `start` begins before the end, milliseconds.
const DEFAULT_REACH_MS: i64 = 24 * 3_600_000;

/// `/api/v1/explain/alerts?filter=MATCHER&…&start=&end=`: rows of the alerts that pass every `filter`, each matchers as
/// `/api/v2/alerts` takes them, in order of time. Without times: the last 24 hours.
pub(crate) async fn alerts(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let mut matchers = Vec::new();
    for text in call.form.all("filter") {
        let parsed = parse_matchers(text).map_err(|error| ApiError::invalid_parameter("filter", error))?;
        matchers.extend(parsed.0);
    }
    if matchers.is_empty() {
        return Err(ApiError::bad_data(
            "no filter parameter provided; write filter=alertname=\"Down\"",
        ));
    }
    let matchers = Matchers(matchers);
    let end_ms = call.form.time_or("end", Time::from_ms(api.ports.clock.now_ms()))?.ms();
    let start_ms = call
        .form
        .time_or("start", Time::from_ms(end_ms.saturating_sub(DEFAULT_REACH_MS)))?
        .ms();
    let keep = |row: &Row| matchers.matches(&row.labels);
    let mut rows = read_ledger(&api.ports, &call.tenant, start_ms, end_ms, &keep).await?;
    rows.sort_by(|a, b| (a.at_ms, a.event, &a.id).cmp(&(b.at_ms, b.event, &b.id)));
    rows.dedup_by(|a, b| a.id == b.id);
    let body = serde_json::to_vec(&rows)
        .map_err(|error| ApiError::new(crate::error::ErrorType::Internal, error.to_string()))?;
    Ok(success(|out| out.extend_from_slice(&body)))
}

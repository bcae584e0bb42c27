//! `query_exemplars`.

use crate::error::ApiError;
use crate::handler::Api;
use crate::json::{Object, write_array, write_float, write_timestamp};
use crate::params::Time;
use crate::request::Call;
use crate::respond::success;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use parapet_model::{Exemplar, Labels};
use parapet_promql::{Options, QueryRange};
use std::sync::Arc;

/// `/api/v1/query_exemplars`: the exemplars of every series that a selector of the query selects.
pub(crate) async fn exemplars(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let start = call.form.time_or("start", Time::MIN)?;
    let end = call.form.time_or("end", Time::MAX)?;
    if end < start {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let expr = parapet_promql::parse(call.form.get("query").unwrap_or_default())
        .map_err(|error| ApiError::bad_data(error.to_string()))?;
    let range = QueryRange::instant(end.ms());
    let selectors = parapet_promql::selectors(&expr, &range, &Options::default());
    if selectors.is_empty() {
        // Prometheus has no data at all to answer here.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let sets: Vec<_> = selectors.into_iter().map(|selector| selector.matchers).collect();
    let found = api.reader.exemplars(&call.tenant, &sets, start.ms(), end.ms()).await?;
    Ok(success(|out| write_array(out, &found, write_series)))
}

fn write_series(out: &mut Vec<u8>, (labels, exemplars): &(Labels, Vec<Exemplar>)) {
    Object::write(out, |object| {
        object.labels("seriesLabels", labels);
        object.array("exemplars", exemplars, |out, exemplar| {
            Object::write(out, |object| {
                object.labels("labels", &exemplar.labels);
                write_float(object.field("value"), exemplar.value);
                write_timestamp(object.field("timestamp"), exemplar.timestamp_ms);
            });
        });
    });
}

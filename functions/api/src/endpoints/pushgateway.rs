//! The Pushgateway's API: groups of metrics that jobs push, kept in the table until somebody deletes them.
//!
//! At the root, and below `/pushgateway` as a Pushgateway with that route prefix: there its `/metrics` is what a scrape
//! job with `honor_labels: true` reads, as it would read a Pushgateway's.
//!
//! # Invariant
//! A group is one item, changed by compare-and-set: of pushes side by side each is taken as a whole, in some order. A
//! push was answered when it is in the table, and pushed again it leaves the same.

mod store;

use crate::handler::Api;
use crate::intake::{Rejected, away, decompress, enter, read_body};
use crate::request::tenant;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use parapet_pushgateway::{Grouping, exposition, read_families, to_json};
use serde_json::json;
use std::sync::Arc;

/// Where groups are pushed to.
const GROUPS: &str = "/metrics/";

/// What stands at the root.
pub(crate) fn router() -> Router<Arc<Api>> {
    Router::new().route(
        "/metrics/{*group}",
        axum::routing::put(change).post(change).delete(change),
    )
}

/// What stands below the prefix: a whole Pushgateway.
pub(crate) fn prefixed_router() -> Router<Arc<Api>> {
    router()
        .route("/metrics", get(metrics))
        .route("/api/v1/metrics", get(groups))
        .route("/-/ready", get(|| async { "OK" }))
        .route("/-/healthy", get(|| async { "OK" }))
}

/// PUT, POST and DELETE of a group.
async fn change(State(api): State<Arc<Api>>, method: Method, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let outcome = receive(&api, method, &uri, headers, body).await;
    outcome.unwrap_or_else(|refusal| {
        tracing::info!(status = refusal.0.as_u16(), reason = %refusal.1, path = uri.path(), "push refused");
        refusal.into_response()
    })
}

async fn receive(api: &Api, method: Method, uri: &Uri, headers: HeaderMap, body: Body) -> Result<Response, Rejected> {
    let tenant = tenant(&headers).map_err(|error| Rejected::bad(error.message))?;
    let path = uri.path().strip_prefix(GROUPS).unwrap_or_default();
    let grouping = Grouping::from_path(path).map_err(Rejected::bad)?;
    if method == Method::DELETE {
        store::delete(api, &tenant, &grouping).await?;
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let entered = enter(api).await?;
    let sent = read_body(api, &entered.memory, body).await?;
    let max_decompressed = api.settings.max_decompressed_write_bytes;
    let families = away(move || {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let body = decompress(&headers, sent, max_decompressed)?;
        Ok(read_families(&body, content_type))
    })
    .await?;
    store::push(api, &tenant, grouping, families, method == Method::PUT).await?;
    let status = if api.settings.push_unchecked {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok(status.into_response())
}

/// `/pushgateway/metrics`: every group in the text format.
async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Rejected> {
    let tenant = tenant(&headers).map_err(|error| Rejected::bad(error.message))?;
    let text = exposition(&store::all(&api, &tenant).await?);
    Ok((
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response())
}

/// `/api/v1/metrics`: every group in JSON.
pub(crate) async fn groups(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Rejected> {
    let tenant = tenant(&headers).map_err(|error| Rejected::bad(error.message))?;
    let groups = to_json(&store::all(&api, &tenant).await?);
    Ok(Json(json!({"status": "success", "data": groups})).into_response())
}

//! Logs: the ways in of Loki, Elasticsearch and OpenTelemetry, Loki's query API, and the search.

mod ask;
mod body;
mod bulk;
mod door;
mod elasticsearch;
mod loki;
mod mining;
mod otlp;
mod push;
mod search;

pub(crate) use door::Rates;

use crate::handler::Api;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use std::sync::Arc;

/// The paths of Loki, Elasticsearch and OpenTelemetry.
pub(crate) fn router() -> Router<Arc<Api>> {
    let loki = loki::router().route("/push", post(push::push));
    let bulk = Router::new()
        .route("/_bulk", post(bulk::bulk).put(bulk::bulk))
        .route("/{index}/_bulk", post(bulk::bulk_of_index).put(bulk::bulk_of_index))
        .layer(from_fn(elasticsearch::filter_path));
    Router::new()
        .route("/ready", get(loki::ready))
        .nest("/loki/api/v1", loki)
        // The path of Loki's early clients.
        .route("/api/prom/push", post(push::push))
        .route("/v1/logs", post(otlp::logs))
        .route("/otlp/v1/logs", post(otlp::logs))
        .merge(bulk)
        .nest("/elasticsearch", elasticsearch::router())
        .route("/elasticsearch/", get(elasticsearch::about))
}

/// The paths below `/api/v1/logs`.
pub(crate) fn search_router() -> Router<Arc<Api>> {
    Router::new()
        .route("/search", get(search::search).post(search::search))
        .route("/patterns", get(search::patterns).post(search::patterns))
        .route("/context", get(search::context).post(search::context))
}

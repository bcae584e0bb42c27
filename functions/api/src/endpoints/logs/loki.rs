//! Loki's query API, as Grafana's data source calls it.

mod detect;
mod index;
mod labels;
pub(super) mod parameters;
mod patterns;
pub(super) mod query;
mod respond;
mod status;
mod tail;

use crate::handler::Api;
use axum::Router;
use axum::routing::get;
use std::sync::Arc;

/// The paths below `/loki/api/v1`, without the push.
pub(super) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route("/format_query", get(status::format).post(status::format))
        .route("/labels", get(labels::names).post(labels::names))
        // The path of Loki's early clients.
        .route("/label", get(labels::names).post(labels::names))
        .route("/label/{name}/values", get(labels::values).post(labels::values))
        .route("/series", get(labels::series).post(labels::series))
        .route("/index/stats", get(index::stats).post(index::stats))
        .route("/index/volume", get(index::volume).post(index::volume))
        .route(
            "/index/volume_range",
            get(index::volume_range).post(index::volume_range),
        )
        .route("/patterns", get(patterns::patterns).post(patterns::patterns))
        .route("/detected_labels", get(detect::labels).post(detect::labels))
        .route("/detected_fields", get(detect::fields).post(detect::fields))
        .route(
            "/detected_field/{name}/values",
            get(detect::values).post(detect::values),
        )
        .route("/tail", get(tail::tail))
        .route("/status/buildinfo", get(status::build))
        .route("/drilldown-limits", get(status::drilldown_limits))
}

pub(super) use status::ready;

//! What a client asks before and beside queries: version, readiness, limits, the form of a query.

use super::{parameters, respond};
use crate::endpoints::logs::ask::Fault;
use crate::handler::Api;
use crate::json::write_string;
use crate::request::Call;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use parapet_logs::discover::SERVICE_LABELS;
use std::sync::Arc;

/// The release of Loki whose API this is: clients choose what to ask by it.
const LOKI_VERSION: &str = "3.5.0";

/// `/loki/api/v1/status/buildinfo`
pub(super) async fn build(State(api): State<Arc<Api>>) -> Response {
    respond::bare(|object| {
        object.string("version", LOKI_VERSION);
        object.string("revision", &api.settings.revision);
        for name in ["branch", "buildUser", "buildDate", "goVersion"] {
            object.string(name, "");
        }
    })
}

/// `/ready`
pub(crate) async fn ready() -> &'static str {
    "ready\n"
}

/// `/loki/api/v1/drilldown-limits`: what Grafana's Logs Drilldown may ask.
pub(super) async fn drilldown_limits(State(api): State<Arc<Api>>) -> Response {
    respond::bare(|object| {
        object.object("limits", |object| {
            object.boolean("volume_enabled", true);
            object.boolean("discover_log_levels", true);
            object.array("discover_service_name", SERVICE_LABELS, write_string);
            object.array("log_level_fields", ["level"], write_string);
            object.integer("max_entries_limit_per_query", parameters::MAX_ENTRIES as u64);
            object.integer("max_line_size", api.settings.logs.max_line_bytes as u64);
            object.integer("max_query_series", 10_000);
            object.string("query_timeout", &format!("{}ms", api.settings.query_timeout_ms));
            object.string("retention_period", "0s");
        });
        object.boolean("pattern_ingester_enabled", true);
        object.string("version", LOKI_VERSION);
        object.integer("maxDetectedFields", 1_000);
        object.integer("maxDetectedValues", 1_000);
        object.integer("maxLabelValues", 1_000);
        object.integer("maxLines", parameters::MAX_ENTRIES as u64);
    })
}

/// `/loki/api/v1/format_query`
pub(super) async fn format(call: Call) -> Response {
    let answer =
        parameters::expression(&call.form).map(|expr| respond::success(|out| write_string(out, &expr.to_string())));
    answer.unwrap_or_else(Fault::into_response)
}

//! `/api/v2/status`.

use super::model::time;
use super::{Answer, Failure, cluster, ok};
use crate::handler::Api;
use axum::extract::State;
use std::sync::Arc;

pub(super) async fn status(State(api): State<Arc<Api>>) -> Answer {
    let files = api.ports.config.current().await?;
    let text = files
        .alertmanager
        .as_ref()
        .map(|file| file.text.as_str())
        .unwrap_or_default();
    let original = parapet_routing::config::masked(text)
        .map_err(|error| Failure::new(http::StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let peers = cluster::peers(&api.ports).await?;
    let status = if peers.is_empty() { "disabled" } else { "ready" };
    ok(&serde_json::json!({
        "cluster": {"peers": peers, "status": status},
        "config": {"original": original},
        "uptime": time(api.settings.started_at_ms.unwrap_or_default()),
        "versionInfo": {
            "branch": "",
            "buildDate": "",
            "buildUser": "",
            "goVersion": "",
            "revision": api.settings.revision,
            "version": env!("CARGO_PKG_VERSION"),
        },
    }))
}

//! What the process answers on its address: the API, its own metrics, reload, and the demonstration's receiver.

use crate::cli::RunOptions;
use crate::run::configuration::Configuration;
use crate::run::host::Host;
use crate::run::self_metrics::SelfMetrics;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use parapet_api::Api;
use parapet_function_kit::ProcessVars;
use parapet_ports::vars::Vars as _;
use std::sync::Arc;

/// The router of the whole process.
pub(crate) fn router(
    options: &RunOptions,
    host: &Arc<Host>,
    configuration: Arc<Configuration>,
    metrics: SelfMetrics,
) -> Result<Router, parapet_ports::Error> {
    let mut settings = parapet_api::Settings {
        grammar: options.alertmanager_grammar.unwrap_or_default(),
        external_url: host.external_url.clone(),
        started_at_ms: Some(host.ports.clock.now_ms()),
        retention: parapet_model::format_duration_ms(options.retention_ms),
        flags: options.flags(),
        ..parapet_api::Settings::from_vars(&ProcessVars)?
    };
    options.query.apply(&mut settings);
    if ProcessVars.get("PARAPET_LOG_MAX_AGE_MS").is_none() {
        settings.logs.max_age_ms = parapet_api::max_log_age_ms(options.logs_retention_ms);
    }
    let api = Api::new(host.ports.clone(), host.reader.clone(), settings).with_body_memory(host.body_memory.clone());
    let is_demo = options.config_file.is_none();
    let reloaded = host.clone();
    let own = Router::new()
        .route("/metrics", get(move || async move { exposition(&metrics) }))
        .route(
            "/-/reload",
            post(move || async move { reload(&configuration, &reloaded).await }),
        );
    let own = if is_demo {
        own.route("/-/demo/webhook", post(receive_page))
    } else {
        own
    };
    let own = own.merge(parapet_prober::router(host.prober.clone()));
    Ok(own.merge(parapet_api::router(Arc::new(api))))
}

fn exposition(metrics: &SelfMetrics) -> impl IntoResponse + use<> {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        metrics.render(),
    )
}

async fn reload(configuration: &Configuration, host: &Host) -> (StatusCode, String) {
    match configuration.reload() {
        Ok(()) => {
            host.reload().await;
            (StatusCode::OK, String::new())
        }
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("failed to reload config: {error:#}\n"),
        ),
    }
}

/// The demonstration's receiver: prints what a webhook receives.
async fn receive_page(body: axum::body::Bytes) -> StatusCode {
    let Ok(page) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    metrics::counter!("parapet_demo_pages_received_total").increment(1);
    for alert in page["alerts"].as_array().into_iter().flatten() {
        let text = |path: &str| {
            alert
                .pointer(path)
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        tracing::info!(
            alert = text("/labels/alertname"),
            status = text("/status"),
            summary = text("/annotations/summary"),
            "the webhook received a page"
        );
    }
    StatusCode::OK
}

//! The router: which function answers which path.

use crate::configuration::Configuration;
use crate::settings::Settings;
use crate::{cors, endpoints, page};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use http::{StatusCode, header};
use parapet_ports::{BodyMemory, Ports};
use parapet_store::Reader;
use parapet_store::logs::{LogReader, LogReaderSettings};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tower_http::compression::CompressionLayer;

/// What the endpoints share.
#[derive(Debug)]
pub struct Api {
    pub(crate) ports: Ports,
    pub(crate) reader: Arc<Reader>,
    pub(crate) log_reader: LogReader,
    pub(crate) settings: Settings,
    pub(crate) configuration: Configuration,
    /// How much each tenant has sent of logs.
    pub(crate) log_rates: endpoints::logs::Rates,
    /// A permit for each query under evaluation.
    pub(crate) evaluations: Arc<Semaphore>,
    /// A permit for each push in work.
    pub(crate) writes: Semaphore,
    /// What pushed bodies are read and decoded in.
    pub(crate) memory: BodyMemory,
}

impl Api {
    /// An API over the store that `reader` reads and the state and queues of `ports`.
    #[must_use]
    pub fn new(ports: Ports, reader: Arc<Reader>, settings: Settings) -> Self {
        Self {
            configuration: Configuration::default(),
            log_reader: LogReader::new(&ports, LogReaderSettings::default()),
            log_rates: endpoints::logs::Rates::default(),
            evaluations: Arc::new(Semaphore::new(settings.max_concurrent_queries.max(1))),
            writes: Semaphore::new(settings.max_concurrent_writes.min(Semaphore::MAX_PERMITS)),
            memory: BodyMemory::default(),
            ports,
            reader,
            settings,
        }
    }

    /// What the memory for pushed bodies is drawn from, where other functions of the process draw from it too.
    #[must_use]
    pub fn with_body_memory(self, memory: BodyMemory) -> Self {
        Self { memory, ..self }
    }
}

/// Every endpoint; the same router serves on Lambda and in the local host.
pub fn router(api: Arc<Api>) -> Router {
    use endpoints::{
        acknowledgements, exemplars, explain, federate, influx, labels, otlp, pushgateway, query, rules, status,
        syntax, targets, write,
    };
    let v1 = Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route("/query_exemplars", get(exemplars::exemplars).post(exemplars::exemplars))
        .route("/format_query", get(syntax::format).post(syntax::format))
        .route("/parse_query", get(syntax::parse).post(syntax::parse))
        .route("/labels", get(labels::names).post(labels::names))
        .route("/label/{name}/values", get(labels::values))
        .route("/series", get(labels::series).post(labels::series))
        .route("/targets", get(targets::targets))
        .route("/targets/metadata", get(targets::target_metadata))
        .route("/scrape_pools", get(targets::scrape_pools))
        .route("/metadata", get(targets::metadata))
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .route("/alertmanagers", get(status::alertmanagers))
        .route("/status/config", get(status::config))
        .route("/status/flags", get(status::flags))
        .route("/status/buildinfo", get(status::build))
        .route("/status/runtimeinfo", get(status::runtime))
        .route("/status/tsdb", get(status::tsdb))
        .route("/status/walreplay", get(status::wal_replay))
        .route("/write", post(write::write))
        .route("/otlp/v1/metrics", post(otlp::metrics))
        .route("/metrics", get(pushgateway::groups))
        // Not Prometheus': extras about notifications.
        .route(
            "/acknowledgements",
            get(acknowledgements::list).post(acknowledgements::post),
        )
        .route("/acknowledgements/{id}", delete(acknowledgements::end))
        .route("/explain/alerts", get(explain::alerts).post(explain::alerts))
        .nest("/logs", endpoints::logs::search_router())
        .fallback(not_found)
        .layer(axum::middleware::from_fn_with_state(api.clone(), cors::layer));
    let pages = page::PATHS.iter();
    let pages = pages.fold(Router::new(), |router, path| router.route(path, get(page::page)));
    pages
        .route("/federate", get(federate::federate))
        .route("/-/healthy", get(|| async { "Parapet is Healthy.\n" }))
        .route("/-/ready", get(|| async { "Parapet is Ready.\n" }))
        .merge(endpoints::logs::router())
        .route("/v1/metrics", post(otlp::metrics))
        .merge(influx::router())
        .merge(pushgateway::router())
        .nest("/pushgateway", pushgateway::prefixed_router())
        .nest("/api/v1", v1)
        .nest("/api/v2", crate::v2::router())
        .fallback(not_found)
        // Each reader of a body has a limit of its own, from the settings.
        .layer(DefaultBodyLimit::disable())
        .layer(CompressionLayer::new())
        .with_state(api)
}

async fn not_found() -> impl IntoResponse {
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        "404 page not found\n",
    )
}

//! The api function: Prometheus' HTTP API over the store and over the state that the other functions keep.
//!
//! One [`router`] serves in the local host and on Lambda. Queries are parsed and evaluated by `parapet-promql`
//! on series that `parapet-store` reads; targets, metadata, rules and alerts are read from the table, where the
//! scraper and the rule evaluation wrote them; what is pushed (remote write, OTLP, InfluxDB's line protocol) goes to the
//! queue that ingest reads, groups of a Pushgateway to the table.
//!
//! It is no web server: listening, TLS and authentication are the host's. It holds no state but caches.
//!
//! ```no_run
//! # fn example(ports: parapet_ports::Ports) -> axum::Router {
//! use std::sync::Arc;
//! let reader = parapet_store::Reader::new(&ports, parapet_store::ReaderSettings::default());
//! let api = parapet_api::Api::new(ports, Arc::new(reader), parapet_api::Settings::default());
//! let router = parapet_api::router(Arc::new(api));
//! # router }
//! ```
//!
//! # Contract
//! - Paths, parameters, JSON, status codes, error types and their texts are those of Prometheus 3.14
//!   (`web/api/v1/api.go`). It differs where it says so: `stats` counts the samples read from the store; `status/config` is what the user wrote, without
//!   Prometheus' defaults; `status/runtimeinfo` leaves what is Go's empty; remote write stores what is sound of a
//!   request that it answers with 400, in version 1.0 too.
//! - `/api/v2` is Alertmanager's, over the groups and silences that the notifier keeps.
//! - There are no admin, agent, remote read, notification and search endpoints.
//! - A request reads the tenant that its `X-Scope-OrgID` names (`default` without one) and no other.
//! - Bodies, samples and time of a request are bounded by [`Settings`]; a query stops when its time is up or its
//!   client is gone.
//! - A push is answered with success when its samples are in the queue: they can be read when ingest has stored them.

mod configuration;
mod cors;
mod endpoints;
mod error;
mod handler;
mod intake;
mod json;
mod page;
mod params;
mod request;
mod respond;
mod settings;
mod stats;
mod v2;

pub use cors::Origins;
pub use error::{ApiError, ErrorType};
pub use handler::{Api, router};
pub use settings::{LogLimits, Settings, max_log_age_ms};
pub use v2::{announce, withdraw};

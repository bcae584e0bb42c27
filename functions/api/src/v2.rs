//! Alertmanager's API, version 2: `amtool`, Grafana and other Prometheis speak it.
//!
//! Paths, parameters, JSON and status codes are those of Alertmanager 0.34 (`api/v2/openapi.yaml`). Errors are a JSON
//! text. It differs where it says so: what an Alertmanager cluster agrees on by gossip is in the table, the cluster's peers
//! are the processes that share it, and there is none where one process or functions are alone with it; the configuration is what the user wrote, secrets masked, without Alertmanager's defaults.

use crate::handler::Api;
use crate::request;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use parapet_routing::{Config, Grammar, Matcher};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

mod alerts;
mod cluster;
mod filter;
mod groups;
mod model;
mod receivers;
mod silences;
mod status;

pub use cluster::{announce, withdraw};

/// Every endpoint below `/api/v2`.
pub(crate) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/status", get(status::status))
        .route("/receivers", get(receivers::receivers))
        .route("/alerts", get(alerts::list).post(alerts::post))
        .route("/alerts/groups", get(groups::groups))
        .route("/silences", get(silences::list).post(silences::post))
        .route("/silence/{id}", get(silences::one).delete(silences::expire))
}

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    body: serde_json::Value,
}

type Answer = Result<Response, Failure>;

impl Failure {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            body: serde_json::Value::from(message.into()),
        }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A request that does not fit the API's description, with that description's code.
    fn of_form(status: StatusCode, code: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            body: serde_json::json!({"code": code, "message": message.into()}),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        json(self.status, &self.body)
    }
}

impl From<parapet_ports::Error> for Failure {
    fn from(error: parapet_ports::Error) -> Self {
        tracing::error!(error = error.chain(), "an Alertmanager request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<crate::ApiError> for Failure {
    fn from(error: crate::ApiError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            body.push(b'\n');
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn ok<T: Serialize>(value: &T) -> Answer {
    Ok(json(StatusCode::OK, value))
}

/// A body, read as JSON.
async fn body<T: DeserializeOwned>(api: &Api, request: Request, what: &str) -> Result<T, Failure> {
    request::tenant(request.headers()).map_err(|error| Failure::bad(error.to_string()))?;
    let limit = api.settings.max_write_bytes;
    let bytes = axum::body::to_bytes(request.into_body(), limit)
        .await
        .map_err(|_| Failure::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is over {limit} bytes")))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::of_form(
            StatusCode::BAD_REQUEST,
            400,
            format!("parsing {what} body from \"\" failed, because {error}"),
        )
    })
}

/// The configuration; without one there is no such API.
async fn configuration(api: &Api) -> Result<Arc<Config>, Failure> {
    let config = api.configuration.alertmanager(&api.ports, api.settings.grammar).await?;
    config.ok_or_else(|| {
        let message = "there is no alertmanager.yml; give one with --alertmanager.config.file";
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    })
}

/// The parameters of a query, in order; a name may stand any number of times.
#[derive(Debug)]
struct Query(Vec<(String, String)>);

impl Query {
    fn of(request: &Request<Body>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// A truth value, true where absent.
    fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.all(name).last() {
            None | Some("") => Ok(true),
            Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
            Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
            Some(other) => Err(Failure::of_form(
                StatusCode::UNPROCESSABLE_ENTITY,
                601,
                format!("{name} in query must be of type boolean: {other:?}"),
            )),
        }
    }

    /// Every matcher of a name: one a value.
    fn matchers(&self, name: &str, grammar: Grammar) -> Result<Vec<Matcher>, Failure> {
        let mut all = Vec::new();
        for text in self.all(name) {
            let braces = text.trim_start().starts_with('{') || text.trim_end().ends_with('}');
            let mut parsed = grammar.parse(text).map_err(|error| Failure::bad(error.to_string()))?.0;
            match (parsed.pop(), parsed.is_empty(), braces) {
                (Some(matcher), true, false) => all.push(matcher),
                _ => return Err(Failure::bad(format!("bad matcher format: {text}"))),
            }
        }
        Ok(all)
    }
}

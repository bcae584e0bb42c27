//! What shippers ask of Elasticsearch before they send: its version, licence, templates and policies.
//!
//! There is nothing to set up here, so whatever they look for is there, and whatever they set up is acknowledged. It
//! answers no Elasticsearch queries: they are refused with what to ask instead.

mod filter_path;

pub(super) use filter_path::filter_path;

use super::bulk;
use crate::handler::Api;
use crate::json::Object;
use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use std::sync::Arc;

/// The paths below the prefix.
pub(super) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/", get(about))
        .route("/_license", get(license))
        .route("/_xpack", get(xpack))
        .route("/_cluster/health", get(health))
        .route("/_nodes/http", get(nodes))
        .route("/_bulk", post(bulk::bulk).put(bulk::bulk))
        .route("/{index}/_bulk", post(bulk::bulk_of_index).put(bulk::bulk_of_index))
        .fallback(other)
        .layer(from_fn(filter_path))
}

/// An answer in JSON with the header by which clients know Elasticsearch.
pub(super) fn answer(status: StatusCode, body: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut out = Vec::with_capacity(256);
    body(&mut out);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (
            header::HeaderName::from_static("x-elastic-product"),
            HeaderValue::from_static("Elasticsearch"),
        ),
    ];
    (status, headers, out).into_response()
}

fn object(fields: impl FnOnce(&mut Object<'_>)) -> Response {
    answer(StatusCode::OK, |out| Object::write(out, fields))
}

/// An error in Elasticsearch's form.
pub(super) fn fault(status: StatusCode, kind: &str, reason: &str) -> Response {
    answer(status, |out| {
        Object::write(out, |object| {
            object.object("error", |object| {
                object.array("root_cause", [()], |out, ()| {
                    Object::write(out, |object| {
                        object.string("type", kind);
                        object.string("reason", reason);
                    });
                });
                object.string("type", kind);
                object.string("reason", reason);
            });
            object.integer("status", status.as_u16());
        });
    })
}

/// `/`: the handshake.
pub(super) async fn about(State(api): State<Arc<Api>>) -> Response {
    object(|object| {
        object.string("name", "parapet");
        object.string("cluster_name", "parapet");
        object.string("cluster_uuid", "parapet");
        object.object("version", |object| {
            object.string("number", &api.settings.elasticsearch_version);
            object.string("build_flavor", "default");
            object.string("build_type", "parapet");
            object.string("build_hash", &api.settings.revision);
            object.boolean("build_snapshot", false);
            object.string("lucene_version", "9.12.0");
            object.string("minimum_wire_compatibility_version", "7.17.0");
            object.string("minimum_index_compatibility_version", "7.0.0");
        });
        object.string("tagline", "You Know, for Search");
    })
}

async fn license() -> Response {
    object(|object| {
        object.object("license", |object| {
            object.string("status", "active");
            object.string("uid", "parapet");
            object.string("type", "basic");
            object.string("issued_to", "parapet");
        });
    })
}

async fn xpack() -> Response {
    object(|object| {
        object.object("license", |object| {
            object.string("status", "active");
            object.string("uid", "parapet");
            object.string("type", "basic");
            object.string("mode", "basic");
        });
        object.object("features", |object| {
            object.object("ilm", |object| {
                object.boolean("available", true);
                object.boolean("enabled", true);
            });
        });
    })
}

async fn health() -> Response {
    object(|object| {
        object.string("cluster_name", "parapet");
        object.string("status", "green");
        object.boolean("timed_out", false);
        object.integer("number_of_nodes", 1);
    })
}

/// No nodes: a client that looks for others keeps to the address that it has.
async fn nodes() -> Response {
    object(|object| object.object("nodes", |_| ()))
}

/// What can be looked for and set up; the first segment of the path, or the second below an index.
const SETUPS: [&str; 14] = [
    "_alias",
    "_aliases",
    "_cat",
    "_cluster",
    "_component_template",
    "_data_stream",
    "_ilm",
    "_index_template",
    "_ingest",
    "_mapping",
    "_nodes",
    "_security",
    "_settings",
    "_template",
];

async fn other(method: Method, uri: Uri) -> Response {
    let mut segments = uri.path().split('/').filter(|segment| !segment.is_empty());
    let (first, second) = (segments.next().unwrap_or_default(), segments.next());
    let is_index = !first.starts_with('_') && second.is_none_or(|second| SETUPS.contains(&second));
    let is_setup = SETUPS.contains(&first);
    match method {
        Method::HEAD if is_index || is_setup => answer(StatusCode::OK, |_| ()),
        Method::GET if first == "_cat" => answer(StatusCode::OK, |out| out.extend_from_slice(b"[]")),
        Method::GET if is_index || is_setup => object(|_| ()),
        Method::PUT | Method::POST if is_index || is_setup => object(|object| {
            object.boolean("acknowledged", true);
            if is_index {
                object.boolean("shards_acknowledged", true);
                object.string("index", first);
            }
        }),
        _ => fault(
            StatusCode::BAD_REQUEST,
            "illegal_argument_exception",
            &format!(
                "{method} {} is not supported: Elasticsearch's API is here for shippers alone (_bulk); \
                 ask /api/v1/logs/search or /loki/api/v1/query_range",
                uri.path()
            ),
        ),
    }
}

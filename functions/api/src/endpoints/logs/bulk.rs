//! Elasticsearch's `_bulk`, as Filebeat, Fluent Bit, Logstash and Vector send it: an answer for each document.

use super::body::{self, Encoding};
use super::door::{Arrival, Refused, count_refused};
use super::elasticsearch::{answer, fault};
use crate::handler::Api;
use crate::json::{Object, write_array};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use parapet_logs::inputs::bulk;
use std::sync::Arc;

/// `/_bulk`
pub(super) async fn bulk(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    respond(&api, "logs", &headers, body).await
}

/// `/{index}/_bulk`
pub(super) async fn bulk_of_index(
    State(api): State<Arc<Api>>,
    Path(index): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    respond(&api, &index, &headers, body).await
}

async fn respond(api: &Api, index: &str, headers: &HeaderMap, body: Body) -> Response {
    match receive(api, index, headers, body).await {
        Ok(items) => answer(StatusCode::OK, |out| write(out, &items)),
        Err(refused) => {
            tracing::info!(
                status = refused.status().as_u16(),
                reason = refused.reason(),
                "bulk request refused"
            );
            let kind = match refused.status() {
                StatusCode::TOO_MANY_REQUESTS => "es_rejected_execution_exception",
                StatusCode::PAYLOAD_TOO_LARGE => "content_too_long_exception",
                StatusCode::BAD_REQUEST => "illegal_argument_exception",
                StatusCode::UNSUPPORTED_MEDIA_TYPE => "media_type_header_exception",
                _ => "unavailable_exception",
            };
            let mut response = fault(refused.status(), kind, refused.reason());
            response.headers_mut().extend(refused.headers());
            response
        }
    }
}

/// What became of one document.
#[derive(Debug)]
struct Item {
    action: String,
    index: String,
    id: String,
    /// What is wrong with it, where it is not stored.
    outcome: Result<(), String>,
}

async fn receive(api: &Api, index: &str, headers: &HeaderMap, sent: Body) -> Result<Vec<Item>, Refused> {
    let index = index.to_owned();
    let (tenant, parsed, memory) = body::read(api, headers, sent, Encoding::of(headers)?, move |bytes, _| {
        bulk::parse(bytes, &index).map_err(|error| Refused::Bad(error.to_string()))
    })
    .await?;
    let (mut items, mut records, mut places) = (Vec::with_capacity(parsed.len()), Vec::new(), Vec::new());
    for one in parsed {
        let outcome = one.record.map(|record| {
            places.push(items.len());
            records.push(record);
        });
        if outcome.is_err() {
            count_refused("malformed", 1);
        }
        items.push(Item {
            action: one.action,
            index: one.index,
            id: one.id,
            outcome,
        });
    }
    let mut arrival = Arrival {
        way: "elasticsearch",
        tenant,
        records,
        memory,
    };
    for (number, reason) in arrival.refuse(&api.settings.logs, api.ports.clock.now_ms()) {
        items[places[number]].outcome = Err(reason);
    }
    arrival.send(api).await?;
    Ok(items)
}

fn write(out: &mut Vec<u8>, items: &[Item]) {
    Object::write(out, |object| {
        object.integer("took", 0);
        object.boolean("errors", items.iter().any(|item| item.outcome.is_err()));
        write_array(object.field("items"), items, |out, item| {
            Object::write(out, |object| {
                Object::write(object.escaped_field(&item.action), |object| {
                    object.string("_index", &item.index);
                    if !item.id.is_empty() {
                        object.string("_id", &item.id);
                    }
                    match &item.outcome {
                        Ok(()) => {
                            object.integer("_version", 1);
                            object.string("result", "created");
                            object.object("_shards", |object| {
                                object.integer("total", 1);
                                object.integer("successful", 1);
                                object.integer("failed", 0);
                            });
                            object.integer("_seq_no", 0);
                            object.integer("_primary_term", 1);
                            object.integer("status", 201);
                        }
                        Err(reason) => {
                            object.integer("status", 400);
                            object.object("error", |object| {
                                object.string("type", "document_parsing_exception");
                                object.string("reason", reason);
                            });
                        }
                    }
                });
            });
        });
    });
}

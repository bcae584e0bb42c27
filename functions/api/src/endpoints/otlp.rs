//! OTLP metrics over HTTP, on Prometheus' path and on the protocol's own.

mod deltas;

use crate::handler::Api;
use crate::intake::{Rejected, away, batch_id, decompress, enter, read_body, store};
use crate::request::tenant;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use parapet_otlp::{
    Deltas, Settings, decode_json, decode_protobuf, encode_response_json, encode_response_protobuf, translate,
};
use std::sync::Arc;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

/// `/api/v1/otlp/v1/metrics` and `/v1/metrics`
pub(crate) async fn metrics(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    match receive(&api, headers, body).await {
        Ok(response) => response,
        Err(refusal) => {
            tracing::info!(status = refusal.0.as_u16(), reason = %refusal.1, "OTLP metrics refused");
            refusal.into_response()
        }
    }
}

async fn receive(api: &Api, headers: HeaderMap, body: Body) -> Result<Response, Rejected> {
    let encoding = encoding(&headers)?;
    let tenant = tenant(&headers).map_err(|error| Rejected::bad(error.message))?;
    let entered = enter(api).await?;
    let sent = read_body(api, &entered.memory, body).await?;
    let config = api.configuration.current(&api.ports).await;
    let config = config.map_err(|error| Rejected::later(error.message))?;
    let deltas = if api.settings.otlp_native_deltas {
        Deltas::AsTheyAre
    } else {
        Deltas::Apart
    };
    let settings = Settings {
        deltas,
        lookback_delta_ms: api.settings.lookback_delta_ms.unsigned_abs(),
        ..config.otlp.clone()
    };
    let max_decompressed = api.settings.max_decompressed_write_bytes;
    let (id, translated) = away(move || {
        let id = batch_id("otlp", &[&sent.bytes]);
        let body = decompress(&headers, sent, max_decompressed)?;
        let request = match encoding {
            Encoding::Protobuf => decode_protobuf(&body),
            Encoding::Json => decode_json(&body),
        };
        Ok((id, translate(&request.map_err(Rejected::bad)?, &settings)))
    })
    .await?;
    let mut series = translated.series;
    let mut faults = translated.faults;
    let mut rejected = translated.rejected_points;
    if !translated.deltas.is_empty() {
        let added = deltas::accumulate(api, &tenant, &id, translated.deltas).await?;
        series.extend(added.series);
        rejected += added.late + added.beyond_limit;
        if added.late > 0 {
            faults.push(format!(
                "{} points of delta temporality are late: they are not newer than what was counted",
                added.late
            ));
        }
        if added.beyond_limit > 0 {
            faults.push(format!(
                "{} points belong to more delta streams than are kept",
                added.beyond_limit
            ));
        }
    }
    let checked = store(api, &tenant, &id, series).await?;
    rejected += checked.refused;
    faults.extend(checked.faults);
    if checked.refused > 0 && checked.floats + checked.histograms == 0 {
        return Err(Rejected::bad(faults.join("\n")));
    }
    if !faults.is_empty() {
        tracing::info!(rejected, reasons = ?faults, "OTLP points left out");
    }
    let message = faults.join("; ");
    Ok(match encoding {
        Encoding::Protobuf => {
            let body = encode_response_protobuf(rejected, &message);
            (StatusCode::OK, [(header::CONTENT_TYPE, PROTOBUF)], body).into_response()
        }
        Encoding::Json => {
            let body = encode_response_json(rejected, &message);
            (StatusCode::OK, [(header::CONTENT_TYPE, JSON)], body).into_response()
        }
    })
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Rejected> {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.map_or_else(Default::default, |value| String::from_utf8_lossy(value.as_bytes()));
    match text.split(';').next().unwrap_or_default().trim() {
        PROTOBUF => Ok(Encoding::Protobuf),
        JSON => Ok(Encoding::Json),
        other => Err(Rejected::bad(format!(
            "unsupported content type: {other}, supported: [{JSON}, {PROTOBUF}]"
        ))),
    }
}

//! InfluxDB's line protocol: `/write` of version 1, `/api/v2/write` of version 2, and what their clients ask first.
//!
//! Lines that do not read are refused alone, with their numbers. Users and passwords are nobody's here.

use crate::handler::Api;
use crate::intake::{Rejected, away, batch_id, decompress, enter, read_body, store};
use crate::params::Form;
use crate::request::tenant;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderName, StatusCode, Uri};
use parapet_influx::{Precision, lines};
use parapet_model::{BatchSeries, Labels, MetricType, Sample};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

/// What clients take for the version of an InfluxDB that has both ways to write.
const VERSION: [(HeaderName, &str); 2] = [
    (HeaderName::from_static("x-influxdb-version"), "1.8.10"),
    (HeaderName::from_static("x-influxdb-build"), "OSS"),
];
/// The most faults of one request that its answer tells of.
const MAX_FAULTS: usize = 10;
/// The most bytes of labels that one request may unfold to.
const MAX_LABEL_BYTES: usize = 256 * 1024 * 1024;

pub(crate) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/write", post(write_v1))
        .route("/api/v2/write", post(write_v2))
        .route("/ping", get(ping).post(ping))
        .route("/query", post(query))
}

/// `/ping`: that somebody is there.
async fn ping() -> impl IntoResponse {
    (StatusCode::NO_CONTENT, VERSION)
}

/// `/query`: clients create their database before they write. There is nothing to create.
async fn query() -> impl IntoResponse {
    (VERSION, Json(json!({"results": [{"statement_id": 0}]})))
}

async fn write_v1(State(api): State<Arc<Api>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let refused = match receive(&api, &uri, headers, body).await {
        Ok(()) => return (StatusCode::NO_CONTENT, VERSION).into_response(),
        Err(refused) => refused,
    };
    (refused.0, VERSION, refused.headers(), Json(json!({"error": refused.1}))).into_response()
}

async fn write_v2(State(api): State<Arc<Api>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let refused = match receive(&api, &uri, headers, body).await {
        Ok(()) => return StatusCode::NO_CONTENT.into_response(),
        Err(refused) => refused,
    };
    let code = match refused.0 {
        StatusCode::BAD_REQUEST => "invalid",
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::TOO_MANY_REQUESTS => "too many requests",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "internal error",
    };
    (
        refused.0,
        refused.headers(),
        Json(json!({"code": code, "message": refused.1})),
    )
        .into_response()
}

/// What a body holds.
struct Read {
    id: String,
    series: Vec<BatchSeries>,
    /// The first lines that do not read, and how many there are.
    faults: Vec<String>,
    dropped: usize,
}

async fn receive(api: &Api, uri: &Uri, headers: HeaderMap, body: Body) -> Result<(), Rejected> {
    let tenant = tenant(&headers).map_err(|error| Rejected::bad(error.message))?;
    let form = Form::parse(uri.query(), None);
    let precision = form.get("precision").unwrap_or_default();
    let precision = Precision::from_word(precision)
        .ok_or_else(|| Rejected::bad(format!("invalid precision {precision:?} (use ns, us, ms, s, m or h)")))?;
    let database = form.get("db").map(str::to_owned);
    let entered = enter(api).await?;
    let sent = read_body(api, &entered.memory, body).await?;
    let (max_decompressed, now_ms) = (api.settings.max_decompressed_write_bytes, api.ports.clock.now_ms());
    let query = uri.query().unwrap_or_default().to_owned();
    let read = away(move || {
        let id = batch_id("influx", &[query.as_bytes(), &sent.bytes]);
        let body = decompress(&headers, sent, max_decompressed)?;
        read(id, &body, precision, now_ms, database.as_deref())
    })
    .await?;
    let checked = store(api, &tenant, &read.id, read.series).await?;
    let mut faults = read.faults;
    faults.extend(checked.faults);
    if faults.is_empty() {
        return Ok(());
    }
    let dropped = read.dropped as u64 + checked.refused;
    tracing::info!(dropped, reasons = ?faults, "lines of InfluxDB's protocol left out");
    Err(Rejected::bad(format!(
        "partial write: {} dropped={dropped}",
        faults.join("; ")
    )))
}

fn read(id: String, body: &[u8], precision: Precision, now_ms: i64, database: Option<&str>) -> Result<Read, Rejected> {
    let mut read = Read {
        id,
        series: Vec::new(),
        faults: Vec::new(),
        dropped: 0,
    };
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let (mut has_own_times, mut label_bytes) = (true, 0usize);
    for line in lines(body) {
        let samples = line.and_then(|line| {
            has_own_times &= line.timestamp.is_some();
            label_bytes = label_bytes.saturating_add(line.label_bytes());
            if label_bytes > MAX_LABEL_BYTES {
                return Ok(Vec::new());
            }
            line.samples(precision, now_ms, database)
        });
        let samples = samples.unwrap_or_else(|fault| {
            read.dropped += 1;
            if read.faults.len() < MAX_FAULTS {
                read.faults.push(format!("unable to parse {fault}"));
            }
            Vec::new()
        });
        if label_bytes > MAX_LABEL_BYTES {
            return Err(Rejected::too_large(format!(
                "tags and fields unfold to more than {MAX_LABEL_BYTES} bytes of labels"
            )));
        }
        for sample in samples {
            let next = read.series.len();
            let place = *places.entry(sample.labels).or_insert_with_key(|labels| {
                read.series.push(BatchSeries {
                    labels: labels.clone(),
                    kind: MetricType::Unknown,
                    ..BatchSeries::default()
                });
                next
            });
            read.series[place]
                .samples
                .push(Sample::float(sample.timestamp_ms, sample.value));
        }
    }
    // Without times of their own the same bytes are new samples whenever they come.
    if !has_own_times {
        read.id = format!("{}-{now_ms}", read.id);
    }
    Ok(read)
}

//! Remote write, versions 1.0 and 2.0: samples go to the queue that ingest reads.
//!
//! The batch's id is the hash of the body as it was sent. A sender that retries sends the same bytes, so that the
//! samples are stored once however often the request comes.

use crate::handler::Api;
use crate::request::tenant;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};
use parapet_model::{BatchSeries, Exemplar, SampleBatch, Value};
use parapet_remote_write::{Error as DecodeError, decode_v1, decode_v2, snappy_decode};
use parapet_store::day::DAY_MS;
use parapet_store::{Limits, Refusal, outbox};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

const PROTOBUF: &str = "application/x-protobuf";
/// The most faults of one request that its answer tells of.
const MAX_FAULTS: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// An answer in plain text, as remote write has it.
#[derive(Debug, PartialEq, Eq)]
struct Rejected(StatusCode, String);

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        (self.0, self.1 + "\n").into_response()
    }
}

/// `/api/v1/write`
pub(crate) async fn write(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    match receive(&api, &headers, body).await {
        Ok(response) => response,
        Err(refusal) => {
            tracing::info!(status = refusal.0.as_u16(), reason = %refusal.1, "remote write refused");
            refusal.into_response()
        }
    }
}

async fn receive(api: &Api, headers: &HeaderMap, body: Body) -> Result<Response, Rejected> {
    let bad = |reason: String| Rejected(StatusCode::BAD_REQUEST, reason);
    let version = version(headers)?;
    check_encoding(headers)?;
    let tenant = tenant(headers).map_err(|error| bad(error.message))?;
    let limit = api.settings.max_write_bytes;
    let body = axum::body::to_bytes(body, limit).await.map_err(|error| {
        // The body was over the limit, or the connection broke: then nobody reads the answer.
        Rejected(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("request body does not read within {limit} bytes: {error}"),
        )
    })?;
    let max_decompressed = api.settings.max_decompressed_write_bytes;
    let now_ms = api.ports.clock.now_ms();
    // Hashing, decompressing and decoding of megabytes would hold up other requests.
    let decoded = tokio::task::spawn_blocking(move || -> Result<_, DecodeError> {
        let message = snappy_decode(&body, max_decompressed)?;
        let series = match version {
            Version::V1 => decode_v1(&message)?,
            Version::V2 => decode_v2(&message)?,
        };
        Ok((batch_id(&body), series))
    });
    let (id, series) = decoded
        .await
        .map_err(|error| Rejected(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
        .map_err(|error| match error {
            DecodeError::TooLong { .. } | DecodeError::LabelsTooLong { .. } => {
                Rejected(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
            }
            error => bad(error.to_string()),
        })?;
    // A sender tries again after any 5xx.
    let later = |error: String| Rejected(StatusCode::SERVICE_UNAVAILABLE, error);
    let mut limits = api.settings.limits.clone();
    let samples = series.iter().flat_map(|series| &series.samples);
    let oldest_ms = samples.map(|sample| sample.timestamp_ms).min();
    let is_old = oldest_ms.is_some_and(|oldest| oldest < now_ms.saturating_sub(limits.max_age_ms));
    if is_old {
        let config = api.configuration.current(&api.ports).await;
        let window_ms = config
            .map_err(|error| later(error.message))?
            .out_of_order_time_window_ms;
        limits.max_age_ms = limits.max_age_ms.max(window_ms);
    }
    let checked = Checked::new(series, &limits, now_ms);
    let written = checked.written_headers();
    let batches = batches(&id, &tenant, checked.series);
    let sent = if is_old {
        outbox::send_samples_of_any_age(&api.ports, batches).await
    } else {
        outbox::send_samples(&api.ports, batches).await
    };
    sent.map_err(|error| {
        tracing::error!(error = %error.chain(), "remote write could not be queued");
        later(error.to_string())
    })?;
    // What is sound is stored for both versions: a sender does not send again after a 400.
    let status = if checked.faults.is_empty() {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::BAD_REQUEST
    };
    let text = checked
        .faults
        .iter()
        .map(|fault| format!("{fault}\n"))
        .collect::<String>();
    Ok(match version {
        Version::V1 => (status, text).into_response(),
        Version::V2 => (status, written, text).into_response(),
    })
}

/// Days of one batch: each takes a file at least, and a transaction holds a hundred.
const BATCH_DAYS: i64 = 60;

/// The request as batches that one transaction can hold: one, unless it reaches over many days.
fn batches(id: &str, tenant: &str, series: Vec<BatchSeries>) -> Vec<SampleBatch> {
    let batch = |id: String, series| SampleBatch {
        id,
        tenant: tenant.to_owned(),
        series,
    };
    let period = |timestamp_ms: i64| timestamp_ms.div_euclid(BATCH_DAYS * DAY_MS);
    let samples = series.iter().flat_map(|series| &series.samples);
    let exemplars = series.iter().flat_map(|series| &series.exemplars);
    let periods: BTreeSet<i64> = samples
        .map(|sample| period(sample.timestamp_ms))
        .chain(exemplars.map(|exemplar| period(exemplar.timestamp_ms)))
        .collect();
    if periods.len() <= 1 {
        return Vec::from_iter((!series.is_empty()).then(|| batch(id.to_owned(), series)));
    }
    let of_period = |wanted: i64| {
        let mut part = series.clone();
        for one in &mut part {
            one.samples.retain(|sample| period(sample.timestamp_ms) == wanted);
            one.exemplars.retain(|exemplar| period(exemplar.timestamp_ms) == wanted);
        }
        part.retain(|one| !one.samples.is_empty() || !one.exemplars.is_empty());
        batch(format!("{id}/{wanted}"), part)
    };
    periods.into_iter().map(of_period).collect()
}

fn batch_id(body: &[u8]) -> String {
    let mut id = "remote-write-".to_owned();
    for byte in Sha256::digest(body) {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// Which message the body holds, from its content type.
fn version(headers: &HeaderMap) -> Result<Version, Rejected> {
    let unsupported = |reason: String| Rejected(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason);
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(Version::V1);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    if media_type != PROTOBUF {
        return Err(unsupported(format!(
            "expected {PROTOBUF} as the first (media) part, got {text} content-type"
        )));
    }
    let message = parts.find_map(|part| part.strip_prefix("proto="));
    match message.unwrap_or("prometheus.WriteRequest") {
        "prometheus.WriteRequest" => Ok(Version::V1),
        "io.prometheus.write.v2.Request" => Ok(Version::V2),
        other => Err(unsupported(format!("got unknown remote write proto message {other}"))),
    }
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Rejected> {
    match headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes) {
        None | Some(b"" | b"snappy") => Ok(()),
        Some(other) => Err(Rejected(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "{} encoding (compression) is not accepted by this server; only snappy is acceptable",
                String::from_utf8_lossy(other)
            ),
        )),
    }
}

/// What of a request can be stored, and what is wrong with the rest.
#[derive(Debug, Default)]
struct Checked {
    series: Vec<BatchSeries>,
    floats: usize,
    histograms: usize,
    exemplars: usize,
    /// The first of what is wrong.
    faults: Vec<String>,
}

impl Checked {
    fn new(series: Vec<BatchSeries>, limits: &Limits, now_ms: i64) -> Self {
        let mut checked = Self::default();
        for mut one in series {
            let has_name = one.labels.metric_name().is_some();
            let all = one.samples.len() as u64;
            if !has_name || one.labels.iter().any(|(name, _)| name.is_empty()) {
                count_refused("invalid_labels", all);
                checked.fault(|| format!("invalid metric name or labels, got {}", one.labels));
                continue;
            }
            if let Some(reason) = limits.refuse_series(&one) {
                count_refused(reason.as_str(), all);
                checked.fault(|| format!("{} for series {}", describe(reason), one.labels));
                continue;
            }
            let mut refused = None;
            one.samples.retain(|sample| {
                let reason = limits.refuse_sample(sample, now_ms);
                refused = refused.or(reason);
                reason.is_none()
            });
            if let Some(reason) = refused {
                count_refused(reason.as_str(), all - one.samples.len() as u64);
                checked.fault(|| format!("{} for series {}", describe(reason), one.labels));
            }
            // A batch's samples are in order of time.
            if !one.samples.is_sorted_by_key(|sample| sample.timestamp_ms) {
                one.samples.sort_by_key(|sample| sample.timestamp_ms);
            }
            let floats = one
                .samples
                .iter()
                .filter(|sample| matches!(sample.value, Value::Float(_)));
            let floats = floats.count();
            checked.floats += floats;
            checked.histograms += one.samples.len() - floats;
            // An exemplar that is refused fails no request; ingest counts it.
            let stored = |exemplar: &&Exemplar| limits.refuse_exemplar(exemplar, now_ms).is_none();
            checked.exemplars += one.exemplars.iter().filter(stored).count();
            if !one.samples.is_empty() || !one.exemplars.is_empty() {
                checked.series.push(one);
            }
        }
        checked
    }

    fn fault(&mut self, text: impl FnOnce() -> String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(text());
        }
    }

    /// The headers that version 2.0 demands of every answer.
    fn written_headers(&self) -> [(HeaderName, String); 3] {
        [
            ("x-prometheus-remote-write-samples-written", self.floats),
            ("x-prometheus-remote-write-histograms-written", self.histograms),
            ("x-prometheus-remote-write-exemplars-written", self.exemplars),
        ]
        .map(|(name, count)| (HeaderName::from_static(name), count.to_string()))
    }
}

/// Counts samples that are not taken, as ingest counts what it finds later.
fn count_refused(reason: &'static str, samples: u64) {
    metrics::counter!("parapet_refused_samples_total", "reason" => reason).increment(samples);
}

/// Why something is not stored, in Prometheus' words where it has some.
fn describe(refusal: Refusal) -> String {
    match refusal {
        Refusal::TooOld => "too old sample".to_owned(),
        Refusal::TooFarInFuture => "out of bounds: timestamp is too far in the future".to_owned(),
        other => other.as_str().replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use parapet_model::{Labels, MetricType, Sample};

    fn of(content_type: &str) -> Result<Version, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        version(&headers).map_err(|refusal| refusal.0.as_u16())
    }

    #[test]
    fn content_types() {
        for (content_type, want) in [
            ("application/x-protobuf", Ok(Version::V1)),
            ("application/x-protobuf;proto=prometheus.WriteRequest", Ok(Version::V1)),
            (
                "application/x-protobuf; proto=io.prometheus.write.v2.Request",
                Ok(Version::V2),
            ),
            ("application/x-protobuf;proto=other", Err(415)),
            ("application/json", Err(415)),
        ] {
            assert_eq!(of(content_type), want, "{content_type}");
        }
        assert_eq!(version(&HeaderMap::new()), Ok(Version::V1));
    }

    #[test]
    fn the_same_bytes_have_the_same_id() {
        assert_eq!(batch_id(b"a"), batch_id(b"a"));
        assert_ne!(batch_id(b"a"), batch_id(b"b"));
    }

    #[test]
    fn a_request_over_many_days_is_several_batches() {
        let at = |days: &[i64]| BatchSeries {
            labels: Labels::from_pairs([("__name__", "m")]),
            kind: MetricType::Unknown,
            samples: days.iter().map(|day| Sample::float(day * DAY_MS, 1.0)).collect(),
            exemplars: Vec::new(),
        };
        let of = |days: &[i64]| -> Vec<(String, usize)> {
            let batches = batches("id", "t", vec![at(days)]);
            batches
                .iter()
                .map(|batch| (batch.id.clone(), batch.sample_count()))
                .collect()
        };
        assert_eq!(of(&[1, 2, 59]), [("id".to_owned(), 3)]);
        assert_eq!(
            of(&[-1, 0, 59, 60, 61, 200]),
            [("id/-1", 1), ("id/0", 2), ("id/1", 2), ("id/3", 1)].map(|(id, count)| (id.to_owned(), count))
        );
        assert!(batches("id", "t", Vec::new()).is_empty());
    }

    #[test]
    fn keeps_what_is_sound() {
        let series = |name: &str, samples: Vec<Sample>| BatchSeries {
            labels: Labels::from_pairs([("__name__", name), ("a", "b")]),
            kind: MetricType::Unknown,
            samples,
            exemplars: Vec::new(),
        };
        let limits = Limits {
            max_age_ms: 100,
            max_future_ms: 10,
            max_labels: 2,
            ..Limits::default()
        };
        let mut wide = series("wide", vec![Sample::float(1_000, 1.0)]);
        wide.labels = wide.labels.with("c", "d");
        let checked = Checked::new(
            vec![
                series("", vec![Sample::float(1_000, 1.0)]),
                series(
                    "mixed",
                    vec![
                        Sample::float(1_011, 2.0),
                        Sample::float(1_010, 2.0),
                        Sample::float(900, 1.0),
                    ],
                ),
                series("old", vec![Sample::float(899, 1.0)]),
                wide,
            ],
            &limits,
            1_000,
        );
        assert_eq!(checked.floats, 2);
        assert_eq!(checked.series.len(), 1);
        assert!(checked.series[0].samples.is_sorted_by_key(|sample| sample.timestamp_ms));
        assert_eq!(
            checked.faults,
            [
                r#"invalid metric name or labels, got {a="b"}"#,
                r#"out of bounds: timestamp is too far in the future for series mixed{a="b"}"#,
                r#"too old sample for series old{a="b"}"#,
                r#"too many labels for series wide{a="b", c="d"}"#,
            ]
        );
    }
}

//! What every way of pushing samples has in common: the body within its limits, what of it can be stored, the queue.
//!
//! # Invariant
//! When [`store`] answers `Ok`, what is sound of the request is durable in the queue that ingest reads, and is stored
//! once however often the same request comes: the batch's id is derived from the bytes as they were sent.

use crate::handler::Api;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, StatusCode, header};
use parapet_model::{BatchSeries, Exemplar, SampleBatch, Value};
use parapet_ports::{BodyBuffer, BodyShare, Error, Kind};
use parapet_store::day::DAY_MS;
use parapet_store::{Limits, Refusal, outbox};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read;
use std::time::Duration;
use tokio::sync::SemaphorePermit;

/// The most faults of one request that its answer tells of.
const MAX_FAULTS: usize = 10;

/// When a sender is to come again that is not refused for good.
pub(crate) const RETRY_SECONDS: u64 = 5;

/// An answer in plain text to a push that is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejected(pub(crate) StatusCode, pub(crate) String);

impl Rejected {
    pub(crate) fn bad(reason: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, reason.to_string())
    }

    /// A sender tries again after any 5xx.
    pub(crate) fn later(reason: impl ToString) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, reason.to_string())
    }

    pub(crate) fn too_large(reason: impl ToString) -> Self {
        Self(StatusCode::PAYLOAD_TOO_LARGE, reason.to_string())
    }
}

impl Rejected {
    /// The headers that the answer has beside its body's.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if matches!(self.0, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, RETRY_SECONDS.into());
        }
        headers
    }
}

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        (self.0, self.headers(), self.1 + "\n").into_response()
    }
}

/// A push in work: one of so many, with what it takes of the memory for bodies. Both are given back when it is dropped,
/// after what the push brought is queued.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    _permit: SemaphorePermit<'a>,
    pub(crate) memory: BodyShare,
}

/// Lets a push in.
///
/// # Errors
/// 429 where there are too many, and none of them ended soon enough.
pub(crate) async fn enter(api: &Api) -> Result<Entered<'_>, Rejected> {
    let wait = Duration::from_millis(api.settings.write_wait_ms);
    match tokio::time::timeout(wait, api.writes.acquire()).await {
        Ok(Ok(permit)) => Ok(Entered {
            _permit: permit,
            memory: api.memory.share(),
        }),
        Ok(Err(closed)) => Err(Rejected::later(closed)),
        Err(_) => Err(Rejected(
            StatusCode::TOO_MANY_REQUESTS,
            format!(
                "{} pushes are in work, as many as may be; send again later",
                api.settings.max_concurrent_writes
            ),
        )),
    }
}

/// Counts samples that are not taken, as ingest counts what it finds later.
pub(crate) fn count_refused(reason: &'static str, samples: u64) {
    metrics::counter!("parapet_refused_samples_total", "reason" => reason).increment(samples);
}

/// A body that was sent, and what decompressing it and decoding it draws on.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) bytes: Bytes,
    memory: BodyShare,
}

/// What the series of a body take, as a multiple of its length decompressed, about.
const DECODED_FACTOR: usize = 4;

/// There is no memory for a push. It waits for none, which it could not do while it decompresses: its sender comes again.
pub(crate) fn no_memory(error: Error) -> Rejected {
    Rejected(StatusCode::TOO_MANY_REQUESTS, format!("{error}; send again later"))
}

/// The body as it was sent.
///
/// # Errors
/// 413 where it is too long, 429 where there is no memory for it.
pub(crate) async fn read_body(api: &Api, memory: &BodyShare, body: Body) -> Result<Sent, Rejected> {
    let (limit, memory) = (api.settings.max_write_bytes, memory.clone());
    let (mut buffer, mut pieces) = (BodyBuffer::new(Some(memory.clone())), body.into_data_stream());
    while let Some(piece) = pieces.next().await {
        // The body is over the limit, or the connection broke: then nobody reads the answer.
        let too_large = |error: &dyn std::fmt::Display| {
            Rejected::too_large(format!("request body does not read within {limit} bytes: {error}"))
        };
        let piece = piece.map_err(|error| too_large(&error))?;
        if buffer.len() + piece.len() > limit {
            return Err(too_large(&"length limit exceeded"));
        }
        buffer.try_push(&piece).map_err(no_memory)?;
    }
    Ok(Sent::new(buffer.into_bytes(), memory))
}

impl Sent {
    /// Bytes for which memory has been drawn.
    pub(crate) fn new(bytes: Bytes, memory: BodyShare) -> Self {
        Self { bytes, memory }
    }

    /// An empty buffer for what it is decompressed to.
    pub(crate) fn buffer(&self) -> BodyBuffer {
        BodyBuffer::new(Some(self.memory.clone()))
    }

    /// Draws memory for so many bytes that are not in a buffer.
    pub(crate) fn draw(&self, bytes: usize) -> Result<(), Rejected> {
        match self.memory.try_draw(bytes) {
            true => Ok(()),
            false => Err(no_memory(self.memory.memory().exhausted())),
        }
    }

    /// Draws the memory for what so many bytes, decompressed, are decoded to.
    pub(crate) fn draw_decoded(&self, length: usize) -> Result<(), Rejected> {
        self.draw(length.saturating_mul(DECODED_FACTOR))
    }
}

/// The body decompressed, as its `Content-Encoding` says: gzip, zstd, framed snappy or none.
pub(crate) fn decompress(headers: &HeaderMap, sent: Sent, limit: usize) -> Result<Bytes, Rejected> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes);
    match encoding.unwrap_or_default() {
        b"" | b"identity" => {
            sent.draw_decoded(sent.bytes.len())?;
            Ok(sent.bytes)
        }
        b"gzip" => read_within(flate2::read::MultiGzDecoder::new(&sent.bytes[..]), "gzip", &sent, limit),
        b"zstd" => {
            let decoder = zstd::stream::read::Decoder::new(&sent.bytes[..]).map_err(Rejected::bad)?;
            read_within(decoder, "zstd", &sent, limit)
        }
        b"snappy" => read_within(snap::read::FrameDecoder::new(&sent.bytes[..]), "snappy", &sent, limit),
        other => Err(Rejected::bad(format!(
            "unsupported compression: {}. Only \"gzip\", \"zstd\", framed \"snappy\" or no compression supported",
            String::from_utf8_lossy(other)
        ))),
    }
}

fn read_within(mut from: impl Read, what: &str, sent: &Sent, limit: usize) -> Result<Bytes, Rejected> {
    let mut out = sent.buffer();
    out.try_fill(&mut from, limit).map_err(|error| match error.kind() {
        Kind::Invalid => Rejected::bad(format!("{what}: {error}")),
        _ => no_memory(error),
    })?;
    if out.len() > limit {
        return Err(Rejected::too_large(format!(
            "the body is longer than {limit} bytes decompressed"
        )));
    }
    sent.draw_decoded(out.len())?;
    Ok(out.into_bytes())
}

/// Does the work on a body of megabytes, which would hold up other requests, away from them.
pub(crate) async fn away<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Rejected> + Send + 'static,
) -> Result<T, Rejected> {
    let failed = |error: tokio::task::JoinError| Rejected(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// The identity of a request: the same bytes by the same way have the same.
pub(crate) fn batch_id(way: &str, parts: &[&[u8]]) -> String {
    let (mut id, mut hash) = (format!("{way}-"), Sha256::new());
    for part in parts {
        hash.update(part);
    }
    for byte in hash.finalize() {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// Puts what is sound of a request in the queue, and tells what is not.
pub(crate) async fn store(api: &Api, tenant: &str, id: &str, series: Vec<BatchSeries>) -> Result<Checked, Rejected> {
    let now_ms = api.ports.clock.now_ms();
    let mut limits = api.settings.limits.clone();
    let samples = series.iter().flat_map(|series| &series.samples);
    let oldest_ms = samples.map(|sample| sample.timestamp_ms).min();
    let is_old = oldest_ms.is_some_and(|oldest| oldest < now_ms.saturating_sub(limits.max_age_ms));
    if is_old {
        let config = api.configuration.current(&api.ports).await;
        let window_ms = config
            .map_err(|error| Rejected::later(error.message))?
            .out_of_order_time_window_ms;
        limits.max_age_ms = limits.max_age_ms.max(window_ms);
    }
    let mut checked = Checked::new(series, &limits, now_ms);
    let batches = batches(id, tenant, std::mem::take(&mut checked.series));
    let sent = if is_old {
        outbox::send_samples_of_any_age(&api.ports, batches).await
    } else {
        outbox::send_samples(&api.ports, batches).await
    };
    sent.map_err(|error| {
        tracing::error!(error = %error.chain(), "pushed samples could not be queued");
        Rejected::later(error)
    })?;
    Ok(checked)
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

/// What of a request can be stored, and what is wrong with the rest.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    series: Vec<BatchSeries>,
    pub(crate) floats: usize,
    pub(crate) histograms: usize,
    pub(crate) exemplars: usize,
    /// Samples that are not stored.
    pub(crate) refused: u64,
    /// The first of what is wrong.
    pub(crate) faults: Vec<String>,
}

impl Checked {
    fn new(series: Vec<BatchSeries>, limits: &Limits, now_ms: i64) -> Self {
        let mut checked = Self::default();
        for mut one in series {
            let has_name = one.labels.metric_name().is_some();
            let all = one.samples.len() as u64;
            if !has_name || one.labels.iter().any(|(name, _)| name.is_empty()) {
                checked.refuse("invalid_labels", all, || {
                    format!("invalid metric name or labels, got {}", one.labels)
                });
                continue;
            }
            if let Some(reason) = limits.refuse_series(&one) {
                checked.refuse(reason.as_str(), all, || {
                    format!("{} for series {}", describe(reason), one.labels)
                });
                continue;
            }
            let mut refused = None;
            one.samples.retain(|sample| {
                let reason = limits.refuse_sample(sample, now_ms);
                refused = refused.or(reason);
                reason.is_none()
            });
            if let Some(reason) = refused {
                let refused = all - one.samples.len() as u64;
                checked.refuse(reason.as_str(), refused, || {
                    format!("{} for series {}", describe(reason), one.labels)
                });
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

    /// Takes note of samples that are not taken.
    fn refuse(&mut self, reason: &'static str, samples: u64, fault: impl FnOnce() -> String) {
        count_refused(reason, samples);
        self.refused += samples;
        self.fault(fault);
    }

    /// Takes note of what is wrong.
    pub(crate) fn fault(&mut self, fault: impl FnOnce() -> String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault());
        }
    }
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
    use parapet_model::{Labels, MetricType, Sample};

    #[test]
    fn the_same_bytes_have_the_same_id() {
        assert_eq!(batch_id("w", &[b"ab"]), batch_id("w", &[b"a", b"b"]));
        assert_ne!(batch_id("w", &[b"a"]), batch_id("w", &[b"b"]));
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

//! The request to a target, and what its answer means before it is parsed.

use crate::client::Clients;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use parapet_config::{ScrapeJob, ScrapeProtocol, Target, accept_header};
use parapet_exposition::Format;
use parapet_model::format_float;
use parapet_ports::{BodyShare, Error, HttpRequest, HttpResponse, Kind};
use std::time::Duration;

const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// The request of a scrape.
///
/// # Errors
/// What of the job's client cannot be had or sent: a secret, a token, a line break in a password.
pub(crate) async fn build(
    clients: &Clients,
    job: &ScrapeJob,
    target: &Target,
    max_body_bytes: u64,
    memory: BodyShare,
) -> Result<HttpRequest, Error> {
    let timeout = Duration::from_millis(target.timeout_ms.unsigned_abs());
    let mut headers = HeaderMap::new();
    let compression = if job.enable_compression { "gzip" } else { "identity" };
    for (name, value) in [
        (ACCEPT, accept_header(&job.protocols, job.escaping)),
        (ACCEPT_ENCODING, compression.to_owned()),
        (USER_AGENT, concat!("Parapet/", env!("CARGO_PKG_VERSION")).to_owned()),
        (TIMEOUT_HEADER, format_float(target.timeout_ms as f64 / 1000.0)),
    ] {
        let value = HeaderValue::from_str(&value)
            .map_err(|error| Error::new(Kind::Internal, "header cannot be sent").with_source(error))?;
        headers.insert(name, value);
    }
    let options = clients.prepare(&job.http, &target.url, timeout, &mut headers).await?;
    Ok(HttpRequest {
        method: http::Method::GET,
        url: target.url.clone(),
        headers,
        body: Bytes::new(),
        timeout,
        body_limit_bytes: if job.body_size_limit_bytes > 0 {
            job.body_size_limit_bytes
        } else {
            max_body_bytes
        },
        memory: Some(memory),
        options,
    })
}

/// The body of an answer and its format; `None` for an empty body, which has no series and needs no format.
///
/// # Errors
/// What is wrong with the answer, in Prometheus' words.
pub(crate) fn read(job: &ScrapeJob, response: HttpResponse) -> Result<Option<(Bytes, Format)>, String> {
    if response.status != http::StatusCode::OK {
        let reason = response.status.canonical_reason().unwrap_or_default();
        let status = format!("{} {reason}", response.status.as_u16());
        return Err(format!("server returned HTTP status {}", status.trim_end()));
    }
    if response.body.is_empty() {
        return Ok(None);
    }
    let content_type = response
        .headers
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let fallback = job.fallback_protocol.map(|protocol| match protocol {
        ScrapeProtocol::OpenMetricsText1_0_0 | ScrapeProtocol::OpenMetricsText0_0_1 => Format::OpenMetrics,
        ScrapeProtocol::PrometheusText1_0_0 | ScrapeProtocol::PrometheusText0_0_4 => Format::PrometheusText,
        ScrapeProtocol::PrometheusProto => Format::Protobuf,
    });
    let format = Format::from_content_type(&String::from_utf8_lossy(content_type), fallback)
        .map_err(|error| error.to_string())?;
    Ok(Some((response.body, format)))
}

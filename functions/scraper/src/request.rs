//! The request to a target, and what its answer means before it is parsed.

use base64::Engine as _;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use parapet_config::{Authorization, ScrapeJob, ScrapeProtocol, Target, accept_header};
use parapet_exposition::Format;
use parapet_model::format_float;
use parapet_ports::{HttpRequest, HttpResponse};
use std::time::Duration;

const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// The request of a scrape.
///
/// # Errors
/// Where a header cannot be written, as with a line break in a password.
pub(crate) fn build(job: &ScrapeJob, target: &Target, max_body_bytes: u64) -> Result<HttpRequest, String> {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| -> Result<(), String> {
        let mut value =
            HeaderValue::from_str(value).map_err(|_| format!("the value of header {name} cannot be sent"))?;
        value.set_sensitive(name == AUTHORIZATION);
        headers.insert(name, value);
        Ok(())
    };
    set(ACCEPT, &accept_header(&job.protocols, job.escaping))?;
    set(
        ACCEPT_ENCODING,
        if job.enable_compression { "gzip" } else { "identity" },
    )?;
    set(USER_AGENT, concat!("Parapet/", env!("CARGO_PKG_VERSION")))?;
    set(TIMEOUT_HEADER, &format_float(job.timeout_ms as f64 / 1000.0))?;
    match &job.authorization {
        None => {}
        Some(Authorization::Basic { username, password }) => {
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
            set(AUTHORIZATION, &format!("Basic {pair}"))?;
        }
        Some(Authorization::Credentials { kind, credentials }) => {
            set(AUTHORIZATION, &format!("{kind} {credentials}"))?;
        }
    }
    Ok(HttpRequest {
        method: http::Method::GET,
        url: target.url.clone(),
        headers,
        body: Bytes::new(),
        timeout: Duration::from_millis(job.timeout_ms.unsigned_abs()),
        body_limit_bytes: if job.body_size_limit_bytes > 0 {
            job.body_size_limit_bytes
        } else {
            max_body_bytes
        },
        options: parapet_ports::HttpOptions::default(),
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

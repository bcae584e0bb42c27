//! Remote write, versions 1.0 and 2.0: samples go to the queue that ingest reads.

use crate::handler::Api;
use crate::intake::{Checked, Rejected, away, batch_id, count_refused, enter, read_body, store};
use crate::request::tenant;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, StatusCode, header};
use parapet_remote_write::{Error as DecodeError, receive_v1, receive_v2, snappy_decode, snappy_length};
use std::sync::Arc;

const PROTOBUF: &str = "application/x-protobuf";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
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
    let version = version(headers)?;
    check_encoding(headers)?;
    let tenant = tenant(headers).map_err(|error| Rejected::bad(error.message))?;
    let entered = enter(api).await?;
    let sent = read_body(api, &entered.memory, body).await?;
    let max_decompressed = api.settings.max_decompressed_write_bytes;
    let refuse = |error: DecodeError| match error {
        DecodeError::TooLong { .. } | DecodeError::LabelsTooLong { .. } => Rejected::too_large(error),
        error => Rejected::bad(error),
    };
    let decode = move || {
        let length = snappy_length(&sent.bytes, max_decompressed).map_err(refuse)?;
        sent.draw(length)?;
        sent.draw_decoded(length)?;
        let message = snappy_decode(&sent.bytes, max_decompressed).map_err(refuse)?;
        let received = match version {
            Version::V1 => receive_v1(&message),
            Version::V2 => receive_v2(&message),
        };
        Ok((batch_id("remote-write", &[&sent.bytes]), received.map_err(refuse)?))
    };
    let (id, received) = away(decode).await?;
    let mut checked = store(api, &tenant, &id, received.series).await?;
    for fault in received.faults {
        checked.fault(|| fault.to_string());
    }
    count_refused("broken", received.refused);
    // What is sound is stored for both versions: a sender does not send again after a 400.
    let status = if checked.faults.is_empty() {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::BAD_REQUEST
    };
    let text: String = checked.faults.iter().map(|fault| format!("{fault}\n")).collect();
    Ok(match version {
        Version::V1 => (status, text).into_response(),
        Version::V2 => (status, written_headers(&checked), text).into_response(),
    })
}

/// The headers that version 2.0 demands of every answer.
fn written_headers(checked: &Checked) -> [(HeaderName, String); 3] {
    [
        ("x-prometheus-remote-write-samples-written", checked.floats),
        ("x-prometheus-remote-write-histograms-written", checked.histograms),
        ("x-prometheus-remote-write-exemplars-written", checked.exemplars),
    ]
    .map(|(name, count)| (HeaderName::from_static(name), count.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

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
}

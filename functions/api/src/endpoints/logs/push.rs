//! Loki's push API.

use super::body::{self, Encoding};
use super::door::{Arrival, Refused};
use crate::handler::Api;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use parapet_logs::inputs::loki;
use std::sync::Arc;

/// The most faults of one request that its answer tells of.
const MAX_FAULTS: usize = 10;

/// `/loki/api/v1/push`
pub(super) async fn push(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    match receive(&api, &headers, body).await {
        Ok(faults) if faults.is_empty() => StatusCode::NO_CONTENT.into_response(),
        // What is sound is stored: a sender does not send again after a 400.
        Ok(faults) => (StatusCode::BAD_REQUEST, told(&faults)).into_response(),
        Err(refused) => {
            tracing::info!(
                status = refused.status().as_u16(),
                reason = refused.reason(),
                "log push refused"
            );
            let text = format!("{}\n", refused.reason());
            (refused.status(), refused.headers(), text).into_response()
        }
    }
}

fn told(faults: &[(usize, String)]) -> String {
    let mut text: String = faults
        .iter()
        .take(MAX_FAULTS)
        .map(|(_, fault)| format!("{fault}\n"))
        .collect();
    if let Some(more) = faults.len().checked_sub(MAX_FAULTS).filter(|more| *more > 0) {
        text.push_str(&format!("{more} more entries were refused\n"));
    }
    text
}

async fn receive(api: &Api, headers: &HeaderMap, sent: Body) -> Result<Vec<(usize, String)>, Refused> {
    let content_type = headers.get(header::CONTENT_TYPE).map(header_text).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_json = match media_type.to_ascii_lowercase().as_str() {
        "application/json" => true,
        "application/x-protobuf" | "" => false,
        _ => {
            return Err(Refused::UnsupportedMedia(format!(
                "Content-Type {content_type:?} is not supported; send application/json or application/x-protobuf"
            )));
        }
    };
    let encoding = match (is_json, Encoding::of(headers)?) {
        // Protobuf is compressed with Snappy whether or not it is said.
        (false, Encoding::Identity | Encoding::Snappy) => Encoding::Identity,
        (_, encoding) => encoding,
    };
    let max_bytes = api.settings.max_decompressed_write_bytes;
    let (tenant, records, memory) = body::read(api, headers, sent, encoding, move |bytes, sent| {
        let records = if is_json {
            loki::parse_json(bytes)
        } else {
            let length = snap_length(bytes).unwrap_or_default();
            if length > max_bytes {
                let reason = format!("the body has more than {max_bytes} bytes decompressed");
                return Err(Refused::TooLarge(reason));
            }
            sent.draw(length)?;
            sent.draw_decoded(length)?;
            loki::parse_protobuf(bytes, max_bytes)
        };
        records.map_err(|error| Refused::Bad(error.to_string()))
    })
    .await?;
    let mut arrival = Arrival {
        way: "loki",
        tenant,
        records,
        memory,
    };
    let faults = arrival.refuse(&api.settings.logs, api.ports.clock.now_ms());
    arrival.send(api).await?;
    Ok(faults)
}

/// How long a Snappy block says that it becomes: a varint at its beginning.
fn snap_length(block: &[u8]) -> Option<usize> {
    let mut length = 0u64;
    for (index, byte) in block.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return usize::try_from(length).ok();
        }
    }
    None
}

pub(super) fn header_text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_blocks() {
        assert_eq!(snap_length(&[0x05]), Some(5));
        assert_eq!(snap_length(&[0x80, 0x01]), Some(128));
        assert_eq!(snap_length(&[0x80]), None);
        assert_eq!(snap_length(&[]), None);
    }

    #[test]
    fn ten_faults_are_told() {
        let faults: Vec<_> = (0..12).map(|index| (index, format!("fault {index}"))).collect();
        let text = told(&faults);
        assert!(
            text.starts_with("fault 0\n") && text.ends_with("fault 9\n2 more entries were refused\n"),
            "{text}"
        );
    }
}

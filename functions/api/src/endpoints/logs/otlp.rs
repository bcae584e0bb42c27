//! OTLP/HTTP logs, protobuf and JSON (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).

use super::body::{self, Encoding};
use super::door::{Arrival, Refused};
use super::push::header_text;
use crate::handler::Api;
use crate::json::Object;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use parapet_logs::inputs::otlp;
use prost::Message as _;
use std::sync::Arc;

/// The form of a request, which its answer has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

impl Form {
    fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let text = headers.get(header::CONTENT_TYPE).map(header_text).unwrap_or_default();
        match text.split(';').next().unwrap_or_default().trim() {
            "application/x-protobuf" => Ok(Self::Protobuf),
            "application/json" => Ok(Self::Json),
            _ => Err(Refused::UnsupportedMedia(format!(
                "Content-Type {text:?} is not supported; send application/x-protobuf or application/json"
            ))),
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// `/v1/logs`
pub(super) async fn logs(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    let form = Form::of(&headers);
    let answer = match form {
        Ok(form) => receive(&api, &headers, body, form).await,
        Err(refused) => Err(refused),
    };
    let form = Form::of(&headers).unwrap_or(Form::Json);
    let content_type = [(header::CONTENT_TYPE, form.content_type())];
    match answer {
        Ok(faults) => (content_type, partial_success(form, &faults)).into_response(),
        Err(refused) => {
            tracing::info!(
                status = refused.status().as_u16(),
                reason = refused.reason(),
                "OTLP logs refused"
            );
            let status = status_message(form, &refused);
            (refused.status(), refused.headers(), content_type, status).into_response()
        }
    }
}

async fn receive(api: &Api, headers: &HeaderMap, sent: Body, form: Form) -> Result<Vec<(usize, String)>, Refused> {
    let (tenant, records, memory) = body::read(api, headers, sent, Encoding::of(headers)?, move |bytes, _| {
        let records = match form {
            Form::Protobuf => otlp::parse_protobuf(bytes),
            Form::Json => otlp::parse_json(bytes),
        };
        records.map_err(|error| Refused::Bad(error.to_string()))
    })
    .await?;
    let mut arrival = Arrival {
        way: "otlp",
        tenant,
        records,
        memory,
    };
    let faults = arrival.refuse(&api.settings.logs, api.ports.clock.now_ms());
    arrival.send(api).await?;
    Ok(faults)
}

mod proto {
    /// `ExportLogsServiceResponse`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Answer {
        #[prost(message, optional, tag = "1")]
        pub(super) partial_success: Option<PartialSuccess>,
    }

    /// How many records were refused, and why.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct PartialSuccess {
        #[prost(int64, tag = "1")]
        pub(super) rejected_log_records: i64,
        #[prost(string, tag = "2")]
        pub(super) error_message: String,
    }

    /// `google.rpc.Status`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Status {
        #[prost(int32, tag = "1")]
        pub(super) code: i32,
        #[prost(string, tag = "2")]
        pub(super) message: String,
    }
}

/// What a request is answered whose sound records are taken.
fn partial_success(form: Form, faults: &[(usize, String)]) -> Vec<u8> {
    let partial_success = faults.first().map(|(_, first)| proto::PartialSuccess {
        rejected_log_records: i64::try_from(faults.len()).unwrap_or(i64::MAX),
        error_message: first.clone(),
    });
    match form {
        Form::Protobuf => proto::Answer { partial_success }.encode_to_vec(),
        Form::Json => {
            let mut out = Vec::new();
            Object::write(&mut out, |object| {
                if let Some(partial) = partial_success {
                    object.object("partialSuccess", |object| {
                        object.string("rejectedLogRecords", &partial.rejected_log_records.to_string());
                        object.string("errorMessage", &partial.error_message);
                    });
                }
            });
            out
        }
    }
}

/// What a request is answered that is not taken: a code of gRPC and the reason.
fn status_message(form: Form, refused: &Refused) -> Vec<u8> {
    let code = match refused.status() {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => 8,
        StatusCode::SERVICE_UNAVAILABLE => 14,
        StatusCode::INTERNAL_SERVER_ERROR => 13,
        _ => 3,
    };
    match form {
        Form::Protobuf => proto::Status {
            code,
            message: refused.reason().to_owned(),
        }
        .encode_to_vec(),
        Form::Json => {
            let mut out = Vec::new();
            Object::write(&mut out, |object| {
                object.integer("code", code);
                object.string("message", refused.reason());
            });
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_the_form_of_the_request() {
        assert_eq!(partial_success(Form::Protobuf, &[]), b"");
        assert_eq!(partial_success(Form::Json, &[]), b"{}");
        let faults = [(3, "too \"old\"".to_owned())];
        assert_eq!(
            partial_success(Form::Json, &faults),
            br#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too \"old\""}}"#
        );
        assert_eq!(
            partial_success(Form::Protobuf, &faults),
            b"\x0a\x0d\x08\x01\x12\x09too \"old\""
        );
        let refused = Refused::Bad("no".to_owned());
        assert_eq!(status_message(Form::Protobuf, &refused), b"\x08\x03\x12\x02no");
        assert_eq!(status_message(Form::Json, &refused), br#"{"code":3,"message":"no"}"#);
    }
}

//! Errors as Prometheus' API answers them.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use parapet_model::quote;

/// The word in `errorType`, and with it the status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// The request is wrong: 400.
    BadData,
    /// The query could not be answered: 422.
    Execution,
    /// The query took too long: 503.
    Timeout,
    /// The query was cancelled: 499.
    Canceled,
    /// A fault of the server: 500.
    Internal,
    /// The server cannot answer now: 500, as Prometheus has it.
    Unavailable,
    /// What was asked for is not there: 404.
    NotFound,
}

impl ErrorType {
    fn as_str(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not_found",
        }
    }

    /// `getDefaultErrorCode` of Prometheus.
    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            Self::Canceled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Internal | Self::Unavailable => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }
}

/// An answer with `"status":"error"`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", kind.as_str())]
pub struct ApiError {
    /// Its type.
    pub kind: ErrorType,
    /// For a person, in Prometheus' words.
    pub message: String,
}

impl ApiError {
    pub(crate) fn new(kind: ErrorType, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(crate) fn bad_data(message: impl Into<String>) -> Self {
        Self::new(ErrorType::BadData, message)
    }

    /// `invalidParamError` of Prometheus.
    pub(crate) fn invalid_parameter(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {}: {reason}", quote(name)))
    }
}

/// A port that failed: the caller's fault where it says so, else ours. The chain is logged here, at the edge.
impl From<parapet_ports::Error> for ApiError {
    fn from(error: parapet_ports::Error) -> Self {
        let chain = error.chain();
        tracing::warn!(error = %chain, kind = %error.kind(), "request failed");
        let kind = match error.kind() {
            parapet_ports::Kind::Invalid => ErrorType::BadData,
            parapet_ports::Kind::Unavailable => ErrorType::Unavailable,
            _ => ErrorType::Internal,
        };
        Self::new(kind, chain)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = Vec::with_capacity(128 + self.message.len());
        body.extend_from_slice(br#"{"status":"error","errorType":"#);
        crate::json::write_string(&mut body, self.kind.as_str());
        body.extend_from_slice(br#","error":"#);
        crate::json::write_string(&mut body, &self.message);
        body.push(b'}');
        (self.kind.status(), [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

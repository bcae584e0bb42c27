//! One HTTP request out: scrapes and notifications.

use crate::Error;
use bytes::Bytes;
use std::time::Duration;

/// A request with its limits.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: http::Method,
    /// The whole URL, scheme included.
    pub url: String,
    /// Headers to send.
    pub headers: http::HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// For the whole exchange, connection and body included.
    pub timeout: Duration,
    /// The decompressed body may not be longer; 0 for no limit.
    pub body_limit_bytes: u64,
}

/// The answer, its body decompressed.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// The status code.
    pub status: http::StatusCode,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// An HTTP client.
///
/// A status of 400 or 500 is an answer, not an error. A refused connection, a timeout, a body over its limit
/// or one that does not decompress is an [`Error`] whose message is fit for a person
/// (it becomes `lastError` of a target).
#[async_trait::async_trait]
pub trait Http: Send + Sync + std::fmt::Debug {
    /// Makes the request.
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, Error>;
}

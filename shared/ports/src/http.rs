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
    /// The connection.
    pub options: HttpOptions,
}

/// How a request travels. Its `Debug` shows no secret.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct HttpOptions {
    /// PEM of the authorities to trust instead of the system's.
    pub ca: Option<String>,
    /// PEM of the client's certificate and of its key.
    pub identity: Option<(String, String)>,
    /// Whether any certificate will do.
    pub insecure_skip_verify: bool,
    /// The oldest version of TLS: empty, `TLS12` or `TLS13`.
    pub tls_min_version: String,
    /// The newest version of TLS, likewise.
    pub tls_max_version: String,
    /// The proxy, user name and password included.
    pub proxy_url: Option<String>,
    /// Hosts that are reached without the proxy, separated by commas.
    pub no_proxy: String,
    /// Headers for the proxy.
    pub proxy_headers: Vec<(String, String)>,
    /// Whether a redirect is an answer like any other.
    pub keep_redirects: bool,
    /// Whether HTTP/2 is not spoken.
    pub http1_only: bool,
}

impl std::fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpOptions")
            .field("insecure_skip_verify", &self.insecure_skip_verify)
            .field("proxied", &self.proxy_url.is_some())
            .finish_non_exhaustive()
    }
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

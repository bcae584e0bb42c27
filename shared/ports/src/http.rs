//! One HTTP request out: scrapes and notifications.

use crate::{BodyShare, Error};
use bytes::Bytes;
use parapet_http_client::{Connection, EnvironmentProxies, Secret};
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
    /// What the memory for the body is drawn from as it grows, where it is counted. A request that runs out of time
    /// while it waits for memory says so.
    pub memory: Option<BodyShare>,
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
    /// The name that the server's certificate has to have, and that it is asked for; empty for the host of the URL.
    pub tls_server_name: String,
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

impl HttpOptions {
    /// How a request to a URL travels by a connection, in an environment that may name proxies.
    #[must_use]
    pub fn of(connection: Connection, environment: &EnvironmentProxies, url: &str) -> Self {
        let text = |secret: Secret| secret.expose().to_owned();
        let from_environment = connection.proxy_from_environment;
        let named = environment.of(url).filter(|_| from_environment).map(str::to_owned);
        let mut no_proxy = if from_environment {
            environment.no_proxy.clone()
        } else {
            connection.no_proxy
        };
        if from_environment || !no_proxy.is_empty() {
            // Go's rule wherever it looks at such a list: this machine is reached directly.
            no_proxy.push_str(",localhost,127.0.0.0/8,::1");
        }
        let proxy_headers = connection.proxy_headers.into_iter();
        Self {
            ca: connection.ca.map(text),
            identity: connection
                .identity
                .map(|(certificate, key)| (text(certificate), text(key))),
            insecure_skip_verify: connection.insecure_skip_verify,
            tls_min_version: connection.min_version,
            tls_max_version: connection.max_version,
            tls_server_name: connection.server_name,
            proxy_url: connection.proxy_url.map(text).or(named),
            no_proxy,
            proxy_headers: proxy_headers.map(|(name, value)| (name, text(value))).collect(),
            keep_redirects: !connection.follow_redirects,
            http1_only: !connection.enable_http2,
        }
    }
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

//! What a configuration says of an HTTP client (`HTTPClientConfig` of Prometheus), checked.

use crate::{Secret, SecretSource};
use std::collections::BTreeMap;

/// How requests are authenticated and on which way they go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpClient {
    /// The `Authorization` header, where one is configured: a scheme and credentials.
    pub authorization: Option<(String, SecretSource)>,
    /// `basic_auth`: user name and password.
    pub basic_auth: Option<(SecretSource, SecretSource)>,
    /// `oauth2`: a token is fetched before each request.
    pub oauth2: Option<Box<OAuth2>>,
    /// `http_headers`: further headers.
    pub headers: Vec<(String, SecretSource)>,
    /// The connection.
    pub transport: Transport,
}

/// The connection that a request takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// `tls_config`.
    pub tls: Tls,
    /// `proxy_url`, where there is one.
    pub proxy_url: Option<SecretSource>,
    /// `no_proxy`: hosts that are reached directly, separated by commas.
    pub no_proxy: String,
    /// Whether the process' environment names the proxy.
    pub proxy_from_environment: bool,
    /// Headers for the proxy.
    pub proxy_headers: Vec<(String, SecretSource)>,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 may be spoken.
    pub enable_http2: bool,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            tls: Tls::default(),
            proxy_url: None,
            no_proxy: String::new(),
            proxy_from_environment: false,
            proxy_headers: Vec::new(),
            follow_redirects: true,
            enable_http2: true,
        }
    }
}

/// `tls_config`. Certificates and keys are PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whom to trust; the system's authorities where absent.
    pub ca: Option<SecretSource>,
    /// The client's certificate and key.
    pub identity: Option<(SecretSource, SecretSource)>,
    /// The name that the server's certificate has to have; empty for the host of the URL.
    pub server_name: String,
    /// Whether any certificate will do.
    pub insecure_skip_verify: bool,
    /// The oldest version: empty, `TLS12` or `TLS13`.
    pub min_version: String,
    /// The newest version, likewise.
    pub max_version: String,
}

/// `oauth2` with the grant type `client_credentials`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    /// Who asks.
    pub client_id: String,
    /// With what secret.
    pub client_secret: SecretSource,
    /// For what.
    pub scopes: Vec<String>,
    /// Where.
    pub token_url: String,
    /// Further parameters of the request for a token.
    pub endpoint_params: BTreeMap<String, String>,
    /// The connection to the token's endpoint.
    pub transport: Transport,
}

/// A plain value as a secret: for tests and for values that stand in the place of one.
impl From<Secret> for SecretSource {
    fn from(secret: Secret) -> Self {
        Self::Text(secret)
    }
}

/// Whether a header may have this name (RFC 9110, section 5.1).
#[must_use]
pub fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

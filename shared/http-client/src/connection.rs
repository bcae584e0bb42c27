//! The way a request takes: TLS, proxy, redirects.

use crate::{Secret, SecretSource, Transport};

/// `http_config`'s part about the connection, secrets read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// PEM of the authorities to trust; the system's where absent.
    pub ca: Option<Secret>,
    /// PEM of the client's certificate and of its key.
    pub identity: Option<(Secret, Secret)>,
    /// The name that the server's certificate has to have; empty for the host of the URL.
    pub server_name: String,
    /// Whether any certificate will do.
    pub insecure_skip_verify: bool,
    /// The oldest version of TLS: empty, `TLS12` or `TLS13` (older ones are not spoken).
    pub min_version: String,
    /// The newest version of TLS, likewise.
    pub max_version: String,
    /// The proxy.
    pub proxy_url: Option<Secret>,
    /// Hosts that are reached directly, separated by commas.
    pub no_proxy: String,
    /// Whether the process' environment names the proxy.
    pub proxy_from_environment: bool,
    /// Headers for the proxy.
    pub proxy_headers: Vec<(String, Secret)>,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 may be spoken.
    pub enable_http2: bool,
}

impl Connection {
    /// The connection of a configuration; `secret` reads what that refers to.
    ///
    /// # Errors
    /// What `secret` says.
    pub fn of<E>(transport: &Transport, secret: impl Fn(&SecretSource) -> Result<Secret, E>) -> Result<Self, E> {
        let identity = match &transport.tls.identity {
            Some((certificate, key)) => Some((secret(certificate)?, secret(key)?)),
            None => None,
        };
        let mut proxy_headers = Vec::new();
        for (name, value) in &transport.proxy_headers {
            proxy_headers.push((name.clone(), secret(value)?));
        }
        Ok(Self {
            ca: transport.tls.ca.as_ref().map(&secret).transpose()?,
            identity,
            server_name: transport.tls.server_name.clone(),
            insecure_skip_verify: transport.tls.insecure_skip_verify,
            min_version: transport.tls.min_version.clone(),
            max_version: transport.tls.max_version.clone(),
            proxy_url: transport.proxy_url.as_ref().map(&secret).transpose()?,
            no_proxy: transport.no_proxy.clone(),
            proxy_from_environment: transport.proxy_from_environment,
            proxy_headers,
            follow_redirects: transport.follow_redirects,
            enable_http2: transport.enable_http2,
        })
    }
}

/// The proxies that the process' environment names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentProxies {
    /// `HTTP_PROXY`, for URLs of `http`.
    pub http: Option<String>,
    /// `HTTPS_PROXY`, for URLs of `https`.
    pub https: Option<String>,
    /// `NO_PROXY`: hosts that are reached directly, separated by commas.
    pub no_proxy: String,
}

impl EnvironmentProxies {
    /// Reads the variables, in capitals or not.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Self {
        let either = |upper: &str| {
            let found = get(upper).or_else(|| get(&upper.to_lowercase()));
            found.filter(|value| !value.is_empty())
        };
        Self {
            http: either("HTTP_PROXY"),
            https: either("HTTPS_PROXY"),
            no_proxy: either("NO_PROXY").unwrap_or_default(),
        }
    }

    /// The proxy for a URL.
    #[must_use]
    pub fn of(&self, url: &str) -> Option<&str> {
        let proxy = if url.starts_with("https:") {
            &self.https
        } else {
            &self.http
        };
        proxy.as_deref()
    }
}

//! [`Http`] by `reqwest`: pooled connections, gzip, limits on time and on the decompressed body.

use parapet_ports::{BodyBuffer, BodyShare, Error, Http, HttpOptions, HttpRequest, HttpResponse, Kind};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many clients of special options are kept; beyond that all are made anew.
const MAX_CLIENTS: usize = 64;

/// The HTTP client of a process: one for most requests, and one for each set of options in use.
#[derive(Clone, Debug)]
pub struct ReqwestHttp {
    client: reqwest::Client,
    others: Arc<Mutex<HashMap<HttpOptions, reqwest::Client>>>,
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .gzip(true)
        .redirect(reqwest::redirect::Policy::limited(10))
}

impl ReqwestHttp {
    /// A client that follows redirects as Prometheus does (up to ten) and decompresses gzip.
    ///
    /// # Errors
    /// [`Kind::Internal`] where TLS cannot be set up.
    pub fn new() -> Result<Self, Error> {
        let client = builder()
            .build()
            .map_err(|error| Error::new(Kind::Internal, "cannot set up the HTTP client").with_source(error))?;
        Ok(Self {
            client,
            others: Arc::default(),
        })
    }

    fn client(&self, options: &HttpOptions) -> Result<reqwest::Client, Error> {
        if *options == HttpOptions::default() {
            return Ok(self.client.clone());
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = others.get(options) {
            return Ok(client.clone());
        }
        let client = special(options)?.build();
        let client =
            client.map_err(|error| Error::new(Kind::Invalid, "cannot set up the HTTP client").with_source(error))?;
        if others.len() >= MAX_CLIENTS {
            others.clear();
        }
        others.insert(options.clone(), client.clone());
        Ok(client)
    }

    async fn exchange(&self, mut request: HttpRequest) -> Result<HttpResponse, Error> {
        let limit = request.body_limit_bytes;
        let client = if request.options.tls_server_name.is_empty() || !request.url.starts_with("https:") {
            self.client(&request.options)?
        } else {
            named(&mut request).await?
        };
        let mut response = client
            .request(request.method, &request.url)
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .map_err(failed)?;
        let mut body = BodyBuffer::new(request.memory);
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if limit > 0 && (body.len() + chunk.len()) as u64 > limit {
                // Prometheus' words for a scrape over body_size_limit.
                return Err(Error::new(Kind::Invalid, "body size limit exceeded"));
            }
            body.push(&chunk).await;
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(HttpResponse {
            status: response.status(),
            headers,
            body: body.into_bytes(),
        })
    }
}

/// A client for one request to a server that is asked for its certificate by another name than its address: that name
/// is put in the URL and its addresses are the server's, while the `Host` header stays.
async fn named(request: &mut HttpRequest) -> Result<reqwest::Client, Error> {
    let invalid = |_| Error::new(Kind::Invalid, "not a URL");
    let mut url = reqwest::Url::parse(&request.url).map_err(invalid)?;
    let name = request.options.tls_server_name.clone();
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let addresses = tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await;
    let addresses: Vec<_> = addresses
        .map_err(|error| Error::new(Kind::Unavailable, error.to_string()))?
        .collect();
    let shown = url.port().map_or(host.clone(), |port| format!("{host}:{port}"));
    if let Ok(shown) = http::HeaderValue::from_str(&shown) {
        request.headers.entry(http::header::HOST).or_insert(shown);
    }
    let unusable = || Error::new(Kind::Invalid, format!("server_name {name} is not a name"));
    url.set_host(Some(&name)).map_err(|_| unusable())?;
    request.url = url.to_string();
    // HTTP/2 would tell the name in the place of the host.
    let builder = special(&request.options)?
        .http1_only()
        .resolve_to_addrs(&name, &addresses);
    builder
        .build()
        .map_err(|error| Error::new(Kind::Invalid, "cannot set up the HTTP client").with_source(error))
}

/// A client of its own for options that a configuration asks for.
fn special(options: &HttpOptions) -> Result<reqwest::ClientBuilder, Error> {
    let invalid = |what: &'static str| move |error: reqwest::Error| Error::new(Kind::Invalid, what).with_source(error);
    let mut builder = builder();
    if let Some(ca) = &options.ca {
        let certificates = reqwest::Certificate::from_pem_bundle(ca.as_bytes());
        builder = builder.tls_certs_only(certificates.map_err(invalid("ca is not PEM"))?);
    }
    if let Some((certificate, key)) = &options.identity {
        let identity = reqwest::Identity::from_pem(format!("{certificate}\n{key}").as_bytes());
        builder = builder.identity(identity.map_err(invalid("cert and key are not PEM"))?);
    }
    let version = |text: &str| match text {
        "TLS13" => reqwest::tls::Version::TLS_1_3,
        _ => reqwest::tls::Version::TLS_1_2,
    };
    if !options.tls_min_version.is_empty() {
        builder = builder.tls_version_min(version(&options.tls_min_version));
    }
    if !options.tls_max_version.is_empty() {
        builder = builder.tls_version_max(version(&options.tls_max_version));
    }
    if options.insecure_skip_verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    // A star stands for every host, which the client's own list does not know.
    let past_it = options.no_proxy.split(',').any(|host| host.trim() == "*");
    if let Some(url) = options.proxy_url.as_ref().filter(|_| !past_it) {
        let mut headers = http::HeaderMap::new();
        for (name, value) in &options.proxy_headers {
            let wrong = || Error::new(Kind::Invalid, format!("proxy_connect_header {name} cannot be sent"));
            let header = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            headers.append(header, http::HeaderValue::from_str(value).map_err(|_| wrong())?);
        }
        let proxy = reqwest::Proxy::all(url.as_str()).map_err(invalid("proxy_url is not a URL"))?;
        let proxy = proxy.no_proxy(reqwest::NoProxy::from_string(&options.no_proxy));
        builder = builder.proxy(proxy.headers(headers));
    }
    if options.keep_redirects {
        builder = builder.redirect(reqwest::redirect::Policy::none());
    }
    if options.http1_only {
        builder = builder.http1_only();
    }
    Ok(builder)
}

/// The innermost cause says what a person needs: `Connection refused`, `invalid gzip header`.
/// The URL is left out: it may hold a password or a token.
fn failed(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let kind = if error.is_builder() {
        Kind::Invalid
    } else {
        Kind::Unavailable
    };
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Error::new(kind, cause.to_string())
}

#[async_trait::async_trait]
impl Http for ReqwestHttp {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (timeout, memory) = (request.timeout, request.memory.clone());
        // It is dropped at the end, after what it waited for was asked.
        let mut exchange = std::pin::pin!(self.exchange(request));
        let outcome = tokio::time::timeout(timeout, exchange.as_mut()).await;
        outcome.unwrap_or_else(|_| {
            // Go's words, which people search for.
            let what = format!("context deadline exceeded after {timeout:?}");
            let waiting = memory.filter(BodyShare::is_waiting);
            Err(match waiting.map(|share| share.memory().exhausted()) {
                Some(exhausted) => Error::new(Kind::Unavailable, format!("{what}: {exhausted}")),
                None => Error::new(Kind::Unavailable, what),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, routing::get};
    use bytes::Bytes;
    use parapet_ports::BodyMemory;
    use std::io::Write as _;
    use std::time::Duration;

    async fn serve() -> String {
        let gzip = |length: usize| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(&vec![b'a'; length]).unwrap();
            encoder.finish().unwrap()
        };
        let bomb = gzip(10_000_000);
        let router = Router::new()
            .route(
                "/bomb",
                get(move || async move { ([("content-encoding", "gzip")], bomb) }),
            )
            .route(
                "/broken",
                get(|| async { ([("content-encoding", "gzip")], "not gzip") }),
            )
            .route("/hang", get(std::future::pending::<()>))
            .route(
                "/teapot",
                get(|| async { (axum::http::StatusCode::IM_A_TEAPOT, "short") }),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    fn get_request(url: String, limit: u64) -> HttpRequest {
        HttpRequest {
            method: http::Method::GET,
            url,
            headers: http::HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_millis(500),
            body_limit_bytes: limit,
            memory: None,
            options: HttpOptions::default(),
        }
    }

    #[tokio::test]
    async fn a_body_draws_its_memory_and_says_when_it_has_none() {
        let (base, client) = (serve().await, ReqwestHttp::new().unwrap());
        let memory = BodyMemory::new(1_000_000);
        let (turn, share) = (memory.share(), memory.share());
        let call = async || {
            let request = get_request(format!("{base}/bomb"), 0);
            let memory = Some(share.clone());
            client.call(HttpRequest { memory, ..request }).await
        };
        assert!(turn.try_draw(1_000_001));
        let error = call().await.unwrap_err().to_string();
        assert!(
            error.starts_with("context deadline exceeded after 500ms: no memory for the body"),
            "{error}"
        );
        drop(turn);
        assert_eq!(call().await.unwrap().body.len(), 10_000_000);
        assert!(share.bytes() >= 10_000_000);
    }

    #[tokio::test]
    async fn keeps_its_limits_and_says_what_is_wrong() {
        let (base, client) = (serve().await, ReqwestHttp::new().unwrap());
        let call = async |path: &str, limit| client.call(get_request(format!("{base}{path}"), limit)).await;
        let teapot = call("/teapot", 0).await.unwrap();
        assert_eq!((teapot.status.as_u16(), &teapot.body[..]), (418, &b"short"[..]));
        assert_eq!(call("/bomb", 0).await.unwrap().body.len(), 10_000_000);
        assert_eq!(
            call("/bomb", 1_000_000).await.unwrap_err().to_string(),
            "body size limit exceeded"
        );
        assert!(call("/broken", 0).await.unwrap_err().to_string().contains("gzip"));
        assert!(
            call("/hang", 0)
                .await
                .unwrap_err()
                .to_string()
                .starts_with("context deadline exceeded")
        );
        let refused = client
            .call(get_request("http://127.0.0.1:1/".to_owned(), 0))
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("refused"), "{refused}");
        assert_eq!(
            client
                .call(get_request("nonsense".to_owned(), 0))
                .await
                .unwrap_err()
                .kind(),
            Kind::Invalid
        );
    }
}

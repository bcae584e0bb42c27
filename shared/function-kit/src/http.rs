//! [`Http`] by `reqwest`: pooled connections, gzip, limits on time and on the decompressed body.

use bytes::{Bytes, BytesMut};
use parapet_ports::{Error, Http, HttpRequest, HttpResponse, Kind};

/// The HTTP client of a process.
#[derive(Clone, Debug)]
pub struct ReqwestHttp {
    client: reqwest::Client,
}

impl ReqwestHttp {
    /// A client that follows redirects as Prometheus does (up to ten) and decompresses gzip.
    ///
    /// # Errors
    /// [`Kind::Internal`] where TLS cannot be set up.
    pub fn new() -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .gzip(true)
            .redirect(reqwest::redirect::Policy::limited(10))
            .build()
            .map_err(|error| Error::new(Kind::Internal, "cannot set up the HTTP client").with_source(error))?;
        Ok(Self { client })
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let limit = request.body_limit_bytes;
        let mut response = self
            .client
            .request(request.method, &request.url)
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .map_err(failed)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if limit > 0 && (body.len() + chunk.len()) as u64 > limit {
                // Prometheus' words for a scrape over body_size_limit.
                return Err(Error::new(Kind::Invalid, "body size limit exceeded"));
            }
            body.extend_from_slice(&chunk);
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(HttpResponse {
            status: response.status(),
            headers,
            body: Bytes::from(body),
        })
    }
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
        let timeout = request.timeout;
        tokio::time::timeout(timeout, self.exchange(request))
            .await
            .unwrap_or_else(|_| {
                // Go's words, which people search for.
                Err(Error::new(
                    Kind::Unavailable,
                    format!("context deadline exceeded after {timeout:?}"),
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, routing::get};
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
        }
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

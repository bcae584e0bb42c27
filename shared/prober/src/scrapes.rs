//! Probes for the scrapes of the process' own: an address that leads to no other host.

use crate::Prober;
use crate::page::{Parameters, answer};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use parapet_ports::{Error, Http, HttpRequest, HttpResponse, Kind};
use std::sync::Arc;

/// The host at which scrape jobs find the probes of their own process: `http://probe.parapet.internal/probe`. Names
/// under `internal` are nobody's.
pub const HOST: &str = "probe.parapet.internal";

/// An HTTP client that answers requests to [`HOST`] itself.
#[derive(Debug)]
pub struct WithProbes {
    client: Arc<dyn Http>,
    prober: Arc<Prober>,
}

impl WithProbes {
    /// A client that leaves every other host to `client`.
    #[must_use]
    pub fn new(client: Arc<dyn Http>, prober: Arc<Prober>) -> Self {
        Self { client, prober }
    }
}

#[async_trait::async_trait]
impl Http for WithProbes {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let url = url::Url::parse(&request.url).ok();
        let Some(url) = url.filter(|url| url.host_str() == Some(HOST)) else {
            return self.client.call(request).await;
        };
        let invalid = |what: String| Error::new(Kind::Invalid, what);
        if url.path() != "/probe" {
            return Err(invalid(format!("{HOST} answers /probe and nothing else")));
        }
        let mut asked = Parameters::default();
        for (name, value) in url.query_pairs() {
            let field = match &*name {
                "module" => &mut asked.module,
                "target" => &mut asked.target,
                "hostname" => &mut asked.hostname,
                _ => continue,
            };
            // As of a form, the first one counts.
            if field.is_empty() {
                *field = value.into_owned();
            }
        }
        let answered = tokio::time::timeout(request.timeout, answer(&self.prober, &request.headers, &asked)).await;
        let answered = answered.map_err(|_| {
            let what = format!("context deadline exceeded after {:?}", request.timeout);
            Error::new(Kind::Unavailable, what)
        })?;
        // What was wrong stands in an error, which whoever looks at targets sees.
        let (kind, text) = answered.map_err(|(_, what)| invalid(what))?;
        if text.len() as u64 > request.body_limit_bytes {
            return Err(invalid("body size limit exceeded".to_owned()));
        }
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Ok(HttpResponse {
            status: StatusCode::OK,
            headers,
            body: text.into(),
        })
    }
}

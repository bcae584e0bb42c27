//! One request and the head of its answer, over a connection of its own.

use super::phase;
use crate::{Prober, address, tls};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, header, response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parapet_config::modules::HttpProbe;
use parapet_probe::Report;
use parapet_probe::certificate::TlsState;
use std::net::SocketAddr;
use std::time::Instant;
use url::Url;

/// A request on the way from redirect to redirect.
pub(super) struct Hop<'a> {
    pub(super) url: &'a Url,
    pub(super) server: SocketAddr,
    pub(super) host: &'a str,
    pub(super) server_name: &'a str,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// An answer whose body is still to be read.
pub(super) struct Answer {
    pub(super) head: response::Parts,
    pub(super) body: Incoming,
    pub(super) tls: Option<TlsState>,
    /// When its first byte came.
    pub(super) began: Instant,
    /// Ends the connection with the answer.
    _connection: Connection,
}

/// A connection that is driven; it ends when this is dropped.
struct Connection(tokio::task::JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) async fn exchange(
    prober: &Prober,
    module: &HttpProbe,
    hop: Hop<'_>,
    report: &mut Report,
) -> Result<Answer, String> {
    let started = Instant::now();
    let stream = address::connect(hop.server, "").await;
    phase(report, "connect", started.elapsed().as_secs_f64());
    let stream = stream.map_err(|error| error.to_string())?;
    let tls = &module.client.transport.tls;
    if hop.url.scheme() != "https" {
        return send(hop, TokioIo::new(stream), false, None, report).await;
    }
    let protocols: &[&str] = if module.client.transport.enable_http2 {
        &["h2", "http/1.1"]
    } else {
        &["http/1.1"]
    };
    let client = tls::Client::new(prober, tls, protocols).await?;
    let started = Instant::now();
    let encrypted = client.connect(hop.server_name, stream).await;
    phase(report, "tls", started.elapsed().as_secs_f64());
    let (stream, state) = encrypted?;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    send(hop, TokioIo::new(stream), is_http2, Some(state), report).await
}

async fn send(
    hop: Hop<'_>,
    stream: impl Read + Write + Unpin + Send + 'static,
    is_http2: bool,
    tls: Option<TlsState>,
    report: &mut Report,
) -> Result<Answer, String> {
    let told = |error: hyper::Error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default())
    };
    let path = match hop.url.query() {
        Some(query) => format!("{}?{query}", hop.url.path()),
        None => hop.url.path().to_owned(),
    };
    // HTTP/2 names scheme and host in the request's own line, HTTP/1 the host in a header.
    let uri = if is_http2 {
        format!("{}://{}{path}", hop.url.scheme(), hop.host)
    } else {
        path
    };
    let body = Full::new(Bytes::from(hop.body));
    let mut request = Request::new(body);
    *request.method_mut() = hop.method;
    *request.uri_mut() = uri
        .parse()
        .map_err(|error| format!("{uri} cannot be asked for: {error}"))?;
    *request.headers_mut() = hop.headers;
    let started;
    let (response, driven) = if is_http2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.map_err(told)?;
        let driven = Connection(tokio::spawn(async move {
            let _ = connection.await;
        }));
        started = Instant::now();
        (sender.send_request(request).await, driven)
    } else {
        let host = hop.host.parse().map_err(|_| format!("{} is not a host", hop.host))?;
        request.headers_mut().insert(header::HOST, host);
        let close = header::HeaderValue::from_static("close");
        request.headers_mut().entry(header::CONNECTION).or_insert(close);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(told)?;
        let driven = Connection(tokio::spawn(async move {
            let _ = connection.await;
        }));
        started = Instant::now();
        (sender.send_request(request).await, driven)
    };
    let response = response.map_err(told)?;
    phase(report, "processing", started.elapsed().as_secs_f64());
    let (head, body) = response.into_parts();
    Ok(Answer {
        head,
        body,
        tls,
        began: Instant::now(),
        _connection: driven,
    })
}

//! The health check of gRPC.

use crate::{Prober, address, tls};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parapet_config::modules::GrpcProbe;
use parapet_probe::{Report, grpc};
use std::net::SocketAddr;
use std::time::Instant;

/// The longest answer, bytes: a message of two.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// What a server answered: the code of gRPC, and the body.
type Answer = (u32, Vec<u8>);

pub(crate) async fn probe(prober: &Prober, module: &GrpcProbe, target: &str, report: &mut Report) -> bool {
    grpc::register(report);
    let bare = target.split_once("://").map_or(target, |(_, rest)| rest);
    let bare = bare.split(['/', '?', '#']).next().unwrap_or_default();
    let default = if module.tls { 443 } else { 80 };
    let (host, port) = crate::split(bare).unwrap_or((bare, default));
    let Some((ip, lookup)) = address::choose(host, module.addresses, report).await else {
        return false;
    };
    report.add("probe_grpc_duration_seconds", &[("phase", "resolve")], lookup);
    let started = Instant::now();
    let authority = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let asked = ask(prober, module, host, &authority, SocketAddr::new(ip, port), report).await;
    report.add(
        "probe_grpc_duration_seconds",
        &[("phase", "check")],
        started.elapsed().as_secs_f64(),
    );
    match asked {
        Ok((0, body)) => match grpc::state(&body) {
            Some(state) => grpc::tell(report, 0, Some(state)),
            None => {
                report.say("the answer is no health check's");
                // INTERNAL, as Go's client says of what does not read.
                grpc::tell(report, 13, None)
            }
        },
        Ok((code, _)) => {
            report.say(format!("can't connect grpc server: code {code}"));
            grpc::tell(report, code, None)
        }
        Err(what) => {
            report.say(format!("can't connect grpc server: {what}"));
            grpc::tell(report, grpc::UNAVAILABLE, None)
        }
    }
}

async fn ask(
    prober: &Prober,
    module: &GrpcProbe,
    host: &str,
    authority: &str,
    server: SocketAddr,
    report: &mut Report,
) -> Result<Answer, String> {
    let stream = address::connect(server, "").await.map_err(|error| error.to_string())?;
    if !module.tls {
        return call(module, "http", authority, TokioIo::new(stream)).await;
    }
    let client = tls::Client::new(prober, &module.tls_config, &["h2"]).await?;
    let name = &module.tls_config.server_name;
    let (stream, state) = client
        .connect(if name.is_empty() { host } else { name }, stream)
        .await?;
    let answer = call(module, "https", authority, TokioIo::new(stream)).await?;
    // What refuses tells nothing of itself, as there.
    if answer.0 == 0 {
        report.set("probe_grpc_ssl", 1.0);
        state.tell(report, false, false);
    }
    Ok(answer)
}

async fn call(
    module: &GrpcProbe,
    scheme: &str,
    authority: &str,
    stream: impl Read + Write + Unpin + Send + 'static,
) -> Result<Answer, String> {
    let told = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.map_err(told)?;
    let driven = tokio::spawn(connection);
    let mut request = Request::post(format!("{scheme}://{authority}{}", grpc::PATH))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", concat!("Parapet/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &module.metadata {
        request = request.header(name, value);
    }
    let body = Full::new(Bytes::from(grpc::check(&module.service)));
    let request = request.body(body).map_err(|error| error.to_string())?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(told)?;
        // An answer without a body has its code among its headers.
        let at_once = code(response.headers());
        if response.status() != http::StatusCode::OK {
            return Err(format!("status {}", response.status()));
        }
        let (mut body, mut read, mut trailers) = (response.into_body(), Vec::new(), None);
        while let Some(frame) = body.frame().await {
            match frame.map_err(told)?.into_data() {
                Ok(data) if read.len() + data.len() > MAX_ANSWER_BYTES => {
                    return Err(format!("an answer of over {MAX_ANSWER_BYTES} bytes"));
                }
                Ok(data) => read.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        let code = trailers.as_ref().and_then(code).or(at_once);
        // UNKNOWN, where nothing is said.
        Ok((code.unwrap_or(2), read))
    };
    let answered = answered.await;
    driven.abort();
    answered
}

fn code(headers: &HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

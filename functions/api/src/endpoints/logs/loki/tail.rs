//! `tail`: new lines as they are stored, over a WebSocket.
//!
//! Lines are stored some seconds after they are written, and not in the order of their times. So each look goes some way
//! back, and what was told already is left out. Where connections cannot be held, on Lambda, it says so.

use super::query::{bounds, now_ns};
use super::{parameters, respond};
use crate::endpoints::logs::ask::{Fault, ask};
use crate::handler::Api;
use crate::json::{Object, write_array};
use crate::params::parse_duration_ns;
use crate::request::{Call, tenant};
use axum::body::Body;
use axum::extract::{FromRequest as _, Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocket, WebSocketError};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use parapet_logs::logql::{Answer, Direction, Expr, Parameters, Stream};
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked for new lines.
const INTERVAL: Duration = Duration::from_secs(1);
/// How late a line may be stored and still be told, nanoseconds.
const LATENESS_NS: i64 = 60_000_000_000;
/// The longest that lines can be held back for their order, nanoseconds.
const MAX_DELAY_NS: i64 = 5_000_000_000;
/// What WebSocket's handshake adds to the client's key (RFC 6455).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// `/loki/api/v1/tail`
pub(super) async fn tail(State(api): State<Arc<Api>>, mut request: Request) -> Response {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let headers = request.headers().clone();
    let answer = async {
        let tenant = tenant(&headers).map_err(|error| Fault::bad(error.message))?;
        let call = Call::from_request(request, &api)
            .await
            .map_err(|error| Fault::bad(error.message))?;
        let tail = Tail::new(&api, tenant, &call)?;
        let accept = accept_key(&headers).ok_or_else(|| Fault::bad("a tail is a WebSocket; send its handshake"))?;
        let upgrade = upgrade.ok_or_else(|| Fault {
            status: StatusCode::NOT_IMPLEMENTED,
            reason: "this server cannot hold a connection; ask query_range again and again".to_owned(),
        })?;
        Ok::<_, Fault>((tail, accept, upgrade))
    };
    let (tail, accept, upgrade) = match answer.await {
        Ok(parts) => parts,
        Err(fault) => return fault.into_response(),
    };
    tokio::spawn(async move {
        match upgrade.await {
            Ok(connection) => {
                if let Err(error) = tail.run(&api, TokioIo::new(connection)).await {
                    tracing::debug!(%error, "a tail ended");
                }
            }
            Err(error) => tracing::debug!(%error, "a tail did not begin"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().extend([
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ]);
    response
}

/// The answer to the client's key, where it wants a WebSocket.
fn accept_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let is = |name: header::HeaderName, want: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|word| word.trim().eq_ignore_ascii_case(want))
    };
    if !is(header::CONNECTION, "upgrade")
        || !is(header::UPGRADE, "websocket")
        || !is(header::SEC_WEBSOCKET_VERSION, "13")
    {
        return None;
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?.to_str().ok()?;
    let digest = Sha1::digest(format!("{key}{KEY_SUFFIX}"));
    HeaderValue::from_str(&BASE64_STANDARD.encode(digest)).ok()
}

/// One client's tail.
#[derive(Debug)]
struct Tail {
    tenant: String,
    expr: Expr,
    limit: usize,
    delay_ns: i64,
    /// From when on lines are told.
    start_ns: i64,
    /// What was told of late: hashes of entries by their time.
    told: BTreeMap<i64, Vec<u64>>,
}

impl Tail {
    fn new(api: &Api, tenant: String, call: &Call) -> Result<Self, Fault> {
        let log = parameters::log_expression(&call.form)?;
        let (start_ns, _) = parameters::range(&call.form, now_ns(api))?;
        let delay_ns = match call.form.get("delay_for") {
            Some(text) => parse_duration_ns(text).map_err(|error| Fault::bad(format!("delay_for: {error}")))?,
            None => 0,
        };
        if !(0..=MAX_DELAY_NS).contains(&delay_ns) {
            return Err(Fault::bad("delay_for can't be greater than 5"));
        }
        Ok(Self {
            tenant,
            expr: Expr::Log(log),
            limit: parameters::limit(&call.form, 100)?,
            delay_ns,
            start_ns,
            told: BTreeMap::new(),
        })
    }

    async fn run(mut self, api: &Api, connection: TokioIo<Upgraded>) -> Result<(), WebSocketError> {
        let mut socket = WebSocket::after_handshake(connection, Role::Server);
        socket.set_auto_close(true);
        socket.set_auto_pong(true);
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_first = true;
        loop {
            tokio::select! {
                frame = socket.read_frame() => match frame?.opcode {
                    OpCode::Close => return Ok(()),
                    _ => continue,
                },
                _ = ticks.tick() => {}
            }
            match self.look(api, is_first).await {
                Ok(streams) if streams.is_empty() => {}
                Ok(streams) => {
                    socket
                        .write_frame(Frame::text(Payload::Owned(message(&streams))))
                        .await?
                }
                Err(fault) => {
                    socket.write_frame(Frame::close(1011, fault.reason.as_bytes())).await?;
                    return Ok(());
                }
            }
            is_first = false;
        }
    }

    /// The lines that are new: at first the latest ones, then all.
    async fn look(&mut self, api: &Api, is_first: bool) -> Result<Vec<Stream>, Fault> {
        let now_ns = now_ns(api);
        let end_ns = now_ns.saturating_sub(self.delay_ns);
        let start_ns = if is_first {
            self.start_ns
        } else {
            self.start_ns.max(end_ns.saturating_sub(LATENESS_NS))
        };
        if end_ns <= start_ns {
            return Ok(Vec::new());
        }
        let parameters = Parameters {
            start_ns,
            end_ns,
            limit: if is_first { self.limit } else { parameters::MAX_ENTRIES },
            direction: Direction::Backward,
            ..bounds(api, now_ns)
        };
        let expr = self.expr.clone();
        let (answer, _) = ask(api, &self.tenant, move |search| search.evaluate(&expr, parameters)).await?;
        let Answer::Streams(mut streams) = answer else {
            return Ok(Vec::new());
        };
        self.forget_told(&mut streams);
        self.told = self.told.split_off(&end_ns.saturating_sub(2 * LATENESS_NS));
        Ok(streams)
    }

    /// Takes out what was told before, puts the rest in the order of time, and remembers it.
    fn forget_told(&mut self, streams: &mut Vec<Stream>) {
        for stream in streams.iter_mut() {
            let labels = &stream.labels;
            stream.entries.reverse();
            stream.entries.retain(|entry| {
                let mut hasher = DefaultHasher::new();
                (labels, &entry.line).hash(&mut hasher);
                let hash = hasher.finish();
                let told = self.told.entry(entry.timestamp_ns).or_default();
                let is_new = !told.contains(&hash);
                if is_new {
                    told.push(hash);
                }
                is_new
            });
        }
        streams.retain(|stream| !stream.entries.is_empty());
    }
}

fn message(streams: &[Stream]) -> Vec<u8> {
    let mut out = Vec::new();
    Object::write(&mut out, |object| {
        object.array("streams", streams, |out, stream| {
            Object::write(out, |object| {
                object.labels("stream", &stream.labels);
                write_array(object.field("values"), &stream.entries, |out, entry| {
                    respond::write_entry(out, entry.timestamp_ns, &entry.line);
                });
            });
        });
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_accepted_as_the_standard_says() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            assert_eq!(accept_key(&headers), None);
            headers.insert(name, HeaderValue::from_static(value));
        }
        assert_eq!(accept_key(&headers).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}

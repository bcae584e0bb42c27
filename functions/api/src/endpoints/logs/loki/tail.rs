//! `tail`: new lines as they are stored, over a WebSocket.
//!
//! Lines are stored some seconds after they are written, and not in the order of their times. So each look goes some way
//! back, page by page until nothing is left, and what was told already is left out: however many there are, none is
//! dropped, and a client that reads slowly is told later. Where connections cannot be held, on Lambda, it says so.

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
/// Lines of one frame.
const PAGE_ENTRIES: usize = 1_000;
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
        let tail = Tail::new(&api, tenant, &call, parameters::categorize(&headers))?;
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
    categorize: bool,
    delay_ns: i64,
    /// From when on lines are told.
    start_ns: i64,
    /// Until when it was looked.
    seen_ns: Option<i64>,
    told: Told,
}

/// Part of a look: what is between two times.
#[derive(Clone, Copy, Debug)]
struct Page {
    start_ns: i64,
    end_ns: i64,
    limit: usize,
}

impl Tail {
    fn new(api: &Api, tenant: String, call: &Call, categorize: bool) -> Result<Self, Fault> {
        let log = parameters::log_expression(&call.form)?;
        let (start_ns, _) = parameters::range(&call.form, now_ns(api))?;
        let delay_ns = match call.form.get("delay_for") {
            // Seconds, as Loki has it, or a duration.
            Some(text) => match text.parse::<i64>() {
                Ok(seconds) => seconds.saturating_mul(1_000_000_000),
                Err(_) => parse_duration_ns(text).map_err(|error| Fault::bad(format!("delay_for: {error}")))?,
            },
            None => 0,
        };
        if !(0..=MAX_DELAY_NS).contains(&delay_ns) {
            return Err(Fault::bad("delay_for can't be greater than 5"));
        }
        Ok(Self {
            tenant,
            expr: Expr::Log(log),
            limit: parameters::limit(&call.form, 100)?,
            categorize,
            delay_ns,
            start_ns,
            seen_ns: None,
            told: Told::default(),
        })
    }

    async fn run(mut self, api: &Api, connection: TokioIo<Upgraded>) -> Result<(), WebSocketError> {
        let mut socket = WebSocket::after_handshake(connection, Role::Server);
        socket.set_auto_close(true);
        socket.set_auto_pong(true);
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                frame = socket.read_frame() => match frame?.opcode {
                    OpCode::Close => return Ok(()),
                    _ => continue,
                },
                _ = ticks.tick() => {}
            }
            if let Err(fault) = self.look(api, &mut socket).await? {
                socket.write_frame(Frame::close(1011, fault.reason.as_bytes())).await?;
                return Ok(());
            }
        }
    }

    /// Tells the lines that are new: at first the latest ones, then all.
    async fn look(
        &mut self,
        api: &Api,
        socket: &mut WebSocket<TokioIo<Upgraded>>,
    ) -> Result<Result<(), Fault>, WebSocketError> {
        let end_ns = now_ns(api).saturating_sub(self.delay_ns);
        let mut is_first = false;
        if self.seen_ns.is_none() {
            is_first = true;
            match self.latest(api, end_ns).await {
                Ok(streams) => self.send(socket, &streams).await?,
                Err(fault) => return Ok(Err(fault)),
            }
        }
        let back_to_ns = self.seen_ns.unwrap_or(end_ns).saturating_sub(LATENESS_NS);
        let mut next = Some(Page {
            start_ns: back_to_ns.max(self.start_ns),
            end_ns,
            limit: PAGE_ENTRIES,
        });
        while let Some(page) = next.filter(|page| page.start_ns < page.end_ns) {
            let streams;
            (streams, next) = match self.page(api, page).await {
                Ok(answer) => answer,
                Err(fault) => return Ok(Err(fault)),
            };
            // What is older than the latest lines was there before.
            if !is_first {
                self.send(socket, &streams).await?;
            }
        }
        self.seen_ns = Some(end_ns);
        self.told.forget(end_ns.saturating_sub(LATENESS_NS));
        Ok(Ok(()))
    }

    async fn send(&self, socket: &mut WebSocket<TokioIo<Upgraded>>, streams: &[Stream]) -> Result<(), WebSocketError> {
        if streams.is_empty() {
            return Ok(());
        }
        let message = message(streams, self.categorize);
        socket.write_frame(Frame::text(Payload::Owned(message))).await
    }

    /// The latest lines, in the order of their times.
    async fn latest(&mut self, api: &Api, end_ns: i64) -> Result<Vec<Stream>, Fault> {
        let page = Page {
            start_ns: self.start_ns.min(end_ns),
            end_ns,
            limit: self.limit,
        };
        let mut streams = self.ask(api, page, Direction::Backward).await?;
        streams.iter_mut().for_each(|stream| stream.entries.reverse());
        self.told.tell(&mut streams);
        Ok(streams)
    }

    /// The lines of a page that are new, and the page after it where there may be more.
    async fn page(&mut self, api: &Api, page: Page) -> Result<(Vec<Stream>, Option<Page>), Fault> {
        let mut streams = self.ask(api, page, Direction::Forward).await?;
        let entries = streams.iter().flat_map(|stream| &stream.entries);
        let (count, last_ns) = entries.fold((0, page.start_ns), |(count, last_ns), entry| {
            (count + 1, last_ns.max(entry.timestamp_ns))
        });
        // It begins with the last time of this one, of which there may be more; where all are of that time, with more.
        let limit = if last_ns == page.start_ns {
            page.limit * 2
        } else {
            PAGE_ENTRIES
        };
        let next = (count == page.limit).then_some(Page {
            start_ns: last_ns,
            limit,
            ..page
        });
        self.told.tell(&mut streams);
        Ok((streams, next))
    }

    async fn ask(&self, api: &Api, page: Page, direction: Direction) -> Result<Vec<Stream>, Fault> {
        let parameters = Parameters {
            start_ns: page.start_ns,
            end_ns: page.end_ns,
            limit: page.limit,
            direction,
            categorize: self.categorize,
            ..bounds(api, now_ns(api))
        };
        let expr = self.expr.clone();
        let (answer, _) = ask(api, &self.tenant, move |search| search.evaluate(&expr, parameters)).await?;
        match answer {
            Answer::Streams(streams) => Ok(streams),
            _ => Ok(Vec::new()),
        }
    }
}

/// What was told of late: hashes of entries by their time.
#[derive(Debug, Default)]
struct Told(BTreeMap<i64, Vec<u64>>);

impl Told {
    /// Takes out what was told before, and remembers the rest.
    fn tell(&mut self, streams: &mut Vec<Stream>) {
        for stream in streams.iter_mut() {
            let labels = &stream.labels;
            stream.entries.retain(|entry| {
                let mut hasher = DefaultHasher::new();
                (labels, &entry.line, &entry.metadata, &entry.parsed).hash(&mut hasher);
                let hash = hasher.finish();
                let told = self.0.entry(entry.timestamp_ns).or_default();
                let is_new = !told.contains(&hash);
                if is_new {
                    told.push(hash);
                }
                is_new
            });
        }
        streams.retain(|stream| !stream.entries.is_empty());
    }

    fn forget(&mut self, before_ns: i64) {
        self.0 = self.0.split_off(&before_ns);
    }
}

fn message(streams: &[Stream], categorize: bool) -> Vec<u8> {
    let mut out = Vec::new();
    Object::write(&mut out, |object| {
        object.array("streams", streams, |out, stream| {
            Object::write(out, |object| {
                object.labels("stream", &stream.labels);
                write_array(object.field("values"), &stream.entries, |out, entry| {
                    respond::write_entry(out, entry, categorize);
                });
            });
        });
        if categorize {
            respond::write_flags(object);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use parapet_logs::LogRecord;
    use parapet_model::Labels;
    use parapet_ports::ConfigFiles;
    use parapet_ports::memory::MemoryPorts;
    use parapet_store::logs::{LogWriter, LogWriterSettings, ParsedBatch};
    use parapet_store::{Reader, ReaderSettings};

    const SECOND_NS: i64 = 1_000_000_000;

    struct World {
        memory: MemoryPorts,
        api: Api,
        tail: Tail,
    }

    /// A tail over lines that are stored while it looks.
    fn world(query: &str) -> World {
        let memory = MemoryPorts::new(1_000_000, ConfigFiles::default());
        let reader = Reader::new(&memory.ports, ReaderSettings::default());
        let api = Api::new(memory.ports.clone(), Arc::new(reader), Settings::default());
        let call = Call {
            form: crate::params::Form::parse(Some(query), None),
            tenant: "default".to_owned(),
        };
        let tail = Tail::new(&api, "default".to_owned(), &call, false).unwrap();
        World { memory, api, tail }
    }

    impl World {
        fn now_ns(&self) -> i64 {
            now_ns(&self.api)
        }

        /// Stores lines, each so many nanoseconds ago.
        async fn store(&self, id: &str, ages_ns: impl Iterator<Item = i64>) {
            let now_ns = self.now_ns();
            let records = ages_ns.enumerate().map(|(number, age_ns)| LogRecord {
                timestamp_ns: now_ns - age_ns,
                raw: format!("{id} {number}").into_bytes().into(),
                stream: Labels::from_pairs([("app", "a")]),
                ..LogRecord::default()
            });
            let batch = ParsedBatch {
                id: id.to_owned(),
                tenant: "default".to_owned(),
                records: records.collect(),
                observations: Vec::new(),
            };
            let writer = LogWriter::new(&self.memory.ports, LogWriterSettings::default());
            assert!(writer.commit(vec![batch]).await.failed.is_empty());
        }

        /// The lines that a look tells, page by page.
        async fn look(&mut self) -> Vec<String> {
            let (end_ns, mut lines) = (self.now_ns(), Vec::new());
            let back_to_ns = self.tail.seen_ns.unwrap_or(end_ns) - LATENESS_NS;
            let mut next = Some(Page {
                start_ns: back_to_ns.max(self.tail.start_ns),
                end_ns,
                limit: PAGE_ENTRIES,
            });
            while let Some(page) = next {
                let streams;
                (streams, next) = self.tail.page(&self.api, page).await.unwrap();
                let entries = streams.iter().flat_map(|stream| &stream.entries);
                lines.extend(entries.map(|entry| entry.line.clone()));
            }
            self.tail.seen_ns = Some(end_ns);
            lines
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn however_many_lines_none_is_dropped() {
        let mut world = world("query={app=\"a\"}");
        world.store("before", 1..=3_000).await;
        let latest = world.tail.latest(&world.api, world.now_ns()).await.unwrap();
        let told: Vec<&str> = latest[0].entries.iter().map(|entry| entry.line.as_str()).collect();
        assert_eq!((told.len(), told[99]), (100, "before 0"), "the latest is the last");
        // What was there before the latest is not told as new.
        assert_eq!(world.look().await.len(), 2_900, "seen, though not sent");
        assert!(world.look().await.is_empty());
        world.memory.clock.advance_ms(5_000);
        world.store("flood", (1..=7_000).map(|number| number * 1_000)).await;
        world.store("moment", std::iter::repeat_n(SECOND_NS, 2_500)).await;
        let lines = world.look().await;
        assert_eq!(lines.len(), 9_500);
        assert_eq!(lines.iter().collect::<std::collections::BTreeSet<_>>().len(), 9_500);
        assert!(world.look().await.is_empty());
        // Stored late, and after a look that took long.
        world.memory.clock.advance_ms(90_000);
        world.store("late", [85 * SECOND_NS, SECOND_NS].into_iter()).await;
        assert_eq!(world.look().await, ["late 0", "late 1"]);
    }

    #[test]
    fn labels_of_records_apart() {
        let stream = |metadata: &[(&str, &str)]| Stream {
            labels: Labels::from_pairs([("app", "a")]),
            entries: vec![parapet_logs::logql::Entry {
                timestamp_ns: 7,
                line: "x".to_owned(),
                metadata: Labels::from_pairs(metadata.iter().copied()),
                parsed: Labels::empty(),
            }],
        };
        let text = |stream: Stream, categorize| String::from_utf8(message(&[stream], categorize)).unwrap();
        assert_eq!(
            text(stream(&[]), false),
            r#"{"streams":[{"stream":{"app":"a"},"values":[["7","x"]]}]}"#
        );
        assert_eq!(
            text(stream(&[("host", "h")]), true),
            r#"{"streams":[{"stream":{"app":"a"},"values":[["7","x",{"structuredMetadata":{"host":"h"}}]]}],"encodingFlags":["categorize-labels"]}"#
        );
    }

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

//! An API over ports in memory, called without a network.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use parapet_api::{Api, Settings, router};
use parapet_ingest::Ingest;
use parapet_model::BatchSeries;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{
    BodyMemory, ConfigFiles, Disposition, Error, Http, HttpRequest, HttpResponse, Kind, Message, Ports, Queue,
    QueueReader, SourceFile,
};
use parapet_remote_write::{encode_v2, snappy_encode};
use parapet_scraper::Scraper;
use parapet_store::{Reader, ReaderSettings};
use std::collections::BTreeMap;
use std::sync::Arc;
use tower::ServiceExt;

pub(crate) struct Harness {
    pub(crate) memory: MemoryPorts,
    pub(crate) router: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// What is no JSON, as a JSON string.
    pub(crate) fn json_or_text(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| self.text().into())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Answers each URL with its body; a URL without one cannot be reached.
#[derive(Debug)]
struct Bodies(BTreeMap<String, String>);

#[async_trait::async_trait]
impl Http for Bodies {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let body = self.0.get(&request.url).cloned();
        let body = body.ok_or_else(|| Error::new(Kind::Unavailable, "connection refused"))?;
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, "text/plain; version=0.0.4".parse().unwrap());
        Ok(HttpResponse {
            status: StatusCode::OK,
            headers,
            body: body.into(),
        })
    }
}

impl Harness {
    pub(crate) fn new(now_ms: i64) -> Self {
        Self::with(now_ms, |_| ())
    }

    pub(crate) fn with(now_ms: i64, set: impl FnOnce(&mut Settings)) -> Self {
        Self::configured(now_ms, ConfigFiles::default(), set)
    }

    pub(crate) fn configured(now_ms: i64, config: ConfigFiles, set: impl FnOnce(&mut Settings)) -> Self {
        let memory = MemoryPorts::new(now_ms, config);
        let mut settings = Settings::default();
        set(&mut settings);
        let reader = Reader::new(&memory.ports, ReaderSettings::default());
        let api = Api::new(memory.ports.clone(), Arc::new(reader), settings);
        Self {
            router: router(Arc::new(api)),
            memory,
        }
    }

    /// An API whose bodies draw on other memory.
    pub(crate) fn with_body_memory(now_ms: i64, bodies: BodyMemory) -> Self {
        let memory = MemoryPorts::new(now_ms, ConfigFiles::default());
        let reader = Reader::new(&memory.ports, ReaderSettings::default());
        let api = Api::new(memory.ports.clone(), Arc::new(reader), Settings::default());
        Self {
            router: router(Arc::new(api.with_body_memory(bodies))),
            memory,
        }
    }

    /// A router over other ports.
    pub(crate) fn over(ports: Ports) -> Router {
        let reader = Reader::new(&ports, ReaderSettings::default());
        router(Arc::new(Api::new(ports, Arc::new(reader), Settings::default())))
    }

    /// Sends series by remote write, and stores what was queued as ingest does.
    pub(crate) async fn store(&self, series: Vec<BatchSeries>) {
        let body = snappy_encode(&encode_v2(&series)).unwrap();
        let request = Request::post("/api/v1/write")
            .header(
                "content-type",
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            )
            .header("content-encoding", "snappy")
            .body(body.into())
            .unwrap();
        let answer = self.call(request).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
        self.ingest().await;
    }

    /// Stores what is queued.
    pub(crate) async fn ingest(&self) {
        let ingest = Ingest::new(&self.memory.ports, parapet_ingest::Settings::default());
        self.drain(Queue::Samples, async |messages| ingest.handle_batch(messages).await)
            .await;
    }

    /// A configuration that scrapes one target per job, `<job>:80`, drops another, `<job>-dropped:80`, and one scrape
    /// of each; a job without a body cannot be reached.
    pub(crate) async fn scraped(at_ms: i64, jobs: &[(&str, Option<&str>)]) -> Self {
        Self::scraped_with_rules(at_ms, jobs, Vec::new()).await
    }

    /// The same with rule files.
    pub(crate) async fn scraped_with_rules(at_ms: i64, jobs: &[(&str, Option<&str>)], rules: Vec<SourceFile>) -> Self {
        let mut text = "scrape_configs:\n".to_owned();
        let mut bodies = BTreeMap::new();
        for (job, body) in jobs {
            text.push_str(&format!(
                "- job_name: {job}\n  static_configs: [{{targets: ['{job}:80', '{job}-dropped:80']}}]\n  relabel_configs: [{{source_labels: [__address__], regex: '.*-dropped:80', action: drop}}]\n"
            ));
            bodies.extend(body.map(|body| (format!("http://{job}:80/metrics"), body.to_owned())));
        }
        let prometheus = SourceFile {
            path: "prometheus.yml".to_owned(),
            text,
        };
        let config = ConfigFiles {
            prometheus,
            rules,
            ..ConfigFiles::default()
        };
        let mut harness = Self::configured(at_ms, config, |_| ());
        harness.memory.ports.http = Arc::new(Bodies(bodies));
        let scraper = Scraper::new(harness.memory.ports.clone(), parapet_scraper::Settings::default());
        scraper.handle_tick(at_ms).await.unwrap();
        harness.memory.clock.advance_ms(60_000);
        harness
            .drain(Queue::ScrapeTasks, async |messages| {
                scraper.handle_batch(messages).await
            })
            .await;
        harness.ingest().await;
        harness
    }

    async fn drain(&self, queue: Queue, handle: impl AsyncFn(Vec<Message>) -> Vec<Disposition>) {
        let queues = &self.memory.queues;
        loop {
            let received = queues.receive(queue, 10, 0).await.unwrap();
            if received.is_empty() {
                return;
            }
            let (messages, receipts): (_, Vec<_>) = received.into_iter().map(|one| (one.message, one.receipt)).unzip();
            for disposition in handle(messages).await {
                assert_eq!(disposition, Disposition::Done);
            }
            queues.delete(queue, receipts).await.unwrap();
        }
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
        }
    }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

pub(crate) fn post(path: &str, form: &str) -> Request<Body> {
    Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned().into())
        .unwrap()
}

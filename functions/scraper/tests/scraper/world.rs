//! A scraper with targets that answer what the test says, and a store that takes each batch id once.

use parapet_model::{Histogram, SampleBatch, Value, is_stale_nan};
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{
    Clock as _, ConfigFiles, ConfigSource, Disposition, Error, FixedClock, Http, HttpRequest, HttpResponse, Kind,
    Message, Ports, Queue, SourceFile,
};
use parapet_scraper::{ScrapeTask, Scraper, Settings};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A minute to begin with.
pub(crate) const START_MS: i64 = 1_700_000_040_000;

#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Text(&'static str, String),
    Bytes(&'static str, Vec<u8>),
    Status(u16),
    Error(&'static str),
    /// The same, so many milliseconds later: whatever else can go on has gone on before.
    After(i64, Box<Answer>),
    /// The same, when the gate is opened.
    Gated(Box<Answer>),
}

#[derive(Debug, Default)]
pub(crate) struct Targets {
    pub(crate) answers: Mutex<BTreeMap<String, Answer>>,
    pub(crate) requests: Mutex<Vec<HttpRequest>>,
    clock: Arc<FixedClock>,
    pub(crate) gate: tokio::sync::Notify,
}

impl Targets {
    fn of(clock: Arc<FixedClock>) -> Self {
        Self {
            clock,
            ..Self::default()
        }
    }

    /// Lets everything else go on, then time pass.
    async fn pass(&self, wait_ms: i64) {
        let from_ms = self.clock.now_ms();
        for _ in 0..2_000 {
            tokio::task::yield_now().await;
        }
        self.clock.set_ms((from_ms + wait_ms).max(self.clock.now_ms()));
    }
}

#[async_trait::async_trait]
impl Http for Targets {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, Error> {
        let memory = request.memory.take();
        let mut answer = self.answers.lock().unwrap().get(&request.url).cloned();
        let limit = request.body_limit_bytes;
        self.requests.lock().unwrap().push(request);
        loop {
            answer = match answer {
                Some(Answer::After(wait_ms, then)) => {
                    self.pass(wait_ms).await;
                    Some(*then)
                }
                Some(Answer::Gated(then)) => {
                    self.gate.notified().await;
                    Some(*then)
                }
                _ => break,
            };
        }
        let mut headers = http::HeaderMap::new();
        let (status, body): (_, Vec<u8>) = match answer {
            None => return Err(Error::new(Kind::Unavailable, "connection refused")),
            Some(Answer::Error(message)) => return Err(Error::new(Kind::Unavailable, message)),
            Some(Answer::Status(status)) => (status, Vec::new()),
            Some(Answer::After(..) | Answer::Gated(..)) => unreachable!("it has come"),
            Some(Answer::Text(content_type, body)) => {
                headers.insert("content-type", content_type.parse().unwrap());
                (200, body.into_bytes())
            }
            Some(Answer::Bytes(content_type, body)) => {
                headers.insert("content-type", content_type.parse().unwrap());
                (200, body)
            }
        };
        if limit > 0 && body.len() as u64 > limit {
            return Err(Error::new(Kind::Invalid, "body size limit exceeded"));
        }
        // As a client whose time is up while it waits.
        if let Some(memory) = memory.filter(|memory| !memory.try_draw(body.len())) {
            return Err(memory.memory().exhausted());
        }
        Ok(HttpResponse {
            status: status.try_into().unwrap(),
            headers,
            body: body.into(),
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Config(Mutex<Arc<ConfigFiles>>);

impl Config {
    pub(crate) fn set(&self, text: &str) {
        let mut files = self.0.lock().unwrap();
        let version = files.version.parse::<u64>().unwrap_or_default() + 1;
        *files = Arc::new(ConfigFiles {
            prometheus: SourceFile {
                path: "prometheus.yml".into(),
                text: text.into(),
            },
            version: version.to_string(),
            ..ConfigFiles::default()
        });
    }
}

#[async_trait::async_trait]
impl ConfigSource for Config {
    async fn current(&self) -> Result<Arc<ConfigFiles>, Error> {
        Ok(self.0.lock().unwrap().clone())
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) memory: MemoryPorts,
    pub(crate) ports: Ports,
    pub(crate) targets: Arc<Targets>,
    pub(crate) config: Arc<Config>,
    pub(crate) scraper: Scraper,
    pub(crate) settings: Settings,
    /// What the store would hold: the first batch of each id.
    stored: Mutex<BTreeMap<String, SampleBatch>>,
}

pub(crate) const TEXT: &str = "text/plain; version=0.0.4";

/// One job of interval 15 s over hosts, with further lines for the job.
pub(crate) fn job(hosts: &[&str], more: &str) -> String {
    format!("scrape_configs:\n- job_name: j\n  scrape_interval: 15s\n{more}  static_configs:\n  - targets: {hosts:?}\n")
}

impl World {
    pub(crate) fn new(config: &str) -> Self {
        Self::with_settings(config, Settings::default())
    }

    pub(crate) fn with_settings(config: &str, settings: Settings) -> Self {
        let memory = MemoryPorts::new(START_MS, ConfigFiles::default());
        let (targets, source) = (Arc::new(Targets::of(memory.clock.clone())), Arc::new(Config::default()));
        source.set(config);
        let mut ports = memory.ports.clone();
        ports.http = targets.clone();
        ports.config = source.clone();
        Self {
            scraper: Scraper::new(ports.clone(), settings.clone()),
            settings,
            memory,
            ports,
            targets,
            config: source,
            stored: Mutex::default(),
        }
    }

    /// The same state seen by a process that just began.
    pub(crate) fn restart(&mut self) {
        self.scraper = Scraper::new(self.ports.clone(), self.settings.clone());
    }

    pub(crate) fn answer(&self, host: &str, answer: Answer) {
        let url = format!("http://{host}/metrics");
        self.targets.answers.lock().unwrap().insert(url, answer);
    }

    /// What a host answers comes so much later.
    pub(crate) fn delay(&self, host: &str, by_ms: i64) {
        let url = format!("http://{host}/metrics");
        let mut answers = self.targets.answers.lock().unwrap();
        if let Some(answer) = answers.remove(&url) {
            answers.insert(url, Answer::After(by_ms, Box::new(answer)));
        }
    }

    pub(crate) fn expose(&self, host: &str, body: &str) {
        self.answer(host, Answer::Text(TEXT, body.to_owned()));
    }

    /// The task of shard `shard` of `shards` at the n-th slot of 15 s.
    pub(crate) fn task(n: i64, shards: u64, shard: u64) -> ScrapeTask {
        ScrapeTask::new(15_000, shards, shard, START_MS + n * 15_000)
    }

    /// Runs a task at its time.
    pub(crate) async fn run(&self, task: ScrapeTask) -> Disposition {
        self.memory.clock.set_ms(task.scheduled_ms() + 40);
        self.run_now(task).await
    }

    pub(crate) async fn run_now(&self, task: ScrapeTask) -> Disposition {
        self.receive(task, 1).await
    }

    /// Gives a task to the scraper for the n-th time.
    pub(crate) async fn receive(&self, task: ScrapeTask, receive_count: u32) -> Disposition {
        let message = Message {
            id: "1".into(),
            body: serde_json::to_string(&task).unwrap(),
            receive_count,
        };
        let mut answers = self.scraper.handle_batch(vec![message]).await;
        self.ingest().await;
        answers.remove(0)
    }

    /// Scrapes everything, in one shard, at the n-th slot.
    pub(crate) async fn scrape(&self, n: i64) {
        assert_eq!(self.run(Self::task(n, 1, 0)).await, Disposition::Done);
    }

    /// A tick of the n-th minute, on time; its tasks by the time at which they become visible.
    pub(crate) async fn tick(&self, minute: i64) -> Vec<(i64, ScrapeTask)> {
        self.memory.clock.set_ms(START_MS + minute * 60_000);
        self.tick_late(minute).await
    }

    pub(crate) async fn tick_late(&self, minute: i64) -> Vec<(i64, ScrapeTask)> {
        self.scraper.handle_tick(START_MS + minute * 60_000).await.unwrap();
        self.ingest().await;
        self.memory
            .queues
            .drain(Queue::ScrapeTasks)
            .into_iter()
            .map(|(at, message)| (at, serde_json::from_str(&message.body).unwrap()))
            .collect()
    }

    /// A tick, and all of its tasks at their times.
    pub(crate) async fn minute(&self, minute: i64) {
        for (at, task) in self.tick(minute).await {
            self.memory.clock.set_ms(at.max(self.ports.clock.now_ms()));
            assert_eq!(self.run_now(task).await, Disposition::Done);
        }
    }

    pub(crate) async fn ingest(&self) {
        for (_, message) in self.memory.queues.drain(Queue::Samples) {
            let layouts = parapet_store::Layouts::new(usize::MAX);
            for parcel in parapet_store::envelope::open(&message.body).unwrap() {
                let batch = parcel
                    .batch(self.ports.objects.as_ref(), &layouts)
                    .await
                    .unwrap()
                    .into_series();
                self.stored.lock().unwrap().entry(batch.id.clone()).or_insert(batch);
            }
        }
    }

    pub(crate) fn batches(&self) -> usize {
        self.stored.lock().unwrap().len()
    }

    /// The samples of a series as it is printed: seconds since the start, and the value, `stale` for a marker.
    pub(crate) fn samples(&self, series: &str) -> Vec<(f64, String)> {
        let stored = self.stored.lock().unwrap();
        let mut out: Vec<(f64, String)> = stored
            .values()
            .flat_map(|batch| &batch.series)
            .filter(|found| found.labels.to_string() == series)
            .flat_map(|found| &found.samples)
            .map(|sample| {
                let text = match &sample.value {
                    Value::Float(value) if is_stale_nan(*value) => "stale".to_owned(),
                    Value::Float(value) => parapet_model::format_float(*value),
                    Value::Histogram(_) => "histogram".to_owned(),
                };
                ((sample.timestamp_ms - START_MS) as f64 / 1000.0, text)
            })
            .collect();
        out.sort_by(|a, b| a.0.total_cmp(&b.0));
        out
    }

    /// The native histograms of a series, with their times in seconds since the start.
    pub(crate) fn histograms(&self, series: &str) -> Vec<(f64, Arc<Histogram>)> {
        let stored = self.stored.lock().unwrap();
        let found = stored.values().flat_map(|batch| &batch.series);
        let mut out: Vec<(f64, Arc<Histogram>)> = found
            .filter(|found| found.labels.to_string() == series)
            .flat_map(|found| &found.samples)
            .filter_map(|sample| match &sample.value {
                Value::Histogram(histogram) => {
                    Some(((sample.timestamp_ms - START_MS) as f64 / 1000.0, histogram.clone()))
                }
                Value::Float(_) => None,
            })
            .collect();
        out.sort_by(|a, b| a.0.total_cmp(&b.0));
        out
    }

    /// The exemplars of a metric: value of their first label, value, time, and whether that is their own.
    pub(crate) fn exemplars(&self, metric: &str) -> Vec<(String, f64, i64, bool)> {
        let stored = self.stored.lock().unwrap();
        let series = stored.values().flat_map(|batch| &batch.series);
        series
            .filter(|found| found.labels.metric_name() == Some(metric))
            .flat_map(|found| &found.exemplars)
            .map(|one| {
                let label = one.labels.iter().next().map(|(_, value)| value.to_owned());
                (
                    label.unwrap_or_default(),
                    one.value,
                    one.timestamp_ms,
                    one.has_timestamp,
                )
            })
            .collect()
    }

    /// The values alone, in order of time; a marker that follows a marker says nothing new and is left out.
    pub(crate) fn values(&self, series: &str) -> Vec<String> {
        let mut values: Vec<String> = self.samples(series).into_iter().map(|(_, value)| value).collect();
        values.dedup_by(|a, b| a == b && a == "stale");
        values
    }

    /// Every series name that has samples.
    pub(crate) fn series(&self) -> Vec<String> {
        let stored = self.stored.lock().unwrap();
        let mut out: Vec<String> = stored
            .values()
            .flat_map(|batch| &batch.series)
            .map(|series| series.labels.to_string())
            .collect();
        out.sort();
        out.dedup();
        out
    }

    /// The keys of objects in the bucket under a prefix.
    pub(crate) async fn objects(&self, prefix: &str) -> Vec<String> {
        use futures::TryStreamExt as _;
        let path = object_store::path::Path::from(prefix);
        let found: Vec<_> = self.ports.objects.list(Some(&path)).try_collect().await.unwrap();
        found.into_iter().map(|object| object.location.to_string()).collect()
    }

    pub(crate) fn writes(&self) -> u64 {
        self.memory
            .table
            .items()
            .iter()
            .map(|item| item.version)
            .max()
            .unwrap_or_default()
    }
}

/// A series of the job `j` on host `h:1`.
pub(crate) fn of(name: &str) -> String {
    format!(r#"{name}{{instance="h:1", job="j"}}"#)
}

//! A notifier on ports in memory, with receivers that can fail and a process that can die between any two effects.

use crate::life::SharedLife;
use bytes::Bytes;
use parapet_model::{Alert, Labels};
use parapet_notifier::{Notifier, Settings};
use parapet_ports::memory::MemoryPorts;
use parapet_ports::memory::mortal::{Effect, MortalObjects, MortalQueues, MortalTable, under};
use parapet_ports::{
    ConfigFiles, ConfigSource, Disposition, Error, Function as _, Http, HttpRequest, HttpResponse, Outgoing, Ports,
    Queue, QueueReader as _, Queues as _, Received, SourceFile,
};
use serde_json::Value;
use std::sync::{Arc, Mutex};

pub const START_MS: i64 = 1_767_225_600_000;

/// What a receiver was sent.
#[derive(Clone, Debug)]
pub struct Call {
    pub at_ms: i64,
    pub url: String,
    pub dedup_key: String,
    pub body: Value,
}

impl Call {
    /// `status name name` of the alerts.
    pub fn says(&self) -> String {
        let alerts: Vec<String> = self.body["alerts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| {
                format!(
                    "{}={}",
                    alert["labels"]["instance"].as_str().unwrap(),
                    alert["status"].as_str().unwrap()
                )
            })
            .collect();
        alerts.join(" ")
    }
}

type Answer = dyn Fn(&HttpRequest, i64) -> Result<HttpResponse, Error> + Send + Sync;

/// A configuration that can be changed.
#[derive(Debug, Default)]
struct Changing(Mutex<Arc<ConfigFiles>>);

#[async_trait::async_trait]
impl ConfigSource for Changing {
    async fn current(&self) -> Result<Arc<ConfigFiles>, Error> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// Receivers on the other side.
struct Receivers {
    clock: Arc<parapet_ports::FixedClock>,
    life: Arc<SharedLife>,
    calls: Mutex<Vec<Call>>,
    answer: Mutex<Box<Answer>>,
}

impl std::fmt::Debug for Receivers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receivers")
    }
}

#[async_trait::async_trait]
impl Http for Receivers {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        under(&*self.life, Effect::Http, async { self.receive(&request) }).await
    }
}

impl Receivers {
    fn receive(&self, request: &HttpRequest) -> Result<HttpResponse, Error> {
        use parapet_ports::Clock as _;
        let at_ms = self.clock.now_ms();
        let answer = (self.answer.lock().unwrap())(request, at_ms);
        if answer.as_ref().is_ok_and(|answer| answer.status.is_success()) {
            let key = request
                .headers
                .get("x-parapet-dedup-key")
                .map(|key| key.to_str().unwrap().to_owned());
            let dedup_key = key.unwrap_or_default();
            self.life.0.lock().unwrap().sends.sent(&dedup_key);
            self.calls.lock().unwrap().push(Call {
                at_ms,
                url: request.url.clone(),
                dedup_key,
                body: serde_json::from_slice(&request.body).unwrap(),
            });
        }
        answer
    }
}

pub struct World {
    pub memory: MemoryPorts,
    pub ports: Ports,
    pub notifier: Notifier,
    pub life: Arc<SharedLife>,
    receivers: Arc<Receivers>,
    settings: Settings,
    config: Arc<Changing>,
    /// How far the clock goes at a time.
    pub step_ms: i64,
    pub log: Vec<String>,
}

pub fn status(code: u16) -> Result<HttpResponse, Error> {
    Ok(HttpResponse {
        status: http::StatusCode::from_u16(code).unwrap(),
        headers: http::HeaderMap::new(),
        body: Bytes::new(),
    })
}

pub fn files(alertmanager: &str, version: &str) -> ConfigFiles {
    ConfigFiles {
        alertmanager: Some(SourceFile {
            path: "alertmanager.yml".into(),
            text: alertmanager.into(),
        }),
        version: version.into(),
        ..ConfigFiles::default()
    }
}

impl World {
    pub fn new(alertmanager: &str) -> Self {
        Self::with_settings(alertmanager, Settings::default())
    }

    pub fn with_settings(alertmanager: &str, settings: Settings) -> Self {
        let memory = MemoryPorts::new(START_MS, files(alertmanager, "1"));
        let life = Arc::new(SharedLife::default());
        let receivers = Arc::new(Receivers {
            clock: memory.clock.clone(),
            life: life.clone(),
            calls: Mutex::default(),
            answer: Mutex::new(Box::new(|_, _| status(200))),
        });
        let mut ports = memory.ports.clone();
        ports.table = Arc::new(MortalTable(memory.table.clone(), life.clone()));
        ports.objects = Arc::new(MortalObjects(memory.ports.objects.clone(), life.clone()));
        ports.queues = Arc::new(MortalQueues(memory.queues.clone(), life.clone()));
        ports.http = receivers.clone();
        let config = Arc::new(Changing::default());
        *config.0.lock().unwrap() = Arc::new(files(alertmanager, "1"));
        ports.config = config.clone();
        let notifier = Notifier::new(ports.clone(), settings.clone());
        Self {
            memory,
            ports,
            notifier,
            life,
            receivers,
            settings,
            config,
            step_ms: 1000,
            log: Vec::new(),
        }
    }

    /// Another configuration from now on.
    pub fn reload(&self, alertmanager: &str, version: &str) {
        *self.config.0.lock().unwrap() = Arc::new(files(alertmanager, version));
    }

    /// From now on the receivers answer so.
    pub fn answer(&self, answer: impl Fn(&HttpRequest, i64) -> Result<HttpResponse, Error> + Send + Sync + 'static) {
        *self.receivers.answer.lock().unwrap() = Box::new(answer);
    }

    /// What was received with success so far.
    pub fn calls(&self) -> Vec<Call> {
        self.receivers.calls.lock().unwrap().clone()
    }

    pub fn now_ms(&self) -> i64 {
        use parapet_ports::Clock as _;
        self.memory.clock.now_ms()
    }

    /// States alerts, as rule evaluation does.
    pub async fn post(&self, alerts: Vec<Alert>) {
        let body = serde_json::to_string(&alerts).unwrap();
        self.memory
            .queues
            .send_batch(Queue::Alerts, vec![Outgoing::now(body)])
            .await
            .unwrap();
    }

    /// Runs the host until a moment: messages as they come due, a tick each minute, a new process after each death.
    pub async fn run_until(&mut self, end_ms: i64) {
        loop {
            while self.pump().await {}
            if self.now_ms() >= end_ms {
                return;
            }
            self.memory.clock.advance_ms(self.step_ms);
            let now_ms = self.now_ms();
            if now_ms % 60_000 == 0 {
                let _ = self.notifier.handle_tick(now_ms).await;
                self.restart();
            }
        }
    }

    /// Handles what is due, once; whether there was anything.
    pub async fn pump(&mut self) -> bool {
        let mut any = false;
        for queue in [Queue::Alerts, Queue::Timers, Queue::Deliveries] {
            let received = self.memory.queues.receive(queue, 10, 0).await.unwrap();
            if received.is_empty() {
                continue;
            }
            any = true;
            let answers = self.hand_over(queue, &received).await;
            if self.restart() {
                // The answers died with the process: every message comes again.
                continue;
            }
            self.settle(queue, received, answers).await;
        }
        any
    }

    /// Handles what is due on all queues at the same time, once, as several functions would; whether there was
    /// anything.
    pub async fn pump_together(&mut self) -> bool {
        let mut batches = Vec::new();
        for queue in [Queue::Alerts, Queue::Timers, Queue::Deliveries] {
            for _ in 0..2 {
                let received = self.memory.queues.receive(queue, 10, 0).await.unwrap();
                if !received.is_empty() {
                    batches.push((queue, received));
                }
            }
        }
        let work = batches.iter().map(|(queue, received)| self.hand_over(*queue, received));
        let answers = futures::future::join_all(work).await;
        let any = !batches.is_empty();
        if !self.restart() {
            for ((queue, received), answers) in batches.into_iter().zip(answers) {
                self.settle(queue, received, answers).await;
            }
        }
        any
    }

    async fn hand_over(&self, queue: Queue, received: &[Received]) -> Vec<Disposition> {
        let messages = received.iter().map(|received| received.message.clone()).collect();
        let answers = self.notifier.handle_batch(queue, messages).await;
        assert_eq!(answers.len(), received.len());
        answers
    }

    async fn settle(&mut self, queue: Queue, received: Vec<Received>, answers: Vec<Disposition>) {
        for (received, answer) in received.into_iter().zip(answers) {
            match answer {
                Disposition::Done => {}
                Disposition::Retry { reason } => {
                    self.log.push(format!("retry: {reason}"));
                    continue;
                }
                Disposition::Reject { reason } => {
                    self.log.push(format!("reject: {reason}"));
                    let body = received.message.body;
                    self.memory.queues.send_dead_letter(queue, body, reason).await.unwrap();
                }
            }
            self.memory.queues.delete(queue, vec![received.receipt]).await.unwrap();
        }
    }

    /// A new process in place of a dead one; whether it was dead.
    pub fn restart(&mut self) -> bool {
        let was_dead = self.life.0.lock().unwrap().resurrect();
        if was_dead {
            self.notifier = Notifier::new(self.ports.clone(), self.settings.clone());
        }
        was_dead
    }
}

/// An alert that fires until it is stated again.
pub fn firing(instance: &str, starts_at_ms: i64, now_ms: i64) -> Alert {
    Alert {
        labels: Labels::from_pairs([("alertname", "Down"), ("instance", instance), ("severity", "page")]),
        annotations: Labels::from_pairs([("summary", format!("{instance} is <down>"))]),
        starts_at_ms,
        ends_at_ms: now_ms + 240_000,
        updated_at_ms: now_ms,
        generator_url: "http://prom:9090/graph?g0.expr=up&g0.tab=1".into(),
    }
}

/// The same alert, over.
pub fn resolved(instance: &str, starts_at_ms: i64, now_ms: i64) -> Alert {
    Alert {
        ends_at_ms: now_ms,
        ..firing(instance, starts_at_ms, now_ms)
    }
}

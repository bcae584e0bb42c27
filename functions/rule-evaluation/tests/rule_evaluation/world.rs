//! A process that can die between any two effects, on queues that can repeat and delay, with a clock that is driven.

use parapet_ingest::Ingest;
use parapet_model::{Alert, BatchSeries, Labels, Matcher, MetricType, Sample, SampleBatch, Series};
use parapet_ports::memory::MemoryPorts;
use parapet_ports::memory::mortal::{self, Effect, MortalObjects, MortalQueues, MortalTable, Verdict};
use parapet_ports::{
    Clock as _, ConfigFiles, Disposition, FixedConfig, Function as _, Kind, Message, Outgoing, Ports, Queue,
    QueueReader as _, SourceFile,
};
use parapet_rule_evaluation::{RuleEvaluation, Settings};
use parapet_store::{Reader, ReaderSettings, outbox};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const START_MS: i64 = 1_767_225_600_000;
pub(crate) const INTERVAL_MS: i64 = 15_000;

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mischief {
    /// The effect at which the process dies, from 1, and whether the effect still happens.
    pub(crate) death: Option<(usize, bool)>,
    /// The rule task (from 1) that is delivered once more, so many seconds later.
    pub(crate) again: Option<(usize, u32)>,
    /// The rule task (from 1) that is delivered so many seconds later.
    pub(crate) late: Option<(usize, u32)>,
}

#[derive(Debug)]
pub(crate) struct Fate {
    mischief: Mischief,
    effects: AtomicUsize,
    tasks: AtomicUsize,
}

impl mortal::Fate for Fate {
    fn verdict(&self, _: Effect<'_>) -> Verdict {
        let number = self.effects.fetch_add(1, Ordering::SeqCst) + 1;
        match self.mischief.death {
            Some((death, happens)) if death == number => Verdict { happens, heard: false },
            _ => Verdict {
                happens: true,
                heard: true,
            },
        }
    }

    fn carry(&self, queue: Queue, messages: Vec<Outgoing>) -> Vec<Outgoing> {
        let mut sent = Vec::new();
        for message in messages {
            if queue != Queue::RuleTasks {
                sent.push(message);
                continue;
            }
            let number = self.tasks.fetch_add(1, Ordering::SeqCst) + 1;
            let delayed = |delay: u32| Outgoing {
                delay_seconds: message.delay_seconds + delay,
                ..message.clone()
            };
            let Mischief { again, late, .. } = self.mischief;
            let late = late.filter(|(task, _)| *task == number).map_or(0, |(_, delay)| delay);
            sent.push(delayed(late));
            sent.extend(
                again
                    .filter(|(task, _)| *task == number)
                    .map(|(_, delay)| delayed(delay)),
            );
        }
        sent
    }
}

pub(crate) fn files(rules: &str, version: &str) -> ConfigFiles {
    let file = |path: &str, text: &str| SourceFile {
        path: path.into(),
        text: text.into(),
    };
    ConfigFiles {
        prometheus: file("prometheus.yml", "rule_files: [r.yml]"),
        rules: vec![file("r.yml", rules)],
        alertmanager: None,
        version: version.into(),
        ..ConfigFiles::default()
    }
}

pub(crate) struct World {
    pub(crate) memory: MemoryPorts,
    pub(crate) reader: Arc<Reader>,
    pub(crate) settings: Settings,
    /// Every alert that was sent.
    pub(crate) alerts: Vec<Alert>,
    /// How often a process died.
    pub(crate) deaths: usize,
    ports: Ports,
    fate: Arc<Fate>,
}

impl World {
    pub(crate) fn new(rules: &str, mischief: Mischief) -> Self {
        let memory = MemoryPorts::new(START_MS, files(rules, "1"));
        let fate = Arc::new(Fate {
            mischief,
            effects: AtomicUsize::new(0),
            tasks: AtomicUsize::new(0),
        });
        let ports = Ports {
            queues: Arc::new(MortalQueues(memory.queues.clone(), fate.clone())),
            table: Arc::new(MortalTable(memory.table.clone(), fate.clone())),
            objects: Arc::new(MortalObjects(memory.ports.objects.clone(), fate.clone())),
            ..memory.ports.clone()
        };
        Self {
            reader: Arc::new(Reader::new(&memory.ports, ReaderSettings::default())),
            settings: Settings::default(),
            alerts: Vec::new(),
            deaths: 0,
            memory,
            ports,
            fate,
        }
    }

    pub(crate) fn reload(&mut self, files: ConfigFiles) {
        self.ports.config = Arc::new(FixedConfig(Arc::new(files)));
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.memory.clock.now_ms()
    }

    pub(crate) fn mischief(&self) -> Mischief {
        self.fate.mischief
    }

    pub(crate) fn effects(&self) -> usize {
        self.fate.effects.load(Ordering::SeqCst)
    }

    pub(crate) fn tasks(&self) -> usize {
        self.fate.tasks.load(Ordering::SeqCst)
    }

    /// A new process: what one held in memory is lost with it.
    pub(crate) fn process(&self) -> RuleEvaluation {
        RuleEvaluation::new(self.ports.clone(), self.reader.clone(), self.settings.clone())
    }

    pub(crate) async fn store(&self, name: &str, value: f64) {
        let at_ms = self.now_ms();
        let batch = SampleBatch {
            id: format!("scrape/{name}/{at_ms}"),
            tenant: "default".into(),
            series: vec![BatchSeries {
                labels: Labels::from_pairs([("__name__", name), ("job", "node")]),
                kind: MetricType::Gauge,
                samples: vec![Sample::float(at_ms, value)],
                exemplars: Vec::new(),
            }],
        };
        outbox::send_samples(&self.memory.ports, vec![batch]).await.unwrap();
        self.ingest().await;
    }

    pub(crate) async fn ingest(&self) {
        let drained = self.memory.queues.drain(Queue::Samples);
        let messages: Vec<Message> = drained.into_iter().map(|(_, message)| message).collect();
        if !messages.is_empty() {
            let answers = Ingest::new(&self.memory.ports, Default::default())
                .handle_batch(messages)
                .await;
            assert!(answers.iter().all(|answer| *answer == Disposition::Done), "{answers:?}");
        }
    }

    /// A minute's tick, once more where the process died of it.
    pub(crate) async fn tick(&mut self) {
        let at_ms = self.now_ms();
        while let Err(error) = self.process().handle_tick(at_ms).await {
            assert_eq!(error.kind(), Kind::Unavailable, "{error}");
            self.deaths += 1;
        }
        self.hear().await;
    }

    /// Handles the tasks that are due, each in a new process.
    pub(crate) async fn work(&mut self) {
        loop {
            let received = self.memory.queues.receive(Queue::RuleTasks, 1, 0).await.unwrap();
            let Some(received) = received.into_iter().next() else {
                return;
            };
            let answers = self
                .process()
                .handle_batch(Queue::RuleTasks, vec![received.message])
                .await;
            match &answers[..] {
                [Disposition::Done] => {
                    self.memory
                        .queues
                        .delete(Queue::RuleTasks, vec![received.receipt])
                        .await
                        .unwrap();
                }
                [Disposition::Retry { .. }] => {
                    self.deaths += 1;
                    self.memory
                        .queues
                        .release(Queue::RuleTasks, vec![received.receipt], 0)
                        .await
                        .unwrap();
                }
                answers => panic!("{answers:?}"),
            }
            self.hear().await;
        }
    }

    /// Takes the alerts that were sent, and stores what was recorded.
    async fn hear(&mut self) {
        for (_, message) in self.memory.queues.drain(Queue::Alerts) {
            self.alerts
                .extend(serde_json::from_str::<Vec<Alert>>(&message.body).unwrap());
        }
        self.ingest().await;
    }

    /// Lets time pass second by second: `up` is stored every 15 s as `value` has it, ticks and tasks come as they do.
    pub(crate) async fn run_until(&mut self, end_ms: i64, value: impl Fn(i64) -> f64) {
        while self.now_ms() < end_ms {
            let now_ms = self.now_ms();
            if now_ms % INTERVAL_MS == 0 {
                self.store("up", value(now_ms)).await;
            }
            if now_ms % 60_000 == 0 {
                self.tick().await;
            }
            self.work().await;
            self.memory.clock.advance_ms(1000);
        }
    }

    pub(crate) async fn stored(&self, name: &str) -> Vec<Series> {
        let matchers = [Matcher::equal("__name__", name)];
        self.reader.select("default", &matchers, 0, i64::MAX / 2).await.unwrap()
    }
}

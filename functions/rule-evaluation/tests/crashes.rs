//! A death between any two effects of an evaluation: no alert is lost, none fires early, `for` is not restarted.
#![allow(clippy::unwrap_used)]

use parapet_ingest::Ingest;
use parapet_model::{Alert, BatchSeries, Labels, MetricType, Sample, SampleBatch};
use parapet_ports::memory::{MemoryPorts, MemoryQueues, MemoryTable};
use parapet_ports::{
    ConfigFiles, Disposition, Error, Function, Item, Key, Kind, Message, Outgoing, Page, Ports, Queue, Queues, SkRange,
    SourceFile, Table, Write,
};
use parapet_rule_evaluation::{RuleEvaluation, RuleTask, Settings};
use parapet_store::{Reader, ReaderSettings, outbox};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const START_MS: i64 = 1_767_225_600_000;
const INTERVAL_MS: i64 = 15_000;
const RULES: &str = "
groups:
- name: g
  interval: 15s
  rules:
  - {record: down, expr: up == 0}
  - {alert: Down, expr: down == 0, for: 30s}
";

/// Counts effects down; when the count is out, the effect fails: before it happens, or after.
#[derive(Debug)]
struct Fuse {
    left: AtomicUsize,
    after: bool,
}

impl Fuse {
    fn burn(&self) -> bool {
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            == Ok(1)
    }

    async fn effect<T>(&self, effect: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let died = || Error::new(Kind::Unavailable, "the process died here");
        if !self.burn() {
            return effect.await;
        }
        if self.after {
            effect.await?;
        }
        Err(died())
    }
}

#[derive(Debug)]
struct FusedQueues(Arc<MemoryQueues>, Arc<Fuse>);

#[async_trait::async_trait]
impl Queues for FusedQueues {
    async fn send_batch(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), Error> {
        self.1.effect(self.0.send_batch(queue, messages)).await
    }

    async fn send_dead_letter(&self, queue: Queue, body: String, reason: String) -> Result<(), Error> {
        self.0.send_dead_letter(queue, body, reason).await
    }
}

#[derive(Debug)]
struct FusedTable(Arc<MemoryTable>, Arc<Fuse>);

#[async_trait::async_trait]
impl Table for FusedTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        self.0.get(key).await
    }

    async fn query_page(&self, pk: &str, range: &SkRange, limit: usize) -> Result<Page, Error> {
        self.0.query_page(pk, range, limit).await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        self.1.effect(self.0.transact(writes)).await
    }
}

fn memory() -> MemoryPorts {
    let prometheus = SourceFile {
        path: "prometheus.yml".into(),
        text: "rule_files: [r.yml]".into(),
    };
    let rules = vec![SourceFile {
        path: "r.yml".into(),
        text: RULES.into(),
    }];
    MemoryPorts::new(
        START_MS,
        ConfigFiles {
            prometheus,
            rules,
            alertmanager: None,
            version: "1".into(),
        },
    )
}

async fn store(memory: &MemoryPorts, at_ms: i64) {
    let labels = Labels::from_pairs([("__name__", "up"), ("job", "node")]);
    let series = vec![BatchSeries {
        labels,
        kind: MetricType::Gauge,
        samples: vec![Sample::float(at_ms, 0.0)],
    }];
    let batch = SampleBatch {
        id: format!("scrape/{at_ms}"),
        tenant: "default".into(),
        series,
    };
    outbox::send_samples(&memory.ports, vec![batch]).await.unwrap();
    ingest(memory).await;
}

async fn ingest(memory: &MemoryPorts) {
    let messages: Vec<Message> = memory
        .queues
        .drain(Queue::Samples)
        .into_iter()
        .map(|(_, message)| message)
        .collect();
    if !messages.is_empty() {
        let answers = Ingest::new(&memory.ports, Default::default())
            .handle_batch(messages)
            .await;
        assert!(answers.iter().all(|answer| *answer == Disposition::Done), "{answers:?}");
    }
}

/// Evaluates six slots, each until it is done, with a death at one effect. Gives the alerts that were sent, and the
/// samples of `ALERTS` that are stored.
async fn run(fuse: Option<(usize, bool)>) -> (Vec<Alert>, Vec<(String, usize)>, usize) {
    let memory = memory();
    let fuse = Arc::new(Fuse {
        left: AtomicUsize::new(fuse.map_or(usize::MAX, |f| f.0)),
        after: fuse.is_some_and(|f| f.1),
    });
    let ports = Ports {
        queues: Arc::new(FusedQueues(memory.queues.clone(), fuse.clone())),
        table: Arc::new(FusedTable(memory.table.clone(), fuse.clone())),
        ..memory.ports.clone()
    };
    let reader = Arc::new(Reader::new(&memory.ports, ReaderSettings::default()));
    let (mut alerts, mut deaths) = (Vec::new(), 0);
    for slot in 0..6 {
        let slot_ms = START_MS + slot * INTERVAL_MS;
        memory.clock.set_ms(slot_ms);
        store(&memory, slot_ms).await;
        let task = RuleTask {
            file: "r.yml".into(),
            group: "g".into(),
            slot_ms,
        };
        let body = serde_json::to_string(&task).unwrap();
        // A death loses what the process held in memory: each try is a new process.
        loop {
            let function = RuleEvaluation::new(ports.clone(), reader.clone(), Settings::default());
            let message = Message {
                id: "1".into(),
                body: body.clone(),
                receive_count: 1,
            };
            match &function.handle_batch(Queue::RuleTasks, vec![message]).await[..] {
                [Disposition::Done] => break,
                [Disposition::Retry { .. }] => deaths += 1,
                answers => panic!("{answers:?}"),
            }
        }
        for (_, message) in memory.queues.drain(Queue::Alerts) {
            alerts.extend(serde_json::from_str::<Vec<Alert>>(&message.body).unwrap());
        }
        ingest(&memory).await;
    }
    let all = [parapet_model::Matcher::equal("__name__", "ALERTS")];
    let stored = reader.select("default", &all, 0, i64::MAX / 2).await.unwrap();
    let stored = stored
        .iter()
        .map(|s| (s.labels.get("alertstate").unwrap().to_owned(), s.timestamps.len()))
        .collect();
    (alerts, stored, deaths)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_at_any_effect_changes_nothing_that_counts() {
    let (undisturbed, samples, _) = run(None).await;
    assert!(!undisturbed.is_empty());
    let firing_since = START_MS + 2 * INTERVAL_MS;
    assert_eq!(
        undisturbed[0].starts_at_ms, firing_since,
        "fires after 30 s, not before"
    );
    // Pending at two slots and a staleness marker at the third, where it fires; then firing to the end.
    assert_eq!(samples, [("firing".to_owned(), 4), ("pending".to_owned(), 3)]);
    let mut deaths_seen = 0;
    for after in [false, true] {
        for effect in 1.. {
            let (alerts, stored, deaths) = run(Some((effect, after))).await;
            if deaths == 0 {
                break; // The fuse was longer than the run.
            }
            deaths_seen += deaths;
            assert!(
                alerts.iter().all(|alert| alert.starts_at_ms == firing_since),
                "effect {effect}, after: {after}"
            );
            assert!(!alerts.is_empty(), "effect {effect}, after: {after}: the alert is lost");
            assert_eq!(stored, samples, "effect {effect}, after: {after}");
        }
    }
    assert!(deaths_seen > 20, "only {deaths_seen} deaths: the enumeration is broken");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_repeated_and_foreign_messages() {
    let memory = memory();
    let reader = Arc::new(Reader::new(&memory.ports, ReaderSettings::default()));
    let function = RuleEvaluation::new(memory.ports.clone(), reader, Settings::default());
    let message = |slot_ms: i64| {
        let task = RuleTask {
            file: "r.yml".into(),
            group: "g".into(),
            slot_ms,
        };
        Message {
            id: slot_ms.to_string(),
            body: serde_json::to_string(&task).unwrap(),
            receive_count: 1,
        }
    };
    store(&memory, START_MS).await;
    let evaluate = async |messages| function.handle_batch(Queue::RuleTasks, messages).await;
    assert_eq!(evaluate(vec![message(START_MS)]).await, [Disposition::Done]);
    let sent = memory.queues.drain(Queue::Samples).len();
    assert_eq!(sent, 1);
    // The same slot again, and an older one: nothing happens.
    assert_eq!(
        evaluate(vec![message(START_MS), message(START_MS - INTERVAL_MS)]).await,
        [Disposition::Done, Disposition::Done]
    );
    assert_eq!(memory.queues.drain(Queue::Samples).len(), 0);
    // Hours late: left out.
    memory.clock.advance_ms(7_200_000);
    assert_eq!(
        evaluate(vec![message(START_MS + INTERVAL_MS)]).await,
        [Disposition::Done]
    );
    assert_eq!(memory.queues.drain(Queue::Samples).len(), 0);
    // Poison is rejected alone.
    let poison = Message {
        id: "p".into(),
        body: "{".into(),
        receive_count: 1,
    };
    let answers = evaluate(vec![poison, message(START_MS)]).await;
    assert!(
        matches!(&answers[..], [Disposition::Reject { .. }, Disposition::Done]),
        "{answers:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_plans_each_slot_once_and_ends_removed_groups() {
    let memory = memory();
    let reader = Arc::new(Reader::new(&memory.ports, ReaderSettings::default()));
    let function = RuleEvaluation::new(memory.ports.clone(), reader.clone(), Settings::default());
    function.handle_tick(START_MS).await.unwrap();
    let planned = memory.queues.drain(Queue::RuleTasks);
    assert_eq!(planned.len(), 4);
    for (visible_at_ms, message) in &planned {
        let task: RuleTask = serde_json::from_str(&message.body).unwrap();
        assert!(*visible_at_ms >= task.slot_ms && *visible_at_ms < task.slot_ms + 1000);
        memory.clock.set_ms(task.slot_ms);
        store(&memory, task.slot_ms).await;
        assert_eq!(
            function.handle_batch(Queue::RuleTasks, vec![message.clone()]).await,
            [Disposition::Done]
        );
        ingest(&memory).await;
    }
    memory.queues.drain(Queue::Alerts);

    let without = ConfigFiles {
        version: "2".into(),
        ..ConfigFiles::default()
    };
    let ports = Ports {
        config: Arc::new(parapet_ports::FixedConfig(Arc::new(without))),
        ..memory.ports.clone()
    };
    let function = RuleEvaluation::new(ports, reader.clone(), Settings::default());
    memory.clock.set_ms(START_MS + 60_000);
    function.handle_tick(START_MS + 60_000).await.unwrap();
    let resolved: Vec<Alert> = memory
        .queues
        .drain(Queue::Alerts)
        .iter()
        .flat_map(|(_, message)| serde_json::from_str::<Vec<Alert>>(&message.body).unwrap())
        .collect();
    assert_eq!(
        resolved.iter().map(|alert| alert.ends_at_ms).collect::<Vec<_>>(),
        [START_MS + 60_000]
    );
    ingest(&memory).await;
    let down = [parapet_model::Matcher::equal("__name__", "down")];
    let series = reader.select("default", &down, 0, i64::MAX / 2).await.unwrap();
    assert!(parapet_model::is_stale_nan(*series[0].values.last().unwrap()));
    // Nothing is left to end.
    function.handle_tick(START_MS + 120_000).await.unwrap();
    assert_eq!(memory.queues.drain(Queue::Alerts).len(), 0);
}

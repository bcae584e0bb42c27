//! A history of writes, merges, retention and deletion, in which each process dies before or after each of its effects,
//! or is overtaken there by another that does the same. Whenever a query may run, our reader and a plain count over
//! what Athena sees have each acknowledged sample or line once; in the end nothing is left behind.

use crate::death::{Event, Life, Work};
use crate::keys;
use bytes::Bytes;
use futures::FutureExt as _;
use object_store::ObjectStoreExt as _;
use parapet_compactor::{Compactor, Settings};
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{ConfigFiles, Ports};
use parapet_store::Dataset;
use parapet_store::day::{DAY_MS, Day};
use std::collections::{BTreeSet, HashMap};
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock, Mutex};

/// 2026-11-21 12:00 UTC: on the hour, so that a tick does all there is to do.
pub(crate) const HOUR_MS: i64 = 1_795_262_400_000;
pub(crate) const MINUTE_MS: i64 = 60_000;

/// A metric or a service, and a time: no two samples or lines of the history share both.
pub(crate) type Found = BTreeSet<(String, i64)>;

/// What is written and read in a history.
pub(crate) trait Data: Send + Sync + 'static {
    const DATASET: Dataset;

    type Batch: Clone + std::fmt::Debug + Send + Sync + 'static;

    /// A sample or a line of each name at each of the times.
    fn batch(id: &str, names: &[&str], times: &[i64]) -> Self::Batch;

    /// What is in a batch.
    fn found(batch: &Self::Batch) -> Found;

    /// Whether all of them are stored now.
    fn commit(ports: &Ports, batches: Vec<Self::Batch>) -> impl Future<Output = bool> + Send;

    /// What is in a file, by a reader of Parquet that is not ours.
    fn read(file: Bytes) -> Vec<(String, i64)>;

    /// What our reader answers when it is asked for all.
    fn answer(ports: &Ports) -> impl Future<Output = Vec<(String, i64)>> + Send;
}

#[derive(Clone, Debug)]
pub(crate) enum Step<B> {
    /// Messages come from the queue; what is not acknowledged comes again.
    Write(Vec<B>),
    /// The compactor is called.
    Tick,
    /// Time goes by.
    Wait(i64),
    /// From here on the retention takes samples.
    Expire,
}

fn history<D: Data>() -> Vec<Step<D::Batch>> {
    let ago = |minutes: i64| HOUR_MS - minutes * MINUTE_MS;
    let a = D::batch("a", &["m1", "m2", "m3"], &[ago(9), ago(8)]);
    // Over midnight: two files in one transaction.
    let b = D::batch("b", &["m1", "m2"], &[ago(13 * 60), ago(7)]);
    let c = D::batch("c", &["m1"], &[ago(6)]);
    let d = D::batch("d", &["m2", "m3"], &[ago(5), ago(13 * 60 + 1)]);
    let e = D::batch("e", &["m1"], &[ago(4)]);
    vec![
        Step::Write(vec![a.clone(), b.clone()]),
        Step::Write(vec![c]),
        Step::Tick,
        Step::Wait(11 * MINUTE_MS),
        Step::Write(vec![d]),
        Step::Write(vec![e]),
        // Deletes what the first replaced, merges again.
        Step::Tick,
        // The queue gives two of them once more.
        Step::Write(vec![b, a]),
        Step::Wait(11 * MINUTE_MS),
        Step::Tick,
        Step::Expire,
        Step::Wait(5 * DAY_MS),
        Step::Tick,
        Step::Wait(11 * MINUTE_MS),
        Step::Tick,
    ]
}

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    for compaction in [&mut settings.compaction, &mut settings.logs] {
        (compaction.fanout, compaction.closed_day_files) = (2, 1);
        compaction.retention_ms = 3 * DAY_MS;
        compaction.five_minutes_retention_ms = 3 * DAY_MS;
        compaction.hour_retention_ms = 3 * DAY_MS;
        // Objects in memory carry the time of the machine: each without an entry is an orphan at once, one that a commit
        // is about to name included.
        compaction.orphan_grace_ms = -3650 * DAY_MS;
    }
    settings
}

/// Does a step; false where it has to be done again.
async fn perform<D: Data>(step: &Step<D::Batch>, ports: &Ports) -> bool {
    match step {
        Step::Write(batches) => D::commit(ports, batches.clone()).await,
        Step::Tick => Compactor::new(ports, settings()).handle_tick(HOUR_MS).await.is_ok(),
        Step::Wait(_) | Step::Expire => true,
    }
}

/// What is in a file.
type FileContent = Arc<Vec<(String, i64)>>;

static READ: LazyLock<Mutex<HashMap<String, FileContent>>> = LazyLock::new(Mutex::default);

struct World<D> {
    memory: MemoryPorts,
    acknowledged: Found,
    expires: bool,
    /// What Athena may have read a moment ago.
    published: BTreeSet<String>,
    data: PhantomData<D>,
}

impl<D: Data> World<D> {
    fn new() -> Self {
        Self {
            memory: MemoryPorts::new(HOUR_MS, ConfigFiles::default()),
            acknowledged: Found::new(),
            expires: false,
            published: BTreeSet::new(),
            data: PhantomData,
        }
    }

    fn ports(&self) -> &Ports {
        &self.memory.ports
    }

    fn pass(&mut self, step: &Step<D::Batch>) {
        match step {
            Step::Write(batches) => self.acknowledged.extend(batches.iter().flat_map(D::found)),
            Step::Tick => {}
            Step::Wait(ms) => self.memory.clock.advance_ms(*ms),
            Step::Expire => self.expires = true,
        }
    }

    /// What stands in files. No sample stands in two of them.
    async fn count(&self, files: &BTreeSet<String>, context: &str) -> Found {
        let mut found = Found::new();
        for file in files {
            let object = self.ports().objects.get(&file.as_str().into()).await;
            let object = object.unwrap_or_else(|_| panic!("{context}: {file} is gone"));
            // Files are named from their content: most of them come in each history.
            let known = READ.lock().unwrap().get(file).cloned();
            let samples = match known {
                Some(samples) => samples,
                None => {
                    let samples = Arc::new(D::read(object.bytes().await.unwrap()));
                    READ.lock().unwrap().insert(file.clone(), samples.clone());
                    samples
                }
            };
            for sample in samples.iter() {
                assert!(found.insert(sample.clone()), "{context}: {sample:?} is doubled");
            }
        }
        found
    }

    async fn live(&self) -> BTreeSet<String> {
        let table = self.ports().table.as_ref();
        let mut live = BTreeSet::new();
        for day in [Day::of_ms(HOUR_MS - DAY_MS), Day::of_ms(HOUR_MS)] {
            let files = D::DATASET.files(table, "default", day).await.unwrap();
            live.extend(files.into_iter().map(|file| file.key));
        }
        live
    }

    async fn published(&self) -> BTreeSet<String> {
        let mut published = BTreeSet::new();
        for manifest in keys(self.ports(), D::DATASET.published_prefix()).await {
            let object = self.ports().objects.get(&manifest.as_str().into()).await.unwrap();
            let text = String::from_utf8(object.bytes().await.unwrap().to_vec()).unwrap();
            published.extend(text.lines().map(str::to_owned));
        }
        published
    }

    /// What holds whenever a query may run, while `step` is under way or done.
    async fn check(&mut self, step: &Step<D::Batch>, context: &str) {
        let live = self.count(&self.live().await, context).await;
        let answer = D::answer(self.ports()).await;
        let read: Found = answer.iter().cloned().collect();
        assert_eq!(
            read.len(),
            answer.len(),
            "{context}: the reader's answer has something twice"
        );
        assert_eq!(read, live, "{context}: the reader's answer");
        // A batch is there whole or not at all.
        let mut known = self.acknowledged.clone();
        if let Step::Write(batches) = step {
            for samples in batches.iter().map(D::found) {
                let stored = samples.intersection(&live).count();
                assert!(stored == 0 || stored == samples.len(), "{context}: half a batch");
                known.extend(samples);
            }
        }
        assert!(live.is_subset(&known), "{context}: samples from nowhere");
        if !self.expires {
            assert!(self.acknowledged.is_subset(&live), "{context}: samples are lost");
        }
        // What Athena sees now, and the files of what it saw before the step, which it may still be reading.
        let published = self.published().await;
        let seen = self.count(&published, context).await;
        assert!(seen.is_subset(&known), "{context}: Athena sees samples from nowhere");
        let before = self.count(&self.published, context).await;
        if !self.expires {
            assert!(before.is_subset(&seen), "{context}: Athena sees less than before");
        }
    }

    /// After a tick that went well, Athena sees all there is. Later what it saw before may go.
    async fn settle(&mut self, step: &Step<D::Batch>, context: &str) {
        self.check(step, context).await;
        if let Step::Tick = step {
            assert_eq!(self.published().await, self.live().await, "{context}: published");
        }
        self.published = self.published().await;
    }

    /// Nothing is left of a history that has expired.
    async fn end(&self, context: &str) {
        for wait_ms in [11 * MINUTE_MS, 11 * MINUTE_MS] {
            assert!(perform::<D>(&Step::Tick, self.ports()).await, "{context}");
            self.memory.clock.advance_ms(wait_ms);
        }
        assert!(perform::<D>(&Step::Tick, self.ports()).await, "{context}");
        for prefix in [
            D::DATASET.object_prefix(),
            D::DATASET.published_prefix(),
            "metrics-rollup",
        ] {
            let left = keys(self.ports(), prefix).await;
            assert!(left.is_empty(), "{context}: {left:?} is left in the bucket");
        }
        // Tombstones and the marks of batches go by themselves.
        self.memory.clock.advance_ms(20 * DAY_MS);
        assert!(perform::<D>(&Step::Tick, self.ports()).await, "{context}");
        for item in self.memory.table.items() {
            let lives = self.ports().table.get(&item.key).await.unwrap().is_some();
            let left = lives && item.key.pk != parapet_store::keys::tenants(D::DATASET);
            assert!(!left, "{context}: {:?} is left in the table", item.key);
        }
    }
}

/// Somebody else's work.
fn another<D: Data>(step: Step<D::Batch>, ports: &Ports) -> Work {
    let ports = ports.clone();
    Box::new(move || {
        let (step, ports) = (step.clone(), ports.clone());
        async move {
            perform::<D>(&step, &ports).await;
        }
        .boxed()
    })
}

/// Somebody else's compactor.
pub(crate) fn another_compactor(settings: Settings, ports: &Ports) -> Work {
    let ports = ports.clone();
    Box::new(move || {
        let compactor = Compactor::new(&ports, settings.clone());
        async move {
            // Overtaken itself, it may have to be called again, as the one that it overtook is.
            drop(compactor.handle_tick(HOUR_MS).await);
        }
        .boxed()
    })
}

/// Somebody else's batch.
pub(crate) fn other_batch<D: Data>() -> Step<D::Batch> {
    Step::Write(vec![D::batch("other", &["m1", "m4"], &[HOUR_MS - 3 * MINUTE_MS])])
}

/// The history with one event; false where the process did not get as far.
async fn live_through<D: Data>(
    history: &[Step<D::Batch>],
    process: usize,
    at: usize,
    event: Event,
    other: Option<&Step<D::Batch>>,
) -> bool {
    let mut world = World::<D>::new();
    for (number, step) in history.iter().enumerate() {
        let context = format!("step {number}; {event:?} at effect {at} of step {process}, other is {other:?}");
        if number != process {
            assert!(perform::<D>(step, &world.ports().clone()).await, "{context}");
            world.pass(step);
            // What came before the event was looked at where it was the event's.
            if number > process {
                world.settle(step, &context).await;
            } else {
                world.published = world.published().await;
            }
            continue;
        }
        let work = other.map(|other| another::<D>(other.clone(), world.ports()));
        let (ports, life) = Life::of(world.ports(), at, event, work);
        let done = perform::<D>(step, &ports).await;
        if !life.was_met() {
            return false;
        }
        if let Some(other @ Step::Write(_)) = other {
            world.pass(other);
        }
        world.check(step, &context).await;
        // Given again where it was not done. Of two at once the later may publish what was true before: the next tick
        // sets that right.
        if !done || matches!(step, Step::Tick) {
            assert!(
                perform::<D>(step, &world.ports().clone()).await,
                "{context}: done again"
            );
        }
        world.pass(step);
        world.settle(step, &context).await;
    }
    let context = format!("{event:?} at effect {at} of step {process}, other is {other:?}");
    world.end(&context).await;
    true
}

/// The history, as often as there are effects in it, each time with the event at another one.
pub(crate) async fn each_effect<D: Data>(event: Event, other: impl Fn(&Step<D::Batch>) -> Option<Step<D::Batch>>) {
    let history = history::<D>();
    let (mut events, mut most) = (0, 0);
    for (process, step) in history.iter().enumerate() {
        let (other, mut at) = (other(step), 0);
        while live_through::<D>(&history, process, at, event, other.as_ref()).await {
            at += 1;
        }
        events += at;
        most = most.max(at);
    }
    assert!(events > 50 && most > 8, "only {events} events, {most} in one process");
}

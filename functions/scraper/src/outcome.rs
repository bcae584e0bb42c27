//! One scrape of one target: request, samples, markers, and what is to be remembered.

use crate::body::{Body, Reading};
use crate::client::Clients;
use crate::counters::{Counters, add};
use crate::fetch::{Failure, Fetched, Read, Response, fetch, read};
use crate::known::{KnownBodies, KnownBody};
use crate::metadata;
use crate::plan::Home;
use crate::sample_labels;
use crate::series_set::{SeriesSet, SeriesSets, content_hash};
use crate::settings::Settings;
use crate::state::{Health, SeriesSetRef, TargetState};
use parapet_config::{Config, ScrapeJob, Target};
use parapet_model::{BatchSeries, Labels, MetricType, Sample, stale_nan};
use parapet_ports::{BodyMemory, BodyShare, Error, Ports};
use parapet_store::{Batch, Readings, Samples};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// The series that the scraper adds to each scrape, the last three with `extra_scrape_metrics` alone. Their order is
/// that of Prometheus.
const REPORTS: [&str; 8] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];

/// How many of them there are without `extra_scrape_metrics`.
const USUAL_REPORTS: usize = 5;

/// What every scrape of this process shares.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) sets: SeriesSets,
    pub(crate) known: KnownBodies,
    pub(crate) clients: Clients,
    pub(crate) in_flight: Semaphore,
    pub(crate) counters: Counters,
    /// The last slot that this process has done of each shard. No more than a short way to skip a duplicate: what
    /// another process did is seen in the table, or by the ids of batches.
    pub(crate) done: Mutex<HashMap<Home, i64>>,
    /// What bodies are read and parsed in.
    pub(crate) memory: BodyMemory,
}

impl Context {
    pub(crate) fn is_done(&self, home: &Home, scheduled_ms: i64) -> bool {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.get(home).is_some_and(|last_ms| *last_ms >= scheduled_ms)
    }

    pub(crate) fn set_done(&self, home: Home, scheduled_ms: i64) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let last_ms = done.entry(home).or_insert(scheduled_ms);
        *last_ms = scheduled_ms.max(*last_ms);
    }
}

/// What a scrape leads to besides its samples.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) identity: u64,
    pub(crate) state: TargetState,
    /// The set that the state names and the bucket may not have yet.
    pub(crate) new_set: Option<(String, SeriesSet)>,
    /// The set that nothing names once the state is written.
    pub(crate) superseded: Option<String>,
    /// What the samples of a body take, until they are stored.
    pub(crate) memory: Option<BodyShare>,
}

/// What is known of a target before a scrape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before<'a> {
    /// The configuration by which it is scraped, as it is written.
    pub(crate) written: &'a Arc<Config>,
    pub(crate) state: Option<&'a TargetState>,
    /// An earlier run may have sent samples for the same slot. The store takes that batch then and drops this one,
    /// markers included: what this run sees end stays in the set, so that the next slot marks it (again).
    pub(crate) rerun: bool,
}

impl Before<'_> {
    pub(crate) fn set(&self) -> Option<&SeriesSetRef> {
        self.state.and_then(|state| state.series_set.as_ref())
    }

    /// Whether the series of the set have no markers yet.
    fn is_live(&self) -> bool {
        self.state.is_some_and(|state| state.live)
    }
}

/// Scrapes a target. A scrape that fails is an outcome as any other.
///
/// # Errors
/// Where the bucket cannot be reached: then nothing can be said of the series that ended.
pub(crate) async fn scrape(
    context: &Context,
    job: &ScrapeJob,
    target: &Target,
    timestamp_ms: i64,
    before: Before<'_>,
) -> Result<(Batch, Outcome), Error> {
    let clock = &context.ports.clock;
    // A full process delays the request, which is not the target's fault.
    let permit = context.in_flight.acquire().await;
    let started_ms = clock.now_ms();
    let reading = Reading {
        job,
        target,
        timestamp_ms,
        settings: &context.settings,
    };
    let memory = context.memory.share();
    let result = fetch(context, &reading, &memory).await;
    let duration_ms = (clock.now_ms() - started_ms).max(0);
    drop(permit);
    let left_ms = (target.timeout_ms - duration_ms).max(0).unsigned_abs();
    let result = match result {
        Ok(fetched) => {
            let read = read(
                context,
                &reading,
                &fetched,
                before,
                &memory,
                Duration::from_millis(left_ms),
            )
            .await;
            read.map(|read| (read, fetched))
        }
        Err(failure) => Err(failure),
    };
    add(&context.counters.scrapes, usize::from(result.is_ok()));
    // Of all else nothing is left but numbers.
    let memory = matches!(result, Ok((Read::Anew(_), _))).then_some(memory);
    let (found, reports, mut state, new_set) = match result {
        Ok((Read::Known(body, readings), fetched)) => {
            add(&context.counters.scrapes_known, 1);
            known_again(body, readings, fetched.length(), before)
        }
        Ok((Read::Anew(body), fetched)) => {
            add(&context.counters.samples_duplicate, body.duplicates);
            add(&context.counters.samples_out_of_bounds, body.out_of_bounds);
            succeeded(context, &reading, &fetched, body, before).await?
        }
        Err(failure) => failed(context, &reading, &failure, before).await?,
    };
    state.job.clone_from(&job.name);
    state.labels = target.labels.clone();
    state.changed_ms = timestamp_ms;
    state.duration_ms = duration_ms;
    let is_slow = duration_ms.unsigned_abs() > context.settings.slow_ms;
    add(&context.counters.scrapes_slow, usize::from(is_slow));
    state.slowness = TargetState::slowness_after(before.state.map_or(0, |state| state.slowness), is_slow);
    let up = f64::from(u8::from(state.health == Health::Up));
    let values = [
        up,
        duration_ms as f64 / 1000.0,
        reports.samples as f64,
        reports.kept as f64,
        reports.added as f64,
        target.timeout_ms as f64 / 1000.0,
        job.sample_limit as f64,
        reports.body_bytes as f64,
    ];
    state.extra_metrics = job.extra_metrics;
    let samples = match found {
        Found::Series(mut series) => {
            series.extend(report_series(&target.labels, job.extra_metrics, timestamp_ms, &values));
            Samples::Series(series)
        }
        Found::Known(body, mut readings) => {
            body.report(&mut readings, &values);
            Samples::Readings(readings)
        }
    };
    let superseded = before
        .set()
        .filter(|old| state.series_set.as_ref() != Some(*old))
        .map(|old| old.name.clone());
    let outcome = Outcome {
        identity: target.identity,
        state,
        new_set,
        superseded,
        memory,
    };
    let id = format!("scrape/{:016x}/{timestamp_ms}", target.identity);
    Ok((batch(id, samples), outcome))
}

/// The numbers that a scrape reports of itself.
struct Reports {
    samples: usize,
    kept: usize,
    added: usize,
    body_bytes: i64,
}

/// The samples of a scrape without those that the scraper adds.
enum Found {
    Series(Vec<BatchSeries>),
    Known(Arc<KnownBody>, Readings),
}

type Parts = (Found, Reports, TargetState, Option<(String, SeriesSet)>);

/// The series are those of the scrape before: nothing ended, nothing is new.
fn known_again(body: Arc<KnownBody>, readings: Readings, length: i64, before: Before<'_>) -> Parts {
    let (samples, kept) = body.samples();
    let reports = Reports {
        samples,
        kept,
        added: 0,
        body_bytes: length,
    };
    let state = up(before.set().cloned(), body.metadata.clone());
    (Found::Known(body, readings), reports, state, None)
}

/// The state of a target after a scrape that succeeded.
fn up(series_set: Option<SeriesSetRef>, metadata: Option<String>) -> TargetState {
    TargetState {
        job: String::new(),
        labels: Labels::empty(),
        health: Health::Up,
        last_error: String::new(),
        changed_ms: 0,
        duration_ms: 0,
        series_set,
        live: true,
        metadata,
        extra_metrics: false,
        slowness: 0,
    }
}

async fn succeeded(
    context: &Context,
    reading: &Reading<'_>,
    fetched: &Fetched,
    body: Body,
    before: Before<'_>,
) -> Result<Parts, Error> {
    let Reading {
        target, timestamp_ms, ..
    } = *reading;
    let previous_set = before.set();
    let current = || {
        body.series
            .iter()
            .map(|series| &series.labels)
            .zip(body.tracked.iter().copied())
    };
    let hash = content_hash(body.ids.iter().copied().zip(body.tracked.iter().copied()));
    let same = match previous_set {
        Some(set) => set.hash == hash,
        None => body.series.is_empty(),
    };
    let (mut ended, mut added) = (Vec::new(), 0);
    let (mut series_set, mut new_set) = (previous_set.cloned(), None);
    if !same {
        let known = match previous_set {
            Some(set) => context.sets.get(&set.name).await?,
            None => Default::default(),
        };
        let tracked: HashSet<&Labels> = current()
            .filter(|(_, tracked)| *tracked)
            .map(|(labels, _)| labels)
            .collect();
        if before.is_live() {
            ended = stale(&known, timestamp_ms, |labels| !tracked.contains(labels));
        }
        let there: HashSet<&Labels> = known.labels().map(|(labels, _)| labels).collect();
        added = current().filter(|(labels, _)| !there.contains(labels)).count();
        // To be remembered: what is there, and after a rerun what ended too.
        let kept = ended.iter().filter(|_| before.rerun).map(|series| (series, true));
        let set = SeriesSet::of(body.series.iter().zip(body.tracked.iter().copied()).chain(kept));
        let hash = set.content_hash();
        if previous_set.is_none_or(|previous| previous.hash != hash) {
            series_set = (!set.series.is_empty()).then(|| SeriesSetRef {
                name: SeriesSet::name(target.identity, timestamp_ms, hash),
                hash,
                series: set.series.len(),
            });
            new_set = series_set.as_ref().map(|reference| (reference.name.clone(), set));
        }
    }
    let known = before.state.and_then(|state| state.metadata.as_deref());
    let metadata = metadata::put(&context.ports.objects, &body.metadata, known).await?;
    if same && let Some(Response { bytes, format }) = &fetched.0 {
        let body_and_format = (&**bytes, *format);
        context.known.learn(
            body_and_format,
            &body,
            metadata.as_deref(),
            reading,
            before.written,
            hash,
        )?;
    }
    let reports = Reports {
        samples: body.samples,
        kept: body.kept,
        added,
        body_bytes: fetched.length(),
    };
    let mut series = body.series;
    series.append(&mut ended);
    Ok((Found::Series(series), reports, up(series_set, metadata), new_set))
}

async fn failed(
    context: &Context,
    reading: &Reading<'_>,
    failure: &Failure,
    before: Before<'_>,
) -> Result<Parts, Error> {
    let timestamp_ms = reading.timestamp_ms;
    add(&context.counters.scrapes_failed, 1);
    tracing::debug!(url = reading.target.url, error = failure.message, "scrape failed");
    let series = match before.set().filter(|_| before.is_live()) {
        Some(set) => stale(&*context.sets.get(&set.name).await?, timestamp_ms, |_| true),
        None => Vec::new(),
    };
    let reports = Reports {
        samples: failure.samples,
        kept: failure.kept,
        added: 0,
        body_bytes: failure.body_bytes,
    };
    let state = TargetState {
        job: String::new(),
        labels: Labels::empty(),
        health: Health::Down,
        last_error: TargetState::error_text(&failure.message),
        changed_ms: 0,
        duration_ms: 0,
        // What was known stays known: when the target comes back, its series are not new.
        series_set: before.set().cloned(),
        live: before.rerun && before.is_live(),
        metadata: before.state.and_then(|state| state.metadata.clone()),
        extra_metrics: false,
        slowness: 0,
    };
    Ok((Found::Series(series), reports, state, None))
}

/// Staleness markers for the tracked series of a set that `ended` says yes to.
fn stale(set: &SeriesSet, timestamp_ms: i64, ended: impl Fn(&Labels) -> bool) -> Vec<BatchSeries> {
    set.series
        .iter()
        .filter(|(series, tracked)| *tracked && ended(&series.labels))
        .map(|(series, _)| BatchSeries {
            samples: vec![Sample::float(timestamp_ms, stale_nan())],
            ..series.clone()
        })
        .collect()
}

/// The labels of the series that the scraper adds for a target of these labels.
pub(crate) fn reported(labels: &Labels, extra: bool) -> impl Iterator<Item = Labels> {
    let told = if extra { REPORTS.len() } else { USUAL_REPORTS };
    REPORTS
        .into_iter()
        .take(told)
        .map(move |name| sample_labels::report(name, labels))
}

fn report_series(
    labels: &Labels,
    extra: bool,
    timestamp_ms: i64,
    values: &[f64; REPORTS.len()],
) -> impl Iterator<Item = BatchSeries> {
    reported(labels, extra)
        .zip(values)
        .map(move |(labels, value)| BatchSeries {
            labels,
            kind: MetricType::Gauge,
            samples: vec![Sample::float(timestamp_ms, *value)],
            exemplars: Vec::new(),
        })
}

fn batch(id: String, samples: Samples) -> Batch {
    Batch {
        id,
        tenant: parapet_store::tenant::DEFAULT.to_owned(),
        samples,
    }
}

/// The end of a target that left the configuration: markers for all it had, `up` included.
///
/// # Errors
/// Where the bucket cannot be reached.
pub(crate) async fn gone(
    context: &Context,
    identity: u64,
    state: &TargetState,
    timestamp_ms: i64,
) -> Result<Batch, Error> {
    let mut series = match state.series_set.as_ref().filter(|_| state.live) {
        Some(set) => stale(&*context.sets.get(&set.name).await?, timestamp_ms, |_| true),
        None => Vec::new(),
    };
    let markers = [stale_nan(); REPORTS.len()];
    series.extend(report_series(
        &state.labels,
        state.extra_metrics,
        timestamp_ms,
        &markers,
    ));
    Ok(batch(
        format!("scrape/{identity:016x}/{timestamp_ms}/gone"),
        Samples::Series(series),
    ))
}

//! Where imported samples go: gathered into batches, which the store's writer commits.

use super::Window;
use crate::storage::Storage;
use anyhow::{Context as _, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use parapet_model::{BatchSeries, Exemplar, Labels, MetricType, Sample, SampleBatch, Value};
use parapet_segment::EncodeOptions;
use parapet_store::day::{DAY_MS, Day};
use parapet_store::{Compaction, CompactionSettings, Limits, Refusals, Writer, WriterSettings};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

/// What came of an import.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Samples in new files.
    pub(super) samples: u64,
    /// New files, and their size.
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Samples of batches that were stored before.
    pub(super) repeated: u64,
    pub(super) refused: Refusals,
    /// The ids of all series that were met.
    pub(super) series: HashSet<i64>,
    /// The earliest and the latest sample.
    pub(super) times: Option<(i64, i64)>,
}

type Days = BTreeMap<Day, HashMap<Labels, BatchSeries>>;

/// Takes samples in any order.
///
/// Invariant: a batch's id is a hash of what is in it, so that the same batch, met again, is not stored again. The same
/// input gives the same batches; where it does not (other `--start`, other `--batch-samples`), a sample may be stored
/// twice, and is one to every reader.
pub(super) struct Sink<'s> {
    storage: &'s Storage,
    writer: Writer,
    limits: Limits,
    window: Window,
    batch_samples: usize,
    pending: Days,
    pending_samples: usize,
    /// The first day that anything is of: exemplars may be of an earlier one than their samples.
    first_day: Option<Day>,
    report: Report,
    pub(super) progress: ProgressBar,
}

/// Marks of imported batches outlive the data: a year, and then some.
const BATCH_MEMORY_MS: i64 = 400 * DAY_MS;

impl<'s> Sink<'s> {
    pub(super) fn new(storage: &'s Storage, window: Window, batch_samples: usize) -> Self {
        let limits = Limits {
            // History is as old as it is.
            max_age_ms: i64::MAX,
            ..Limits::default()
        };
        let settings = WriterSettings {
            limits: limits.clone(),
            // What is imported stays.
            encode: EncodeOptions::default(),
            batch_memory_ms: BATCH_MEMORY_MS,
            ..WriterSettings::default()
        };
        Self {
            writer: Writer::new(&storage.ports, settings),
            storage,
            limits,
            window,
            batch_samples,
            pending: Days::new(),
            pending_samples: 0,
            first_day: None,
            report: Report::default(),
            progress: ProgressBar::hidden(),
        }
    }

    /// Shows how far it is, where standard error is a terminal. `unit` is a placeholder of indicatif's.
    pub(super) fn show_progress(&mut self, name: String, length: u64, unit: &str) {
        self.progress.finish_and_clear();
        let line = format!("{{msg}} {{wide_bar}} {unit} {{eta}}");
        self.progress = ProgressBar::new(length).with_message(name);
        if let Ok(style) = ProgressStyle::with_template(&line) {
            self.progress.set_style(style);
        }
    }

    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// Takes samples of one series, all of one day, and in order of time.
    pub(super) fn push(&mut self, day: Day, labels: &Labels, samples: Vec<Sample>) -> anyhow::Result<()> {
        self.pending_samples += samples.len();
        let series = pending(&mut self.pending, day, labels);
        if series.samples.is_empty() {
            series.samples = samples;
        } else {
            series.samples.extend(samples);
        }
        self.flush_when_full()
    }

    /// Takes a sample with what text says of it, where its time is asked for.
    pub(super) fn push_one(
        &mut self,
        labels: &Labels,
        kind: MetricType,
        sample: Sample,
        exemplar: Option<Exemplar>,
    ) -> anyhow::Result<()> {
        if !self.window.holds(sample.timestamp_ms) {
            return Ok(());
        }
        let series = pending(&mut self.pending, Day::of_ms(sample.timestamp_ms), labels);
        series.kind = series.kind.max(kind);
        series.samples.push(sample);
        series.exemplars.extend(exemplar);
        self.pending_samples += 1;
        self.flush_when_full()
    }

    fn flush_when_full(&mut self) -> anyhow::Result<()> {
        match self.pending_samples >= self.batch_samples {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Stores what is gathered: a batch for each day.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.pending_samples = 0;
        for (_, series) in std::mem::take(&mut self.pending) {
            let mut series: Vec<BatchSeries> = series.into_values().collect();
            series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
            let batch = SampleBatch {
                id: format!("import/{:032x}", content_hash(&series)),
                tenant: self.storage.tenant.clone(),
                series,
            };
            self.note(&batch);
            self.commit(batch)?;
        }
        Ok(())
    }

    fn note(&mut self, batch: &SampleBatch) {
        let now_ms = self.storage.ports.clock.now_ms();
        let is_kept = |sample: &&Sample| self.limits.refuse_sample(sample, now_ms).is_none();
        for series in &batch.series {
            self.report.series.insert(series.labels.series_id());
            for sample in series.samples.iter().filter(is_kept) {
                let at = sample.timestamp_ms;
                let times = self.report.times.get_or_insert((at, at));
                *times = (times.0.min(at), times.1.max(at));
            }
            let samples = series.samples.iter().map(|sample| sample.timestamp_ms);
            let exemplars = series.exemplars.iter().map(|exemplar| exemplar.timestamp_ms);
            let first = samples.chain(exemplars).map(Day::of_ms).min();
            self.first_day = self.first_day.into_iter().chain(first).min();
        }
    }

    fn commit(&mut self, batch: SampleBatch) -> anyhow::Result<()> {
        let (runtime, report) = (&self.storage.runtime, &mut self.report);
        let count = batch.sample_count() as u64;
        if runtime.block_on(self.writer.is_stored(&batch.tenant, &batch.id))? {
            report.repeated += count;
            return Ok(());
        }
        let committed = runtime.block_on(self.writer.commit(vec![batch]));
        if let Some(failed) = committed.failed.into_iter().next() {
            return Err(anyhow!(failed.error)).context("samples cannot be stored");
        }
        report.samples += committed.samples;
        report.files += committed.files;
        report.bytes += committed.bytes;
        for (reason, count) in committed.refused {
            *report.refused.entry(reason).or_default() += count;
        }
        Ok(())
    }

    /// Stores the rest, merges the files of the days that got new ones, and publishes them for SQL, as the compactor of
    /// a process would within the hour.
    pub(super) fn finish(mut self, storage_path: &Path) -> anyhow::Result<Report> {
        self.flush()?;
        self.progress.finish_and_clear();
        if let (Some(first), 1..) = (self.first_day, self.report.files) {
            let settings = CompactionSettings {
                url_prefix: crate::storage::published_prefix(storage_path)?,
                ..CompactionSettings::default()
            };
            let compaction = Compaction::new(&self.storage.ports, settings);
            let merged = compaction.compact(&self.storage.tenant, first);
            self.storage
                .runtime
                .block_on(merged)
                .context("the new files are stored, but not merged")?;
        }
        Ok(self.report)
    }
}

fn pending<'d>(days: &'d mut Days, day: Day, labels: &Labels) -> &'d mut BatchSeries {
    let of_day = days.entry(day).or_default();
    of_day.entry(labels.clone()).or_insert_with(|| BatchSeries {
        labels: labels.clone(),
        ..BatchSeries::default()
    })
}

/// A hash of all that is stored of series.
fn content_hash(series: &[BatchSeries]) -> u128 {
    let mut hasher = Xxh3::new();
    for one in series {
        hasher.update(&one.labels.series_id().to_le_bytes());
        hasher.update(one.kind.as_str().as_bytes());
        hasher.update(&(one.samples.len() as u64).to_le_bytes());
        for sample in &one.samples {
            hasher.update(&sample.timestamp_ms.to_le_bytes());
            match &sample.value {
                Value::Float(value) => hasher.update(&value.to_bits().to_le_bytes()),
                // The form with every field; of a NaN it has no bits, but those of a marker are told by its sum.
                Value::Histogram(histogram) => {
                    hasher.update(&histogram.sum.to_bits().to_le_bytes());
                    hasher.update(format!("{histogram:?}").as_bytes());
                }
            }
        }
        for exemplar in &one.exemplars {
            hasher.update(format!("{exemplar:?}").as_bytes());
        }
    }
    hasher.digest128()
}

//! From a body to samples with their labels (`scrapeLoop.append` of Prometheus).

use crate::sample_labels::{self, LabelLimits};
use parapet_config::ScrapeJob;
use parapet_exposition::{Entry, FamilyTracker, Format, Limits, Metadata, Parser, Series};
use parapet_model::{BatchSeries, Exemplar, Labels, Sample};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// A body's own timestamps may not lie further in the future than this (`maxAheadTime` of Prometheus).
const MAX_AHEAD_MS: i64 = 10 * 60_000;

/// A target shows an exemplar until another takes its place. One of its own time that is older than this, and than a few
/// scrapes, was stored when it was new; stored again with each scrape, it would open old days anew.
const EXEMPLAR_AGE_MS: i64 = 10 * 60_000;

/// What a scrape brought.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// Every series with its samples; empty when there is a fault.
    pub(crate) series: Vec<BatchSeries>,
    /// The id of each series.
    pub(crate) ids: Vec<i64>,
    /// For each series, whether its disappearance is marked: not where the target gives timestamps itself.
    pub(crate) tracked: Vec<bool>,
    /// Samples in the body, up to the fault if there is one.
    pub(crate) samples: usize,
    /// Of which were left by `metric_relabel_configs`.
    pub(crate) kept: usize,
    /// What the body says of its metric families.
    pub(crate) metadata: BTreeMap<String, Metadata>,
    /// Samples dropped because their series stood there already.
    pub(crate) duplicates: usize,
    /// Samples dropped because their time lies in the future.
    pub(crate) out_of_bounds: usize,
}

/// Why nothing of a body is stored, with what was counted until then.
#[derive(Debug)]
pub(crate) struct BodyFault {
    pub(crate) message: String,
    pub(crate) samples: usize,
    pub(crate) kept: usize,
}

/// How a body is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) job: &'a ScrapeJob,
    pub(crate) target_labels: &'a Labels,
    /// The timestamp of samples that have none.
    pub(crate) timestamp_ms: i64,
    pub(crate) max_samples: u64,
    pub(crate) max_labels_per_series: usize,
}

/// Reads a body. All of it is taken or nothing.
pub(crate) fn read(body: &[u8], format: Format, reading: &Reading<'_>) -> Result<Body, BodyFault> {
    let limits = Limits {
        labels_per_series: reading.max_labels_per_series,
    };
    let mut collector = Collector {
        reading: *reading,
        out: Body::default(),
        places: HashMap::default(),
        over_limit: false,
    };
    let mut parser = Parser::new(body, format, &limits);
    let mut family = FamilyTracker::default();
    let fault = loop {
        match parser.next_entry() {
            Ok(None) => break None,
            Ok(Some(Entry::Series(series))) => {
                if let Err(fault) = collector.add(&series, &family) {
                    break Some(fault);
                }
            }
            Ok(Some(entry)) => {
                family.note(&entry);
                collector.describe(entry);
            }
            Err(error) => break Some(error.to_string()),
        }
    };
    // Over the limit, the whole body was read all the same, to report how much there was.
    let fault = fault.or_else(|| collector.over_limit.then(|| "sample limit exceeded".to_owned()));
    let Body { samples, kept, .. } = collector.out;
    match fault {
        Some(message) => Err(BodyFault { message, samples, kept }),
        None => Ok(collector.out),
    }
}

struct Collector<'a> {
    reading: Reading<'a>,
    out: Body,
    /// Where a series of each id stands in `out.series`.
    places: HashMap<i64, usize, BuildHasherDefault<IdHasher>>,
    over_limit: bool,
}

/// Series ids are hashes already.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }
    fn write_i64(&mut self, id: i64) {
        self.0 = id.cast_unsigned();
    }
}

impl Collector<'_> {
    fn add(&mut self, series: &Series<'_, '_>, family: &FamilyTracker<'_>) -> Result<(), String> {
        let Reading { job, .. } = self.reading;
        self.out.samples += 1;
        let labels = sample_labels::join(
            &series.name,
            series.labels,
            self.reading.target_labels,
            job.honor_labels,
        )?;
        let Some(labels) = sample_labels::relabel(labels, &job.metric_relabel)? else {
            return Ok(());
        };
        self.out.kept += 1;
        let limit = if job.sample_limit > 0 {
            job.sample_limit
        } else {
            self.reading.max_samples
        };
        if self.over_limit || self.out.kept as u64 > limit {
            // Memory is not spent on what will be thrown away.
            self.over_limit = true;
            return Ok(());
        }
        let limits = LabelLimits {
            labels: job.label_limit,
            name_length: job.label_name_length_limit,
            value_length: job.label_value_length_limit,
        };
        sample_labels::verify(&labels, &limits)?;
        let own_time = series.timestamp_ms.filter(|_| job.honor_timestamps);
        let timestamp_ms = own_time.unwrap_or(self.reading.timestamp_ms);
        if timestamp_ms > self.reading.timestamp_ms + MAX_AHEAD_MS {
            self.out.out_of_bounds += 1;
            return Ok(());
        }
        let sample = Sample::float(timestamp_ms, series.value);
        let tracked = own_time.is_none() || job.track_timestamps_staleness;
        let series_id = labels.series_id();
        match self.place(series_id, &labels) {
            None => {
                self.places.entry(series_id).or_insert(self.out.series.len());
                self.out.ids.push(series_id);
                self.out.series.push(BatchSeries {
                    labels,
                    kind: family.kind_of(&series.name),
                    samples: vec![sample],
                    exemplars: self.exemplar(series, timestamp_ms).into_iter().collect(),
                });
                self.out.tracked.push(tracked);
            }
            Some(place) => {
                let exemplar = self.exemplar(series, timestamp_ms);
                let BatchSeries { samples, exemplars, .. } = &mut self.out.series[place];
                match samples.binary_search_by_key(&timestamp_ms, |sample| sample.timestamp_ms) {
                    // The first one stays.
                    Ok(_) => self.out.duplicates += 1,
                    Err(at) => {
                        samples.insert(at, sample);
                        exemplars.extend(exemplar);
                        self.out.tracked[place] |= tracked;
                    }
                }
            }
        }
        Ok(())
    }

    /// Where a series stands. Others may have its id.
    fn place(&self, series_id: i64, labels: &Labels) -> Option<usize> {
        let place = *self.places.get(&series_id)?;
        if self.out.series[place].labels == *labels {
            return Some(place);
        }
        self.out.series.iter().position(|series| series.labels == *labels)
    }

    /// The exemplar of a series whose sample has this time.
    fn exemplar(&self, series: &Series<'_, '_>, timestamp_ms: i64) -> Option<Exemplar> {
        let found = series.exemplar.as_ref()?;
        let oldest = self.reading.timestamp_ms - EXEMPLAR_AGE_MS.max(self.reading.job.interval_ms.saturating_mul(5));
        found.timestamp_ms.is_none_or(|at| at >= oldest).then(|| Exemplar {
            labels: Labels::from_pairs(found.labels.iter().map(|(name, value)| (&**name, &**value))),
            value: found.value,
            timestamp_ms: found.timestamp_ms.unwrap_or(timestamp_ms),
            has_timestamp: found.timestamp_ms.is_some(),
        })
    }

    fn describe(&mut self, entry: Entry<'_, '_>) {
        let metadata = &mut self.out.metadata;
        match entry {
            Entry::Type { family, kind } => metadata.entry(family.to_owned()).or_default().kind = kind,
            Entry::Help { family, text } => metadata.entry(family.to_owned()).or_default().help = text.into_owned(),
            Entry::Unit { family, unit } => metadata.entry(family.to_owned()).or_default().unit = unit.to_owned(),
            Entry::Series(_) | Entry::Comment(_) => {}
        }
    }
}

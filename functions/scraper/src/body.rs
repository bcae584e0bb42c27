//! From a body to samples with their labels (`scrapeLoop.append` of Prometheus).

use crate::native_histogram;
use crate::sample_labels::{self, LabelLimits};
use crate::settings::Settings;
use parapet_config::{ScrapeJob, Target};
use parapet_exposition::{Entry, FamilyTracker, Format, LabelPair, Limits, Metadata, Options, Parser};
use parapet_model::{BatchSeries, Exemplar, Labels, Sample, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// A body's own timestamps may not lie further in the future than this (`maxAheadTime` of Prometheus).
pub(crate) const MAX_AHEAD_MS: i64 = 10 * 60_000;

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
    /// The numbers of the samples that `metric_relabel_configs` dropped.
    pub(crate) dropped: Vec<usize>,
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

impl From<String> for BodyFault {
    fn from(message: String) -> Self {
        Self {
            message,
            samples: 0,
            kept: 0,
        }
    }
}

/// How a body is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) job: &'a ScrapeJob,
    pub(crate) target: &'a Target,
    /// The timestamp of samples that have none.
    pub(crate) timestamp_ms: i64,
    pub(crate) settings: &'a Settings,
}

impl Reading<'_> {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            labels_per_series: self.settings.max_labels_per_series,
            buckets_per_histogram: self.settings.max_buckets_per_histogram,
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            native_histograms: self.job.native_histograms,
            classic_histograms: self.job.classic_histograms,
            convert_classic_histograms: self.job.convert_classic_histograms,
            start_timestamps: self.settings.start_timestamps,
            type_and_unit_labels: self.settings.type_and_unit_labels,
        }
    }
}

/// Reads a body. All of it is taken or nothing.
pub(crate) fn read(body: &[u8], format: Format, reading: &Reading<'_>) -> Result<Body, BodyFault> {
    let mut collector = Collector {
        reading: *reading,
        out: Body::default(),
        places: HashMap::default(),
        over_limit: None,
    };
    let mut parser = Parser::new(body, format, &reading.limits()).with_options(reading.options());
    let mut family = FamilyTracker::default();
    let fault = loop {
        let point = match parser.next_entry() {
            Ok(None) => break None,
            Ok(Some(Entry::Series(series))) => Point {
                name: series.name,
                labels: series.labels,
                value: Value::Float(series.value),
                timestamp_ms: series.timestamp_ms,
                start_timestamp_ms: series.start_timestamp_ms,
                exemplars: series.exemplar.into_iter().collect(),
            },
            Ok(Some(Entry::Histogram(series))) => Point {
                name: series.name,
                labels: series.labels,
                value: Value::Histogram(Arc::new(series.histogram)),
                timestamp_ms: series.timestamp_ms,
                start_timestamp_ms: series.start_timestamp_ms,
                exemplars: series.exemplars,
            },
            Ok(Some(entry)) => {
                family.note(&entry);
                Metadata::note(&mut collector.out.metadata, entry);
                continue;
            }
            Err(error) => break Some(error.to_string()),
        };
        if let Err(fault) = collector.add(point, &family) {
            break Some(fault);
        }
    };
    // Over a limit, the whole body was read all the same, to report how much there was.
    let fault = fault.or_else(|| collector.over_limit.map(|limit| format!("{limit} limit exceeded")));
    let Body { samples, kept, .. } = collector.out;
    match fault {
        Some(message) => Err(BodyFault { message, samples, kept }),
        None => Ok(collector.out),
    }
}

/// A sample of a body.
struct Point<'s> {
    name: Cow<'s, str>,
    labels: &'s [LabelPair<'s>],
    value: Value,
    timestamp_ms: Option<i64>,
    start_timestamp_ms: Option<i64>,
    exemplars: Vec<parapet_exposition::Exemplar<'s, 's>>,
}

struct Collector<'a> {
    reading: Reading<'a>,
    out: Body,
    /// Where a series of each id stands in `out.series`.
    places: HashMap<i64, usize, BuildHasherDefault<IdHasher>>,
    /// The limit that is exceeded, the first one to be told.
    over_limit: Option<&'static str>,
}

const SAMPLE_LIMIT: &str = "sample";
const BUCKET_LIMIT: &str = "histogram bucket";

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
    fn add(&mut self, mut point: Point<'_>, family: &FamilyTracker<'_>) -> Result<(), String> {
        let Reading { job, .. } = self.reading;
        self.out.samples += 1;
        let labels = sample_labels::join(&point.name, point.labels, &self.reading.target.labels, job.honor_labels)?;
        let Some(labels) = sample_labels::relabel(labels, &job.metric_relabel)? else {
            self.out.dropped.push(self.out.samples - 1);
            return Ok(());
        };
        self.out.kept += 1;
        sample_labels::check_names(&labels, job.name_validation)?;
        if let Value::Histogram(histogram) = &mut point.value {
            let (factor, limit) = (
                job.native_histogram_min_bucket_factor,
                job.native_histogram_bucket_limit,
            );
            match native_histogram::fit(histogram, factor, limit) {
                Some(fitting) => *histogram = Arc::new(fitting),
                None => {
                    self.over_limit = self.over_limit.or(Some(BUCKET_LIMIT));
                    return Ok(());
                }
            }
            histogram.validate()?;
        }
        let limit = if job.sample_limit > 0 {
            job.sample_limit
        } else {
            self.reading.settings.max_samples
        };
        if self.out.kept as u64 > limit {
            self.over_limit = Some(SAMPLE_LIMIT);
        }
        if self.over_limit.is_some() {
            // Memory is not spent on what will be thrown away.
            return Ok(());
        }
        let limits = LabelLimits {
            labels: job.label_limit,
            name_length: job.label_name_length_limit,
            value_length: job.label_value_length_limit,
        };
        sample_labels::verify(&labels, &limits)?;
        let own_time = point.timestamp_ms.filter(|_| job.honor_timestamps);
        let timestamp_ms = own_time.unwrap_or(self.reading.timestamp_ms);
        if timestamp_ms > self.reading.timestamp_ms + MAX_AHEAD_MS {
            self.out.out_of_bounds += 1;
            return Ok(());
        }
        let exemplars = self.exemplars(&point, timestamp_ms);
        let zero = self.zero_sample(&point, timestamp_ms);
        let sample = Sample {
            timestamp_ms,
            value: point.value,
        };
        let tracked = own_time.is_none() || job.track_timestamps_staleness;
        let series_id = labels.series_id();
        match self.place(series_id, &labels) {
            None => {
                self.places.entry(series_id).or_insert(self.out.series.len());
                self.out.ids.push(series_id);
                self.out.series.push(BatchSeries {
                    labels,
                    kind: family.kind_of(&point.name),
                    samples: zero.into_iter().chain([sample]).collect(),
                    exemplars,
                });
                self.out.tracked.push(tracked);
            }
            Some(place) => {
                let series = &mut self.out.series[place];
                match series
                    .samples
                    .binary_search_by_key(&timestamp_ms, |sample| sample.timestamp_ms)
                {
                    // The first one stays.
                    Ok(_) => self.out.duplicates += 1,
                    Err(at) => {
                        series.samples.insert(at, sample);
                        series.exemplars.extend(exemplars);
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

    /// The exemplars of a series whose sample has this time. A native histogram's need a time of their own: without
    /// one nothing tells a new one from one that was there before.
    fn exemplars(&self, point: &Point<'_>, timestamp_ms: i64) -> Vec<Exemplar> {
        let oldest = self.reading.timestamp_ms - EXEMPLAR_AGE_MS.max(self.reading.target.interval_ms.saturating_mul(5));
        let is_histogram = matches!(point.value, Value::Histogram(_));
        let taken = point.exemplars.iter().filter(|found| match found.timestamp_ms {
            Some(at) => at >= oldest,
            None => !is_histogram,
        });
        taken
            .map(|found| Exemplar {
                labels: Labels::from_pairs(found.labels.iter().map(|(name, value)| (&**name, &**value))),
                value: found.value,
                timestamp_ms: found.timestamp_ms.unwrap_or(timestamp_ms),
                has_timestamp: found.timestamp_ms.is_some(),
            })
            .collect()
    }

    /// The zero from which a counter began. It is stored by the first scrape after the beginning, and not again: that
    /// one alone is no more than an interval away.
    fn zero_sample(&self, point: &Point<'_>, timestamp_ms: i64) -> Option<Sample> {
        let began_ms = point.start_timestamp_ms?;
        let earliest_ms = timestamp_ms - self.reading.target.interval_ms;
        (earliest_ms < began_ms && began_ms < timestamp_ms).then(|| Sample {
            timestamp_ms: began_ms,
            value: match &point.value {
                Value::Float(_) => Value::Float(0.0),
                Value::Histogram(histogram) => Value::Histogram(Arc::new(native_histogram::zero(histogram))),
            },
        })
    }
}

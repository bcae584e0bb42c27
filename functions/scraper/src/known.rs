//! Bodies that are known again: of a target whose series have not changed only the numbers are read (the purpose of
//! `scrapeCache` in Prometheus).

use crate::body::{Body, MAX_AHEAD_MS, Reading};
use crate::outcome::reported;
use parapet_config::Config;
use parapet_exposition::{Format, Skeleton};
use parapet_model::{Labels, MetricType, Value};
use parapet_ports::Error;
use parapet_store::{Layout, Readings, Times};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A body whose like can be read by its numbers alone.
#[derive(Debug)]
pub(crate) struct KnownBody {
    format: Format,
    skeleton: Skeleton,
    layout: Arc<Layout>,
    /// For each sample of the body, where its series stands in the layout; `None` where relabelling drops it.
    places: Vec<Option<usize>>,
    /// The same for the series that the scraper adds.
    report_places: Vec<usize>,
    /// The object with the target's metadata.
    pub(crate) metadata: Option<String>,
}

impl KnownBody {
    /// What is to be known of a body that was read; `None` where its like has to be read in full each time: where a
    /// series has more than one sample or something else than a float, or samples were left out.
    fn of(
        bytes: &[u8],
        format: Format,
        body: &Body,
        metadata: Option<&str>,
        reading: &Reading<'_>,
    ) -> Result<Option<Self>, Error> {
        let is_plain = body.series.iter().all(|series| {
            let floats = matches!(&*series.samples, [sample] if matches!(sample.value, Value::Float(_)));
            floats && series.exemplars.is_empty()
        });
        if !is_plain || body.duplicates > 0 || body.out_of_bounds > 0 {
            return Ok(None);
        }
        let skeleton = Skeleton::of(bytes, format, &reading.limits(), reading.options());
        let Some(skeleton) = skeleton.filter(|skeleton| skeleton.sample_count() == body.samples) else {
            return Ok(None);
        };
        let mut series: Vec<(Labels, MetricType)> = body
            .series
            .iter()
            .map(|series| (series.labels.clone(), series.kind))
            .collect();
        series.extend(
            reported(&reading.target.labels, reading.job.extra_metrics).map(|labels| (labels, MetricType::Gauge)),
        );
        let Some((layout, of_series)) = Layout::of(&series)? else {
            return Ok(None);
        };
        let (of_body, of_reports) = of_series.split_at(body.series.len());
        let (mut places, mut dropped) = (Vec::with_capacity(body.samples), body.dropped.iter().peekable());
        let mut kept = of_body.iter();
        for sample in 0..body.samples {
            let place = match dropped.next_if_eq(&&sample) {
                Some(_) => None,
                None => kept.next().copied(),
            };
            places.push(place);
        }
        Ok(Some(Self {
            format,
            skeleton,
            layout: Arc::new(layout),
            places,
            report_places: of_reports.to_vec(),
            metadata: metadata.map(str::to_owned),
        }))
    }

    /// The numbers of a body that is like the known one; those of the scraper's own series are 0 yet.
    fn read(&self, bytes: &[u8], format: Format, reading: &Reading<'_>) -> Option<Readings> {
        if format != self.format {
            return None;
        }
        let mut values = vec![0.0; self.layout.series().len()];
        let (mut times, mut sample, mut ahead) = (Vec::new(), 0, false);
        let scheduled_ms = reading.timestamp_ms;
        let known = self.skeleton.numbers(bytes, |value, timestamp_ms| {
            let place = self.places[sample];
            sample += 1;
            let Some(place) = place else { return };
            values[place] = value;
            let Some(at) = timestamp_ms.filter(|_| reading.job.honor_timestamps) else {
                return;
            };
            ahead |= at > scheduled_ms + MAX_AHEAD_MS;
            if times.is_empty() {
                times.resize(values.len(), scheduled_ms);
            }
            times[place] = at;
        });
        (known && !ahead).then(|| Readings {
            layout: self.layout.clone(),
            times: if times.is_empty() {
                Times::All(scheduled_ms)
            } else {
                Times::Each(times)
            },
            values,
        })
    }

    /// How many samples the body has, and how many of them relabelling keeps.
    pub(crate) fn samples(&self) -> (usize, usize) {
        (self.places.len(), self.places.iter().flatten().count())
    }

    /// Puts the values of the scraper's own series in their places.
    pub(crate) fn report(&self, readings: &mut Readings, reports: &[f64]) {
        for (place, value) in self.report_places.iter().zip(reports) {
            readings.values[*place] = *value;
        }
    }
}

/// The known bodies of targets.
#[derive(Debug)]
pub(crate) struct KnownBodies {
    known: Mutex<Known>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Known {
    targets: HashMap<u64, Entry>,
    series: usize,
}

/// What is known of a target.
#[derive(Debug)]
struct Entry {
    /// The configuration by which it was read.
    written: Arc<Config>,
    /// The content of its series set.
    hash: u64,
    /// `None` where its bodies have to be read in full.
    body: Option<Arc<KnownBody>>,
    /// Whether a body was known again by it.
    helped: AtomicBool,
}

impl Entry {
    fn series(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.layout.series().len())
    }
}

impl KnownBodies {
    /// Remembers bodies of about this many series in all.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            known: Mutex::default(),
            capacity,
        }
    }

    /// Reads a body as one that is known, of a target whose series set has this content.
    pub(crate) fn read(
        &self,
        (bytes, format): (&[u8], Format),
        reading: &Reading<'_>,
        written: &Arc<Config>,
        hash: Option<u64>,
    ) -> Option<(Arc<KnownBody>, Readings)> {
        let body = {
            let known = self.lock();
            let entry = known.targets.get(&reading.target.identity)?;
            let is_of = Arc::ptr_eq(&entry.written, written) && Some(entry.hash) == hash;
            entry.body.clone().filter(|_| is_of)?
        };
        let readings = body.read(bytes, format, reading)?;
        if let Some(entry) = self.lock().targets.get(&reading.target.identity) {
            entry.helped.store(true, Ordering::Relaxed);
        }
        Some((body, readings))
    }

    /// Remembers a body that was read in full, of a target whose series set has this content. A body that was of no
    /// help when the next one came, as where lines come in another order each time, is not followed by another.
    pub(crate) fn learn(
        &self,
        (bytes, format): (&[u8], Format),
        body: &Body,
        metadata: Option<&str>,
        reading: &Reading<'_>,
        written: &Arc<Config>,
        hash: u64,
    ) -> Result<(), Error> {
        let identity = reading.target.identity;
        let in_vain = self.lock().targets.get(&identity).is_some_and(|entry| {
            let same = Arc::ptr_eq(&entry.written, written) && entry.hash == hash;
            same && !entry.helped.load(Ordering::Relaxed)
        });
        let entry = Entry {
            written: written.clone(),
            hash,
            body: match in_vain {
                true => None,
                false => KnownBody::of(bytes, format, body, metadata, reading)?.map(Arc::new),
            },
            helped: AtomicBool::new(false),
        };
        let mut known = self.lock();
        if known.series + entry.series() > self.capacity {
            *known = Known::default();
        }
        if entry.series() <= self.capacity {
            known.series += entry.series();
            if let Some(old) = known.targets.insert(identity, entry) {
                known.series -= old.series();
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

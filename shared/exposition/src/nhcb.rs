//! Classic histograms as native ones with custom buckets (`convertnhcb` and `NHCBParser` of Prometheus).

use crate::parser::{Found, FoundExemplar, FoundHistogram, FoundSeries, LabelPair};
use parapet_model::{Histogram, MetricType, Span};
use std::borrow::Cow;

/// The schema number of custom buckets.
const CUSTOM_BUCKETS: i32 = -53;

/// What is known of one classic histogram (`convertnhcb.TempHistogram`).
#[derive(Clone, Debug, Default)]
pub(crate) struct ClassicHistogram {
    /// Bound and cumulative count, as they came.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

impl ClassicHistogram {
    /// Adds a bucket.
    pub(crate) fn set_bucket(&mut self, bound: f64, count: f64) -> Result<(), String> {
        if bound.is_nan() {
            return Err("bucket boundary must not be NaN".to_owned());
        }
        if count < 0.0 {
            let (le, count) = (shown(bound), shown(count));
            return Err(format!("bucket count must be non-negative: le={le}, count={count}"));
        }
        self.buckets.push((bound, count));
        Ok(())
    }

    pub(crate) fn set_count(&mut self, count: f64) -> Result<(), String> {
        if count < 0.0 {
            return Err(format!("count must be non-negative: count={}", shown(count)));
        }
        self.count = Some(count);
        Ok(())
    }

    pub(crate) fn set_sum(&mut self, sum: f64) {
        self.sum = sum;
    }

    /// The native histogram.
    #[allow(clippy::float_cmp)]
    pub(crate) fn convert(mut self) -> Result<Histogram, String> {
        // Of buckets with one bound the first counts.
        self.buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        self.buckets.dedup_by(|later, first| later.0 == first.0);
        if let Some(pair) = self.buckets.windows(2).find(|pair| pair[1].1 < pair[0].1) {
            let (count, before) = (shown(pair[1].1), shown(pair[0].1));
            return Err(format!("count is not cumulative: {count} < {before}"));
        }
        let last = self.buckets.last().copied();
        let count = self.count.or(last.map(|(_, count)| count)).unwrap_or_default();
        if last.is_none_or(|(bound, _)| bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let (bound, cumulative) = self.buckets.last().copied().unwrap_or_default();
        if count != cumulative {
            let (count, le, cumulative) = (shown(count), shown(bound), shown(cumulative));
            return Err(format!("count mismatch: count={count} != le={le} count={cumulative}"));
        }
        let mut before = 0.0;
        let counts = self.buckets.iter().map(|(_, cumulative)| {
            let own = cumulative - before;
            before = *cumulative;
            own
        });
        let mut histogram = Histogram {
            schema: CUSTOM_BUCKETS,
            count,
            sum: self.sum,
            positive_buckets: counts.collect(),
            positive_spans: vec![Span {
                offset: 0,
                length: u32::try_from(self.buckets.len()).unwrap_or(u32::MAX),
            }],
            ..Histogram::default()
        };
        let whole = self.buckets.iter().all(|(_, count)| count.round() == *count) && count.round() == count;
        histogram.compact(if whole { 2 } else { 0 });
        self.buckets.pop();
        histogram.custom_values = self.buckets.into_iter().map(|(bound, _)| bound).collect();
        histogram.validate()?;
        Ok(histogram)
    }
}

fn shown(number: f64) -> String {
    parapet_model::format_float(number)
}

/// Gathers the series of classic histograms in a text format, where each stands on its own line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collector<'a> {
    /// The family of the last `# TYPE`.
    family: &'a str,
    kind: MetricType,
    gathered: Option<Gathered<'a>>,
    /// What was read after the histogram that was told in between, and waits.
    pending: Option<Found<'a>>,
}

/// The histogram whose series are being read.
#[derive(Clone, Debug)]
struct Gathered<'a> {
    /// Without a suffix.
    name: String,
    /// Without the bound, sorted.
    labels: Vec<LabelPair<'a>>,
    histogram: ClassicHistogram,
    /// A count, bound or sum made no sense: then there is no histogram to tell of.
    broken: bool,
    exemplars: Vec<FoundExemplar<'a>>,
    timestamp_ms: Option<i64>,
    start_timestamp_ms: Option<i64>,
}

/// What a part of a classic histogram is.
enum Part {
    Bucket(f64),
    Count,
    Sum,
}

impl<'a> Collector<'a> {
    /// What waits to be told.
    pub(crate) fn take_pending(&mut self) -> Option<Found<'a>> {
        self.pending.take()
    }

    /// Takes note of a `# TYPE`.
    pub(crate) fn note_type(&mut self, family: &'a str, kind: MetricType) {
        (self.family, self.kind) = (family, kind);
    }

    /// Whether a histogram is being gathered that a series does not belong to.
    pub(crate) fn is_other(&self, name: &str, labels: &[LabelPair<'a>]) -> bool {
        let Some(gathered) = &self.gathered else { return false };
        self.kind != MetricType::Histogram
            || split(name).map_or(name, |(base, _)| base) != gathered.name
            || common(labels) != gathered.labels
    }

    /// The histogram gathered so far; `None` where there is none, or where its series make no histogram.
    pub(crate) fn finish(&mut self) -> Option<FoundHistogram<'a>> {
        let gathered = self.gathered.take().filter(|gathered| !gathered.broken)?;
        Some(FoundHistogram {
            name: Cow::Owned(gathered.name),
            labels: gathered.labels,
            histogram: gathered.histogram.convert().ok()?,
            timestamp_ms: gathered.timestamp_ms,
            exemplars: gathered.exemplars,
            start_timestamp_ms: gathered.start_timestamp_ms,
        })
    }

    /// Keeps what is told after the histogram.
    pub(crate) fn wait(&mut self, found: Found<'a>) {
        self.pending = Some(found);
    }

    /// Takes a series for a part of the histogram, exemplar included; `false` where it is none.
    pub(crate) fn gather(
        &mut self,
        found: &mut FoundSeries<'a>,
        labels: &[LabelPair<'a>],
        exemplar_labels: &[LabelPair<'a>],
    ) -> bool {
        if self.kind != MetricType::Histogram {
            return false;
        }
        let part = match split(&found.name) {
            Some((base, part)) if base == self.family => part,
            _ => return false,
        };
        let part = match part {
            "_bucket" => {
                let bound = labels.iter().find(|(name, _)| name == "le");
                match bound.and_then(|(_, bound)| parapet_model::parse_float(bound)) {
                    Some(bound) if !bound.is_nan() => Part::Bucket(bound),
                    _ => return false,
                }
            }
            "_count" => Part::Count,
            _ => Part::Sum,
        };
        let gathered = self.gathered.get_or_insert_with(|| Gathered {
            name: self.family.to_owned(),
            labels: common(labels),
            histogram: ClassicHistogram::default(),
            broken: false,
            exemplars: Vec::new(),
            timestamp_ms: found.timestamp_ms,
            start_timestamp_ms: found.start_timestamp_ms,
        });
        gathered
            .exemplars
            .extend(found.exemplar.take().map(|(value, timestamp_ms)| FoundExemplar {
                labels: exemplar_labels.to_vec(),
                value,
                timestamp_ms,
            }));
        let taken = match part {
            Part::Bucket(bound) => gathered.histogram.set_bucket(bound, found.value),
            Part::Count => gathered.histogram.set_count(found.value),
            Part::Sum => {
                gathered.histogram.set_sum(found.value);
                Ok(())
            }
        };
        gathered.broken |= taken.is_err();
        true
    }
}

/// The name without the suffix of a classic histogram's part, and the suffix.
fn split(name: &str) -> Option<(&str, &str)> {
    ["_bucket", "_sum", "_count"]
        .into_iter()
        .find_map(|suffix| Some((name.strip_suffix(suffix)?, suffix)))
}

/// The labels that the parts of one histogram have in common, sorted.
fn common<'a>(labels: &[LabelPair<'a>]) -> Vec<LabelPair<'a>> {
    let mut common: Vec<LabelPair<'a>> = labels.iter().filter(|(name, _)| name != "le").cloned().collect();
    common.sort_unstable();
    common
}

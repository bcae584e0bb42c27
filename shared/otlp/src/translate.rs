//! A request as series (`FromMetrics` of the translator).

use crate::labels::{ResourceLabels, ScopeLabels, TARGET_INFO, named, scope_labels};
use crate::name::{self, Kind};
use crate::proto::{
    Data, Exemplar as OtlpExemplar, ExemplarNumber, HistogramPoint, KeyValue, Metric, MetricsRequest, Number,
    NumberPoint, ResourceMetrics, SummaryPoint,
};
use crate::value::as_text;
use crate::{Deltas, Settings, histogram};
use parapet_model::{
    BatchSeries, CounterReset, Exemplar, Histogram, Labels, MAX_EXEMPLAR_LABEL_CHARS, MetricType, Sample, Value,
    format_float, stale_nan,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The flag of a point that says that its stream has nothing to tell any more.
const NO_RECORDED_VALUE: u32 = 1;
const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;
/// The most faults of one request that are told.
const MAX_FAULTS: usize = 10;
/// The most bytes of labels that one request may unfold to: a resource's attributes stand once in it, and with each of
/// its series here.
const MAX_LABEL_BYTES: usize = 256 * 1024 * 1024;

/// What a request holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translated {
    /// Gauges, cumulative sums and histograms, summaries, `target_info`.
    pub series: Vec<BatchSeries>,
    /// Sums and histograms of delta temporality, where they are given apart.
    pub deltas: Vec<DeltaGroup>,
    /// How many points could not be translated.
    pub rejected_points: u64,
    /// Why, for the first few.
    pub faults: Vec<String>,
}

/// The delta streams of one metric of one `job` and `instance`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeltaGroup {
    /// What names the group: a function of the labels that its series have in common.
    pub key: String,
    /// Its series. Each sample is what was added since the one before.
    pub series: Vec<BatchSeries>,
}

/// Series by their labels, in the order in which they came.
#[derive(Debug, Default)]
struct Collection {
    places: HashMap<Labels, usize>,
    series: Vec<BatchSeries>,
}

impl Collection {
    fn of(&mut self, labels: Labels, kind: MetricType) -> &mut BatchSeries {
        let next = self.series.len();
        let place = *self.places.entry(labels).or_insert_with_key(|labels| {
            self.series.push(BatchSeries {
                labels: labels.clone(),
                kind,
                ..BatchSeries::default()
            });
            next
        });
        &mut self.series[place]
    }

    fn add(&mut self, labels: Labels, kind: MetricType, timestamp_ms: i64, value: f64) -> &mut BatchSeries {
        let series = self.of(labels, kind);
        series.samples.push(Sample::float(timestamp_ms, value));
        series
    }

    /// The series with their samples in order of time.
    fn finish(mut self) -> Vec<BatchSeries> {
        for series in &mut self.series {
            series.samples.sort_by_key(|sample| sample.timestamp_ms);
            // Several resources of a request may have the same labels.
            if series.labels.metric_name() == Some(TARGET_INFO) {
                series.samples.dedup_by_key(|sample| sample.timestamp_ms);
            }
        }
        self.series
    }
}

/// The most samples of `target_info` of one request besides the last ones of its resources: points that are years apart
/// would make millions.
const MAX_TARGET_INFO: u64 = 10_000;

/// Translates a request.
#[must_use]
pub fn translate(request: &MetricsRequest, settings: &Settings) -> Translated {
    let mut translator = Translator {
        settings,
        series: Collection::default(),
        deltas: BTreeMap::new(),
        rejected_points: 0,
        faults: Vec::new(),
        label_bytes: 0,
        target_info_left: MAX_TARGET_INFO,
    };
    for resource_metrics in &request.resource_metrics {
        translator.resource(resource_metrics);
    }
    let deltas = translator.deltas.into_iter().map(|(key, series)| DeltaGroup {
        key,
        series: series.finish(),
    });
    Translated {
        series: translator.series.finish(),
        deltas: deltas.collect(),
        rejected_points: translator.rejected_points,
        faults: translator.faults,
    }
}

struct Translator<'a> {
    settings: &'a Settings,
    series: Collection,
    deltas: BTreeMap<String, Collection>,
    rejected_points: u64,
    faults: Vec<String>,
    label_bytes: usize,
    /// How many samples more of `target_info` may stand between the first and the last points of resources.
    target_info_left: u64,
}

/// What the points of a metric have in common.
struct Family<'a> {
    name: &'a str,
    kind: MetricType,
    /// Native histograms of deltas are gauges, for want of a better word.
    counter_reset: CounterReset,
    resource: &'a ResourceLabels<'a>,
    scope: &'a ScopeLabels,
}

impl Translator<'_> {
    fn resource(&mut self, resource_metrics: &ResourceMetrics) {
        let resource = ResourceLabels::new(resource_metrics.resource.as_ref(), self.settings);
        let (mut oldest, mut newest) = (u64::MAX, 0);
        for scope_metrics in &resource_metrics.scope_metrics {
            let scope = scope_labels(scope_metrics, self.settings);
            for metric in &scope_metrics.metrics {
                for at in times(metric) {
                    (oldest, newest) = (oldest.min(at), newest.max(at));
                }
                self.metric(metric, &resource, &scope);
            }
        }
        if newest > 0
            && let Some(labels) = resource.target_info(self.settings)
        {
            self.target_info(labels, oldest, newest);
        }
    }

    /// A sample at the newest time, and before it so many that a query between finds one (`addResourceTargetInfo`).
    fn target_info(&mut self, labels: Labels, oldest: u64, newest: u64) {
        let interval = (self.settings.lookback_delta_ms.max(2) / 2).saturating_mul(1_000_000);
        let steps = (newest - oldest).div_ceil(interval);
        let count = steps.min(self.target_info_left);
        self.target_info_left -= count;
        // The last ones, where there are too many.
        let before = (steps - count..steps).map(|step| oldest + step * interval);
        let series = self.series.of(labels, MetricType::Gauge);
        let at = before.chain([newest]).map(milliseconds);
        series.samples.extend(at.map(|at| Sample::float(at, 1.0)));
    }

    fn metric(&mut self, metric: &Metric, resource: &ResourceLabels<'_>, scope: &ScopeLabels) {
        let points = match &metric.data {
            Some(Data::Gauge(gauge)) => gauge.data_points.len(),
            Some(Data::Sum(sum)) => sum.data_points.len(),
            Some(Data::Histogram(histogram)) => histogram.data_points.len(),
            Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
            Some(Data::Summary(summary)) => summary.data_points.len(),
            None => 0,
        } as u64;
        if points == 0 {
            return self.reject(0, || format!("empty data points. {} is dropped", metric.name));
        }
        let shared = resource.size_bytes()
            + scope
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>();
        self.label_bytes = self.label_bytes.saturating_add(unfolded_bytes(metric, shared));
        if self.label_bytes > MAX_LABEL_BYTES {
            let what = format!("the labels of the request unfold to more than {MAX_LABEL_BYTES} bytes");
            return self.reject(points, || format!("{what} at metric {:?}", metric.name));
        }
        let (temporality, monotonic) = match &metric.data {
            Some(Data::Sum(sum)) => (sum.aggregation_temporality, sum.is_monotonic),
            Some(Data::Histogram(histogram)) => (histogram.aggregation_temporality, true),
            Some(Data::ExponentialHistogram(histogram)) => (histogram.aggregation_temporality, true),
            _ => (CUMULATIVE, false),
        };
        if ![DELTA, CUMULATIVE].contains(&temporality) {
            let what = "invalid temporality and type combination for metric";
            return self.reject(points, || format!("{what} {:?}", metric.name));
        }
        let kind = match &metric.data {
            Some(Data::Sum(_)) if monotonic => Kind::Counter,
            Some(Data::Gauge(_)) => Kind::Gauge,
            _ => Kind::Other,
        };
        let name = name::metric(&metric.name, &metric.unit, kind, self.settings);
        if name.is_empty() {
            return self.reject(points, || format!("metric {:?} has no name", metric.name));
        }
        let as_they_are = temporality == DELTA && self.settings.deltas == Deltas::AsTheyAre;
        let family = Family {
            name: &name,
            kind: match &metric.data {
                _ if as_they_are => MetricType::Unknown,
                Some(Data::Sum(_)) if monotonic => MetricType::Counter,
                Some(Data::Histogram(_) | Data::ExponentialHistogram(_)) => MetricType::Histogram,
                Some(Data::Summary(_)) => MetricType::Summary,
                _ => MetricType::Gauge,
            },
            counter_reset: if as_they_are {
                CounterReset::Gauge
            } else {
                CounterReset::Unknown
            },
            resource,
            scope,
        };
        let mut apart = None;
        if temporality == DELTA && !as_they_are {
            let key = resource.group(&name);
            apart = Some((self.deltas.remove(&key).unwrap_or_default(), key));
        }
        let settings = self.settings;
        let mut refused = Vec::new();
        let into = apart.as_mut().map_or(&mut self.series, |(collection, _)| collection);
        match &metric.data {
            Some(Data::Gauge(gauge)) => {
                for point in &gauge.data_points {
                    number(into, settings, &family, point);
                }
            }
            Some(Data::Sum(sum)) => {
                for point in &sum.data_points {
                    let exemplars = exemplars(&point.exemplars, point.flags);
                    number(into, settings, &family, point).exemplars.extend(exemplars);
                }
            }
            Some(Data::Histogram(histogram)) if settings.convert_histograms_to_nhcb => {
                for point in &histogram.data_points {
                    let attributes = (&point.attributes[..], point.time_unix_nano, point.flags);
                    let made = histogram::custom(point);
                    refused.extend(native(into, settings, &family, attributes, made, &point.exemplars).err());
                }
            }
            Some(Data::Histogram(histogram)) => {
                for point in &histogram.data_points {
                    classic(into, settings, &family, point);
                }
            }
            Some(Data::ExponentialHistogram(histogram)) => {
                for point in &histogram.data_points {
                    let attributes = (&point.attributes[..], point.time_unix_nano, point.flags);
                    let made = histogram::exponential(point);
                    refused.extend(native(into, settings, &family, attributes, made, &point.exemplars).err());
                }
            }
            Some(Data::Summary(summary)) => {
                for point in &summary.data_points {
                    quantiles(into, settings, &family, point);
                }
            }
            None => {}
        }
        if let Some((collection, key)) = apart {
            self.deltas.insert(key, collection);
        }
        for reason in refused {
            self.reject(1, || format!("{}: {reason}", metric.name));
        }
    }

    fn reject(&mut self, points: u64, fault: impl FnOnce() -> String) {
        self.rejected_points += points;
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault());
        }
    }
}

/// The bytes of labels that a metric's points become, where each series has `shared` beside its own.
fn unfolded_bytes(metric: &Metric, shared: usize) -> usize {
    let of = |attributes: &[KeyValue], series: usize| {
        let own: usize = attributes.iter().map(prost::Message::encoded_len).sum();
        (own + shared + metric.name.len()).saturating_mul(series)
    };
    let all = |bytes: &mut dyn Iterator<Item = usize>| bytes.fold(0usize, usize::saturating_add);
    match &metric.data {
        Some(Data::Gauge(gauge)) => all(&mut gauge.data_points.iter().map(|point| of(&point.attributes, 1))),
        Some(Data::Sum(sum)) => all(&mut sum.data_points.iter().map(|point| of(&point.attributes, 1))),
        Some(Data::Histogram(histogram)) => {
            let points = histogram.data_points.iter();
            all(&mut points.map(|point| of(&point.attributes, point.explicit_bounds.len() + 3)))
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            all(&mut histogram.data_points.iter().map(|point| of(&point.attributes, 1)))
        }
        Some(Data::Summary(summary)) => {
            let points = summary.data_points.iter();
            all(&mut points.map(|point| of(&point.attributes, point.quantile_values.len() + 2)))
        }
        None => 0,
    }
}

fn milliseconds(nanoseconds: u64) -> i64 {
    nanoseconds.cast_signed() / 1_000_000
}

/// When the points of a metric are.
fn times(metric: &Metric) -> Box<dyn Iterator<Item = u64> + '_> {
    match &metric.data {
        Some(Data::Gauge(gauge)) => Box::new(gauge.data_points.iter().map(|point| point.time_unix_nano)),
        Some(Data::Sum(sum)) => Box::new(sum.data_points.iter().map(|point| point.time_unix_nano)),
        Some(Data::Histogram(all)) => Box::new(all.data_points.iter().map(|point| point.time_unix_nano)),
        Some(Data::ExponentialHistogram(all)) => Box::new(all.data_points.iter().map(|point| point.time_unix_nano)),
        Some(Data::Summary(summary)) => Box::new(summary.data_points.iter().map(|point| point.time_unix_nano)),
        None => Box::new(std::iter::empty()),
    }
}

/// The value, or the staleness marker where the point has none.
fn recorded(flags: u32, value: f64) -> f64 {
    if flags & NO_RECORDED_VALUE == 0 {
        value
    } else {
        stale_nan()
    }
}

fn number<'a>(
    into: &'a mut Collection,
    settings: &Settings,
    family: &Family<'_>,
    point: &NumberPoint,
) -> &'a mut BatchSeries {
    let labels = family.resource.of_point(&point.attributes, family.scope, settings);
    let value = match point.value {
        Some(Number::Int(number)) => number as f64,
        Some(Number::Double(number)) => number,
        None => 0.0,
    };
    let labels = named(family.name, &labels, &[]);
    into.add(
        labels,
        family.kind,
        milliseconds(point.time_unix_nano),
        recorded(point.flags, value),
    )
}

fn native(
    into: &mut Collection,
    settings: &Settings,
    family: &Family<'_>,
    (attributes, time, flags): (&[KeyValue], u64, u32),
    made: Result<Histogram, String>,
    with: &[OtlpExemplar],
) -> Result<(), String> {
    let made = if flags & NO_RECORDED_VALUE == 0 {
        made?
    } else {
        histogram::stale()
    };
    let labels = family.resource.of_point(attributes, family.scope, settings);
    let series = into.of(named(family.name, &labels, &[]), family.kind);
    series.samples.push(Sample {
        timestamp_ms: milliseconds(time),
        value: Value::Histogram(Arc::new(Histogram {
            counter_reset: family.counter_reset,
            ..made
        })),
    });
    series.exemplars.extend(exemplars(with, flags));
    Ok(())
}

fn classic(into: &mut Collection, settings: &Settings, family: &Family<'_>, point: &HistogramPoint) {
    let labels = family.resource.of_point(&point.attributes, family.scope, settings);
    let at = milliseconds(point.time_unix_nano);
    let kind = family.kind;
    if let Some(sum) = point.sum {
        let name = format!("{}_sum", family.name);
        into.add(named(&name, &labels, &[]), kind, at, recorded(point.flags, sum));
    }
    let count = recorded(point.flags, point.count as f64);
    into.add(named(&format!("{}_count", family.name), &labels, &[]), kind, at, count);
    let name = format!("{}_bucket", family.name);
    // An exemplar belongs to the first bucket that it fits in.
    let mut waiting = exemplars(&point.exemplars, point.flags);
    let mut cumulative = 0u64;
    let mut bounds: Vec<(f64, f64)> = Vec::with_capacity(point.explicit_bounds.len() + 1);
    for (bound, own) in point.explicit_bounds.iter().zip(&point.bucket_counts) {
        cumulative = cumulative.saturating_add(*own);
        bounds.push((*bound, cumulative as f64));
    }
    bounds.push((f64::INFINITY, point.count as f64));
    bounds.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    for (bound, cumulative) in bounds {
        let labels = named(&name, &labels, &[("le", &format_float(bound))]);
        let series = into.add(labels, kind, at, recorded(point.flags, cumulative));
        let (here, later) = waiting.into_iter().partition(|exemplar| exemplar.value <= bound);
        series.exemplars.extend::<Vec<_>>(here);
        waiting = later;
    }
}

fn quantiles(into: &mut Collection, settings: &Settings, family: &Family<'_>, point: &SummaryPoint) {
    let labels = family.resource.of_point(&point.attributes, family.scope, settings);
    let at = milliseconds(point.time_unix_nano);
    for (suffix, value) in [("_sum", point.sum), ("_count", point.count as f64)] {
        let name = format!("{}{suffix}", family.name);
        into.add(
            named(&name, &labels, &[]),
            family.kind,
            at,
            recorded(point.flags, value),
        );
    }
    for quantile in &point.quantile_values {
        let labels = named(family.name, &labels, &[("quantile", &format_float(quantile.quantile))]);
        into.add(labels, family.kind, at, recorded(point.flags, quantile.value));
    }
}

/// Exemplars of a point; the attributes of one are left out where they make its labels too long. One without a value is
/// none. Where the point has no value, its exemplars are none either: so do staleness markers in Prometheus' head.
fn exemplars(from: &[OtlpExemplar], flags: u32) -> Vec<Exemplar> {
    if flags & NO_RECORDED_VALUE != 0 {
        return Vec::new();
    }
    let made = from.iter().filter_map(|one| {
        let value = match one.value? {
            ExemplarNumber::Int(number) => number as f64,
            ExemplarNumber::Double(number) => number,
        };
        let mut labels: Vec<(String, String)> = [("trace_id", &one.trace_id), ("span_id", &one.span_id)]
            .into_iter()
            .filter(|(_, id)| id.iter().any(|byte| *byte != 0))
            .map(|(name, id)| (name.to_owned(), id.iter().map(|byte| format!("{byte:02x}")).collect()))
            .collect();
        let own = one.filtered_attributes.iter();
        let own: Vec<_> = own.map(|one| (one.key.clone(), as_text(one.value.as_ref()))).collect();
        let chars = labels
            .iter()
            .chain(&own)
            .map(|(name, value)| name.chars().count() + value.chars().count());
        if chars.sum::<usize>() <= MAX_EXEMPLAR_LABEL_CHARS {
            labels.extend(own);
        }
        Some(Exemplar {
            labels: Labels::from_pairs(labels),
            value,
            timestamp_ms: milliseconds(one.time_unix_nano),
            has_timestamp: true,
        })
    });
    made.collect()
}

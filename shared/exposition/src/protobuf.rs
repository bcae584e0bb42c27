//! The protobuf format: delimited `io.prometheus.client.MetricFamily` messages (`ProtobufParser` of Prometheus).

mod histogram;
mod metric;

use crate::error::{ParseError, quote};
use crate::number::format_open_metrics;
use crate::parser::{Entry, Found, FoundExemplar, FoundHistogram, FoundSeries, Limits, Options, Parser};
use metric::{Metric, RawExemplar};
use parapet_model::MetricType;
use parapet_protobuf::{Reader, Wire};
use std::borrow::Cow;

/// The place in a body: a family, a metric of it, a sample of that.
#[derive(Clone, Debug)]
pub(crate) struct Families<'a> {
    body: Reader<'a>,
    family: Option<Family<'a>>,
}

/// A family whose name, help, unit and kind are known.
#[derive(Clone, Debug)]
struct Family<'a> {
    name: &'a str,
    help: &'a str,
    unit: &'a str,
    kind: MetricType,
    /// What is left of the message, metrics among it.
    rest: Reader<'a>,
    step: Step<'a>,
}

/// What is told next of a family.
#[derive(Clone, Debug)]
enum Step<'a> {
    Help,
    Unit,
    Type,
    NextMetric,
    Metric(Box<Metric<'a>>, Point),
}

/// A sample of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// The only one of a counter, gauge or untyped metric.
    Value,
    Count,
    Sum,
    /// A quantile, or a bucket; the one after the last bucket is `+Inf` where there is none.
    Part(usize),
    Native,
    /// The classic histogram as a native one with custom buckets.
    Converted,
}

impl<'a> Families<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self {
            body: Reader::new(body),
            family: None,
        }
    }

    /// A fault in the family that was read last.
    pub(crate) fn error(&self, message: String) -> ParseError {
        let reader = self.family.as_ref().map_or(&self.body, |family| &family.rest);
        ParseError::at(reader, message)
    }

    /// The unit of the family.
    pub(crate) fn unit(&self) -> &'a str {
        self.family.as_ref().map_or("", |family| family.unit)
    }

    /// The next family that has metrics.
    fn next_family(&mut self) -> Result<Option<Family<'a>>, ParseError> {
        while !self.body.is_empty() {
            let length = self.body.varint()?;
            let too_long = || self.body.error("a family ends after the body");
            let message = usize::try_from(length).map_err(|_| too_long())?;
            let message = self.body.take(message)?;
            let rest = self.body.nested(message);
            if let Some(family) = Family::read(rest)? {
                return Ok(Some(family));
            }
        }
        Ok(None)
    }
}

impl<'a> Family<'a> {
    /// Reads all but the metrics; `None` where there are none.
    fn read(message: Reader<'a>) -> Result<Option<Self>, ParseError> {
        let (mut name, mut help, mut unit, mut kind): (&[u8], &[u8], &[u8], u64) = (b"", b"", b"", 0);
        let (mut reader, mut has_metrics) = (message, false);
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, Wire::Bytes(text)) => name = text,
                (2, Wire::Bytes(text)) => help = text,
                (3, Wire::Varint(number)) => kind = number,
                (4, Wire::Bytes(_)) => has_metrics = true,
                (5, Wire::Bytes(text)) => unit = text,
                (1..=5, _) => return Err(reader.error("wrong type of a field of MetricFamily").into()),
                _ => {}
            }
        }
        if !has_metrics {
            return Ok(None);
        }
        let fault = |message: String| ParseError::at(&reader, message);
        let lossy = String::from_utf8_lossy;
        let valid_name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty());
        let name = valid_name.ok_or_else(|| fault(format!("invalid metric name: {}", lossy(name))))?;
        let invalid = |what| move |_| fault(format!("invalid {what} for metric {}", quote(name.as_bytes())));
        Ok(Some(Self {
            name,
            help: std::str::from_utf8(help).map_err(invalid("help"))?,
            unit: std::str::from_utf8(unit).map_err(invalid("unit"))?,
            kind: match kind {
                0 => MetricType::Counter,
                1 => MetricType::Gauge,
                2 => MetricType::Summary,
                3 => MetricType::Unknown,
                4 => MetricType::Histogram,
                5 => MetricType::GaugeHistogram,
                _ => {
                    let name = quote(name.as_bytes());
                    return Err(fault(format!("unknown metric type for metric {name}: {kind}")));
                }
            },
            rest: message,
            step: Step::Help,
        }))
    }

    fn next_metric(&mut self, limits: &Limits) -> Result<Option<Box<Metric<'a>>>, ParseError> {
        while let Some((field, value)) = self.rest.field()? {
            if let (4, Wire::Bytes(message)) = (field, value) {
                let metric = Metric::read(self.rest.nested(message), self.kind, limits)?;
                return Ok(Some(Box::new(metric)));
            }
        }
        Ok(None)
    }

    fn is_histogram(&self) -> bool {
        matches!(self.kind, MetricType::Histogram | MetricType::GaugeHistogram)
    }

    /// The first sample of a metric.
    fn first_point(&self, metric: &Metric<'a>, options: &Options) -> Point {
        match self.kind {
            MetricType::Summary => Point::Count,
            _ if !self.is_histogram() => Point::Value,
            _ if options.native_histograms && metric.histogram.is_native() => Point::Native,
            _ if options.convert_classic_histograms && !options.classic_histograms => Point::Converted,
            _ => Point::Count,
        }
    }

    /// The sample after `point`.
    fn next_point(&self, metric: &Metric<'a>, point: Point, options: &Options) -> Option<Point> {
        let native = options.native_histograms && metric.histogram.is_native();
        match point {
            Point::Value | Point::Converted => None,
            Point::Native => {
                (options.classic_histograms && !metric.histogram.buckets.is_empty()).then_some(Point::Count)
            }
            Point::Count => Some(Point::Sum),
            Point::Sum if self.is_histogram() => Some(Point::Part(0)),
            Point::Sum => (!metric.quantiles.is_empty()).then_some(Point::Part(0)),
            Point::Part(at) if self.is_histogram() => {
                let last = metric.histogram.buckets.get(at);
                if last.is_some_and(|bucket| bucket.upper_bound < f64::INFINITY || bucket.upper_bound.is_nan()) {
                    Some(Point::Part(at + 1))
                } else {
                    (options.convert_classic_histograms && !native).then_some(Point::Converted)
                }
            }
            Point::Part(at) => (at + 1 < metric.quantiles.len()).then_some(Point::Part(at + 1)),
        }
    }

    /// A sample as the text format would have it. Its labels are put in `labels`, those of the exemplar in
    /// `exemplar_labels`.
    fn found(&self, metric: &Metric<'a>, point: Point, parser: &mut Parser<'a>) -> Result<Found<'a>, ParseError> {
        parser.labels.extend(
            metric
                .labels
                .iter()
                .map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))),
        );
        let histogram = &metric.histogram;
        let timestamp_ms = Some(metric.timestamp_ms).filter(|ms| *ms != 0);
        let start_timestamp_ms = metric
            .start_timestamp_ms
            .filter(|ms| *ms != 0 && parser.options.start_timestamps);
        let converted = match point {
            Point::Native => Some(histogram.to_native()),
            Point::Converted => Some(histogram.to_custom_buckets()),
            _ => None,
        };
        if let Some(converted) = converted {
            let fault = |what: String| ParseError::at(&self.rest, what);
            let mut value =
                converted.map_err(|what| fault(format!("histogram {}: {what}", quote(self.name.as_bytes()))))?;
            if self.kind == MetricType::GaugeHistogram {
                value.counter_reset = parapet_model::CounterReset::Gauge;
            }
            return Ok(Found::Histogram(Box::new(FoundHistogram {
                name: Cow::Borrowed(self.name),
                labels: std::mem::take(&mut parser.labels),
                histogram: value,
                timestamp_ms,
                exemplars: histogram.exemplars_with_time(),
                start_timestamp_ms,
            })));
        }
        let suffixed = |suffix| Cow::Owned([self.name, suffix].concat());
        let (name, value, exemplar): (Cow<'a, str>, f64, Option<RawExemplar<'a>>) = match point {
            Point::Count if self.is_histogram() => (suffixed("_count"), histogram.count(), None),
            Point::Count => (suffixed("_count"), metric.summary_count, None),
            Point::Sum if self.is_histogram() => (suffixed("_sum"), histogram.sum, None),
            Point::Sum => (suffixed("_sum"), metric.summary_sum, None),
            Point::Part(at) if self.is_histogram() => {
                let bucket = histogram.buckets.get(at);
                let bound = bucket.map_or(f64::INFINITY, |bucket| bucket.upper_bound);
                parser
                    .labels
                    .push((Cow::Borrowed("le"), Cow::Owned(format_open_metrics(bound))));
                let count = bucket.map_or_else(|| histogram.count(), |bucket| bucket.count());
                (suffixed("_bucket"), count, bucket.and_then(|bucket| bucket.exemplar))
            }
            Point::Part(at) => {
                let (quantile, value) = metric.quantiles.get(at).copied().unwrap_or_default();
                let label = (Cow::Borrowed("quantile"), Cow::Owned(format_open_metrics(quantile)));
                parser.labels.push(label);
                (Cow::Borrowed(self.name), value, None)
            }
            _ => (Cow::Borrowed(self.name), metric.value, metric.exemplar),
        };
        let exemplar = exemplar.map(|exemplar| exemplar.read(&parser.limits)).transpose()?;
        let exemplar = exemplar.map(|found: FoundExemplar<'a>| {
            parser.exemplar_labels = found.labels;
            (found.value, found.timestamp_ms)
        });
        Ok(Found::Series(FoundSeries {
            raw: &[],
            name,
            value,
            timestamp_ms,
            exemplar,
            start_timestamp_ms,
        }))
    }
}

/// Reads the next entry.
pub(crate) fn find<'a>(parser: &mut Parser<'a>) -> Result<Found<'a>, ParseError> {
    loop {
        let Some(mut family) = parser.families.family.take() else {
            match parser.families.next_family()? {
                Some(family) => {
                    parser.families.family = Some(family);
                    continue;
                }
                None => return Ok(Found::End),
            }
        };
        let step = std::mem::replace(&mut family.step, Step::NextMetric);
        let found = match step {
            Step::Help => {
                family.step = if family.unit.is_empty() { Step::Type } else { Step::Unit };
                Found::Metadata(Entry::Help {
                    family: family.name,
                    text: Cow::Borrowed(family.help),
                })
            }
            Step::Unit => {
                family.step = Step::Type;
                Found::Metadata(Entry::Unit {
                    family: family.name,
                    unit: family.unit,
                })
            }
            Step::Type => Found::Metadata(Entry::Type {
                family: family.name,
                kind: family.kind,
            }),
            Step::NextMetric => {
                if let Some(metric) = family.next_metric(&parser.limits)? {
                    let point = family.first_point(&metric, &parser.options);
                    family.step = Step::Metric(metric, point);
                    parser.families.family = Some(family);
                }
                continue;
            }
            Step::Metric(metric, point) => {
                let found = family.found(&metric, point, parser)?;
                if let Some(point) = family.next_point(&metric, point, &parser.options) {
                    family.step = Step::Metric(metric, point);
                }
                found
            }
        };
        parser.kind = family.kind;
        parser.families.family = Some(family);
        return Ok(found);
    }
}

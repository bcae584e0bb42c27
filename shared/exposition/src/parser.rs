//! [`Parser`]: goes through a body entry by entry.

use crate::created::StartTimes;
use crate::cursor::Cursor;
use crate::error::ParseError;
use crate::format::Format;
use crate::nhcb::Collector;
use crate::protobuf::{self, Families};
use crate::{number, openmetrics, text};
use parapet_model::{Histogram, Labels, METRIC_NAME, MetricType};
use std::borrow::Cow;

/// What a body may hold; a body over a limit is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Labels of one series or exemplar, without the metric's name.
    pub labels_per_series: usize,
    /// Buckets of one histogram, or quantiles of one summary, in the protobuf format. In a text each has a line.
    pub buckets_per_histogram: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            labels_per_series: 1_000,
            buckets_per_histogram: 65_536,
        }
    }
}

impl Limits {
    pub(crate) fn too_many_labels(&self) -> String {
        format!("more than {} labels in one series", self.labels_per_series)
    }

    pub(crate) fn too_many_buckets(&self) -> String {
        format!("more than {} buckets in one histogram", self.buckets_per_histogram)
    }
}

/// What is made of a body; the default is Prometheus'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Takes native histograms, which the protobuf format alone has (`scrape_native_histograms`). Otherwise such a
    /// histogram is read as the classic one that it is too.
    pub native_histograms: bool,
    /// Gives a classic histogram too where it is given as a native one (`always_scrape_classic_histograms`).
    pub classic_histograms: bool,
    /// Gives classic histograms as native ones with custom buckets (`convert_classic_histograms_to_nhcb`).
    pub convert_classic_histograms: bool,
    /// Tells start times, and takes OpenMetrics' `_created` samples for them instead of giving them as series (the
    /// feature `created-timestamp-zero-ingestion`).
    pub start_timestamps: bool,
    /// Gives each series the labels `__type__` and `__unit__` (the feature `type-and-unit-labels`).
    pub type_and_unit_labels: bool,
}

/// A label's name and value.
pub type LabelPair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// One entry of a body of lifetime `'a`; `'p` is how long the parser's own buffers are lent.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'p, 'a> {
    /// A sample.
    Series(Series<'p, 'a>),
    /// A native histogram.
    Histogram(Box<HistogramSeries<'p, 'a>>),
    /// `# TYPE`.
    Type {
        /// The metric family.
        family: &'a str,
        /// Its kind.
        kind: MetricType,
    },
    /// `# HELP`.
    Help {
        /// The metric family.
        family: &'a str,
        /// The text, escapes resolved.
        text: Cow<'a, str>,
    },
    /// `# UNIT`, which the Prometheus text format has not.
    Unit {
        /// The metric family.
        family: &'a str,
        /// The unit, a suffix of the name; may be empty.
        unit: &'a str,
    },
    /// A comment with its `#`; not necessarily UTF-8. The text format alone has them.
    Comment(&'a [u8]),
}

/// A sample with the series it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<'p, 'a> {
    /// The series as it is written in a text: the same bytes are the same series. Empty in the protobuf format.
    pub raw: &'a [u8],
    /// The metric's name.
    pub name: Cow<'a, str>,
    /// The labels as they are written: unsorted, perhaps repeated or empty; without the name. The bounds of
    /// buckets and quantiles are normalised (`1` is `1.0`).
    pub labels: &'p [LabelPair<'a>],
    /// The value. Any NaN is the one ordinary NaN.
    pub value: f64,
    /// The time that the target gave, milliseconds.
    pub timestamp_ms: Option<i64>,
    /// The exemplar of OpenMetrics.
    pub exemplar: Option<Exemplar<'p, 'a>>,
    /// When the counter, histogram or summary began, milliseconds; only when asked for.
    pub start_timestamp_ms: Option<i64>,
}

impl Series<'_, '_> {
    /// The label set, name included; `Err` has the name of a label that stands twice.
    ///
    /// # Errors
    /// The repeated name.
    pub fn to_labels(&self) -> Result<Labels, String> {
        to_labels(&self.name, self.labels)
    }
}

/// A native histogram with the series it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSeries<'p, 'a> {
    /// The metric's name.
    pub name: Cow<'a, str>,
    /// The labels as they are written, without the name.
    pub labels: &'p [LabelPair<'a>],
    /// The histogram, without empty buckets at the ends of spans. Its shape is not checked
    /// ([`Histogram::validate`]).
    pub histogram: Histogram,
    /// The time that the target gave, milliseconds.
    pub timestamp_ms: Option<i64>,
    /// Its exemplars; those of the protobuf format all have times.
    pub exemplars: Vec<Exemplar<'p, 'a>>,
    /// When it began, milliseconds; only when asked for.
    pub start_timestamp_ms: Option<i64>,
}

impl HistogramSeries<'_, '_> {
    /// The label set, as [`Series::to_labels`].
    ///
    /// # Errors
    /// The repeated name.
    pub fn to_labels(&self) -> Result<Labels, String> {
        to_labels(&self.name, self.labels)
    }
}

fn to_labels(name: &str, labels: &[LabelPair<'_>]) -> Result<Labels, String> {
    let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(labels.len() + 1);
    pairs.push((METRIC_NAME, name));
    pairs.extend(labels.iter().map(|(name, value)| (&**name, &**value)));
    if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
        pairs.sort_unstable();
        if let Some(pair) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(pair[0].0.to_owned());
        }
    }
    pairs.retain(|(_, value)| !value.is_empty());
    Ok(Labels::from_sorted(pairs))
}

/// An example of what a sample counts, as a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar<'p, 'a> {
    /// Its labels as they are written.
    pub labels: &'p [LabelPair<'a>],
    /// Its value.
    pub value: f64,
    /// Its time, milliseconds.
    pub timestamp_ms: Option<i64>,
}

/// Goes through a body. After an error or the end, it has nothing more to say.
#[derive(Clone, Debug)]
pub struct Parser<'a> {
    pub(crate) cursor: Cursor<'a>,
    pub(crate) families: Families<'a>,
    format: Format,
    pub(crate) limits: Limits,
    pub(crate) options: Options,
    pub(crate) labels: Vec<LabelPair<'a>>,
    pub(crate) exemplar_labels: Vec<LabelPair<'a>>,
    /// Of the histogram last told.
    histogram_labels: Vec<LabelPair<'a>>,
    histogram_exemplars: Vec<FoundExemplar<'a>>,
    /// The last `# TYPE`, whatever family it was for: so does Prometheus decide what a bucket bound is.
    pub(crate) kind: MetricType,
    /// The last `# UNIT`.
    pub(crate) unit: &'a str,
    /// Bytes of the name of the last metadata.
    pub(crate) family_length: usize,
    start_times: StartTimes,
    collector: Collector<'a>,
    done: bool,
}

/// What a format's reader found; the labels of a series are in the parser.
#[derive(Clone, Debug)]
pub(crate) enum Found<'a> {
    End,
    Series(FoundSeries<'a>),
    Histogram(Box<FoundHistogram<'a>>),
    Metadata(Entry<'a, 'a>),
}

/// A sample as a format's reader found it.
#[derive(Clone, Debug)]
pub(crate) struct FoundSeries<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) name: Cow<'a, str>,
    pub(crate) value: f64,
    pub(crate) timestamp_ms: Option<i64>,
    /// Value and time; the labels are in the parser.
    pub(crate) exemplar: Option<(f64, Option<i64>)>,
    pub(crate) start_timestamp_ms: Option<i64>,
}

/// A native histogram as a format's reader found it.
#[derive(Clone, Debug)]
pub(crate) struct FoundHistogram<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) labels: Vec<LabelPair<'a>>,
    pub(crate) histogram: Histogram,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) exemplars: Vec<FoundExemplar<'a>>,
    pub(crate) start_timestamp_ms: Option<i64>,
}

/// An exemplar with labels of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct FoundExemplar<'a> {
    pub(crate) labels: Vec<LabelPair<'a>>,
    pub(crate) value: f64,
    pub(crate) timestamp_ms: Option<i64>,
}

impl<'a> Parser<'a> {
    /// A parser at the beginning of `body`.
    #[must_use]
    pub fn new(body: &'a [u8], format: Format, limits: &Limits) -> Self {
        let (text, messages): (&[u8], &[u8]) = match format {
            Format::Protobuf => (&[], body),
            Format::PrometheusText | Format::OpenMetrics => (body, &[]),
        };
        Self {
            cursor: Cursor::new(text, format == Format::PrometheusText),
            families: Families::new(messages),
            format,
            limits: *limits,
            options: Options::default(),
            labels: Vec::new(),
            exemplar_labels: Vec::new(),
            histogram_labels: Vec::new(),
            histogram_exemplars: Vec::new(),
            kind: MetricType::Unknown,
            unit: "",
            family_length: 0,
            start_times: StartTimes::default(),
            collector: Collector::default(),
            done: false,
        }
    }

    /// Reads with other than the default options.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// [`ParseError`] at the first fault: nothing can be said of what follows.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_, 'a>>, ParseError> {
        if self.done {
            return Ok(None);
        }
        self.done = true;
        let found = match self.options.convert_classic_histograms && self.format != Format::Protobuf {
            true => self.find_or_convert(),
            false => self.find(),
        }?;
        match found {
            Found::End => Ok(None),
            Found::Metadata(entry) => {
                self.done = false;
                Ok(Some(entry))
            }
            Found::Series(found) => {
                self.done = false;
                Ok(Some(Entry::Series(Series {
                    raw: found.raw,
                    name: found.name,
                    labels: &self.labels,
                    value: found.value,
                    timestamp_ms: found.timestamp_ms,
                    exemplar: found.exemplar.map(|(value, timestamp_ms)| Exemplar {
                        labels: &self.exemplar_labels,
                        value,
                        timestamp_ms,
                    }),
                    start_timestamp_ms: found.start_timestamp_ms,
                })))
            }
            Found::Histogram(found) => {
                self.done = false;
                let found = *found;
                self.histogram_labels = found.labels;
                self.histogram_exemplars = found.exemplars;
                let exemplars = self.histogram_exemplars.iter().map(|found| Exemplar {
                    labels: &found.labels,
                    value: found.value,
                    timestamp_ms: found.timestamp_ms,
                });
                Ok(Some(Entry::Histogram(Box::new(HistogramSeries {
                    name: found.name,
                    labels: &self.histogram_labels,
                    histogram: found.histogram,
                    timestamp_ms: found.timestamp_ms,
                    exemplars: exemplars.collect(),
                    start_timestamp_ms: found.start_timestamp_ms,
                }))))
            }
        }
    }

    /// Labels as they are given: bounds normalised, type and unit added.
    fn finish_labels(&self, labels: &mut Vec<LabelPair<'a>>) {
        let kind = self.kind;
        if self.format != Format::Protobuf
            && let Some(bound) = bound_label(kind)
        {
            for (_, value) in labels.iter_mut().filter(|(name, _)| name == bound) {
                if let Some(normal) = number::normalize(value) {
                    *value = Cow::Owned(normal);
                }
            }
        }
        if self.options.type_and_unit_labels {
            let unit = match self.format {
                Format::Protobuf => self.families.unit(),
                Format::OpenMetrics => self.unit,
                Format::PrometheusText => "",
            };
            let kind = if kind == MetricType::Unknown { "" } else { kind.as_str() };
            // What the metadata say wins over what the series says of itself.
            let said = [(TYPE_LABEL, kind), (UNIT_LABEL, unit)];
            let is_said =
                |name: &str| name == METRIC_NAME || said.iter().any(|(own, text)| *own == name && !text.is_empty());
            labels.retain(|(name, _)| !is_said(name));
            let added = said.into_iter().filter(|(_, text)| !text.is_empty());
            labels.extend(added.map(|(name, text)| (Cow::Borrowed(name), Cow::Borrowed(text))));
        }
    }

    /// The next entry of a text, in which histograms are put in place of their series.
    fn find_or_convert(&mut self) -> Result<Found<'a>, ParseError> {
        loop {
            let (mut found, waited) = match self.collector.take_pending() {
                Some(found) => (found, true),
                None => (self.find()?, false),
            };
            let ends = match &found {
                _ if waited => false,
                Found::Series(series) => self.collector.is_other(&series.name, &self.labels),
                Found::Metadata(Entry::Type { family, kind }) => {
                    self.collector.note_type(family, *kind);
                    true
                }
                _ => true,
            };
            if ends && let Some(histogram) = self.collector.finish() {
                self.collector.wait(found);
                return Ok(Found::Histogram(Box::new(histogram)));
            }
            if let Found::Series(series) = &mut found {
                let gathered = self.collector.gather(series, &self.labels, &self.exemplar_labels);
                if gathered && !self.options.classic_histograms {
                    continue;
                }
            }
            return Ok(found);
        }
    }

    /// A fault in what was read last.
    pub(crate) fn error(&self, message: String) -> ParseError {
        match self.format {
            Format::Protobuf => self.families.error(message),
            Format::PrometheusText | Format::OpenMetrics => self.cursor.error(message),
        }
    }

    /// The next entry with what peeking does not need; `_created` samples are skipped when they are taken as start
    /// times.
    #[inline]
    fn find(&mut self) -> Result<Found<'a>, ParseError> {
        loop {
            let mut found = self.find_any()?;
            match &mut found {
                Found::Series(series) => {
                    if self.options.start_timestamps && self.format == Format::OpenMetrics {
                        if self.is_created(&series.name) {
                            continue;
                        }
                        let mut start_times = std::mem::take(&mut self.start_times);
                        series.start_timestamp_ms = start_times.of(self, series);
                        self.start_times = start_times;
                    }
                    if bound_label(self.kind).is_some() || self.options.type_and_unit_labels {
                        let mut labels = std::mem::take(&mut self.labels);
                        self.finish_labels(&mut labels);
                        self.labels = labels;
                    }
                }
                Found::Histogram(histogram) => self.finish_labels(&mut histogram.labels),
                Found::Metadata(_) | Found::End => {}
            }
            return Ok(found);
        }
    }

    #[inline]
    pub(crate) fn find_any(&mut self) -> Result<Found<'a>, ParseError> {
        self.labels.clear();
        match self.format {
            Format::PrometheusText => text::find(self),
            Format::OpenMetrics => {
                self.exemplar_labels.clear();
                openmetrics::find(self)
            }
            Format::Protobuf => {
                self.exemplar_labels.clear();
                protobuf::find(self)
            }
        }
    }

    fn is_created(&self, name: &str) -> bool {
        crate::created::has_start(self.kind) && name.ends_with("_created")
    }

    /// A copy that reads on from here, to look ahead.
    pub(crate) fn ahead(&self) -> Self {
        Self {
            cursor: self.cursor,
            families: Families::new(&[]),
            labels: Vec::new(),
            exemplar_labels: Vec::new(),
            histogram_labels: Vec::new(),
            histogram_exemplars: Vec::new(),
            start_times: StartTimes::default(),
            collector: Collector::default(),
            ..*self
        }
    }
}

/// The labels of the feature `type-and-unit-labels`.
const TYPE_LABEL: &str = "__type__";
const UNIT_LABEL: &str = "__unit__";

/// The label that holds a bound, for the kinds that have one.
pub(crate) fn bound_label(kind: MetricType) -> Option<&'static str> {
    match kind {
        MetricType::Histogram => Some("le"),
        MetricType::Summary => Some("quantile"),
        _ => None,
    }
}

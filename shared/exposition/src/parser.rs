//! [`Parser`]: goes through a body entry by entry.

use crate::created::StartTimes;
use crate::cursor::Cursor;
use crate::error::ParseError;
use crate::format::Format;
use crate::{number, openmetrics, text};
use parapet_model::{Labels, METRIC_NAME, MetricType};
use std::borrow::Cow;

/// What a body may hold; a body over a limit is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Labels of one series or exemplar, without the metric's name.
    pub labels_per_series: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            labels_per_series: 1_000,
        }
    }
}

/// A label's name and value.
pub type LabelPair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// One entry of a body of lifetime `'a`; `'p` is how long the parser's own buffers are lent.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry<'p, 'a> {
    /// A sample.
    Series(Series<'p, 'a>),
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
    /// `# UNIT`, of OpenMetrics alone.
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
    /// The series as it is written: the same bytes are the same series.
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
        let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(self.labels.len() + 1);
        pairs.push((METRIC_NAME, &self.name));
        pairs.extend(self.labels.iter().map(|(name, value)| (&**name, &**value)));
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            pairs.sort_unstable();
            if let Some(pair) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(pair[0].0.to_owned());
            }
        }
        pairs.retain(|(_, value)| !value.is_empty());
        Ok(Labels::from_sorted(pairs))
    }
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
    format: Format,
    pub(crate) limits: Limits,
    pub(crate) labels: Vec<LabelPair<'a>>,
    pub(crate) exemplar_labels: Vec<LabelPair<'a>>,
    /// The last `# TYPE`, whatever family it was for: so does Prometheus decide what a bucket bound is.
    pub(crate) kind: MetricType,
    /// Bytes of the name of the last metadata.
    pub(crate) family_length: usize,
    start_times: Option<StartTimes>,
    done: bool,
}

/// What a format's reader found; the labels are in the parser.
pub(crate) enum Found<'a> {
    End,
    Series(FoundSeries<'a>),
    Metadata(Entry<'a, 'a>),
}

/// A sample as a format's reader found it.
pub(crate) struct FoundSeries<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) name: Cow<'a, str>,
    pub(crate) value: f64,
    pub(crate) timestamp_ms: Option<i64>,
    /// Value and time; the labels are in the parser.
    pub(crate) exemplar: Option<(f64, Option<i64>)>,
}

impl<'a> Parser<'a> {
    /// A parser at the beginning of `body`.
    #[must_use]
    pub fn new(body: &'a [u8], format: Format, limits: &Limits) -> Self {
        Self {
            cursor: Cursor::new(body, format == Format::PrometheusText),
            format,
            limits: *limits,
            labels: Vec::new(),
            exemplar_labels: Vec::new(),
            kind: MetricType::Unknown,
            family_length: 0,
            start_times: None,
            done: false,
        }
    }

    /// Takes OpenMetrics' `_created` samples as start times of the others instead of giving them as series
    /// (Prometheus' feature `created-timestamp-zero-ingestion`, off by default as there).
    #[must_use]
    pub fn with_start_timestamps(mut self) -> Self {
        self.start_times = (self.format == Format::OpenMetrics).then(StartTimes::default);
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
        let found = match self.find()? {
            Found::End => return Ok(None),
            Found::Metadata(entry) => {
                self.done = false;
                return Ok(Some(entry));
            }
            Found::Series(found) => found,
        };
        self.done = false;
        let start_timestamp_ms = match self.start_times.take() {
            None => None,
            Some(mut start_times) => {
                let start = start_times.of(self, &found);
                self.start_times = Some(start_times);
                start
            }
        };
        let (kind, labels) = (self.kind, &mut self.labels);
        if let Some(bound) = bound_label(kind) {
            for (_, value) in labels.iter_mut().filter(|(name, _)| name == bound) {
                if let Some(normal) = number::normalize(value) {
                    *value = Cow::Owned(normal);
                }
            }
        }
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
            start_timestamp_ms,
        })))
    }

    /// The next entry without the work that peeking does not need; `_created` samples are skipped when they are
    /// taken as start times.
    fn find(&mut self) -> Result<Found<'a>, ParseError> {
        loop {
            let found = self.find_any()?;
            match &found {
                Found::Series(series) if self.start_times.is_some() && self.is_created(&series.name) => {}
                _ => return Ok(found),
            }
        }
    }

    pub(crate) fn find_any(&mut self) -> Result<Found<'a>, ParseError> {
        self.labels.clear();
        match self.format {
            Format::PrometheusText => text::find(self),
            Format::OpenMetrics => {
                self.exemplar_labels.clear();
                openmetrics::find(self)
            }
        }
    }

    fn is_created(&self, name: &str) -> bool {
        crate::created::has_start(self.kind) && name.ends_with("_created")
    }

    /// A copy that reads on from here, to look ahead.
    pub(crate) fn ahead(&self) -> Self {
        Self {
            labels: Vec::new(),
            exemplar_labels: Vec::new(),
            start_times: None,
            ..*self
        }
    }
}

/// The label that holds a bound, for the kinds that have one.
pub(crate) fn bound_label(kind: MetricType) -> Option<&'static str> {
    match kind {
        MetricType::Histogram => Some("le"),
        MetricType::Summary => Some("quantile"),
        _ => None,
    }
}

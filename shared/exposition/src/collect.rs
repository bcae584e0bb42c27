//! A whole body at once, and which series belong to which family.

use crate::error::ParseError;
use crate::parser::{Entry, Parser};
use parapet_model::{Labels, MetricType, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A body as data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition {
    /// The samples in order.
    pub series: Vec<ParsedSeries>,
    /// What is said of each family, by name.
    pub metadata: BTreeMap<String, Metadata>,
}

/// A sample of a body.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedSeries {
    /// The labels, `__name__` included.
    pub labels: Labels,
    /// The kind of its family.
    pub kind: MetricType,
    /// The value.
    pub value: Value,
    /// The time that the target gave, milliseconds.
    pub timestamp_ms: Option<i64>,
}

/// What a body says of a metric family.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metadata {
    /// Its kind.
    pub kind: MetricType,
    /// Its help text.
    pub help: String,
    /// Its unit.
    pub unit: String,
}

/// Reads a whole body, or what is left of it.
///
/// # Errors
/// [`ParseError`] at the first fault, a repeated label name included.
pub fn collect(mut parser: Parser<'_>) -> Result<Exposition, ParseError> {
    let mut out = Exposition::default();
    let mut tracker = FamilyTracker::default();
    while let Some(entry) = parser.next_entry()? {
        let (labels, name, value, timestamp_ms) = match entry {
            Entry::Series(series) => {
                let value = Value::Float(series.value);
                (series.to_labels(), series.name, value, series.timestamp_ms)
            }
            Entry::Histogram(series) => {
                let labels = series.to_labels();
                let value = Value::Histogram(Arc::new(series.histogram));
                (labels, series.name, value, series.timestamp_ms)
            }
            entry => {
                tracker.note(&entry);
                Metadata::note(&mut out.metadata, entry);
                continue;
            }
        };
        match labels {
            Ok(labels) => out.series.push(ParsedSeries {
                kind: tracker.kind_of(&name),
                labels,
                value,
                timestamp_ms,
            }),
            Err(name) => return Err(parser.error(format!("label name {name:?} is not unique: invalid sample"))),
        }
    }
    Ok(out)
}

impl Metadata {
    /// Takes note of what an entry says of its family; a sample says nothing.
    pub fn note(all: &mut BTreeMap<String, Self>, entry: Entry<'_, '_>) {
        match entry {
            Entry::Type { family, kind } => all.entry(family.to_owned()).or_default().kind = kind,
            Entry::Help { family, text } => all.entry(family.to_owned()).or_default().help = text.into_owned(),
            Entry::Unit { family, unit } => all.entry(family.to_owned()).or_default().unit = unit.to_owned(),
            Entry::Series(_) | Entry::Histogram(_) | Entry::Comment(_) => {}
        }
    }
}

/// Knows the kind of each series from the metadata before it.
#[derive(Clone, Debug, Default)]
pub struct FamilyTracker<'a> {
    family: &'a str,
    kind: MetricType,
}

impl<'a> FamilyTracker<'a> {
    /// Takes note of metadata.
    pub fn note(&mut self, entry: &Entry<'_, 'a>) {
        match entry {
            Entry::Type { family, kind } => (self.family, self.kind) = (family, *kind),
            Entry::Help { family, .. } | Entry::Unit { family, .. } if *family != self.family => {
                (self.family, self.kind) = (family, MetricType::Unknown);
            }
            _ => {}
        }
    }

    /// The kind of a series of this name that stands here.
    #[must_use]
    pub fn kind_of(&self, name: &str) -> MetricType {
        if !self.family.is_empty() && is_part_of_family(name, self.family, self.kind) {
            self.kind
        } else {
            MetricType::Unknown
        }
    }
}

/// Whether a series of this name belongs to the family (`isSeriesPartOfFamily` of Prometheus' scrape loop).
#[must_use]
pub fn is_part_of_family(name: &str, family: &str, kind: MetricType) -> bool {
    let Some(suffix) = name.strip_prefix(family) else {
        return false;
    };
    if suffix.is_empty() {
        return true;
    }
    let suffixes: &[&str] = match kind {
        MetricType::Counter => &["_total", "_created"],
        MetricType::Histogram => &["_bucket", "_sum", "_count", "_created"],
        MetricType::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
        MetricType::Summary => &["_sum", "_count", "_created"],
        MetricType::Info => &["_info"],
        MetricType::Unknown | MetricType::Gauge | MetricType::StateSet => &[],
    };
    suffixes.contains(&suffix)
}

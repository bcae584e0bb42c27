//! A whole body at once, and which series belong to which family.

use crate::error::ParseError;
use crate::format::Format;
use crate::parser::{Entry, Limits, Parser};
use parapet_model::{Labels, MetricType};
use std::collections::BTreeMap;

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
    pub value: f64,
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

/// Reads a whole body.
///
/// # Errors
/// [`ParseError`] at the first fault, a repeated label name included.
pub fn collect(body: &[u8], format: Format, limits: &Limits) -> Result<Exposition, ParseError> {
    let mut parser = Parser::new(body, format, limits);
    let mut out = Exposition::default();
    let mut tracker = FamilyTracker::default();
    loop {
        let fault = match parser.next_entry()? {
            None => return Ok(out),
            Some(Entry::Series(series)) => match series.to_labels() {
                Ok(labels) => {
                    out.series.push(ParsedSeries {
                        kind: tracker.kind_of(&series.name),
                        labels,
                        value: series.value,
                        timestamp_ms: series.timestamp_ms,
                    });
                    continue;
                }
                Err(name) => format!("label name {name:?} is not unique: invalid sample"),
            },
            Some(entry) => {
                tracker.note(&entry);
                match entry {
                    Entry::Type { family, kind } => out.metadata.entry(family.to_owned()).or_default().kind = kind,
                    Entry::Help { family, text } => {
                        out.metadata.entry(family.to_owned()).or_default().help = text.into_owned();
                    }
                    Entry::Unit { family, unit } => {
                        out.metadata.entry(family.to_owned()).or_default().unit = unit.to_owned();
                    }
                    _ => {}
                }
                continue;
            }
        };
        return Err(parser.cursor.error(fault));
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

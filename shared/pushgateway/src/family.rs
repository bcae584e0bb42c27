//! Pushed families of metrics.

use crate::{Grouping, Refused, TIMES};
use parapet_exposition::{Entry, Format, Limits, Options, Parser};
use parapet_model::MetricType;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A family as it was pushed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// Its kind, in Prometheus' word.
    pub(crate) kind: String,
    /// Its help text; none where the push had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
    /// When it was pushed, milliseconds.
    pub(crate) pushed_ms: i64,
    pub(crate) samples: Vec<Sample>,
}

/// A line of a family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// What follows the family's name: `_bucket`, `_sum`, `_count` or nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) suffix: String,
    /// Its labels; empty values stay.
    pub(crate) labels: BTreeMap<String, String>,
    /// The value's bits.
    #[serde(rename = "v")]
    bits: u64,
}

impl Sample {
    pub(crate) fn value(&self) -> f64 {
        f64::from_bits(self.bits)
    }
}

impl Family {
    pub(crate) fn new(kind: MetricType, help: Option<String>) -> Self {
        Self {
            kind: kind.as_str().to_owned(),
            help,
            pushed_ms: 0,
            samples: Vec::new(),
        }
    }

    pub(crate) fn kind(&self) -> MetricType {
        MetricType::from_word(&self.kind).unwrap_or_default()
    }

    pub(crate) fn with(mut self, value: f64) -> Self {
        self.add("", BTreeMap::new(), value);
        self
    }

    fn add(&mut self, suffix: &str, labels: BTreeMap<String, String>, value: f64) {
        self.samples.push(Sample {
            suffix: suffix.to_owned(),
            labels,
            bits: value.to_bits(),
        });
    }

    /// Gives every sample the labels of its group, and an empty `instance` where it has none: so that no scraper adds
    /// the gateway's own (`sanitizeLabels` of the Pushgateway).
    pub(crate) fn sanitize(&mut self, grouping: &Grouping) {
        for sample in &mut self.samples {
            sample.labels.extend(grouping.0.clone());
            sample.labels.entry("instance".to_owned()).or_default();
        }
    }
}

/// The suffixes that the samples of a family of a kind may have.
pub(crate) fn suffixes(kind: MetricType) -> &'static [&'static str] {
    match kind {
        MetricType::Histogram => &["_bucket", "_sum", "_count"],
        MetricType::GaugeHistogram => &["_bucket", "_gsum", "_gcount", "_sum", "_count"],
        MetricType::Summary => &["_sum", "_count"],
        _ => &[],
    }
}

/// Reads a pushed body: the protobuf format where the content type says so, the text format otherwise.
///
/// # Errors
/// A body that does not read, with the place; a time beside a sample, which a push may not have.
pub fn read_families(body: &[u8], content_type: Option<&str>) -> Result<BTreeMap<String, Family>, Refused> {
    let format = match Format::from_content_type(content_type.unwrap_or_default(), None) {
        Ok(Format::Protobuf) => Format::Protobuf,
        _ => Format::PrometheusText,
    };
    let limits = Limits::default();
    let options = Options {
        native_histograms: true,
        classic_histograms: true,
        ..Options::default()
    };
    let mut parser = Parser::new(body, format, &limits).with_options(options);
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let mut has_times = false;
    let mut native = BTreeSet::new();
    let refused = |error: &dyn std::fmt::Display| Refused(format!("text format parsing error: {error}"));
    while let Some(entry) = parser.next_entry().map_err(|error| refused(&error))? {
        match entry {
            Entry::Type { family, kind } => {
                let help = helps.remove(family);
                let known = families.insert(family.to_owned(), Family::new(kind, help));
                if known.is_some() {
                    return Err(refused(&format!(
                        "second TYPE line for metric name {family:?}, or TYPE reported after samples"
                    )));
                }
            }
            Entry::Help { family, text } => match families.get_mut(family) {
                Some(known) => known.help = Some(text.into_owned()),
                None => {
                    helps.insert(family.to_owned(), text.into_owned());
                }
            },
            Entry::Histogram(histogram) => {
                native.insert(histogram.name.into_owned());
            }
            Entry::Series(series) => {
                if series.timestamp_ms.is_some() {
                    has_times = true;
                }
                let mut labels = BTreeMap::new();
                for (name, value) in series.labels {
                    if labels.insert(name.to_string(), value.to_string()).is_some() {
                        return Err(refused(&format!("duplicate label names for metric {:?}", series.name)));
                    }
                }
                let (family, suffix) = family_of(&series.name, &families);
                let (family, suffix, value) = (family.to_owned(), suffix.to_owned(), series.value);
                families
                    .entry(family.clone())
                    .or_insert_with(|| Family::new(MetricType::Unknown, helps.remove(&family)))
                    .add(&suffix, labels, value);
            }
            Entry::Unit { .. } | Entry::Comment(_) => {}
        }
    }
    if has_times {
        return Err(Refused(TIMES.to_owned()));
    }
    families.retain(|_, family| !family.samples.is_empty());
    for name in native {
        let samples = families.get(&name).map(|family| family.samples.iter());
        let bounds = samples
            .into_iter()
            .flatten()
            .filter_map(|sample| sample.labels.get("le"));
        if bounds.filter(|bound| *bound != "+Inf").count() == 0 {
            let instead = "push it with classic buckets too, or by remote write or OTLP";
            return Err(Refused(format!(
                "native histogram {name:?} cannot be pushed here; {instead}"
            )));
        }
    }
    Ok(families)
}

/// The family of a sample, and what its name has beyond.
fn family_of<'n>(name: &'n str, families: &BTreeMap<String, Family>) -> (&'n str, &'n str) {
    if families.contains_key(name) {
        return (name, "");
    }
    for at in name.rmatch_indices('_').map(|(at, _)| at) {
        let (base, suffix) = name.split_at(at);
        if families
            .get(base)
            .is_some_and(|family| suffixes(family.kind()).contains(&suffix))
        {
            return (base, suffix);
        }
    }
    (name, "")
}

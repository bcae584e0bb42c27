//! [`Row`]: a line and its labels on their way through the stages of a query.

use crate::LogRecord;
use parapet_model::Labels;
use std::borrow::Cow;

/// The label that tells that a stage failed.
pub(super) const ERROR: &str = "__error__";
/// The label that tells why.
pub(super) const ERROR_DETAILS: &str = "__error_details__";

/// Where a label comes from, as Loki tells it when it is asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Stream,
    /// Known of the record before the query: Loki's structured metadata.
    Metadata,
    /// Found by a stage of the query.
    Parsed,
}

/// A line with its labels: those of its stream, then those of the record (Loki's structured metadata), then what stages
/// parsed. Of a name the later one counts.
#[derive(Clone, Debug)]
pub(super) struct Row<'a> {
    pub(super) timestamp_ns: i64,
    pub(super) line: Cow<'a, str>,
    stream: &'a Labels,
    /// Labels over the stream's; an empty value removes one.
    over: Vec<(Cow<'a, str>, Cow<'a, str>, Category)>,
    pub(super) error: &'static str,
    pub(super) error_details: String,
}

impl<'a> Row<'a> {
    pub(super) fn new(record: &'a LogRecord, line: Cow<'a, str>) -> Self {
        let mut row = Self {
            timestamp_ns: record.timestamp_ns,
            line,
            stream: &record.stream,
            over: Vec::with_capacity(8),
            error: "",
            error_details: String::new(),
        };
        for (name, value) in record.attributes.iter() {
            row.over
                .push((label_name(name), Cow::Borrowed(value), Category::Metadata));
        }
        let level = record.level.map_or("", crate::Level::detected);
        for (name, value, category) in [
            // A label of its streams, as the lists of labels have it.
            ("service_name", record.service.as_str(), Category::Stream),
            ("host", &record.host, Category::Metadata),
            ("trace_id", &record.trace_id, Category::Metadata),
            ("detected_level", level, Category::Metadata),
        ] {
            if !value.is_empty() && row.stream.get(name).is_none() {
                row.set(Cow::Borrowed(name), Cow::Borrowed(value), category);
            }
        }
        row
    }

    /// The value of a label; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        match name {
            ERROR => return self.error,
            ERROR_DETAILS => return &self.error_details,
            _ => {}
        }
        match self.over.iter().rev().find(|(other, ..)| other == name) {
            Some((_, value, _)) => value,
            None => self.stream.get(name).unwrap_or_default(),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    pub(super) fn set(&mut self, name: Cow<'a, str>, value: Cow<'a, str>, category: Category) {
        match self.over.iter_mut().find(|(other, ..)| *other == name) {
            Some(label) => (label.1, label.2) = (value, category),
            None => self.over.push((name, value, category)),
        }
    }

    /// Where the label of a name comes from.
    pub(super) fn category(&self, name: &str) -> Category {
        let over = self.over.iter().rev().find(|(other, ..)| other == name);
        over.map_or(Category::Stream, |(.., category)| *category)
    }

    /// Sets a label that a parser found in the line; one of the stream keeps its value, and the new one a longer name.
    pub(super) fn extracted(&mut self, name: &str, value: &str) {
        let mut name = label_name(name).into_owned();
        if name.is_empty() {
            return;
        }
        if self.stream.get(&name).is_some() {
            name.push_str("_extracted");
        }
        self.set(Cow::Owned(name), Cow::Owned(value.to_owned()), Category::Parsed);
    }

    pub(super) fn remove(&mut self, name: &str) {
        match name {
            ERROR => self.error = "",
            ERROR_DETAILS => self.error_details.clear(),
            _ if self.has(name) => {
                let category = self.category(name);
                self.set(Cow::Owned(name.to_owned()), Cow::Borrowed(""), category);
            }
            _ => {}
        }
    }

    pub(super) fn fail(&mut self, error: &'static str, details: impl Into<String>) {
        self.error = error;
        self.error_details = details.into();
    }

    /// All names, in no order, some perhaps twice.
    pub(super) fn names(&self) -> Vec<String> {
        let over = self.over.iter().map(|(name, ..)| name.to_string());
        over.chain(self.stream.iter().map(|(name, _)| name.to_owned()))
            .collect()
    }

    /// The labels as they are now, errors included.
    pub(super) fn labels(&self) -> Labels {
        if self.over.is_empty() && self.error.is_empty() {
            return self.stream.clone();
        }
        self.labels_of(&|_| true)
    }

    /// The labels by where they come from: those of the stream, those known before, those that stages found, errors
    /// included.
    pub(super) fn categorized(&self) -> [Labels; 3] {
        [Category::Stream, Category::Metadata, Category::Parsed].map(|wanted| self.labels_of(&|of| of == wanted))
    }

    fn labels_of(&self, wanted: &dyn Fn(Category) -> bool) -> Labels {
        let errors = [(ERROR, self.error), (ERROR_DETAILS, self.error_details.as_str())];
        let own = self.stream.iter().filter(|_| wanted(Category::Stream));
        let over = self.over.iter().filter(|(.., category)| wanted(*category));
        let mut pairs: Vec<(&str, &str)> = own
            .filter(|(name, _)| !self.over.iter().any(|(other, ..)| other == name))
            .chain(over.map(|(name, value, _)| (&**name, &**value)))
            .chain(errors.into_iter().filter(|_| wanted(Category::Parsed)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        pairs.sort_unstable();
        // Fields whose names became the same when they were made labels.
        pairs.dedup_by_key(|(name, _)| *name);
        Labels::from_sorted(pairs)
    }
}

/// A name as labels can have it: other characters become `_`.
pub(super) fn label_name(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    if parapet_model::is_legacy_label_name(name) {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 1);
    for (index, c) in name.chars().enumerate() {
        if index == 0 && c.is_ascii_digit() {
            out.push('_');
        }
        out.push(if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' });
    }
    Cow::Owned(out)
}

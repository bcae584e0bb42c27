//! [`Row`]: a line and its labels on their way through the stages of a query.

use super::hints::Hints;
use crate::LogRecord;
use crate::discover::{self, SERVICE_NAME};
use parapet_model::Labels;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The label that tells that a stage failed.
pub(super) const ERROR: &str = "__error__";
/// The label that tells why.
pub(super) const ERROR_DETAILS: &str = "__error_details__";

/// The label that tells how grave a line is.
pub(super) const DETECTED_LEVEL: &str = "detected_level";

/// Where a label comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Stream,
    /// The record: Loki's structured metadata.
    Stored,
    /// A stage.
    Parsed,
}

/// A label over the stream's.
#[derive(Clone, Debug)]
struct Over<'a> {
    name: Cow<'a, str>,
    /// `None` where it was removed.
    value: Option<Cow<'a, str>>,
    origin: Origin,
}

/// A line with its labels: those of its stream, then those of the record (Loki's structured metadata), then what stages
/// parsed. Of a name the later one counts.
#[derive(Clone, Debug)]
pub(super) struct Row<'a> {
    pub(super) timestamp_ns: i64,
    pub(super) line: Cow<'a, str>,
    stream: &'a Labels,
    over: Vec<Over<'a>>,
    hints: &'a Hints,
    pub(super) error: &'static str,
    pub(super) error_details: String,
}

impl<'a> Row<'a> {
    pub(super) fn new(record: &'a LogRecord, line: Cow<'a, str>, hints: &'a Hints) -> Self {
        let mut row = Self {
            timestamp_ns: record.timestamp_ns,
            line,
            stream: &record.stream,
            over: Vec::with_capacity(8),
            hints,
            error: "",
            error_details: String::new(),
        };
        for (name, value) in record.attributes.iter() {
            let name = row.free_name(label_name(name), value);
            row.put(name, Cow::Borrowed(value), Origin::Stored);
        }
        for (name, value) in [
            (SERVICE_NAME, discover::service_name(&record.stream, &record.service)),
            ("host", &record.host),
            ("trace_id", &record.trace_id),
            (DETECTED_LEVEL, discover::detected_level(record.level)),
        ] {
            if !value.is_empty() && row.stream.get(name).is_none() {
                row.put(Cow::Borrowed(name), Cow::Borrowed(value), Origin::Stored);
            }
        }
        row
    }

    /// The value of a label; empty where there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// The value of a label, which may be empty.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        match name {
            ERROR => return Some(self.error),
            ERROR_DETAILS => return Some(&self.error_details),
            _ => {}
        }
        match self.over.iter().find(|over| over.name == name) {
            Some(over) => over.value.as_deref(),
            None => self.stream.get(name),
        }
    }

    fn put(&mut self, name: Cow<'a, str>, value: Cow<'a, str>, origin: Origin) {
        let value = Some(value);
        match self.over.iter_mut().find(|over| over.name == name) {
            Some(over) => (over.value, over.origin) = (value, origin),
            None => self.over.push(Over { name, value, origin }),
        }
    }

    pub(super) fn set(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        self.put(name, value, Origin::Parsed);
    }

    /// Whether the stream or the record has a label that a parser cannot replace. A field that was stored with the value
    /// that a parser finds is the same label.
    fn is_taken(&self, name: &str, value: &str) -> bool {
        let stored = |over: &Over<'_>| {
            over.origin == Origin::Stored
                && over.name == name
                && over.value.as_deref().is_some_and(|found| found != value)
        };
        self.stream.get(name).is_some() || self.over.iter().any(stored)
    }

    fn free_name(&self, name: Cow<'a, str>, value: &str) -> Cow<'a, str> {
        if self.is_taken(&name, value) {
            Cow::Owned(format!("{name}_extracted"))
        } else {
            name
        }
    }

    /// Sets a label that a parser found in the line; one of the stream or the record keeps its value, and the new one
    /// gets a longer name. What was found first stays.
    pub(super) fn extracted(&mut self, name: &str, value: &str) {
        let name = label_name(name);
        if name.is_empty() {
            return;
        }
        let name = self.free_name(Cow::Owned(name.into_owned()), value);
        if self.hints.want(&name) && !self.is_parsed(&name) {
            self.set(name, Cow::Owned(value.to_owned()));
        }
    }

    /// The same for a label that is asked for by its name: what is found last stays.
    pub(super) fn requested(&mut self, name: &str, value: &str) {
        let name = self.free_name(Cow::Owned(name.to_owned()), value);
        self.set(name, Cow::Owned(value.to_owned()));
    }

    /// An empty label that is asked for by its name, where no other has the name.
    pub(super) fn requested_if_free(&mut self, name: &str) {
        if self.stream.get(name).is_none() && !self.is_stored(name) {
            self.set(Cow::Owned(name.to_owned()), Cow::Borrowed(""));
        }
    }

    fn is_stored(&self, name: &str) -> bool {
        let mut over = self.over.iter();
        over.any(|over| over.origin == Origin::Stored && over.name == name && over.value.is_some())
    }

    /// Whether a stage has set a label, though it may be gone again.
    fn is_parsed(&self, name: &str) -> bool {
        let mut over = self.over.iter();
        over.any(|over| over.origin == Origin::Parsed && over.name == name)
    }

    /// Whether parsers have nothing left to find.
    pub(super) fn is_complete(&self) -> bool {
        let wanted = self.hints.wanted.as_ref();
        wanted.is_some_and(|wanted| wanted.iter().all(|name| self.is_parsed(name)))
    }

    pub(super) fn remove(&mut self, name: &str) {
        match name {
            ERROR => self.error = "",
            ERROR_DETAILS => self.error_details.clear(),
            _ => match self.over.iter_mut().find(|over| over.name == name) {
                Some(over) => over.value = None,
                None if self.stream.get(name).is_some() => self.over.push(Over {
                    name: Cow::Owned(name.to_owned()),
                    value: None,
                    origin: Origin::Stream,
                }),
                None => {}
            },
        }
    }

    pub(super) fn fail(&mut self, error: &'static str, details: impl Into<String>) {
        self.error = error;
        self.error_details = details.into();
    }

    /// All names, in no order.
    pub(super) fn names(&self) -> Vec<String> {
        self.pairs().map(|(name, ..)| name.to_owned()).collect()
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str, Origin)> {
        let own = self.stream.iter();
        let own = own.filter(|(name, _)| !self.over.iter().any(|over| over.name == *name));
        let over = self.over.iter();
        own.map(|(name, value)| (name, value, Origin::Stream))
            .chain(over.filter_map(|over| Some((&*over.name, over.value.as_deref()?, over.origin))))
    }

    /// The labels as they are now, errors included.
    pub(super) fn labels(&self) -> Labels {
        if self.over.is_empty() && self.error.is_empty() {
            return self.stream.clone();
        }
        self.labels_of(&|_, _| true)
    }

    /// The labels of the series that the line counts for: all but those stored fields that the query does not name. Of a
    /// line's fields some are another in each line, such as its trace: every line would be a series.
    pub(super) fn series(&self, named: &BTreeSet<String>) -> Labels {
        self.labels_of(&|name, origin| {
            origin != Origin::Stored || matches!(name, SERVICE_NAME | DETECTED_LEVEL) || named.contains(name)
        })
    }

    /// These labels, as far as there are such.
    pub(super) fn only(&self, names: &[String]) -> Labels {
        self.labels_of(&|name, _| names.iter().any(|other| other == name))
    }

    /// The labels by where they come from: those of the stream, those known before, those that stages found, errors
    /// included.
    pub(super) fn categorized(&self) -> [Labels; 3] {
        [Origin::Stream, Origin::Stored, Origin::Parsed].map(|wanted| {
            self.labels_of(&|name, origin| match origin {
                // A label of its streams, as the lists of labels have it.
                Origin::Stored if name == SERVICE_NAME => wanted == Origin::Stream,
                origin => wanted == origin,
            })
        })
    }

    fn labels_of(&self, wanted: &dyn Fn(&str, Origin) -> bool) -> Labels {
        let errors = [(ERROR, self.error), (ERROR_DETAILS, self.error_details.as_str())];
        let errors = errors.into_iter().filter(|(_, value)| !value.is_empty());
        let all = self
            .pairs()
            .chain(errors.map(|(name, value)| (name, value, Origin::Parsed)));
        let mut pairs: Vec<(&str, &str)> = all
            .filter(|(name, _, origin)| wanted(name, *origin))
            .map(|(name, value, _)| (name, value))
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

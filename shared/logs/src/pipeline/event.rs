//! [`Event`]: a line on its way through the stages.

use super::Origin;
use crate::filter::Fields;
use crate::{Level, LogRecord};
use parapet_model::Labels;
use std::borrow::Cow;

/// A line and its fields, which borrow from it as long as they can.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) line: &'a str,
    pub(super) origin: Origin<'a>,
    /// In the order in which they were found; a later one replaces an earlier one of the same name.
    pub(super) fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(super) timestamp_ns: i64,
    pub(super) level: Option<Level>,
    pub(super) service: Cow<'a, str>,
    pub(super) host: Cow<'a, str>,
    pub(super) trace_id: Cow<'a, str>,
    /// What the line says; the whole line where nothing else was made of it.
    pub(super) message: Option<Cow<'a, str>>,
    pub(super) stream: Cow<'a, Labels>,
    pub(super) route: Cow<'a, str>,
    pub(super) unparsed: bool,
}

/// What stages made of a line, apart from it.
pub(super) struct Finished {
    timestamp_ns: i64,
    level: Option<Level>,
    service: String,
    host: String,
    trace_id: String,
    message: String,
    stream: Option<Labels>,
    attributes: Labels,
    route: String,
}

impl<'a> Event<'a> {
    pub(super) fn new(line: &'a str, record: &'a LogRecord, origin: Origin<'a>) -> Self {
        let mut fields = Vec::with_capacity(32);
        fields.extend(
            record
                .attributes
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        Self {
            line,
            origin,
            fields,
            timestamp_ns: match record.timestamp_ns {
                0 => origin.received_ns,
                time => time,
            },
            level: record.level,
            service: record.service.as_str().into(),
            host: record.host.as_str().into(),
            trace_id: record.trace_id.as_str().into(),
            message: (!record.message.is_empty()).then_some(record.message.as_str().into()),
            stream: Cow::Borrowed(&record.stream),
            route: record.route.as_str().into(),
            unparsed: false,
        }
    }

    pub(super) fn set(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        match self.fields.iter_mut().find(|(other, _)| *other == name) {
            Some(field) => field.1 = value,
            None => self.fields.push((name, value)),
        }
    }

    /// Adds a field that a parser found: within one line names hardly ever repeat, and the last one counts in the end.
    pub(super) fn found(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        self.fields.push((name, value));
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.fields.iter().rposition(|(other, _)| other == name)?;
        Some(self.fields.remove(at).1)
    }

    /// The value of a field, borrowed from the line where it can be.
    pub(super) fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        let found = self.fields.iter().rev().find(|(other, _)| other == name);
        found.map(|(_, value)| value.clone())
    }

    /// Sets one of the promoted fields; answers whether the name is one.
    pub(super) fn promote(&mut self, name: &str, value: Cow<'a, str>) -> bool {
        match name {
            "service" => self.service = value,
            "host" => self.host = value,
            "trace_id" => self.trace_id = value,
            "message" => self.message = Some(value),
            "route" => self.route = value,
            "level" => self.level = Level::from_word(&value),
            _ => return false,
        }
        true
    }

    pub(super) fn finish(self, order: &mut Order) -> Finished {
        let attributes = order.labels(&self.fields);
        Finished {
            timestamp_ns: self.timestamp_ns,
            level: self.level,
            service: self.service.into_owned(),
            host: self.host.into_owned(),
            trace_id: self.trace_id.into_owned(),
            message: self.message.map(Cow::into_owned).unwrap_or_default(),
            stream: match self.stream {
                Cow::Borrowed(_) => None,
                Cow::Owned(stream) => Some(stream),
            },
            attributes,
            route: self.route.into_owned(),
        }
    }
}

/// In which order the fields of the last line are labels: those of the next one are the same mostly.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The names of the fields, in the order in which they were found.
    names: Vec<String>,
    /// Their numbers, sorted by name; of each name the last one counts.
    sorted: Vec<usize>,
    packed: Vec<u8>,
}

impl Order {
    /// The fields as labels: sorted, without repeats and without empty values.
    fn labels(&mut self, fields: &[(Cow<'_, str>, Cow<'_, str>)]) -> Labels {
        if !self.names.iter().eq(fields.iter().map(|(name, _)| name)) {
            self.names = fields.iter().map(|(name, _)| name.to_string()).collect();
            self.sorted = (0..fields.len()).rev().collect();
            self.sorted.sort_by_key(|number| &self.names[*number]);
            self.sorted.dedup_by_key(|number| &self.names[*number]);
        }
        let pairs = self.sorted.iter().map(|number| &fields[*number]);
        let known = pairs.filter(|(name, value)| !value.is_empty() && !name.is_empty());
        Labels::from_sorted_in(&mut self.packed, known.map(|(name, value)| (&**name, &**value)))
    }
}

impl Finished {
    pub(super) fn fill(self, record: &mut LogRecord) {
        record.timestamp_ns = self.timestamp_ns;
        record.level = self.level;
        record.service = self.service;
        record.host = self.host;
        record.trace_id = self.trace_id;
        record.message = self.message;
        record.attributes = self.attributes;
        record.route = self.route;
        if let Some(stream) = self.stream {
            record.stream = stream;
        }
    }
}

impl Fields for Event<'_> {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.line)
    }

    fn field(&self, name: &str) -> Option<&str> {
        let promoted = match name {
            "level" => self.level.map_or("", Level::as_str),
            "service" => &self.service,
            "host" => &self.host,
            "trace_id" => &self.trace_id,
            "message" => self.message.as_deref().unwrap_or(self.line),
            "route" => &self.route,
            "path" if !self.fields.iter().any(|(other, _)| other == "path") => self.origin.path,
            _ => "",
        };
        if !promoted.is_empty() {
            return Some(promoted);
        }
        let found = self.fields.iter().rev().find(|(other, _)| other == name);
        found.map(|(_, value)| &**value).or_else(|| self.stream.get(name))
    }

    fn level(&self) -> Option<Level> {
        self.level
    }

    fn timestamp_ns(&self) -> i64 {
        self.timestamp_ns
    }
}

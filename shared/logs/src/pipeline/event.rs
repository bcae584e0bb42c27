//! [`Event`]: a line on its way through the stages.

use super::Origin;
use crate::filter::Fields;
use crate::parse::found::{Found, Name};
use crate::{Level, LogRecord, discover};
use bytestring::ByteString;
use parapet_model::Labels;
use parapet_model::compare::same;
use std::borrow::Cow;

/// A line and its fields, which borrow from it as long as they can.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) line: &'a str,
    pub(super) origin: Origin<'a>,
    pub(super) fields: Found<'a>,
    pub(super) timestamp_ns: i64,
    pub(super) level: Option<Level>,
    pub(super) service: Cow<'a, str>,
    pub(super) host: Cow<'a, str>,
    pub(super) trace_id: Cow<'a, str>,
    /// What the line says; the whole line where nothing else was made of it.
    pub(super) message: Option<Cow<'a, str>>,
    pub(super) stream: Labels,
    pub(super) route: Cow<'a, str>,
    pub(super) unparsed: bool,
}

/// What the way in knew of a record: an event borrows from it.
#[derive(Debug)]
pub(super) struct Known {
    line: ByteString,
    attributes: Labels,
    service: ByteString,
    host: ByteString,
    trace_id: ByteString,
    message: ByteString,
    route: ByteString,
}

impl Known {
    /// Takes it out of a record, but for the line itself.
    pub(super) fn take(record: &mut LogRecord) -> Self {
        let line = ByteString::try_from(record.raw.clone());
        Self {
            line: line.unwrap_or_else(|_| record.line().into_owned().into()),
            attributes: std::mem::take(&mut record.attributes),
            service: std::mem::take(&mut record.service),
            host: std::mem::take(&mut record.host),
            trace_id: std::mem::take(&mut record.trace_id),
            message: std::mem::take(&mut record.message),
            route: std::mem::take(&mut record.route),
        }
    }

    /// A text on its own; what is a part of the line, or of what else was known, shares its memory.
    fn own(&self, text: Cow<'_, str>) -> ByteString {
        match text {
            Cow::Owned(text) => text.into(),
            Cow::Borrowed("") => ByteString::new(),
            Cow::Borrowed(text) => {
                let start = text.as_ptr().addr();
                let holds = |whole: &&ByteString| {
                    let from = start.wrapping_sub(whole.as_ptr().addr());
                    from <= whole.len() && text.len() <= whole.len() - from
                };
                let wholes = [
                    &self.line,
                    &self.message,
                    &self.service,
                    &self.host,
                    &self.trace_id,
                    &self.route,
                ];
                match wholes.into_iter().find(holds) {
                    Some(whole) => whole.slice_ref(text),
                    None => text.into(),
                }
            }
        }
    }
}

impl<'a> Event<'a> {
    /// The event of a record, of which `known` was taken.
    pub(super) fn new(known: &'a Known, record: &mut LogRecord, origin: Origin<'a>, mut fields: Found<'a>) -> Self {
        for (name, value) in known.attributes.iter() {
            fields.push(name, value.into());
        }
        Self {
            line: &known.line,
            origin,
            fields,
            timestamp_ns: match record.timestamp_ns {
                0 => origin.received_ns,
                time => time,
            },
            level: record.level,
            service: Cow::Borrowed(&known.service),
            host: Cow::Borrowed(&known.host),
            trace_id: Cow::Borrowed(&known.trace_id),
            message: (!known.message.is_empty()).then_some(Cow::Borrowed(&known.message)),
            stream: std::mem::take(&mut record.stream),
            route: Cow::Borrowed(&known.route),
            unparsed: false,
        }
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

    /// A field as stages made it: one of the promoted ones, or of those that were found, or a label of the stream.
    pub(super) fn told(&self, name: &str) -> Option<&str> {
        let promoted = match name {
            "level" => self.level.map_or("", Level::as_str),
            "service" => &self.service,
            "host" => &self.host,
            "trace_id" => &self.trace_id,
            "message" => self.message.as_deref().unwrap_or(self.line),
            "route" => &self.route,
            "path" if self.fields.get("path").is_none() => self.origin.path,
            _ => "",
        };
        if !promoted.is_empty() {
            return Some(promoted);
        }
        let found = self.fields.get(name);
        found.map(|value| &**value).or_else(|| self.stream.get(name))
    }

    /// Gives the record what stages made of it; answers the fields, whose memory the next event can have.
    pub(super) fn finish(self, known: &Known, record: &mut LogRecord, order: &mut Order) -> Found<'a> {
        record.timestamp_ns = self.timestamp_ns;
        record.level = self.level();
        record.service = known.own(self.service);
        record.host = known.own(self.host);
        record.trace_id = known.own(self.trace_id);
        record.message = self.message.map(|message| known.own(message)).unwrap_or_default();
        record.stream = self.stream;
        record.attributes = order.labels(self.fields.pairs());
        record.route = known.own(self.route);
        self.fields
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
    fn labels(&mut self, fields: &[(Name<'_>, Cow<'_, str>)]) -> Labels {
        let mut names = self.names.iter().zip(fields);
        let is_known = |(known, (name, _)): (&String, &(Name<'_>, _))| same(known.as_bytes(), name.as_bytes());
        if self.names.len() != fields.len() || !names.all(is_known) {
            self.names = fields.iter().map(|(name, _)| name.to_string()).collect();
            self.sorted = (0..fields.len())
                .rev()
                .filter(|number| !fields[*number].0.is_empty())
                .collect();
            self.sorted.sort_by_key(|number| &self.names[*number]);
            self.sorted.dedup_by_key(|number| &self.names[*number]);
        }
        let pairs = self.sorted.iter().map(|number| &fields[*number]);
        let known = pairs.filter(|(_, value)| !value.is_empty());
        Labels::from_sorted_in(&mut self.packed, known.map(|(name, value)| (&**name, &**value)))
    }
}

impl Fields for Event<'_> {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.line)
    }

    /// A line has a level before a stage says so.
    fn field(&self, name: &str) -> Option<&str> {
        let found = || (name == "level").then(|| self.level().map(Level::as_str)).flatten();
        self.told(name).or_else(found)
    }

    /// The one that a stage set, or else what a line like this says of itself.
    fn level(&self) -> Option<Level> {
        let field = |name: &'static str| self.fields.get(name).map(|value| &**value);
        let found = || discover::level(&self.stream, field, self.line.as_bytes());
        self.level.or_else(found)
    }

    fn timestamp_ns(&self) -> i64 {
        self.timestamp_ns
    }
}

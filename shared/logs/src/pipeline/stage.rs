//! What a stage does with an event.

use super::event::Event;
use super::{Memory, kubernetes};
use crate::Level;
use crate::filter::{Fields as _, Filter};
use crate::grok::{Extractor, Scratch};
use crate::parse::skeleton::Skeletons;
use crate::parse::{csv, json, logfmt};
use crate::time::TimeFormat;
use chrono_tz::Tz;
use parapet_model::LabelsBuilder;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A stage, for the events that its condition selects.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) when: Filter,
    pub(super) action: Action,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    /// A JSON object; nested names are joined with points.
    Json {
        field: Option<String>,
        prefix: String,
    },
    Logfmt {
        field: Option<String>,
        prefix: String,
    },
    /// The first of several patterns that matches.
    Extract {
        field: Option<String>,
        patterns: Vec<Extractor>,
    },
    Csv {
        field: Option<String>,
        columns: Vec<String>,
        delimiter: char,
    },
    /// A line as a container runtime writes it (CRI), or Docker's JSON.
    Cri,
    Timestamp {
        fields: Vec<String>,
        formats: Vec<TimeFormat>,
        zone: Tz,
    },
    Level {
        field: String,
        map: BTreeMap<String, Level>,
        default: Option<Level>,
    },
    /// Fields that become promoted ones: target, then the fields to take it from, in order.
    Promote(Vec<(String, Vec<String>)>),
    /// Fixed fields.
    Set(Vec<(String, String)>),
    Rename(Vec<(String, String)>),
    Remove(Vec<String>),
    /// Fields that become labels of the stream: label, then field.
    Labels(Vec<(String, String)>),
    /// Fields of Kubernetes from the file's path.
    Kubernetes,
    Drop,
    /// Keeps this share, by a hash of the line or of a field.
    Sample {
        keep: f64,
        by: Option<String>,
    },
    Route(String),
}

/// What becomes of an event after a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    On,
    Unparsed,
    WithoutTime,
    Dropped,
    SampledOut,
}

impl Stage {
    pub(super) fn apply<'a>(&'a self, event: &mut Event<'a>, memory: &mut Memory) -> Fate {
        if !matches!(self.when, Filter::All) && !self.when.matches(event) {
            return Fate::On;
        }
        match &self.action {
            Action::Json { field, prefix } => parsed(parse_json(event, field.as_deref(), prefix, &mut memory.json)),
            Action::Logfmt { field, prefix } => parsed(parse_logfmt(event, field.as_deref(), prefix)),
            Action::Extract { field, patterns } => parsed(extract(event, field.as_deref(), patterns, &mut memory.grok)),
            Action::Csv {
                field,
                columns,
                delimiter,
            } => parsed(parse_csv(event, field.as_deref(), columns, *delimiter)),
            Action::Cri => parsed(kubernetes::container_line(event)),
            Action::Timestamp { fields, formats, zone } => timestamp(event, fields, formats, *zone),
            Action::Level { field, map, default } => {
                let word = event.told(field).unwrap_or_default();
                let level = map.get(word).copied().or_else(|| Level::from_word(word));
                if level.is_some() {
                    event.fields.take(field);
                }
                event.level = level.or(event.level).or(*default);
                Fate::On
            }
            Action::Promote(targets) => {
                for (target, sources) in targets {
                    if let Some(value) = sources.iter().find_map(|source| event.fields.take(source)) {
                        event.promote(target, value);
                    }
                }
                Fate::On
            }
            Action::Set(fields) => {
                for (name, value) in fields {
                    if !event.promote(name, Cow::Borrowed(value)) {
                        event.fields.set(name, Cow::Borrowed(value));
                    }
                }
                Fate::On
            }
            Action::Rename(names) => {
                for (to, from) in names {
                    if let Some(value) = event.fields.take(from) {
                        event.fields.set(to, value);
                    }
                }
                Fate::On
            }
            Action::Remove(names) => {
                event.fields.remove(names);
                Fate::On
            }
            Action::Labels(labels) => {
                let mut builder = LabelsBuilder::from(&event.stream);
                for (label, field) in labels {
                    if let Some(value) = event.field(field).map(str::to_owned) {
                        builder.set(label, value);
                        event.fields.take(field);
                    }
                }
                event.stream = builder.build();
                Fate::On
            }
            Action::Kubernetes => {
                kubernetes::fields_of_path(event);
                Fate::On
            }
            Action::Drop => Fate::Dropped,
            Action::Sample { keep, by } => {
                let key = by.as_deref().and_then(|field| event.field(field)).unwrap_or(event.line);
                // The share of all hashes that is below the bound: the same line has the same fate again.
                #[allow(clippy::cast_precision_loss)]
                let share = xxhash_rust::xxh3::xxh3_64(key.as_bytes()) as f64 / u64::MAX as f64;
                if share < *keep { Fate::On } else { Fate::SampledOut }
            }
            Action::Route(to) => {
                event.route = Cow::Borrowed(to);
                Fate::On
            }
        }
    }
}

fn parsed(found: bool) -> Fate {
    if found { Fate::On } else { Fate::Unparsed }
}

/// The text that a parser reads: a field, or what the line says, or the line.
fn source<'a>(event: &Event<'a>, field: Option<&str>) -> Option<Cow<'a, str>> {
    match field {
        None => Some(event.message.clone().unwrap_or(Cow::Borrowed(event.line))),
        Some("message") => Some(event.message.clone().unwrap_or(Cow::Borrowed(event.line))),
        Some(field) => event.fields.get(field).cloned(),
    }
}

fn named<'a>(prefix: &str, name: Cow<'a, str>) -> Cow<'a, str> {
    if prefix.is_empty() {
        name
    } else {
        Cow::Owned(format!("{prefix}{name}"))
    }
}

fn parse_json(event: &mut Event<'_>, field: Option<&str>, prefix: &str, skeletons: &mut Skeletons) -> bool {
    let before = event.fields.len();
    let read = match source(event, field) {
        None => return false,
        Some(Cow::Borrowed(text)) if prefix.is_empty() => skeletons.flatten(text, &mut event.fields),
        Some(Cow::Borrowed(text)) => json::flatten(text, ".", &mut |name, value| {
            event.fields.push(named(prefix, name), value.into_text());
        }),
        Some(Cow::Owned(text)) => json::flatten(&text, ".", &mut |name, value| {
            event.fields.push(
                Cow::Owned(named(prefix, name).into_owned()),
                value.into_text().into_owned().into(),
            );
        }),
    };
    if read.is_err() {
        event.fields.truncate(before);
    }
    read.is_ok()
}

fn parse_logfmt(event: &mut Event<'_>, field: Option<&str>, prefix: &str) -> bool {
    let Some(text) = source(event, field) else { return false };
    let before = event.fields.len();
    let mut valued = false;
    for pair in logfmt::pairs(&text) {
        let Ok((key, value)) = pair else {
            event.fields.truncate(before);
            return false;
        };
        valued |= value.is_some();
        if let Some(value) = value {
            let name = named(prefix, Cow::Borrowed(key)).into_owned();
            event.fields.push(Cow::Owned(name), value.into_owned().into());
        }
    }
    // Words alone are prose.
    valued
}

fn extract<'a>(event: &mut Event<'a>, field: Option<&str>, patterns: &'a [Extractor], scratch: &mut Scratch) -> bool {
    // The text is the line, or was taken from it, unless something was decoded: then its fields are copies.
    match source(event, field) {
        None => false,
        Some(Cow::Borrowed(text)) => patterns
            .iter()
            .any(|pattern| pattern.extract(text, scratch, |name, value| event.capture(name, Cow::Borrowed(value)))),
        Some(Cow::Owned(text)) => patterns.iter().any(|pattern| {
            pattern.extract(&text, scratch, |name, value| {
                event.capture(name, Cow::Owned(value.to_owned()));
            })
        }),
    }
}

impl<'a> Event<'a> {
    /// A field that a pattern captured; `message` is what the line says.
    fn capture(&mut self, name: &'a str, value: Cow<'a, str>) {
        if name == "message" {
            self.message = Some(value);
        } else {
            self.fields.push(name, value);
        }
    }
}

fn parse_csv<'a>(event: &mut Event<'a>, field: Option<&str>, columns: &'a [String], delimiter: char) -> bool {
    let Some(text) = source(event, field) else { return false };
    let Some(cells) = csv::cells(&text, delimiter) else {
        return false;
    };
    // A line of more or fewer cells has another form.
    if cells.len() != columns.len() {
        return false;
    }
    for (name, value) in columns.iter().zip(cells) {
        event.capture(name, Cow::Owned(value.into_owned()));
    }
    true
}

fn timestamp(event: &mut Event<'_>, fields: &[String], formats: &[TimeFormat], zone: Tz) -> Fate {
    let mut parts = fields.iter().map(|field| event.fields.get(field).cloned());
    let text = match (parts.next().flatten(), fields.len()) {
        (Some(text), 1) => text,
        (Some(first), _) => {
            let mut text = first.into_owned();
            for part in parts {
                text.push(' ');
                text.push_str(&part.unwrap_or_default());
            }
            Cow::Owned(text)
        }
        (None, _) => return Fate::WithoutTime,
    };
    let now = event.origin.received_ns;
    match formats.iter().find_map(|format| format.parse(&text, zone, now)) {
        Some(time) => {
            event.timestamp_ns = time;
            event.fields.remove(fields);
            Fate::On
        }
        None => Fate::WithoutTime,
    }
}

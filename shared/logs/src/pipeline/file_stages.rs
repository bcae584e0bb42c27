//! Reads the stages of a pipeline.

use super::stage::{Action, Stage};
use super::yaml::{Fields, Node, Reader, Tree};
use crate::Level;
use crate::filter::Filter;
use crate::grok::Extractor;
use crate::time::{TimeFormat, parse_zone};
use chrono_tz::Tz;
use parapet_model::{is_legacy_label_name, quote};
use std::collections::BTreeMap;

const STAGES: [&str; 19] = [
    "json",
    "logfmt",
    "regex",
    "grok",
    "csv",
    "cri",
    "timestamp",
    "level",
    "promote",
    "set",
    "rename",
    "remove",
    "labels",
    "kubernetes",
    "drop",
    "sample",
    "route",
    "message",
    "use",
];

/// A condition.
pub(super) fn query(node: &Node, what: &str, reader: &mut Reader) -> Option<Filter> {
    let text = reader.text(node, what)?;
    reader.check(
        node.defined,
        crate::parse_query(&text).map_err(|error| error.to_string()),
    )
}

/// One stage: a mapping of one key.
pub(super) fn stage(node: &Node, reader: &mut Reader) -> Option<Stage> {
    let (name, options) = match &node.value {
        // A stage without options may stand alone: `- json`.
        Tree::Scalar(name) => (name.as_str(), None),
        Tree::Mapping(pairs) if pairs.len() == 1 => (pairs[0].0.value.as_str(), Some(&pairs[0].1)),
        _ => {
            reader.fault(
                node.defined,
                format!("a stage is a mapping of one key; keys are {}", STAGES.join(", ")),
            );
            return None;
        }
    };
    if !STAGES.contains(&name) {
        reader.fault(
            node.defined,
            format!("there is no stage {}; stages are {}", quote(name), STAGES.join(", ")),
        );
        return None;
    }
    let null = Node::new(Tree::Null, node.referenced, node.defined);
    read(name, options.unwrap_or(&null), reader)
}

fn read(name: &str, options: &Node, reader: &mut Reader) -> Option<Stage> {
    match name {
        "json" | "logfmt" => {
            let fields = reader.fields(options, name, &["field", "prefix", "when"])?;
            let field = fields.text(reader, "field");
            let prefix = fields.text(reader, "prefix").unwrap_or_default();
            let action = if name == "json" {
                Action::Json { field, prefix }
            } else {
                Action::Logfmt { field, prefix }
            };
            finish(&fields, reader, action)
        }
        "regex" | "grok" => extract(name, options, reader),
        "csv" => csv(options, reader),
        "timestamp" => timestamp(options, reader),
        "level" => level(options, reader),
        "promote" => promote(options, reader),
        "message" => {
            let field = reader.text(options, name)?;
            Some(always(Action::Promote(vec![("message".to_owned(), vec![field])])))
        }
        "set" | "rename" => {
            let pairs: Vec<_> = reader
                .pairs(options, name)
                .into_iter()
                .map(|(name, value, _)| (name, value))
                .collect();
            Some(always(if name == "set" {
                Action::Set(pairs)
            } else {
                Action::Rename(pairs)
            }))
        }
        "remove" => {
            let names = reader.texts(options, name).into_iter().map(|(name, _)| name).collect();
            Some(always(Action::Remove(names)))
        }
        "labels" => labels(options, reader),
        "drop" => Some(Stage {
            when: query(options, "drop", reader)?,
            action: Action::Drop,
        }),
        "sample" => {
            let fields = reader.fields(options, name, &["keep", "by", "where"])?;
            let keep = fields.needed(reader, "keep", "0.1")?;
            let action = Action::Sample {
                keep: reader.number(keep, "keep", 0.0, 1.0)?,
                by: fields.text(reader, "by"),
            };
            Some(Stage {
                when: condition(&fields, "where", reader)?,
                action,
            })
        }
        "route" => {
            let fields = reader.fields(options, name, &["to", "where"])?;
            let to = fields.needed(reader, "to", "errors")?;
            let action = Action::Route(reader.text(to, "to")?);
            Some(Stage {
                when: condition(&fields, "where", reader)?,
                action,
            })
        }
        _ => {
            let fields = reader.fields(options, name, &["when"])?;
            let action = if name == "cri" { Action::Cri } else { Action::Kubernetes };
            finish(&fields, reader, action)
        }
    }
}

fn always(action: Action) -> Stage {
    Stage {
        when: Filter::All,
        action,
    }
}

fn condition(fields: &Fields<'_>, name: &str, reader: &mut Reader) -> Option<Filter> {
    fields
        .get(name)
        .map_or(Some(Filter::All), |node| query(node, name, reader))
}

fn finish(fields: &Fields<'_>, reader: &mut Reader, action: Action) -> Option<Stage> {
    Some(Stage {
        when: condition(fields, "when", reader)?,
        action,
    })
}

/// `- grok: PATTERN`, or with `pattern` (one or several), `patterns` (definitions), `field`.
fn extract(name: &str, options: &Node, reader: &mut Reader) -> Option<Stage> {
    let compile = |text: &str, own: &BTreeMap<String, String>| match name {
        "grok" => Extractor::grok(text, own),
        _ => Extractor::regex(text),
    };
    if !matches!(options.value, Tree::Mapping(_)) {
        let own = BTreeMap::new();
        let patterns = reader
            .texts(options, name)
            .into_iter()
            .map(|(text, at)| reader.check(at, compile(&text, &own)))
            .collect::<Option<_>>()?;
        return Some(always(Action::Extract { field: None, patterns }));
    }
    let known: &[&str] = match name {
        "grok" => &["pattern", "patterns", "field", "when"],
        _ => &["pattern", "field", "when"],
    };
    let fields = reader.fields(options, name, known)?;
    let mut own = BTreeMap::new();
    if let Some(node) = fields.get("patterns") {
        own = reader
            .pairs(node, "patterns")
            .into_iter()
            .map(|(name, text, _)| (name, text))
            .collect();
    }
    let example = if name == "grok" {
        "'%{COMBINEDAPACHELOG}'"
    } else {
        "'^(?P<level>\\w+) (?P<message>.*)'"
    };
    let node = fields.needed(reader, "pattern", example)?;
    let patterns = reader
        .texts(node, "pattern")
        .into_iter()
        .map(|(text, at)| reader.check(at, compile(&text, &own)))
        .collect::<Option<_>>()?;
    let field = fields.text(reader, "field");
    finish(&fields, reader, Action::Extract { field, patterns })
}

fn csv(options: &Node, reader: &mut Reader) -> Option<Stage> {
    let fields = reader.fields(options, "csv", &["columns", "delimiter", "field", "when"])?;
    let columns = fields.needed(reader, "columns", "[time, level, message]")?;
    let columns = reader
        .texts(columns, "columns")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let delimiter = match fields.get("delimiter") {
        None => ',',
        Some(node) => {
            let text = reader.text(node, "delimiter")?;
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) if c != '"' => c,
                _ => {
                    reader.fault(
                        node.defined,
                        "delimiter must be one character; write for example \"\\t\"",
                    );
                    return None;
                }
            }
        }
    };
    let field = fields.text(reader, "field");
    finish(
        &fields,
        reader,
        Action::Csv {
            field,
            columns,
            delimiter,
        },
    )
}

fn timestamp(options: &Node, reader: &mut Reader) -> Option<Stage> {
    let fields = reader.fields(options, "timestamp", &["field", "format", "zone", "when"])?;
    let field = fields.needed(reader, "field", "time")?;
    let names = reader.texts(field, "field").into_iter().map(|(name, _)| name).collect();
    let format = fields.needed(reader, "format", "RFC3339")?;
    let mut formats = Vec::new();
    for (text, at) in reader.texts(format, "format") {
        formats.extend(reader.check(at, TimeFormat::new(&text)));
    }
    let zone = match fields.get("zone") {
        None => Tz::UTC,
        Some(node) => {
            let name = reader.text(node, "zone")?;
            reader.check(node.defined, parse_zone(&name))?
        }
    };
    finish(
        &fields,
        reader,
        Action::Timestamp {
            fields: names,
            formats,
            zone,
        },
    )
}

/// `- level: FIELD`, or with `field`, `map`, `default`.
fn level(options: &Node, reader: &mut Reader) -> Option<Stage> {
    if let Tree::Scalar(field) = &options.value {
        return Some(always(Action::Level {
            field: field.clone(),
            map: BTreeMap::new(),
            default: None,
        }));
    }
    let fields = reader.fields(options, "level", &["field", "map", "default", "when"])?;
    let read_level = |text: &str, at, reader: &mut Reader| {
        let level = Level::from_word(text).ok_or_else(|| {
            format!(
                "{} is no level; write DEBUG, INFO, WARNING, ERROR or CRITICAL",
                quote(text)
            )
        });
        reader.check(at, level)
    };
    let mut map = BTreeMap::new();
    if let Some(node) = fields.get("map") {
        for (word, text, at) in reader.pairs(node, "map") {
            map.extend(read_level(&text, at, reader).map(|level| (word, level)));
        }
    }
    let default = match fields.get("default") {
        None => None,
        Some(node) => {
            let text = reader.text(node, "default")?;
            read_level(&text, node.defined, reader)
        }
    };
    let field = fields.needed(reader, "field", "severity")?;
    let field = reader.text(field, "field")?;
    finish(&fields, reader, Action::Level { field, map, default })
}

/// Each target with the field, or the fields in order, that it is taken from.
fn promote(options: &Node, reader: &mut Reader) -> Option<Stage> {
    let fields = reader.fields(options, "promote", &["service", "host", "trace_id", "message"])?;
    let mut targets = Vec::new();
    for target in ["service", "host", "trace_id", "message"] {
        if let Some(node) = fields.get(target) {
            let sources = reader.texts(node, target).into_iter().map(|(name, _)| name).collect();
            targets.push((target.to_owned(), sources));
        }
    }
    Some(always(Action::Promote(targets)))
}

/// Names of fields, or labels with the fields that they are taken from.
fn labels(options: &Node, reader: &mut Reader) -> Option<Stage> {
    let pairs: Vec<_> = match &options.value {
        Tree::Mapping(_) => reader.pairs(options, "labels"),
        _ => reader
            .texts(options, "labels")
            .into_iter()
            .map(|(name, at)| (name.replace(['.', '-'], "_"), name, at))
            .collect(),
    };
    for (label, _, at) in &pairs {
        if !is_legacy_label_name(label) {
            reader.fault(
                *at,
                format!("{} cannot be a label; write letters, digits and _", quote(label)),
            );
        }
    }
    let pairs = pairs.into_iter().map(|(label, field, _)| (label, field)).collect();
    Some(always(Action::Labels(pairs)))
}

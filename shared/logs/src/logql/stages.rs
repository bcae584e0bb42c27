//! Carries out compiled stages.

mod filter;
mod parse;

use super::ast::NamedMatcher;
use super::compile::{Compiled, CompiledSource, LineTest};
use super::hints::Hints;
use super::row::{ERROR, ERROR_DETAILS, Row};
use crate::LogRecord;
use parapet_gotemplate::{Environment, TemplateSet, Value};
use std::borrow::Cow;

pub(super) use filter::{go_duration_seconds, passes};
pub(super) use parse::{json, logfmt};

/// Runs a record through stages; `None` where one filters it out.
pub(super) fn run<'a>(record: &'a LogRecord, stages: &[Compiled], hints: &'a Hints, now_ns: i64) -> Option<Row<'a>> {
    let line = crate::record::lossy(&record.raw);
    // Filters of the line come first as a rule: a line that they refuse needs no labels.
    let first = stages
        .iter()
        .take_while(|stage| matches!(stage, Compiled::Line { .. }))
        .count();
    if !stages[..first].iter().all(|stage| line_passes(stage, &line)) {
        return None;
    }
    let mut row = Row::new(record, line, hints);
    for stage in &stages[first..] {
        if !apply(stage, &mut row, now_ns) {
            return None;
        }
    }
    Some(row)
}

fn line_passes(stage: &Compiled, line: &str) -> bool {
    let Compiled::Line { negated, tests } = stage else {
        return true;
    };
    let found = tests.iter().any(|test| match test {
        LineTest::Contains(finder) => finder.find(line.as_bytes()).is_some(),
        LineTest::Matches(regex) => regex.is_match(line),
        LineTest::Pattern(pattern) => pattern.matches(line),
        LineTest::Ip(range) => range.in_line(line),
    });
    found != *negated
}

/// Answers whether the row goes on.
fn apply(stage: &Compiled, row: &mut Row<'_>, now_ns: i64) -> bool {
    match stage {
        Compiled::Line { .. } => return line_passes(stage, &row.line),
        Compiled::Filter(filter) => return passes(filter, row),
        Compiled::Json(paths) => parse::json(row, paths),
        Compiled::Logfmt {
            strict,
            keep_empty,
            labels,
        } => parse::logfmt(row, *strict, *keep_empty, labels),
        Compiled::Regexp(regex) => parse::regexp(row, regex),
        Compiled::Pattern(pattern) => parse::pattern(row, pattern),
        Compiled::Unpack => parse::unpack(row),
        Compiled::LineFormat(template) => {
            let data = data(row);
            if let Some(line) = expand(template, "line", &data, row, now_ns) {
                row.line = Cow::Owned(line);
            }
        }
        Compiled::Decolorize(regex) => {
            if let Cow::Owned(line) = regex.replace_all(&row.line, "") {
                row.line = Cow::Owned(line);
            }
        }
        Compiled::LabelFormat(formats) => {
            // Templates of one stage see the labels as they were before the first of them.
            let mut before = None;
            for (label, source) in formats {
                match source {
                    CompiledSource::Label(from) => {
                        if let Some(value) = row.find(from).map(str::to_owned) {
                            row.set(Cow::Owned(label.clone()), Cow::Owned(value));
                            row.remove(from);
                        }
                    }
                    CompiledSource::Template(template) => {
                        let data = before.get_or_insert_with(|| data(row));
                        if let Some(value) = expand(template, "label", data, row, now_ns) {
                            row.set(Cow::Owned(label.clone()), Cow::Owned(value));
                        }
                    }
                }
            }
        }
        Compiled::Drop(matchers) => {
            for name in row.names().into_iter().chain([ERROR, ERROR_DETAILS].map(str::to_owned)) {
                if matchers.iter().any(|matcher| names(matcher, &name, row)) {
                    row.remove(&name);
                }
            }
        }
        Compiled::Keep(matchers) => {
            for name in row.names() {
                if !matchers.iter().any(|matcher| names(matcher, &name, row)) {
                    row.remove(&name);
                }
            }
        }
    }
    true
}

fn names(matcher: &NamedMatcher, name: &str, row: &Row<'_>) -> bool {
    match matcher {
        NamedMatcher::Name(wanted) => wanted == name,
        NamedMatcher::Matcher(matcher) => matcher.name == name && matcher.matches(row.get(name)),
    }
}

/// The labels of a row as a template reads them.
fn data(row: &Row<'_>) -> Value {
    Value::string_map(row.labels().iter())
}

/// Expands a template; a fault is noted in the row.
fn expand(template: &TemplateSet, name: &str, data: &Value, row: &mut Row<'_>, now_ns: i64) -> Option<String> {
    let mut environment = Environment {
        now_ms: now_ns / 1_000_000,
        line: &row.line,
        timestamp_ns: row.timestamp_ns,
        ..Environment::default()
    };
    match template.execute(name, data, &mut environment) {
        Ok(text) => Some(text),
        Err(error) => {
            row.fail("TemplateFormatErr", error.to_string());
            None
        }
    }
}

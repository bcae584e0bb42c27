//! Parsers of lines.

use super::super::path::{self, Step};
use super::super::pattern::Pattern;
use super::super::row::{Row, label_name};
use crate::parse::json::{self, Value};
use crate::parse::logfmt;
use regex::Regex;
use std::borrow::Cow;

const JSON_ERROR: &str = "JSONParserErr";

/// `| json`: names of nested objects are joined with `_`, arrays are left out; or the paths that are asked for.
pub(in crate::logql) fn json(row: &mut Row<'_>, paths: &[(String, Vec<Step>)]) {
    if row.is_complete() {
        return;
    }
    let line = std::mem::take(&mut row.line);
    if paths.is_empty() {
        let read = json::flatten_leading(&line, "_", &mut |name, value| match value {
            Value::Array(_) | Value::Null => {}
            value => row.extracted(&name, &valid(value.into_text())),
        });
        // What is asked for stood before the fault.
        if let (Err(json::NotJson(at)), false) = (read, row.is_complete()) {
            let details = if line.trim_start().starts_with('{') {
                format!("the line is no JSON object, at byte {at}")
            } else {
                "Value looks like object, but can't find closing '}' symbol".to_owned()
            };
            row.fail(JSON_ERROR, details);
        }
    } else if line.starts_with(['"', '{', '[']) {
        for (label, steps) in paths {
            match path::find(&line, steps) {
                Some(value) => row.requested(label, &valid(value.into_text())),
                // A label for each path, with a value or without.
                None if row.find(label).is_none() => row.requested(label, ""),
                None => {}
            }
        }
    } else if !line.is_empty() {
        // What went wrong before is still told.
        row.error = JSON_ERROR;
    }
    row.line = line;
}

/// Loki's labels have spaces where a text was no UTF-8.
fn valid(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(char::REPLACEMENT_CHARACTER) {
        Cow::Owned(text.replace(char::REPLACEMENT_CHARACTER, " "))
    } else {
        text
    }
}

/// `| logfmt`.
pub(in crate::logql) fn logfmt(row: &mut Row<'_>, strict: bool, keep_empty: bool, labels: &[(String, String)]) {
    if row.is_complete() {
        return;
    }
    let line = std::mem::take(&mut row.line);
    for (label, _) in labels {
        // A label for each key, with a value or without.
        row.requested_if_free(label);
    }
    for pair in logfmt::pairs(&line) {
        match pair {
            Ok((key, value)) => {
                let value = valid(value.unwrap_or_default());
                if labels.is_empty() {
                    // Nothing has no label, unless it is asked for; then it is there without a value.
                    if keep_empty || !value.is_empty() {
                        row.extracted(key, &value);
                    }
                } else if let Some((label, _)) = labels.iter().find(|(_, wanted)| *wanted == label_name(key)) {
                    row.requested(label, &value);
                }
                if row.is_complete() {
                    break;
                }
            }
            Err(fault) if strict => {
                let position = fault.at + 1;
                row.fail(
                    "LogfmtParserErr",
                    format!("logfmt syntax error at pos {position} : {}", fault.what),
                );
                break;
            }
            Err(_) => {}
        }
    }
    row.line = line;
}

/// `| regexp "…"`.
pub(super) fn regexp(row: &mut Row<'_>, regex: &Regex) {
    let line = std::mem::take(&mut row.line);
    if let Some(captures) = regex.captures(&line) {
        for name in regex.capture_names().flatten() {
            row.extracted(name, captures.name(name).map_or("", |value| value.as_str()));
        }
    }
    row.line = line;
}

/// `| pattern "…"`.
pub(super) fn pattern(row: &mut Row<'_>, pattern: &Pattern) {
    if row.is_complete() {
        return;
    }
    let line = std::mem::take(&mut row.line);
    for (name, value) in pattern.captures(&line) {
        row.extracted(name, value);
    }
    row.line = line;
}

/// `| unpack`: what Promtail's `pack` stage put together: labels, and the line as `_entry`.
pub(super) fn unpack(row: &mut Row<'_>) {
    if row.is_complete() || row.line.is_empty() {
        return;
    }
    if !row.line.starts_with('{') {
        row.fail(JSON_ERROR, "expecting json object(6), but it is not");
        return;
    }
    let line = std::mem::take(&mut row.line);
    let mut entry = None;
    let mut fields = Vec::new();
    let read = json::members_leading(&line, &mut |name, value| {
        if let Value::Text(text) = value {
            if name == "_entry" {
                entry = Some(text.into_owned());
            } else {
                fields.push((name.into_owned(), text.into_owned()));
            }
        }
    });
    match (read, entry) {
        (Err(json::NotJson(at)), _) => row.fail(JSON_ERROR, format!("the line is no JSON object, at byte {at}")),
        (Ok(()), Some(text)) => {
            fields.iter().for_each(|(name, value)| row.extracted(name, value));
            row.line = Cow::Owned(text);
            return;
        }
        // Nothing was packed.
        (Ok(()), None) => {}
    }
    row.line = line;
}

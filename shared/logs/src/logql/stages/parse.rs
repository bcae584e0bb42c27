//! Parsers of lines.

use super::super::path::{self, Step};
use super::super::pattern::Pattern;
use super::super::row::Row;
use crate::parse::json::{self, Value};
use crate::parse::logfmt;
use regex::Regex;
use std::borrow::Cow;

const JSON_ERROR: &str = "JSONParserErr";

/// `| json`: names of nested objects are joined with `_`, arrays are left out; or the paths that are asked for.
pub(super) fn json(row: &mut Row<'_>, paths: &[(String, Vec<Step>)]) {
    let line = std::mem::take(&mut row.line);
    if paths.is_empty() {
        let read = json::flatten(&line, "_", &mut |name, value| match value {
            Value::Array(_) => {}
            value => row.extracted(&name, &value.into_text()),
        });
        if let Err(json::NotJson(at)) = read {
            row.fail(JSON_ERROR, format!("the line is no JSON object, at byte {at}"));
        }
    } else if json::value(&line).is_ok() {
        for (label, steps) in paths {
            let value = path::find(&line, steps).map_or(Cow::Borrowed(""), Value::into_text);
            row.extracted(label, &value);
        }
    } else {
        row.fail(JSON_ERROR, "the line is no JSON");
    }
    row.line = line;
}

/// `| logfmt`.
pub(super) fn logfmt(row: &mut Row<'_>, strict: bool, keep_empty: bool, labels: &[(String, String)]) {
    let line = std::mem::take(&mut row.line);
    for pair in logfmt::pairs(&line) {
        match pair {
            Ok((key, value)) => {
                let value = value.unwrap_or_default();
                // Nothing has no label, unless it is asked for; then it is there without a value.
                if value.is_empty() && !keep_empty {
                    continue;
                }
                if labels.is_empty() {
                    row.extracted(key, &value);
                }
                for (label, _) in labels.iter().filter(|(_, wanted)| wanted == key) {
                    row.extracted(label, &value);
                }
            }
            Err(fault) if strict => {
                let column = line[..fault.at].chars().count() + 1;
                row.fail(
                    "LogfmtParserErr",
                    format!("logfmt syntax error at pos {column} : {}", fault.what),
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
            if let Some(value) = captures.name(name) {
                row.extracted(name, value.as_str());
            }
        }
    }
    row.line = line;
}

/// `| pattern "…"`.
pub(super) fn pattern(row: &mut Row<'_>, pattern: &Pattern) {
    let line = std::mem::take(&mut row.line);
    for (name, value) in pattern.captures(&line) {
        row.extracted(name, value);
    }
    row.line = line;
}

/// `| unpack`: what Promtail's `pack` stage put together: labels, and the line as `_entry`.
pub(super) fn unpack(row: &mut Row<'_>) {
    let line = std::mem::take(&mut row.line);
    let mut entry = None;
    let mut fields = Vec::new();
    let read = json::members(&line, &mut |name, value| {
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

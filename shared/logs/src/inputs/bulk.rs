//! Elasticsearch's `_bulk`: an action and its document, a line each.

use super::BodyError;
use crate::parse::json::{self, Value};
use crate::time::parse_rfc3339_ns;
use crate::{Level, LogRecord};
use parapet_model::Labels;
use std::borrow::Cow;

/// What became of one document, in the order of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkItem {
    /// `index` or `create`.
    pub action: String,
    /// The index, from the action or from the address.
    pub index: String,
    /// The identifier, where the action has one: the same one sent twice is the same document.
    pub id: String,
    /// The record, or why there is none.
    pub record: Result<LogRecord, String>,
}

/// Reads a body. `index` is the one of the address, for actions without their own.
///
/// # Errors
/// A body that is malformed as a whole; a faulty document alone is told in its item.
pub fn parse(body: &[u8], index: &str) -> Result<Vec<BulkItem>, BodyError> {
    let mut items = Vec::new();
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    let mut lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    while let Some((number, line)) = lines.next() {
        let fault = |what: &str| BodyError(format!("Malformed action/metadata line [{}], {what}", number + 1));
        let line = std::str::from_utf8(line).map_err(|_| fault("it is not UTF-8"))?;
        let mut item = None;
        json::members(line, &mut |action, value| item = item.take().or(Some((action, value))))
            .map_err(|_| fault("expected a JSON object"))?;
        let Some((action, Value::Object(metadata))) = item else {
            return Err(fault("expected one action with an object, such as {\"create\":{}}"));
        };
        let (mut own_index, mut id) = (None, String::new());
        let read = json::members(metadata, &mut |name, value| match &*name {
            "_index" => own_index = Some(value.into_text().into_owned()),
            "_id" => id = value.into_text().into_owned(),
            _ => {}
        });
        read.map_err(|_| fault("expected a JSON object"))?;
        let index = own_index.unwrap_or_else(|| index.to_owned());
        let record = match &*action {
            "index" | "create" => match lines.next() {
                Some((_, source)) => match std::str::from_utf8(source) {
                    Ok(source) => document(source.trim_ascii_end(), &index),
                    Err(error) => Err(format!("failed to parse: the document is not UTF-8: {error}")),
                },
                None => {
                    return Err(fault(
                        "the document is missing; end the body with a line break after it",
                    ));
                }
            },
            // Logs are never changed.
            "update" => {
                lines.next();
                Err("update is not supported: logs are only added; use create".to_owned())
            }
            "delete" => Err("delete is not supported: logs are only added".to_owned()),
            other => {
                return Err(fault(&format!(
                    "expected field [create], [delete], [index] or [update] but found [{other}]"
                )));
            }
        };
        items.push(BulkItem {
            action: action.into_owned(),
            index,
            id,
            record,
        });
    }
    Ok(items)
}

/// A document as Filebeat, Fluent Bit, Logstash and Vector write it. Its line is `message` or `log`, and where it has
/// none the document itself.
fn document(source: &str, index: &str) -> Result<LogRecord, String> {
    let mut record = LogRecord {
        stream: Labels::from_pairs([("index", index)]),
        ..LogRecord::default()
    };
    let mut line: Option<Vec<u8>> = None;
    let mut fields: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    json::flatten(source, ".", &mut |name, value| {
        let is_text = matches!(value, Value::Text(_));
        let value = value.into_text();
        match &*name {
            "message" | "log" if is_text && line.is_none() => line = Some(value.into_owned().into_bytes()),
            "@timestamp" | "timestamp" if record.timestamp_ns == 0 && parse_rfc3339_ns(&value).is_some() => {
                record.timestamp_ns = parse_rfc3339_ns(&value).unwrap_or_default();
            }
            "host.name" | "host.hostname" | "host" if record.host.is_empty() => record.host = value.into_owned().into(),
            "service.name" if record.service.is_empty() => record.service = value.into_owned().into(),
            "trace.id" | "trace_id" if record.trace_id.is_empty() => record.trace_id = value.into_owned().into(),
            "log.level" | "level" if Level::from_word(&value).is_some() => record.level = Level::from_word(&value),
            _ => fields.push((name, value)),
        }
    })
    .map_err(|json::NotJson(at)| format!("failed to parse: the document is no JSON object, at byte {at}"))?;
    record.raw = line.unwrap_or_else(|| source.as_bytes().to_vec()).into();
    record.attributes = Labels::from_pairs(fields);
    Ok(record)
}

//! Ways in: what shippers send, as records.
//!
//! | what | how |
//! |---|---|
//! | Loki's push API, JSON and protobuf | [`loki`] |
//! | Elasticsearch's `_bulk` | [`bulk`] |
//! | OTLP logs, JSON and protobuf | [`otlp`] |
//! | syslog, RFC 5424 and RFC 3164 | [`syslog`] |
//! | CloudWatch Logs' subscriptions | [`cloudwatch`] |
//!
//! Bodies come here decompressed, except for Loki's protobuf, which is compressed in a form of its own. A record keeps
//! the line as it was sent; pipelines take it from there.

pub mod bulk;
pub mod cloudwatch;
pub mod loki;
pub mod otlp;
pub mod syslog;

/// A body that is not what it should be: the request is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BodyError(pub(crate) String);

impl BodyError {
    fn new(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// A JSON value as the text of a field.
fn json_text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;

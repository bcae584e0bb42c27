//! [`LogRecord`]: one line, and what is known of it.

use crate::Level;
use bytes::Bytes;
use bytestring::ByteString;
use parapet_model::Labels;
use std::borrow::Cow;

/// One log line with what was parsed from it.
///
/// `raw` is the line as it came, byte for byte, except for what redaction replaced; everything else is derived from it
/// and from the stream that it came on. Texts that are not known are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRecord {
    /// When it was written, nanoseconds since the Unix epoch.
    pub timestamp_ns: i64,
    /// How grave it is.
    pub level: Option<Level>,
    /// The service that wrote it.
    pub service: ByteString,
    /// The host that it was written on.
    pub host: ByteString,
    /// The trace that it belongs to, as hexadecimal digits where it came so.
    pub trace_id: ByteString,
    /// What it says, for people, where that is not the whole line: then it is empty, and [`LogRecord::message`] tells.
    pub message: ByteString,
    /// The line without its line break.
    pub raw: Bytes,
    /// The labels of its stream, as Loki means them: few, and the same for many lines.
    pub stream: Labels,
    /// All other fields. Nested fields have dotted names: `http.status`.
    pub attributes: Labels,
    /// Where a routing rule sends it; empty for the main store.
    pub route: ByteString,
}

/// The names under which queries find the promoted fields of a record.
pub const PROMOTED: [&str; 5] = ["level", "service", "host", "trace_id", "message"];

impl LogRecord {
    /// The line as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn line(&self) -> Cow<'_, str> {
        lossy(&self.raw)
    }

    /// What it says: the message, or the line where there is none apart from it.
    #[must_use]
    pub fn message(&self) -> Cow<'_, str> {
        if self.message.is_empty() {
            self.line()
        } else {
            Cow::Borrowed(&self.message)
        }
    }

    /// The value of a field: promoted fields first, then attributes, then the labels of the stream. `None` where it
    /// has none.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let promoted = match name {
            "level" => self.level.map_or("", Level::as_str),
            "service" => &self.service,
            "host" => &self.host,
            "trace_id" => &self.trace_id,
            "message" if self.message.is_empty() => std::str::from_utf8(&self.raw).unwrap_or_default(),
            "message" => &self.message,
            "route" => &self.route,
            _ => "",
        };
        if !promoted.is_empty() {
            return Some(promoted);
        }
        self.attributes.get(name).or_else(|| self.stream.get(name))
    }
}

/// Bytes as text; what is not UTF-8 is replaced. Checks the whole at once first, which is faster than the library's way.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_by_name() {
        let record = LogRecord {
            level: Some(Level::Warning),
            host: "a".into(),
            attributes: Labels::from_pairs([("http.status", "500"), ("service", "x")]),
            stream: Labels::from_pairs([("app", "web"), ("http.status", "1")]),
            raw: Bytes::from_static(b"\xffz"),
            ..LogRecord::default()
        };
        for (name, want) in [
            ("level", Some("WARNING")),
            ("host", Some("a")),
            ("service", Some("x")),
            ("http.status", Some("500")),
            ("app", Some("web")),
            ("message", None),
        ] {
            assert_eq!(record.field(name), want, "{name}");
        }
        assert_eq!(record.line(), "\u{fffd}z");
    }
}

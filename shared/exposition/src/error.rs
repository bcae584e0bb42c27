//! Why a body does not parse.

/// A fault in a body, with its place. The message is Prometheus' own where Prometheus has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ParseError {
    /// Where it is.
    pub place: Place,
    /// What is wrong.
    pub message: String,
}

/// A place in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of a text.
    Line {
        /// The line, from 1.
        line: usize,
        /// The byte in the line, from 1.
        column: usize,
    },
    /// Of the protobuf format: bytes before it.
    Byte(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line { line, column } => write!(f, "line {line}, column {column}"),
            Self::Byte(offset) => write!(f, "byte {offset}"),
        }
    }
}

impl ParseError {
    /// A fault where a reader of protobuf stands.
    pub(crate) fn at(reader: &parapet_protobuf::Reader<'_>, message: String) -> Self {
        Self {
            place: Place::Byte(reader.offset()),
            message,
        }
    }
}

impl From<parapet_protobuf::Error> for ParseError {
    fn from(error: parapet_protobuf::Error) -> Self {
        Self {
            place: Place::Byte(error.offset),
            message: error.reason.to_owned(),
        }
    }
}

/// The most of a body that a message quotes.
const MAX_QUOTED_BYTES: usize = 512;

/// Quotes bytes as Go's `%q` does, those that are not UTF-8 as `\xff`; long ones are cut.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let (shown, cut) = match bytes.split_at_checked(MAX_QUOTED_BYTES) {
        Some((shown, rest)) if !rest.is_empty() => (shown, true),
        _ => (bytes, false),
    };
    let mut out = String::with_capacity(shown.len() + 2);
    out.push('"');
    for chunk in shown.utf8_chunks() {
        let quoted = parapet_model::quote(chunk.valid());
        out.push_str(&quoted[1..quoted.len() - 1]);
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    if cut {
        out.push('…');
    }
    out
}

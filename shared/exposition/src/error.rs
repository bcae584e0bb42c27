//! Why a body does not parse.

/// A fault in a body, with its place. The message is Prometheus' own where Prometheus has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The byte in the line, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
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

//! JSON as Go's `encoding/json` writes it.

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io;

/// Escapes what Go escapes for the sake of HTML and JavaScript.
#[derive(Debug)]
struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut written = 0;
        for (at, c) in fragment.char_indices() {
            let escape = match c {
                '<' => "\\u003c",
                '>' => "\\u003e",
                '&' => "\\u0026",
                '\u{2028}' => "\\u2028",
                '\u{2029}' => "\\u2029",
                _ => continue,
            };
            writer.write_all(&fragment.as_bytes()[written..at])?;
            writer.write_all(escape.as_bytes())?;
            written = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[written..])
    }
}

/// `json.Encoder.Encode`: the document and a newline.
///
/// # Errors
/// What `serde_json` says of a value that is no JSON.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(1024);
    value.serialize(&mut Serializer::with_formatter(&mut out, GoFormatter))?;
    out.push(b'\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_as_go_does() {
        let text = "<a href=\"x\">&\u{2028}\u{2029}\n\t\u{8}\u{c}\u{1}\u{7f}é</a>";
        let want =
            "\"\\u003ca href=\\\"x\\\"\\u003e\\u0026\\u2028\\u2029\\n\\t\\b\\f\\u0001\u{7f}é\\u003c/a\\u003e\"\n";
        assert_eq!(String::from_utf8(super::encode(&text).unwrap()).unwrap(), want);
    }
}

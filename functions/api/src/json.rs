//! JSON written straight into a buffer: a matrix of a million points never becomes a tree of values.
//!
//! Numbers have the forms of Prometheus' `util/jsonutil`.

mod histogram;
mod number;
mod query;

pub(crate) use number::{format_alert_value, write_float, write_timestamp};
pub(crate) use query::write_query_value;

use parapet_model::Labels;

/// The fields of one object, in the order in which they are written.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    separator: u8,
}

impl<'a> Object<'a> {
    /// Writes an object; `fields` adds what it holds.
    pub(crate) fn write(out: &'a mut Vec<u8>, fields: impl FnOnce(&mut Object<'_>)) {
        let mut object = Object { out, separator: b'{' };
        fields(&mut object);
        if object.separator == b'{' {
            object.out.push(b'{');
        }
        object.out.push(b'}');
    }

    /// Begins a field with a name that is not ours.
    pub(crate) fn escaped_field(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.push(self.separator);
        self.separator = b',';
        write_string(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// Begins a field; the caller writes its value. Names are ours and need no escape.
    pub(crate) fn field(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.push(self.separator);
        self.separator = b',';
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(crate) fn string(&mut self, name: &str, value: &str) {
        write_string(self.field(name), value);
    }

    pub(crate) fn integer(&mut self, name: &str, value: impl Into<i128>) {
        write_integer(self.field(name), value.into());
    }

    /// A number as Go marshals a `float64`: unquoted; what JSON cannot hold becomes 0.
    pub(crate) fn number(&mut self, name: &str, value: f64) {
        number::write_plain_float(self.field(name), if value.is_finite() { value } else { 0.0 });
    }

    pub(crate) fn boolean(&mut self, name: &str, value: bool) {
        write_boolean(self.field(name), value);
    }

    pub(crate) fn labels(&mut self, name: &str, labels: &Labels) {
        write_labels(self.field(name), labels);
    }

    pub(crate) fn object(&mut self, name: &str, fields: impl FnOnce(&mut Object<'_>)) {
        Object::write(self.field(name), fields);
    }

    pub(crate) fn array<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut Vec<u8>, T),
    ) {
        write_array(self.field(name), items, write);
    }
}

pub(crate) fn write_array<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

pub(crate) fn write_strings<S: AsRef<str>>(out: &mut Vec<u8>, items: impl IntoIterator<Item = S>) {
    write_array(out, items, |out, item| write_string(out, item.as_ref()));
}

pub(crate) fn write_boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

pub(crate) fn write_integer(out: &mut Vec<u8>, value: i128) {
    out.extend_from_slice(value.to_string().as_bytes());
}

pub(crate) fn write_labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(out, name);
        out.push(b':');
        write_string(out, value);
    }
    out.push(b'}');
}

/// A string with its quotes; control characters and the two line separators of JavaScript are escaped.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => br#"\""#,
            b'\\' => br"\\",
            b'\n' => br"\n",
            b'\r' => br"\r",
            b'\t' => br"\t",
            0..0x20 => &[
                b'\\',
                b'u',
                b'0',
                b'0',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ],
            // U+2028 and U+2029 in UTF-8.
            0xE2 if bytes.get(at + 1) == Some(&0x80) && matches!(bytes.get(at + 2), Some(0xA8 | 0xA9)) => {
                out.extend_from_slice(&bytes[written..at]);
                out.extend_from_slice(if bytes[at + 2] == 0xA8 { br"\u2028" } else { br"\u2029" });
                written = at + 3;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[written..at]);
        out.extend_from_slice(escape);
        written = at + 1;
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn objects_and_arrays() {
        assert_eq!(text(|out| Object::write(out, |_| {})), "{}");
        let written = text(|out| {
            Object::write(out, |object| {
                object.string("a", "b\"c");
                object.integer("n", -3);
                object.number("f", 0.5);
                object.number("nan", f64::NAN);
                object.boolean("t", true);
                object.labels("l", &Labels::from_pairs([("x", "y"), ("a.b", "\n")]));
                object.array("none", [0i64; 0], |out, n| write_integer(out, n.into()));
                object.array("some", [1i64, 2], |out, n| write_integer(out, n.into()));
                object.object("o", |_| {});
            });
        });
        assert_eq!(
            written,
            r#"{"a":"b\"c","n":-3,"f":0.5,"nan":0,"t":true,"l":{"a.b":"\n","x":"y"},"none":[],"some":[1,2],"o":{}}"#
        );
    }

    #[test]
    fn escapes_line_separators() {
        assert_eq!(
            text(|out| write_string(out, "a\u{2028}b\u{2029}\u{1}\u{2030}")),
            "\"a\\u2028b\\u2029\\u0001\u{2030}\""
        );
    }

    proptest! {
        #[test]
        fn every_string_reads_back(value in any::<String>()) {
            let written = text(|out| write_string(out, &value));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), value);
        }
    }
}

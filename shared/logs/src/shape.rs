//! The shape of a line: the line without what its fields already say, so that a store need not keep both.
//!
//! A line that was parsed is mostly its fields, in an order and with texts between them that are the same for thousands of
//! lines. [`Shape::cut`] takes the fields out, and what else has digits; what is left repeats, and takes no room in a
//! dictionary. [`Shape::restore`] puts the line together again, byte for byte.

use crate::LogRecord;

/// Begins a hole in a shape; its field's name follows, or nothing for a variable.
const OPEN: char = '\u{11}';
/// Ends a hole.
const CLOSE: char = '\u{12}';

/// A line without its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What repeats, with holes for fields and variables.
    pub text: String,
    /// What fills the holes that no field fills, in their order.
    pub variables: Vec<String>,
}

impl Shape {
    /// Cuts the line of a record. `None` where that cannot be undone (it is no UTF-8, or holds the marks of holes): then
    /// the line must be kept itself.
    ///
    /// The record must have, when it is restored, the fields that it has now.
    #[must_use]
    pub fn cut(record: &LogRecord) -> Option<Self> {
        let line = std::str::from_utf8(&record.raw).ok()?;
        if line.contains([OPEN, CLOSE]) {
            return None;
        }
        // The longest first: a value may stand within another. Each is used once, so that equal ones keep their order.
        let promoted = [
            ("message", record.message.as_str()),
            ("service", &record.service),
            ("host", &record.host),
            ("trace_id", &record.trace_id),
        ];
        let mut fields: Vec<(&str, &str)> = promoted
            .into_iter()
            .chain(record.attributes.iter())
            .filter(|(name, value)| !value.is_empty() && !name.contains([OPEN, CLOSE]))
            .collect();
        fields.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(b.0)));
        let mut shape = Self {
            text: String::with_capacity(64),
            variables: Vec::new(),
        };
        let mut rest = line;
        let mut within = false;
        while let Some(c) = rest.chars().next() {
            // A value begins where a word does, and ends where one ends.
            let found = fields
                .iter()
                .position(|(_, value)| !within && rest.starts_with(value) && ends_word(value, &rest[value.len()..]));
            if let Some(index) = found {
                let (name, value) = fields.remove(index);
                shape.text.extend([OPEN]);
                shape.text.push_str(name);
                shape.text.push(CLOSE);
                rest = &rest[value.len()..];
                within = value.ends_with(char::is_alphanumeric);
                continue;
            }
            if !within && c.is_alphanumeric() {
                let length = rest.find(|c: char| SEPARATORS.contains(&c)).unwrap_or(rest.len());
                // A field may begin within the run.
                let length = fields
                    .iter()
                    .filter_map(|(_, value)| rest[..length].find(value))
                    .filter(|at| rest[..*at].ends_with(|c: char| !c.is_alphanumeric()))
                    .fold(length, usize::min);
                let run = &rest[..length];
                if run.bytes().any(|byte| byte.is_ascii_digit()) {
                    shape.text.extend([OPEN, CLOSE]);
                    shape.variables.push(run.to_owned());
                } else {
                    shape.text.push_str(run);
                }
                within = run.ends_with(char::is_alphanumeric);
                rest = &rest[length..];
                continue;
            }
            shape.text.push(c);
            within = c.is_alphanumeric();
            rest = &rest[c.len_utf8()..];
        }
        Some(shape)
    }

    /// Puts the line together again; `None` where a field is missing.
    #[must_use]
    pub fn restore(&self, record: &LogRecord) -> Option<Vec<u8>> {
        Self::join(&self.text, self.variables.iter().map(String::as_str), record)
    }

    /// The same, of a shape in parts.
    pub fn join<'a>(text: &str, mut variables: impl Iterator<Item = &'a str>, record: &LogRecord) -> Option<Vec<u8>> {
        let mut line = String::with_capacity(text.len() * 2);
        let mut rest = text;
        while let Some((literal, hole)) = rest.split_once(OPEN) {
            line.push_str(literal);
            let (name, after) = hole.split_once(CLOSE)?;
            let value = match name {
                "" => variables.next()?,
                "message" if !record.message.is_empty() => &record.message,
                "service" if !record.service.is_empty() => &record.service,
                "host" if !record.host.is_empty() => &record.host,
                "trace_id" if !record.trace_id.is_empty() => &record.trace_id,
                name => record.attributes.get(name)?,
            };
            line.push_str(value);
            rest = after;
        }
        line.push_str(rest);
        Some(line.into_bytes())
    }
}

/// Whether a word does not go on after a value.
fn ends_word(value: &str, after: &str) -> bool {
    !value.ends_with(char::is_alphanumeric) || !after.starts_with(char::is_alphanumeric)
}

/// What parts the runs of a line.
const SEPARATORS: [char; 16] = [
    ' ', '\t', '\n', '"', '\'', '=', ',', ';', '[', ']', '(', ')', '{', '}', '<', '>',
];

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::Labels;
    use proptest::prelude::*;

    fn record(line: &str, attributes: &[(&str, &str)]) -> LogRecord {
        LogRecord {
            raw: line.as_bytes().to_vec(),
            attributes: Labels::from_pairs(attributes.iter().copied()),
            ..LogRecord::default()
        }
    }

    #[test]
    fn what_fields_say_is_taken_out() {
        let shape = |line: &str, attributes: &[(&str, &str)]| {
            let record = record(line, attributes);
            let shape = Shape::cut(&record).unwrap();
            assert_eq!(shape.restore(&record).unwrap(), record.raw);
            (shape.text.replace(OPEN, "<").replace(CLOSE, ">"), shape.variables)
        };
        assert_eq!(
            shape(
                r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /a?b=200 HTTP/1.1" 200"#,
                &[
                    ("ip", "10.0.0.1"),
                    ("request", "/a?b=200"),
                    ("status", "200"),
                    ("ident", "-"),
                    ("auth", "-"),
                    ("verb", "GET")
                ]
            ),
            (
                r#"<ip> <auth> <ident> [<> +<>] "<verb> <request> HTTP/1.1" <status>"#.replace("HTTP/1.1", "<>"),
                ["17/May/2015:10:05:03", "0000", "HTTP/1.1"].map(str::to_owned).to_vec()
            )
        );
        assert_eq!(Shape::cut(&record("a\u{11}b", &[])), None);
        assert_eq!(
            Shape::cut(&LogRecord {
                raw: b"\xff".to_vec(),
                ..LogRecord::default()
            }),
            None
        );
    }

    proptest! {
        #[test]
        fn every_line_comes_back(line in ".*", values in prop::collection::vec("[a-c0-2 \"-]{0,4}|é", 0..6)) {
            let names = ["a", "b", "c", "d", "e", "f"];
            let attributes: Vec<_> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
            let line = values.iter().fold(line, |line, value| format!("{line} {value}-{value}1"));
            let record = record(&line, &attributes);
            if let Some(shape) = Shape::cut(&record) {
                prop_assert_eq!(shape.restore(&record).unwrap(), record.raw);
            }
        }
    }
}

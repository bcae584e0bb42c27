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
        if memchr::memchr2(OPEN as u8, CLOSE as u8, line.as_bytes()).is_some() {
            return None;
        }
        let mut fields = Fields::of(record);
        let bytes = line.as_bytes();
        let mut shape = Self {
            text: String::with_capacity(64),
            variables: Vec::new(),
        };
        // What stands in no hole yet begins here.
        let (mut literal, mut at, mut within) = (0, 0, false);
        while at < bytes.len() {
            if !within {
                // A value begins where a word does, and ends where one ends.
                if let Some((name, value)) = fields.take_at(bytes, at) {
                    shape.text.push_str(&line[literal..at]);
                    shape.text.push(OPEN);
                    shape.text.push_str(name);
                    shape.text.push(CLOSE);
                    at += value.len();
                    literal = at;
                    within = value.as_bytes().last().copied().is_some_and(is_word);
                    continue;
                }
                if is_word(bytes[at]) {
                    let start = at;
                    let mut has_digit = false;
                    while at < bytes.len() && !SEPARATORS[usize::from(bytes[at])] {
                        // A field may begin within the run.
                        if at > start && !is_word(bytes[at - 1]) && fields.find_at(bytes, at).is_some() {
                            break;
                        }
                        has_digit |= bytes[at].is_ascii_digit();
                        at += 1;
                    }
                    if has_digit {
                        shape.text.push_str(&line[literal..start]);
                        shape.text.extend([OPEN, CLOSE]);
                        shape.variables.push(line[start..at].to_owned());
                        literal = at;
                    }
                    within = is_word(bytes[at - 1]);
                    continue;
                }
            }
            within = is_word(bytes[at]);
            at += 1;
        }
        shape.text.push_str(&line[literal..]);
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

/// The fields of a record that may fill holes, each once, so that equal ones keep their order.
struct Fields<'a> {
    /// The longest first: a value may stand within another.
    pairs: Vec<(&'a str, &'a str)>,
    /// Those that are left, a bit for each, by the first byte of their values.
    left: [u64; 256],
}

/// More fields than this fill no holes.
const MAX_FIELDS: usize = 64;

impl<'a> Fields<'a> {
    fn of(record: &'a LogRecord) -> Self {
        let promoted = [
            ("message", record.message.as_str()),
            ("service", &record.service),
            ("host", &record.host),
            ("trace_id", &record.trace_id),
        ];
        let mut pairs: Vec<(&str, &str)> = promoted
            .into_iter()
            .chain(record.attributes.iter())
            .filter(|(name, value)| !value.is_empty() && !name.contains([OPEN, CLOSE]))
            .collect();
        pairs.sort_unstable_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(b.0)));
        pairs.truncate(MAX_FIELDS);
        let mut left = [0; 256];
        for (number, (_, value)) in pairs.iter().enumerate() {
            left[usize::from(value.as_bytes()[0])] |= 1 << number;
        }
        Self { pairs, left }
    }

    /// The number of the first field whose value stands at a place, as whole words.
    fn find_at(&self, line: &[u8], at: usize) -> Option<usize> {
        let mut candidates = self.left[usize::from(line[at])];
        while candidates != 0 {
            let number = candidates.trailing_zeros() as usize;
            let value = self.pairs[number].1.as_bytes();
            let goes_on = || value.last().copied().is_some_and(is_word);
            if line[at..].starts_with(value)
                && !line
                    .get(at + value.len())
                    .is_some_and(|next| is_word(*next) && goes_on())
            {
                return Some(number);
            }
            candidates &= candidates - 1;
        }
        None
    }

    fn take_at(&mut self, line: &[u8], at: usize) -> Option<(&'a str, &'a str)> {
        let number = self.find_at(line, at)?;
        self.left[usize::from(line[at])] &= !(1 << number);
        Some(self.pairs[number])
    }
}

/// Whether a byte belongs to a word. All of what is not ASCII does: no hole begins or ends within a character.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// What parts the runs of a line.
static SEPARATORS: [bool; 256] = {
    let (mut table, separators, mut index) = ([false; 256], b" \t\n\"'=,;[](){}<>", 0);
    while index < separators.len() {
        table[separators[index] as usize] = true;
        index += 1;
    }
    table
};

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

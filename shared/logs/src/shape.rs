//! The shape of a line: the line without what its fields already say, so that a store need not keep both.
//!
//! A line that was parsed is mostly its fields, in an order and with texts between them that are the same for thousands of
//! lines. [`Shapes::cut`] takes the fields out, and what else has digits; what is left repeats, and takes no room in a
//! dictionary. [`restore`] puts the line together again, byte for byte.

use crate::{Level, LogRecord, PROMOTED};
use parapet_model::compare::{begins_with, same};
use std::ops::Range;

/// Begins a hole in a shape; its field's name follows, or nothing for a variable.
const OPEN: char = '\u{11}';
/// Ends a hole.
const CLOSE: char = '\u{12}';

/// Shapes of the lines of a block: a line mostly has the shape of one before it, which is found without looking at each of
/// its bytes.
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    /// The one that was used last is the first.
    known: Vec<Shape>,
    fields: Vec<Text<'static>>,
    holes: Vec<Range<usize>>,
    variables: Vec<Range<usize>>,
}

/// Name and value of a field.
type Text<'a> = (&'a [u8], &'a [u8]);

/// So many shapes are tried before a line is looked at in full.
const MAX_KNOWN: usize = 16;

/// A line cut into what repeats and what does not.
#[derive(Clone, Copy, Debug)]
pub struct Cut<'a> {
    /// What repeats, with holes for fields and variables.
    pub shape: &'a str,
    /// What fills the holes that no field fills, in their order: places in the line.
    pub variables: &'a [Range<usize>],
    /// All holes, in their order: places in the line.
    pub holes: &'a [Range<usize>],
    /// Whether no line before had this shape: then what lies between its holes is new too.
    pub is_new: bool,
}

/// A line without what does not repeat.
#[derive(Clone, Debug)]
struct Shape {
    text: String,
    parts: Vec<Part>,
    /// That of the line which had it first.
    level: Option<Level>,
}

#[derive(Clone, Debug)]
enum Part {
    /// Bytes of the text of the shape.
    Literal(Range<usize>),
    /// The name of a field stands there in the text, and it was the field of this number, or any for the largest.
    Field(Range<usize>, usize),
    Variable,
}

impl Shapes {
    /// Cuts the line of a record. `None` where that cannot be undone (it is no UTF-8, or holds the marks of holes): then
    /// the line must be kept itself.
    ///
    /// The record must have, when the line is restored, the fields that it has now.
    pub fn cut(&mut self, record: &LogRecord) -> Option<Cut<'_>> {
        let line = record.raw.as_ref();
        let fields = fields_of(record, std::mem::take(&mut self.fields));
        let (holes, variables) = (&mut self.holes, &mut self.variables);
        let mut fits = |shape: &Shape| {
            holes.clear();
            variables.clear();
            shape.fits(line, &fields, holes, variables)
        };
        // The level stands in the shape mostly: lines of another one are tried last.
        let is_likely = |shape: &Shape| shape.level == record.level;
        let mut shapes = self.known.iter();
        let known = shapes.position(|shape| is_likely(shape) && fits(shape));
        let mut shapes = self.known.iter();
        let known = known.or_else(|| shapes.position(|shape| !is_likely(shape) && fits(shape)));
        if let Some(number) = known {
            self.known[..=number].rotate_right(1);
        } else {
            let line = std::str::from_utf8(line).ok()?;
            if memchr::memchr2(OPEN as u8, CLOSE as u8, line.as_bytes()).is_some() {
                return None;
            }
            self.holes.clear();
            self.variables.clear();
            let mut shape = self.look(line, &fields);
            shape.level = record.level;
            self.known.truncate(MAX_KNOWN - 1);
            self.known.insert(0, shape);
        }
        // The same memory, for the next record's.
        self.fields = fields.into_iter().map_while(|_| None).collect();
        Some(Cut {
            shape: &self.known[0].text,
            variables: &self.variables,
            holes: &self.holes,
            is_new: known.is_none(),
        })
    }

    /// Cuts a line whose shape is not known.
    fn look(&mut self, line: &str, fields: &[Text<'_>]) -> Shape {
        let mut fields = Search::new(fields);
        let bytes = line.as_bytes();
        let mut shape = Shape {
            text: String::with_capacity(64),
            parts: Vec::new(),
            level: None,
        };
        // What stands in no hole yet begins here.
        let (mut literal, mut at, mut within) = (0, 0, false);
        while at < bytes.len() {
            if !within {
                // A value begins where a word does, and ends where one ends.
                if let Some((number, name, value)) = fields.take_at(bytes, at) {
                    shape.literal(&line[literal..at]);
                    shape.hole(name, Some(number));
                    self.holes.push(at..at + value.len());
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
                        shape.literal(&line[literal..start]);
                        shape.hole("", None);
                        self.holes.push(start..at);
                        self.variables.push(start..at);
                        literal = at;
                    }
                    within = is_word(bytes[at - 1]);
                    continue;
                }
            }
            within = is_word(bytes[at]);
            at += 1;
        }
        shape.literal(&line[literal..]);
        shape
    }
}

impl Shape {
    fn literal(&mut self, text: &str) {
        if !text.is_empty() {
            let start = self.text.len();
            self.text.push_str(text);
            self.parts.push(Part::Literal(start..self.text.len()));
        }
    }

    fn hole(&mut self, name: &str, number: Option<usize>) {
        self.text.push(OPEN);
        let start = self.text.len();
        self.text.push_str(name);
        let name = start..self.text.len();
        self.text.push(CLOSE);
        let promoted = PROMOTED.contains(&&self.text[name.clone()]);
        self.parts.push(match number {
            // An attribute of the same name is not to be taken for it.
            Some(_) if promoted => Part::Field(name, usize::MAX),
            Some(number) => Part::Field(name, number),
            None => Part::Variable,
        });
    }

    /// Whether a line has this shape; then its holes are told.
    fn fits(
        &self,
        line: &[u8],
        fields: &[Text<'_>],
        holes: &mut Vec<Range<usize>>,
        variables: &mut Vec<Range<usize>>,
    ) -> bool {
        let (text, mut at) = (self.text.as_bytes(), 0);
        for part in &self.parts {
            let rest = &line[at..];
            match part {
                Part::Literal(range) => {
                    if !begins_with(rest, &text[range.clone()]) {
                        return false;
                    }
                    at += range.len();
                }
                Part::Field(name, number) => {
                    let name = &text[name.clone()];
                    // Lines of one shape have the same fields as a rule.
                    let field = fields
                        .get(*number)
                        .filter(|(other, _)| same(other, name))
                        .or_else(|| fields.iter().find(|(other, _)| *other == name));
                    let Some((_, value)) = field.filter(|(_, value)| begins_with(rest, value)) else {
                        return false;
                    };
                    holes.push(at..at + value.len());
                    at += value.len();
                }
                Part::Variable => {
                    let length = rest.iter().position(|byte| !VARIABLE[usize::from(*byte)]);
                    let length = length.unwrap_or(rest.len());
                    let ends = rest.get(length).is_none_or(|byte| SEPARATORS[usize::from(*byte)]);
                    if length == 0 || !ends {
                        return false;
                    }
                    holes.push(at..at + length);
                    variables.push(at..at + length);
                    at += length;
                }
            }
        }
        at == line.len()
    }
}

/// Puts the line of a record together from its shape and variables; `None` where a field is missing.
pub fn restore<'a>(shape: &str, mut variables: impl Iterator<Item = &'a str>, record: &LogRecord) -> Option<Vec<u8>> {
    let mut line = String::with_capacity(shape.len() * 2);
    let mut rest = shape;
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

/// The fields of a record that may fill holes, in an empty list: the promoted ones, then the attributes in their order.
fn fields_of<'a>(record: &'a LogRecord, mut fields: Vec<Text<'a>>) -> Vec<Text<'a>> {
    let promoted: [Text<'a>; 4] = [
        (b"message", record.message.as_bytes()),
        (b"service", record.service.as_bytes()),
        (b"host", record.host.as_bytes()),
        (b"trace_id", record.trace_id.as_bytes()),
    ];
    fields.extend(promoted.into_iter().filter(|(_, value)| !value.is_empty()));
    fields.extend(record.attributes.iter_bytes());
    fields
}

/// Fields that are looked for in a line, each once, so that equal ones keep their order.
struct Search<'a> {
    /// Number, name and value, the longest value first: a value may stand within another.
    fields: Vec<(usize, &'a str, &'a str)>,
    /// Those that are left, a bit for each, by the first byte of their values.
    left: [u64; 256],
}

/// More fields than this fill no holes.
const MAX_FIELDS: usize = 64;

impl<'a> Search<'a> {
    fn new(of: &[Text<'a>]) -> Self {
        let texts = of.iter().enumerate().filter_map(|(number, (name, value))| {
            let (name, value) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?);
            // A promoted field hides an attribute of its name.
            let is_first = of.iter().position(|(other, _)| *other == name.as_bytes()) == Some(number);
            (is_first && !name.contains([OPEN, CLOSE])).then_some((number, name, value))
        });
        let mut fields: Vec<(usize, &str, &str)> = texts.collect();
        fields.sort_unstable_by(|a, b| b.2.len().cmp(&a.2.len()).then_with(|| a.1.cmp(b.1)));
        fields.truncate(MAX_FIELDS);
        let mut left = [0; 256];
        for (number, (_, _, value)) in fields.iter().enumerate() {
            left[usize::from(value.as_bytes()[0])] |= 1 << number;
        }
        Self { fields, left }
    }

    /// The first field whose value stands at a place, as whole words.
    fn find_at(&self, line: &[u8], at: usize) -> Option<usize> {
        let mut candidates = self.left[usize::from(line[at])];
        while candidates != 0 {
            let number = candidates.trailing_zeros() as usize;
            let value = self.fields[number].2.as_bytes();
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

    fn take_at(&mut self, line: &[u8], at: usize) -> Option<(usize, &'a str, &'a str)> {
        let number = self.find_at(line, at)?;
        self.left[usize::from(line[at])] &= !(1 << number);
        Some(self.fields[number])
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

/// What a variable is made of, where its line is not looked at in full: ASCII but for separators and the marks of holes.
static VARIABLE: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0);
    while byte < 128 {
        table[byte] = !SEPARATORS[byte] && byte != OPEN as usize && byte != CLOSE as usize;
        byte += 1;
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
            raw: line.as_bytes().to_vec().into(),
            attributes: Labels::from_pairs(attributes.iter().copied()),
            ..LogRecord::default()
        }
    }

    /// Cuts a line, checks that it comes back, and tells its shape and variables.
    fn cut(shapes: &mut Shapes, record: &LogRecord) -> Option<(String, Vec<String>, bool)> {
        let cut = shapes.cut(record)?;
        let text = |range: &Range<usize>| std::str::from_utf8(&record.raw[range.clone()]).unwrap();
        let back = restore(cut.shape, cut.variables.iter().map(text), record);
        assert_eq!(back.as_deref(), Some(record.raw.as_ref()), "{:?}", cut.shape);
        assert!(cut.holes.is_sorted_by(|a, b| a.end <= b.start));
        let variables = cut.variables.iter().map(|range| text(range).to_owned()).collect();
        Some((cut.shape.replace(OPEN, "<").replace(CLOSE, ">"), variables, cut.is_new))
    }

    #[test]
    fn what_fields_say_is_taken_out() {
        let shape = |line: &str, attributes: &[(&str, &str)]| {
            let (shape, variables, _) = cut(&mut Shapes::default(), &record(line, attributes)).unwrap();
            (shape, variables)
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
        let mut shapes = Shapes::default();
        assert!(shapes.cut(&record("a\u{11}b", &[])).is_none());
        let bytes = LogRecord {
            raw: bytes::Bytes::from_static(b"\xff"),
            ..LogRecord::default()
        };
        assert!(shapes.cut(&bytes).is_none());
    }

    #[test]
    fn a_shape_is_known_again() {
        let mut shapes = Shapes::default();
        let line = |shapes: &mut Shapes, line: &str, user: &str| cut(shapes, &record(line, &[("user", user)])).unwrap();
        let first = line(&mut shapes, "user=ann took 5ms", "ann");
        assert_eq!(first, ("user=<user> took <>".to_owned(), vec!["5ms".to_owned()], true));
        let other = line(&mut shapes, "bye 7", "bob");
        assert_eq!(other, ("bye <>".to_owned(), vec!["7".to_owned()], true));
        let again = line(&mut shapes, "user=bob took 12s", "bob");
        assert_eq!(again, ("user=<user> took <>".to_owned(), vec!["12s".to_owned()], false));
        for (text, user) in [
            ("user=bob took ", "bob"),
            ("user=bob took 12s more", "bob"),
            ("user=bob took 1", "eve"),
        ] {
            assert!(line(&mut shapes, text, user).2, "{text}");
        }
        // What would not come back is not taken for a known shape.
        assert!(
            shapes
                .cut(&record("user=bob took 1\u{12}", &[("user", "bob")]))
                .is_none()
        );
    }

    proptest! {
        #[test]
        fn every_line_comes_back(
            lines in prop::collection::vec((".{0,3}[a-b0-1 ]{0,4}", prop::collection::vec("[a-c0-2 \"-]{0,4}|é", 0..6)), 1..6)
        ) {
            let names = ["a", "b", "c", "message", "service", "f"];
            let mut shapes = Shapes::default();
            for (line, values) in lines {
                let attributes: Vec<_> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
                let line = values.iter().fold(line, |line, value| format!("{line} {value}-{value}1"));
                let mut record = record(&line, &attributes);
                record.message = values.first().map(|value| value.as_str().into()).unwrap_or_default();
                cut(&mut shapes, &record);
            }
        }
    }
}

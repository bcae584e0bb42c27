//! [`Filter`]: which records a query string selects.

use crate::number::parse_quantity;
use crate::text::Phrase;
use crate::{Level, LogRecord, Need};
use regex::Regex;
use std::borrow::Cow;
use std::cmp::Ordering;

/// What a filter is asked of: a stored record, or a line that is being parsed.
pub trait Fields {
    /// The line, or what it says where the rest is told by fields.
    fn text(&self) -> Cow<'_, str>;
    /// The value of a field; `None` where it has none.
    fn field(&self, name: &str) -> Option<&str>;
    /// The level.
    fn level(&self) -> Option<Level>;
    /// The time, nanoseconds since the Unix epoch.
    fn timestamp_ns(&self) -> i64;
}

impl Fields for LogRecord {
    fn text(&self) -> Cow<'_, str> {
        self.line()
    }
    fn field(&self, name: &str) -> Option<&str> {
        Self::field(self, name)
    }
    fn level(&self) -> Option<Level> {
        self.level
    }
    fn timestamp_ns(&self) -> i64 {
        self.timestamp_ns
    }
}

/// A compiled condition over records.
#[derive(Clone, Debug)]
pub enum Filter {
    /// Every record.
    All,
    /// Records that pass every part.
    And(Vec<Filter>),
    /// Records that pass one of the parts.
    Or(Vec<Filter>),
    /// Records that do not pass.
    Not(Box<Filter>),
    /// Records in whose line the phrase stands.
    Text(Phrase),
    /// Records whose line a regular expression finds something in.
    TextRegex(Regex),
    /// Records with a field that passes.
    Field {
        /// The field's name; may end in `.*`, for any field below.
        name: String,
        /// What its value must be.
        test: FieldTest,
    },
}

/// What a field's value must be.
#[derive(Clone, Debug)]
pub enum FieldTest {
    /// Anything: the field is there.
    Exists,
    /// The same text, case aside.
    Equal(String),
    /// What a regular expression matches as a whole.
    Matches(Regex),
    /// A text in which the phrase stands.
    Contains(Phrase),
    /// Within bounds.
    Within {
        /// The lower bound, and whether it is itself within.
        low: Option<(Bound, bool)>,
        /// The upper bound, and whether it is itself within.
        high: Option<(Bound, bool)>,
    },
}

/// An end of a range.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// A number; durations are in seconds, sizes in bytes.
    Number(f64),
    /// A level.
    Level(Level),
    /// A time, nanoseconds since the Unix epoch.
    Time(i64),
    /// Any other text, compared byte by byte.
    Text(String),
}

impl Bound {
    /// Reads a bound for a field of this name.
    #[must_use]
    pub fn of_field(name: &str, text: &str) -> Self {
        if name == "level"
            && let Some(level) = Level::from_word(text)
        {
            return Self::Level(level);
        }
        if is_time(name)
            && let Some(time) = crate::time::parse_rfc3339_ns(text)
        {
            return Self::Time(time);
        }
        match parse_quantity(text) {
            Some(number) => Self::Number(number),
            None => Self::Text(text.to_owned()),
        }
    }

    /// How the field of a record stands to the bound; `None` where they cannot be compared.
    fn compare(&self, name: &str, fields: &impl Fields) -> Option<Ordering> {
        match self {
            Self::Level(level) => Some(fields.level()?.cmp(level)),
            Self::Time(time) if is_time(name) => Some(fields.timestamp_ns().cmp(time)),
            Self::Time(_) => None,
            Self::Number(number) => parse_quantity(fields.field(name)?)?.partial_cmp(number),
            Self::Text(text) => Some(fields.field(name)?.cmp(text)),
        }
    }
}

fn is_time(name: &str) -> bool {
    matches!(name, "timestamp" | "@timestamp")
}

impl Filter {
    /// Whether a record passes.
    pub fn matches(&self, fields: &impl Fields) -> bool {
        match self {
            Self::All => true,
            Self::And(parts) => parts.iter().all(|part| part.matches(fields)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(fields)),
            Self::Not(part) => !part.matches(fields),
            Self::Text(phrase) => phrase.matches(&fields.text()),
            Self::TextRegex(regex) => regex.is_match(&fields.text()),
            Self::Field { name, test } => test.matches(name, fields),
        }
    }

    /// What an index of words can be asked, to leave out blocks in which no record passes.
    #[must_use]
    pub fn need(&self) -> Need {
        match self {
            Self::And(parts) => Need::all(parts.iter().map(Self::need)),
            Self::Or(parts) => Need::any(parts.iter().map(Self::need)),
            Self::Text(phrase) => Need::words(phrase.needles()),
            // The fields of a line are parts of it, but only as long as nobody wrote them anew.
            Self::All | Self::Not(_) | Self::TextRegex(_) | Self::Field { .. } => Need::Nothing,
        }
    }
}

impl FieldTest {
    fn matches(&self, name: &str, fields: &impl Fields) -> bool {
        match self {
            Self::Within { low, high } => {
                let holds = |bound: &Option<(Bound, bool)>, wanted: Ordering| {
                    bound.as_ref().is_none_or(|(bound, inclusive)| {
                        bound
                            .compare(name, fields)
                            .is_some_and(|order| order == wanted || (*inclusive && order == Ordering::Equal))
                    })
                };
                holds(low, Ordering::Greater) && holds(high, Ordering::Less)
            }
            Self::Exists => fields.field(name).is_some(),
            Self::Equal(want) => {
                fields
                    .field(name)
                    .is_some_and(|value| value.eq_ignore_ascii_case(want) || same_number(value, want))
                    || (name == "level"
                        && fields
                            .level()
                            .is_some_and(|level| Level::from_word(want) == Some(level)))
            }
            Self::Matches(regex) => fields.field(name).is_some_and(|value| regex.is_match(value)),
            Self::Contains(phrase) => fields.field(name).is_some_and(|value| phrase.matches(value)),
        }
    }
}

/// `1.0` and `1` are the same number.
fn same_number(value: &str, want: &str) -> bool {
    let number = |text: &str| {
        text.bytes()
            .next()
            .filter(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.'))
            .and_then(|_| text.parse::<f64>().ok())
    };
    matches!((number(want), number(value)), (Some(a), Some(b)) if a == b)
}

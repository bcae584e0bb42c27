//! Query strings in the manner of Lucene and KQL: `level:ERROR AND duration:>1`.
//!
//! ```text
//! word  "a phrase"  wild*card?       in the line, as whole words, case aside
//! field:value  field:"a value"       the field's whole value, case aside; in `message` as in the line
//! field:wild*  field:/regex/         wildcards, regular expressions
//! field:>1  field>=250ms  field<10KB numbers, durations, sizes; levels and times by their order
//! field:[1 TO 5]  field:{a TO b}     ranges with and without their ends; `*` for an open end
//! field:*  _exists_:field            the field is there
//! field:(a OR b)                     one field, several values
//! AND OR NOT && || ! + - ( )         words without an operator between them must all match
//! ```

mod lex;

use crate::filter::{Bound, FieldTest, Filter};
use crate::text::Phrase;
use lex::{Kind, Token, lex};
use regex::RegexBuilder;
use std::fmt;

/// How deep a query may nest.
const MAX_DEPTH: usize = 64;
/// How long a query may be, bytes.
const MAX_BYTES: usize = 16 << 10;

/// A query string that does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// The character at which reading stopped, from 1.
    pub position: usize,
    /// What is wrong and what to write.
    pub message: String,
}

impl std::error::Error for QueryError {}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query, character {}: {}", self.position, self.message)
    }
}

/// Reads a query string. The empty one selects everything.
///
/// # Errors
/// [`QueryError`] with the place.
pub fn parse_query(text: &str) -> Result<Filter, QueryError> {
    let fail = |at: usize, message: String| QueryError {
        position: text[..at].chars().count() + 1,
        message,
    };
    if text.len() > MAX_BYTES {
        return Err(fail(0, format!("longer than {MAX_BYTES} bytes; ask for less at once")));
    }
    let tokens = lex(text).map_err(|(at, message)| fail(at, message))?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        end: text.len(),
        depth: 0,
    };
    if tokens.is_empty() {
        return Ok(Filter::All);
    }
    let filter = parser.or(None).and_then(|filter| match parser.peek() {
        None => Ok(filter),
        Some(token) => Err((token.at, format!("unexpected {}; is a ( missing?", token.describe()))),
    });
    filter.map_err(|(at, message)| fail(at, message))
}

type Fault = (usize, String);

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    end: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn take_if(&mut self, kind: &Kind) -> bool {
        let found = self.peek().is_some_and(|token| token.kind == *kind);
        self.at += usize::from(found);
        found
    }

    fn place(&self) -> usize {
        self.peek().map_or(self.end, |token| token.at)
    }

    fn or(&mut self, field: Option<&str>) -> Result<Filter, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err((self.place(), format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let mut parts = vec![self.and(field)?];
        while self.take_if(&Kind::Or) {
            parts.push(self.and(field)?);
        }
        self.depth -= 1;
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Filter::Or(parts)
        })
    }

    fn and(&mut self, field: Option<&str>) -> Result<Filter, Fault> {
        let mut parts = vec![self.not(field)?];
        loop {
            let explicit = self.take_if(&Kind::And);
            match self.peek().map(|token| &token.kind) {
                None | Some(Kind::Or | Kind::Close) if !explicit => break,
                _ => parts.push(self.not(field)?),
            }
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Filter::And(parts)
        })
    }

    fn not(&mut self, field: Option<&str>) -> Result<Filter, Fault> {
        let mut negated = false;
        loop {
            if self.take_if(&Kind::Not) {
                negated = !negated;
            } else if !self.take_if(&Kind::Must) {
                break;
            }
        }
        let filter = self.primary(field)?;
        Ok(if negated { Filter::Not(Box::new(filter)) } else { filter })
    }

    fn primary(&mut self, field: Option<&str>) -> Result<Filter, Fault> {
        let place = self.place();
        let Some(token) = self.peek() else {
            return Err((
                place,
                "unexpected end; a word, a phrase or field:value must follow".to_owned(),
            ));
        };
        self.at += 1;
        match &token.kind {
            Kind::Open => {
                let inner = self.or(field)?;
                if !self.take_if(&Kind::Close) {
                    return Err((self.place(), "a ) is missing".to_owned()));
                }
                Ok(inner)
            }
            Kind::Field(name) => match field {
                Some(outer) => Err((
                    place,
                    format!("a field within the values of {outer}; close the ) first"),
                )),
                None => self.value_of(name),
            },
            kind => value(field, kind).map_err(|message| {
                (
                    place,
                    message.unwrap_or_else(|| {
                        format!(
                            "unexpected {}; a word, a phrase or field:value must stand here",
                            token.describe()
                        )
                    }),
                )
            }),
        }
    }

    /// What follows `field:`.
    fn value_of(&mut self, name: &str) -> Result<Filter, Fault> {
        match self.peek().map(|token| &token.kind) {
            Some(Kind::Field(_)) | None => Err((self.place(), format!("a value must follow {name}:"))),
            _ => self.primary(Some(name)),
        }
    }
}

/// The filter of one value; `Err(None)` where the token is no value.
fn value(field: Option<&str>, kind: &Kind) -> Result<Filter, Option<String>> {
    let test = match (field, kind) {
        (None, Kind::Word(word)) if word == "*" => return Ok(Filter::All),
        (None, Kind::Word(word)) => return Ok(Filter::Text(Phrase::new(word, true)?)),
        (None, Kind::Phrase(text)) => return Ok(Filter::Text(Phrase::new(text, false)?)),
        (None, Kind::Regex(pattern)) => return Ok(Filter::TextRegex(regex(pattern, false)?)),
        (None, Kind::Range { .. }) => return Err(Some("a range needs a field: write field:[1 TO 5]".to_owned())),
        (Some("*"), Kind::Word(word)) if word == "*" => return Ok(Filter::All),
        (Some("_exists_"), Kind::Word(name) | Kind::Phrase(name)) => {
            return Ok(Filter::Field {
                name: name.clone(),
                test: FieldTest::Exists,
            });
        }
        (Some(_), Kind::Word(word)) if word == "*" => FieldTest::Exists,
        (Some("message"), Kind::Word(word)) => FieldTest::Contains(Phrase::new(word, true)?),
        (Some("message"), Kind::Phrase(text)) => FieldTest::Contains(Phrase::new(text, false)?),
        (Some(_), Kind::Word(word)) if has_wildcard(word) => FieldTest::Matches(regex(&wildcard_pattern(word), true)?),
        (Some(_), Kind::Word(word)) => FieldTest::Equal(unescape(word)),
        (Some(_), Kind::Phrase(text)) => FieldTest::Equal(text.clone()),
        (Some(_), Kind::Regex(pattern)) => FieldTest::Matches(regex(pattern, true)?),
        (Some(name), Kind::Range { low, high }) => {
            let bound = |end: &Option<(String, bool)>| {
                end.as_ref()
                    .map(|(text, inclusive)| (Bound::of_field(name, text), *inclusive))
            };
            FieldTest::Within {
                low: bound(low),
                high: bound(high),
            }
        }
        _ => return Err(None),
    };
    Ok(Filter::Field {
        name: field.unwrap_or_default().to_owned(),
        test,
    })
}

fn regex(pattern: &str, whole: bool) -> Result<regex::Regex, String> {
    let pattern = if whole {
        format!("^(?:{pattern})$")
    } else {
        pattern.to_owned()
    };
    RegexBuilder::new(&pattern)
        .case_insensitive(true)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| format!("invalid regular expression: {error}"))
}

fn has_wildcard(word: &str) -> bool {
    let mut escaped = false;
    word.chars().any(|c| {
        let wild = !escaped && matches!(c, '*' | '?');
        escaped = !escaped && c == '\\';
        wild
    })
}

fn wildcard_pattern(word: &str) -> String {
    let mut pattern = "(?s)".to_owned();
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            '\\' => pattern.push_str(&regex::escape(chars.next().unwrap_or(c).encode_utf8(&mut [0; 4]))),
            c => pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern
}

fn unescape(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    out
}

#[cfg(test)]
mod tests;

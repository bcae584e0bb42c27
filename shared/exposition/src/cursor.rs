//! The position in a body, and the tokens that messages speak of.

use crate::error::{ParseError, Place, quote};
use crate::swar;
use std::borrow::Cow;

/// What stands at the position. The names are those of Prometheus' lexer: its messages print them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Invalid,
    Eof,
    Linebreak,
    MetricName,
    QuotedString,
    BraceOpen,
    BraceClose,
    LabelName,
    LabelValue,
    Comma,
    Equal,
    Comment,
    Timestamp,
    Value,
}

impl Token {
    fn name(self) -> &'static str {
        match self {
            Self::Invalid => "INVALID",
            Self::Eof => "EOF",
            Self::Linebreak => "LINEBREAK",
            Self::MetricName => "MNAME",
            Self::QuotedString => "QSTRING",
            Self::BraceOpen => "BOPEN",
            Self::BraceClose => "BCLOSE",
            Self::LabelName => "LNAME",
            Self::LabelValue => "LVALUE",
            Self::Comma => "COMMA",
            Self::Equal => "EQUAL",
            Self::Comment => "COMMENT",
            Self::Timestamp => "TIMESTAMP",
            Self::Value => "VALUE",
        }
    }
}

/// Classes of bytes, a bit each.
pub(crate) const LABEL_START: u8 = 1;
pub(crate) const METRIC_START: u8 = 4;
pub(crate) const QUOTE_OR_BACKSLASH: u8 = 16;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let letter = b.is_ascii_alphabetic() || b == b'_';
        if letter {
            table[byte] |= LABEL_START | METRIC_START;
        }
        if b == b':' {
            table[byte] |= METRIC_START;
        }
        if b == b'"' || b == b'\\' {
            table[byte] |= QUOTE_OR_BACKSLASH;
        }
        byte += 1;
    }
    table
}

#[inline]
pub(crate) fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// A position in a body. `start..at` is the token last read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    body: &'a [u8],
    /// The body as text, where all of it is UTF-8: saves checking piece by piece.
    whole: Option<&'a str>,
    /// The text format reads a line break at the end of a body that has none.
    ends_with_newline: bool,
    /// Where the entry begins.
    pub(crate) entry: usize,
    pub(crate) start: usize,
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(body: &'a [u8], ends_with_newline: bool) -> Self {
        Self {
            body,
            whole: std::str::from_utf8(body).ok(),
            ends_with_newline,
            entry: 0,
            start: 0,
            at: 0,
        }
    }

    /// The byte at the position; `None` at the end.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        match self.body.get(self.at) {
            Some(byte) => Some(*byte),
            None => (self.ends_with_newline && self.at == self.body.len()).then_some(b'\n'),
        }
    }

    /// What is left of the body, without the line break that the text format adds.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    /// Goes past a label's name.
    #[inline]
    pub(crate) fn skip_label_name(&mut self) {
        let rest = self.rest();
        self.at += swar::end_of_word(rest, false).unwrap_or(rest.len());
    }

    /// Goes past a metric's name.
    #[inline]
    pub(crate) fn skip_metric_name(&mut self) {
        let rest = self.rest();
        self.at += swar::end_of_word(rest, true).unwrap_or(rest.len());
    }

    /// Bytes up to the next line break; it is not gone past.
    #[inline]
    pub(crate) fn line_length(&self) -> usize {
        let rest = self.rest();
        swar::end_of_line(rest).unwrap_or(rest.len())
    }

    /// Goes past spaces and tabs.
    #[inline]
    pub(crate) fn skip_blanks(&mut self) {
        while matches!(self.body.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Begins a token here; false at the end of the body, where the last token stays the last.
    #[inline]
    pub(crate) fn begin(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.start = self.at;
        Some(byte)
    }

    /// Reads a quoted text that begins here, both quotes included. `refuse` says which bytes may not stand in it.
    /// False where it does not end: the position is then at what it broke off at.
    #[inline]
    pub(crate) fn skip_quoted(&mut self, refuse: impl Fn(u8) -> bool) -> bool {
        self.at += 1;
        loop {
            let rest = self.rest();
            let Some(found) = rest.iter().position(|b| is(*b, QUOTE_OR_BACKSLASH) || refuse(*b)) else {
                self.at = self.len();
                return false;
            };
            self.at += found;
            match rest[found] {
                b'"' => {
                    self.at += 1;
                    return true;
                }
                // An escape: any byte but a line break.
                b'\\'
                    if rest
                        .get(found + 1)
                        .is_some_and(|b| *b != b'\n' && (*b != 0 || !refuse(0))) =>
                {
                    self.at += 2
                }
                b'\\' => {
                    self.at += 1;
                    return false;
                }
                _ => return false,
            }
        }
    }

    fn len(&self) -> usize {
        self.body.len() + usize::from(self.ends_with_newline)
    }

    pub(crate) fn bytes(&self, from: usize, to: usize) -> &'a [u8] {
        self.body.get(from..to.min(self.body.len())).unwrap_or_default()
    }

    /// A piece of the body as text, `None` where it is not UTF-8.
    #[inline]
    pub(crate) fn text(&self, from: usize, to: usize) -> Option<&'a str> {
        match self.whole {
            Some(whole) => whole.get(from..to),
            None => std::str::from_utf8(self.bytes(from, to)).ok(),
        }
    }

    /// The token last read.
    pub(crate) fn token(&self) -> &'a [u8] {
        self.bytes(self.start, self.at)
    }

    /// An error at the token last read.
    pub(crate) fn error(&self, message: impl Into<String>) -> ParseError {
        let before = &self.body[..self.start.min(self.body.len())];
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        ParseError {
            place: Place::Line {
                line: before.iter().filter(|b| **b == b'\n').count() + 1,
                column: before.len() - line_start + 1,
            },
            message: message.into(),
        }
    }

    /// `expected X, got Y while parsing Z`. As in Prometheus, both quotes reach one byte past the token.
    pub(crate) fn unexpected(&self, expected: &str, got: Token) -> ParseError {
        let end = (self.at + 1).min(self.len());
        self.error(format!(
            "{expected}, got {} ({}) while parsing: {}",
            quote(&self.shown(self.start, end)),
            quote(got.name().as_bytes()),
            quote(&self.shown(self.entry, end)),
        ))
    }

    /// `X while parsing Z`, up to the end of the token.
    pub(crate) fn while_parsing(&self, what: &str) -> ParseError {
        self.error(format!(
            "{what} while parsing: {}",
            quote(&self.shown(self.entry, self.at))
        ))
    }

    /// A piece of the body, with the line break added at its end where it reaches that far.
    fn shown(&self, from: usize, to: usize) -> Cow<'a, [u8]> {
        let bytes = self.bytes(from, to);
        if to > self.body.len() && self.ends_with_newline {
            Cow::Owned([bytes, b"\n"].concat())
        } else {
            Cow::Borrowed(bytes)
        }
    }
}

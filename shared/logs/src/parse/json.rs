//! JSON read in place: texts without escapes are borrowed from the line, numbers stay as they are written.

use parapet_model::compare::begins_with;
use std::borrow::Cow;
use std::ops::Range;

/// How deep a value may nest.
const MAX_DEPTH: usize = 64;

/// A value that is no object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    /// As it is written.
    Number(&'a str),
    Bool(bool),
    Null,
    /// As it is written.
    Array(&'a str),
    /// As it is written; only where objects are not flattened.
    Object(&'a str),
}

impl<'a> Value<'a> {
    /// The value as the text of a field: texts without quotes, all else as JSON; null is empty.
    pub(crate) fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text,
            Self::Number(raw) | Self::Array(raw) | Self::Object(raw) => Cow::Borrowed(raw),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Null => Cow::Borrowed(""),
        }
    }
}

/// Not JSON; the byte at which that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson(pub(crate) usize);

/// Reads an object and calls `emit` with each leaf: its name, with the names of the objects around it before it and
/// `separator` between them, and its value.
pub(crate) fn flatten<'a>(
    text: &'a str,
    separator: &str,
    emit: &mut impl FnMut(Cow<'a, str>, Value<'a>),
) -> Result<(), NotJson> {
    Reader::new(text).flatten(separator, &mut |name, value, _| emit(name, value))
}

/// Where a leaf stands.
pub(crate) struct Place {
    /// The bytes of its value.
    pub(crate) range: Range<usize>,
    /// How many objects are around its own.
    pub(crate) depth: usize,
}

/// The members of an object, not flattened; an object within is as it is written.
pub(crate) fn members<'a>(text: &'a str, emit: &mut impl FnMut(Cow<'a, str>, Value<'a>)) -> Result<(), NotJson> {
    let mut reader = Reader::new(text);
    reader.object(emit)?;
    reader.end()
}

/// As [`flatten`], whatever follows the object.
pub(crate) fn flatten_leading<'a>(
    text: &'a str,
    separator: &str,
    emit: &mut impl FnMut(Cow<'a, str>, Value<'a>),
) -> Result<(), NotJson> {
    Reader::new(text).flatten_leading(separator, &mut |name, value, _| emit(name, value))
}

/// As [`members`], whatever follows the object.
pub(crate) fn members_leading<'a>(
    text: &'a str,
    emit: &mut impl FnMut(Cow<'a, str>, Value<'a>),
) -> Result<(), NotJson> {
    Reader::new(text).object(emit)
}

/// The elements of an array.
pub(crate) fn elements<'a>(text: &'a str, emit: &mut impl FnMut(Value<'a>)) -> Result<(), NotJson> {
    let mut reader = Reader::new(text);
    reader.spaces();
    reader.expect(b'[')?;
    reader.each_element(&mut |reader| {
        let value = reader.value(0)?;
        emit(value);
        Ok(())
    })?;
    reader.end()
}

/// Reads any value.
pub(crate) fn value(text: &str) -> Result<Value<'_>, NotJson> {
    let mut reader = Reader::new(text);
    reader.spaces();
    let value = reader.value(0)?;
    reader.end()?;
    Ok(value)
}

/// Where the first quote or backslash is. Texts of logs are short: eight bytes at a time find it before a search is set up.
#[inline]
fn ends_at(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The highest bit of each byte that is nought; the lowest one of them is right.
    let noughts = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let found = noughts(word ^ (ONES * u64::from(b'"'))) | noughts(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    Some(at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?)
}

pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The place that is read next.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Passes over a text, where it is the next one.
    #[inline]
    pub(crate) fn skip_text(&mut self, text: &str) -> bool {
        let found = begins_with(&self.text.as_bytes()[self.at..], text.as_bytes());
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Whether an object comes next.
    pub(crate) fn is_object(&self) -> bool {
        self.peek() == Some(b'{')
    }

    /// Reads the whole text: an object, leaf by leaf.
    pub(crate) fn flatten(
        &mut self,
        separator: &str,
        emit: &mut impl FnMut(Cow<'a, str>, Value<'a>, Place),
    ) -> Result<(), NotJson> {
        self.flatten_leading(separator, emit)?;
        self.end()
    }

    fn flatten_leading(
        &mut self,
        separator: &str,
        emit: &mut impl FnMut(Cow<'a, str>, Value<'a>, Place),
    ) -> Result<(), NotJson> {
        self.spaces();
        self.expect(b'{')?;
        self.members("", separator, emit, 0)
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fail<T>(&self) -> Result<T, NotJson> {
        Err(NotJson(self.at))
    }

    #[inline]
    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() != Some(byte) {
            return self.fail();
        }
        self.at += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), NotJson> {
        self.spaces();
        if self.at < self.text.len() { self.fail() } else { Ok(()) }
    }

    fn object(&mut self, emit: &mut impl FnMut(Cow<'a, str>, Value<'a>)) -> Result<(), NotJson> {
        self.spaces();
        self.expect(b'{')?;
        self.each_member(&mut |reader, name| {
            let value = reader.value(0)?;
            emit(name, value);
            Ok(())
        })
    }

    /// The members of an object whose brace is read.
    fn each_member(
        &mut self,
        read: &mut impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.spaces();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.spaces();
            let name = self.string()?;
            self.spaces();
            self.expect(b':')?;
            self.spaces();
            read(self, name)?;
            self.spaces();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.fail(),
            }
        }
    }

    fn each_element(&mut self, read: &mut impl FnMut(&mut Self) -> Result<(), NotJson>) -> Result<(), NotJson> {
        self.spaces();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.spaces();
            read(self)?;
            self.spaces();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.fail(),
            }
        }
    }

    fn members(
        &mut self,
        prefix: &str,
        separator: &str,
        emit: &mut impl FnMut(Cow<'a, str>, Value<'a>, Place),
        depth: usize,
    ) -> Result<(), NotJson> {
        if depth > MAX_DEPTH {
            return self.fail();
        }
        self.each_member(&mut |reader, name| {
            let name = if prefix.is_empty() {
                name
            } else {
                let mut full = String::with_capacity(prefix.len() + separator.len() + name.len());
                full.extend([prefix, separator, &name]);
                Cow::Owned(full)
            };
            if reader.is_object() {
                reader.at += 1;
                return reader.members(&name, separator, emit, depth + 1);
            }
            let start = reader.at;
            let value = reader.value(depth)?;
            let range = start..reader.at;
            emit(name, value, Place { range, depth });
            Ok(())
        })
    }

    #[inline]
    pub(crate) fn value(&mut self, depth: usize) -> Result<Value<'a>, NotJson> {
        match self.peek() {
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => Ok(Value::Number(self.number()?)),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(open @ (b'[' | b'{')) => {
                let start = self.at;
                self.skip(depth)?;
                let raw = &self.text[start..self.at];
                Ok(if open == b'[' {
                    Value::Array(raw)
                } else {
                    Value::Object(raw)
                })
            }
            _ => self.fail(),
        }
    }

    /// Passes over an array or an object, checking it.
    fn skip(&mut self, depth: usize) -> Result<(), NotJson> {
        if depth > MAX_DEPTH {
            return self.fail();
        }
        match self.peek() {
            Some(b'[') => {
                self.at += 1;
                self.each_element(&mut |reader| reader.skip(depth + 1))
            }
            Some(b'{') => {
                self.at += 1;
                self.each_member(&mut |reader, _| reader.skip(depth + 1))
            }
            _ => self.value(depth).map(|_| ()),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, NotJson> {
        if !self.text[self.at..].starts_with(word) {
            return self.fail();
        }
        self.at += word.len();
        Ok(value)
    }

    #[inline]
    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { self.fail() } else { Ok(()) }
    }

    #[inline]
    fn number(&mut self) -> Result<&'a str, NotJson> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let zero = self.peek() == Some(b'0');
        let first = self.at;
        self.digits()?;
        if zero && self.at > first + 1 {
            return self.fail();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    /// A text with its quotes. Loggers forget to escape control characters: those are taken as they are.
    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>, NotJson> {
        self.expect(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        let Some(length) = ends_at(&bytes[start..]) else {
            return self.fail();
        };
        self.at = start + length + 1;
        if bytes[start + length] == b'"' {
            return Ok(Cow::Borrowed(&self.text[start..start + length]));
        }
        let mut out = self.text[start..start + length].to_owned();
        self.escape(&mut out)?;
        loop {
            let from = self.at;
            let Some(length) = memchr::memchr2(b'"', b'\\', &bytes[from..]) else {
                return self.fail();
            };
            out.push_str(&self.text[from..from + length]);
            self.at = from + length + 1;
            if bytes[from + length] == b'"' {
                return Ok(Cow::Owned(out));
            }
            self.escape(&mut out)?;
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, out: &mut String) -> Result<(), NotJson> {
        let Some(byte) = self.peek() else { return self.fail() };
        let c = match byte {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' | b'\\' | b'/' => char::from(byte),
            b'u' => {
                self.at += 1;
                let c = self.unicode()?;
                out.push(c);
                return Ok(());
            }
            _ => return self.fail(),
        };
        self.at += 1;
        out.push(c);
        Ok(())
    }

    /// The digits of `\u`, and of its second half where it is one of a pair; half a pair is replaced.
    fn unicode(&mut self) -> Result<char, NotJson> {
        let high = self.hex()?;
        if (0xD800..0xDC00).contains(&high) && self.text[self.at..].starts_with("\\u") {
            let back = self.at;
            self.at += 2;
            let low = self.hex()?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Result<u32, NotJson> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let Some(digits) = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit)) else {
            return self.fail();
        };
        let code = digits.iter().fold(0, |code, digit| {
            code * 16 + char::from(*digit).to_digit(16).unwrap_or_default()
        });
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests;

//! Numbers, durations and strings.

use super::{Lexer, TokenKind, is_alphanumeric};
use parapet_model::quote;

impl Lexer<'_> {
    pub(super) fn number_or_duration(&mut self) -> Result<(), String> {
        if self.scan_number() {
            self.emit(TokenKind::Number);
            Ok(())
        } else if self.scan_duration_units() {
            self.emit(TokenKind::Duration);
            Ok(())
        } else {
            Err(format!("bad number or duration syntax: {}", quote(self.read())))
        }
    }

    /// Reads `5m30s` from its first unit on.
    fn scan_duration_units(&mut self) -> bool {
        if !self.accept(|c| "smhdwy".contains(c)) {
            return false;
        }
        self.accept(|c| c == 's');
        while self.accept(|c| c.is_ascii_digit()) {
            self.skip_while(|c| c.is_ascii_digit());
            if !self.accept(|c| "smhdw".contains(c)) {
                return false;
            }
            self.accept(|c| c == 's');
        }
        // Of a bad duration, the character that is wrong is part of the message.
        !self.accept(is_alphanumeric)
    }

    /// Reads what may be a number; the parser finds out whether it is.
    fn scan_number(&mut self) -> bool {
        let first = self.at;
        let hexadecimal = self.accept(|c| c == '0') && self.accept(|c| c == 'x' || c == 'X');
        if hexadecimal {
            self.accept(|c| c == '_');
        }
        let digit = move |c: char| c.is_ascii_digit() || (hexadecimal && c.is_ascii_hexdigit());
        self.accept(|c| c == '.');
        self.accept(digit);
        let (mut dot, mut exponent) = (false, false);
        while let Some(c) = self.peek().filter(|c| digit(*c) || "._eE".contains(*c)) {
            if c == '.' && dot {
                self.accept(|c| c == '.');
                return false;
            }
            if "eE".contains(c) && exponent {
                self.accept(|c| "eE".contains(c));
                return false;
            }
            if self.accept(|c| c == '.') {
                dot = true;
                if self.accept(|c| "_.".contains(c)) || hexadecimal {
                    return false;
                }
            } else if self.accept(|c| "eE".contains(c)) {
                exponent = true;
                self.accept(|c| "+-".contains(c));
                if self.accept(|c| "._eE".contains(c)) || self.peek().is_none() {
                    return false;
                }
            } else if self.accept(|c| c == '_') {
                if self.accept(|c| "._eE".contains(c)) || self.peek().is_none() {
                    return false;
                }
            } else {
                self.skip_while(digit);
            }
        }
        self.at != first && !self.peek().is_some_and(is_alphanumeric)
    }

    /// A text in quotes, of which the first is read.
    pub(super) fn string(&mut self, open: char) -> Result<(), String> {
        loop {
            match self.next() {
                Some('\\') => self.escape(open)?,
                Some('\u{fffd}') => return Err("invalid UTF-8 rune".to_owned()),
                None | Some('\n') => return Err("unterminated quoted string".to_owned()),
                Some(c) if c == open => break,
                Some(_) => {}
            }
        }
        self.emit(TokenKind::String);
        Ok(())
    }

    /// A text in backquotes, of which the first is read.
    pub(super) fn raw_string(&mut self) -> Result<(), String> {
        loop {
            match self.next() {
                Some('\u{fffd}') => return Err("invalid UTF-8 rune".to_owned()),
                None => return Err("unterminated raw string".to_owned()),
                Some('`') => break,
                Some(_) => {}
            }
        }
        self.emit(TokenKind::String);
        Ok(())
    }

    /// An escape sequence, of which the backslash is read.
    fn escape(&mut self, open: char) -> Result<(), String> {
        let mut c = self.next();
        let (mut digits, base, most) = match c {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => return Ok(()),
            Some(c) if c == open => return Ok(()),
            Some('0'..='7') => (3, 8, 255),
            Some(kind @ ('x' | 'u' | 'U')) => {
                c = self.next();
                match kind {
                    'x' => (2, 16, 255),
                    'u' => (4, 16, 0x10_ffff),
                    _ => (8, 16, 0x10_ffff),
                }
            }
            None => return Err("escape sequence not terminated".to_owned()),
            Some(c) => return Err(format!("unknown escape sequence {}", describe_char(c))),
        };
        let mut value: u32 = 0;
        loop {
            let Some(digit) = c else {
                return Err("escape sequence not terminated".to_owned());
            };
            let Some(digit) = digit.to_digit(base) else {
                return Err(format!("illegal character {} in escape sequence", describe_char(digit)));
            };
            value = value.wrapping_mul(base).wrapping_add(digit);
            digits -= 1;
            if digits == 0 {
                break;
            }
            c = self.next();
        }
        if value > most || (0xd800..0xe000).contains(&value) {
            return Err("escape sequence is an invalid Unicode code point".to_owned());
        }
        Ok(())
    }
}

/// Go's `%#U`: `U+0063 'c'`.
fn describe_char(c: char) -> String {
    if c.is_control() {
        format!("U+{:04X}", c as u32)
    } else {
        format!("U+{:04X} '{c}'", c as u32)
    }
}

/// The text of a string token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unquoted {
    /// Bytes that are no UTF-8 (`"\\xff"`) are replacement characters.
    pub(crate) text: String,
    /// The text as Go quotes it, where it is no UTF-8.
    pub(crate) invalid: Option<String>,
}

/// Takes a string token's quotes and escapes away. The lexer has checked the escapes.
pub(crate) fn unquote(token: &str) -> Unquoted {
    let inner = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
    if token.starts_with('`') || !inner.contains('\\') {
        return Unquoted {
            text: inner.to_owned(),
            invalid: None,
        };
    }
    match String::from_utf8(unescape(inner)) {
        Ok(text) => Unquoted { text, invalid: None },
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            Unquoted {
                text,
                invalid: Some(quote_bytes(error.as_bytes())),
            }
        }
    }
}

fn unescape(inner: &str) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            push_char(&mut out, c);
            continue;
        }
        let Some(escape) = chars.next() else { break };
        let (mut value, digits, base) = match escape {
            'a' => (7, 0, 8),
            'b' => (8, 0, 8),
            'f' => (12, 0, 8),
            'n' => (10, 0, 8),
            'r' => (13, 0, 8),
            't' => (9, 0, 8),
            'v' => (11, 0, 8),
            '0'..='7' => (escape as u32 - '0' as u32, 2, 8),
            'x' => (0, 2, 16),
            'u' => (0, 4, 16),
            'U' => (0, 8, 16),
            other => (other as u32, 0, 8),
        };
        for _ in 0..digits {
            let digit = chars.next().and_then(|c| c.to_digit(base)).unwrap_or_default();
            value = value.wrapping_mul(base).wrapping_add(digit);
        }
        match u8::try_from(value) {
            Ok(byte) if !matches!(escape, 'u' | 'U') => out.push(byte),
            _ => push_char(&mut out, char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }
    out
}

/// Go's `strconv.Quote` of bytes that may be no UTF-8.
fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        let valid = quote(chunk.valid());
        out.push_str(&valid[1..valid.len() - 1]);
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out + "\""
}

fn push_char(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::unquote;

    #[test]
    fn takes_quotes_and_escapes_away() {
        for (token, want) in [
            ("'a'", "a"),
            (r#""a\"\\\n\u00e9\x41\101""#, "a\"\\\né\u{41}A"),
            (r"`a\n`", r"a\n"),
            (r#""\xc3\xa9""#, "é"),
            (r#""\xff""#, "\u{fffd}"),
        ] {
            assert_eq!(unquote(token).text, want, "{token}");
        }
        assert_eq!(unquote(r#""a\xc5\"""#).invalid.as_deref(), Some(r#""a\xc5\"""#));
    }
}

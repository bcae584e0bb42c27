//! Literals: quoted texts and numbers as Go writes them.

use crate::ast::Number;

/// Go's `strconv.Unquote` for `"…"`, `` `…` `` and `'…'`.
pub(crate) fn unquote(quoted: &str) -> Option<String> {
    let mut chars = quoted.chars();
    let quote = chars.next()?;
    if chars.next_back()? != quote {
        return None;
    }
    let inner = chars.as_str();
    if quote == '`' {
        return Some(inner.replace('\r', ""));
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == quote {
            return None;
        }
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escape = chars.next()?;
        let simple = match escape {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            '\'' | '"' if escape == quote => quote as u8,
            'x' => u8::try_from(digits(&mut chars, 16, 2)?).ok()?,
            '0'..='7' => {
                let first = escape.to_digit(8)?;
                u8::try_from(first * 64 + digits(&mut chars, 8, 2)?).ok()?
            }
            'u' | 'U' => {
                let code = digits(&mut chars, 16, if escape == 'u' { 4 } else { 8 })?;
                out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        };
        out.push(simple);
    }
    // Go keeps bytes that are not UTF-8 as they are; a Rust text cannot.
    Some(String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn digits(chars: &mut std::str::Chars<'_>, radix: u32, count: usize) -> Option<u32> {
    let mut value = 0u32;
    for _ in 0..count {
        value = value.checked_mul(radix)? + chars.next()?.to_digit(radix)?;
    }
    Some(value)
}

/// Reads a number or a character constant into every type that it fits (Go's `Tree.newNumber`).
pub(crate) fn parse_number(text: &str) -> Result<Number, String> {
    if text.starts_with('\'') {
        let value = unquote(text)
            .filter(|inner| inner.chars().count() == 1)
            .and_then(|inner| inner.chars().next());
        let code = value.ok_or_else(|| format!("malformed character constant: {text}"))? as u32;
        return Ok(Number {
            text: text.to_owned(),
            int: Some(i64::from(code)),
            float: Some(f64::from(code)),
        });
    }
    let (mut int, uint) = integers(text);
    let mut float = int.map(|value| value as f64).or(uint.map(|value| value as f64));
    if float.is_none() {
        float = parapet_model::parse_float(&text.replace('_', ""));
        if let Some(value) = float {
            if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                return Err(format!("integer overflow: {}", parapet_model::quote(text)));
            }
            // A constant such as 1e3 also serves as an integer.
            if value == (value as i64) as f64 {
                int = Some(value as i64);
            }
        }
    }
    if int.is_none() && float.is_none() {
        return Err(format!("illegal number syntax: {}", parapet_model::quote(text)));
    }
    Ok(Number {
        text: text.to_owned(),
        int,
        float,
    })
}

fn integers(text: &str) -> (Option<i64>, Option<u64>) {
    let (sign, magnitude) = match text.as_bytes().first() {
        Some(b'-') => (-1i128, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    let lower = magnitude.to_ascii_lowercase().replace('_', "");
    let (digits, radix) = match lower.get(..2) {
        Some("0x") => (&lower[2..], 16),
        Some("0o") => (&lower[2..], 8),
        Some("0b") => (&lower[2..], 2),
        Some(_) if lower.starts_with('0') => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    let value = if digits.starts_with(['+', '-']) {
        None
    } else {
        u64::from_str_radix(digits, radix).ok()
    };
    let int = value.and_then(|value| i64::try_from(sign * i128::from(value)).ok());
    let uint = value.filter(|_| !text.starts_with(['-', '+']));
    (int, uint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquotes_as_go() {
        for (quoted, want) in [
            (r#""a\tb""#, Some("a\tb")),
            (r#""é\u00e9\x41\101""#, Some("ééAA")),
            ("`a\\n`", Some("a\\n")),
            (r#""\'""#, None),
            (r#""\q""#, None),
            ("\"", None),
        ] {
            assert_eq!(unquote(quoted).as_deref(), want, "{quoted}");
        }
    }

    #[test]
    fn reads_numbers_as_go() {
        let number = |text| parse_number(text).map(|n| (n.int, n.float));
        assert_eq!(number("5"), Ok((Some(5), Some(5.0))));
        assert_eq!(number("-5"), Ok((Some(-5), Some(-5.0))));
        assert_eq!(number("0x1F"), Ok((Some(31), Some(31.0))));
        assert_eq!(number("1e3"), Ok((Some(1000), Some(1000.0))));
        assert_eq!(number("1.5"), Ok((None, Some(1.5))));
        assert_eq!(number("'a'"), Ok((Some(97), Some(97.0))));
        assert_eq!(number("18446744073709551615"), Ok((None, Some(u64::MAX as f64))));
        assert!(number("99999999999999999999").is_err());
        assert!(number("'ab'").is_err());
    }
}

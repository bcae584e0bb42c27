//! Go's double-quoted string literals.

/// Undoes the escapes between the quotes of a Go string literal (`strconv.Unquote`). `None` where the text is no such
/// literal or is not UTF-8 in the end.
pub(super) fn unquote(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut out: Vec<u8> = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        match c {
            '\n' | '"' => return None,
            '\\' => {}
            _ => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        }
        match rest.next()? {
            'a' => out.push(0x07),
            'b' => out.push(0x08),
            'f' => out.push(0x0C),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(0x0B),
            '\\' => out.push(b'\\'),
            '"' => out.push(b'"'),
            'x' => out.push(u8::try_from(digits(&mut rest, 2, 16)?).ok()?),
            'u' => push_char(&mut out, digits(&mut rest, 4, 16)?)?,
            'U' => push_char(&mut out, digits(&mut rest, 8, 16)?)?,
            first @ '0'..='7' => {
                let high = first.to_digit(8)? * 64;
                out.push(u8::try_from(high + digits(&mut rest, 2, 8)?).ok()?);
            }
            _ => return None,
        }
    }
    String::from_utf8(out).ok()
}

fn digits(rest: &mut std::str::Chars<'_>, count: usize, radix: u32) -> Option<u32> {
    (0..count).try_fold(0_u32, |value, _| {
        value.checked_mul(radix)?.checked_add(rest.next()?.to_digit(radix)?)
    })
}

fn push_char(out: &mut Vec<u8>, code: u32) -> Option<()> {
    out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

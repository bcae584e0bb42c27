//! Escaping and casing of texts.

/// `strings.ToUpper`: character by character, so that one without a capital of its own stays.
pub(super) fn upper(text: &str) -> String {
    text.chars().map(|c| only(c.to_uppercase()).unwrap_or(c)).collect()
}

/// `strings.ToLower`
pub(super) fn lower(text: &str) -> String {
    text.chars().map(|c| only(c.to_lowercase()).unwrap_or(c)).collect()
}

fn only(mut cased: impl Iterator<Item = char>) -> Option<char> {
    cased.next().filter(|_| cased.next().is_none())
}

/// `html`: escapes `<`, `>`, `&`, quotes and NUL (`template.HTMLEscapeString`).
pub(super) fn html_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

/// `js`: escapes for a JavaScript text (`template.JSEscapeString`).
pub(super) fn js_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' => out.push_str("\\u003C"),
            '>' => out.push_str("\\u003E"),
            '&' => out.push_str("\\u0026"),
            '=' => out.push_str("\\u003D"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// `url.QueryEscape`
pub(super) fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => out.push(byte as char),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `url.QueryUnescape`
pub(super) fn query_unescape(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        match bytes[index] {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |at: usize| bytes.get(at).and_then(|byte| (*byte as char).to_digit(16));
                let (Some(high), Some(low)) = (digit(index + 1), digit(index + 2)) else {
                    let end = bytes.len().min(index + 3);
                    let shown = String::from_utf8_lossy(&bytes[index..end]);
                    return Err(format!("invalid URL escape {}", parapet_model::quote(&shown)));
                };
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                index += 2;
            }
            byte => out.push(byte),
        }
        index += 1;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Upper-cases the first letter of each word; `lower_rest` lower-cases the others (`cases.Title`).
///
/// Words are bounded as Unicode does: an apostrophe, a full stop or a colon between letters, and an underscore,
/// bind; a hyphen separates.
pub(super) fn title(text: &str, lower_rest: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    for (index, &c) in chars.iter().enumerate() {
        let letter_at = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphabetic());
        let binds = c == '_'
            || c.is_numeric()
            || (matches!(c, '\'' | '\u{2019}' | '.' | ':' | '\u{b7}')
                && letter_at(index.checked_sub(1))
                && letter_at(Some(index + 1)));
        if c.is_alphabetic() {
            if !in_word {
                out.extend(c.to_uppercase());
            } else if lower_rest {
                out.extend(c.to_lowercase());
            } else {
                out.push(c);
            }
            in_word = true;
        } else {
            out.push(c);
            in_word = binds && in_word;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_as_unicode_words() {
        for (text, keep, lower) in [
            ("aa bb CC", "Aa Bb CC", "Aa Bb Cc"),
            (
                "don't foo-bar foo_bar",
                "Don't Foo-Bar Foo_bar",
                "Don't Foo-Bar Foo_bar",
            ),
            ("", "", ""),
        ] {
            assert_eq!(title(text, false), keep);
            assert_eq!(title(text, true), lower);
        }
    }

    #[test]
    fn unescapes() {
        assert_eq!(query_unescape("a+b%20c").unwrap(), "a b c");
        assert!(query_unescape("%zz").is_err());
        assert!(query_unescape("%e").is_err());
        assert_eq!(query_escape("a b/ü"), "a+b%2F%C3%BC");
    }
}

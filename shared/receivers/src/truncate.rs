//! What receivers have no room for.

/// What stands in place of the rest.
const MARK: char = '…';

/// At most `limit` characters, the last an ellipsis where more were there (`notify.TruncateInRunes`).
pub(crate) fn characters(text: String, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text,
        Some((at, _)) if limit <= 3 => text[..at].to_owned(),
        Some(_) => text.chars().take(limit - 1).chain([MARK]).collect(),
    }
}

/// At most `limit` bytes, an ellipsis where more were there (`notify.TruncateInBytes`); `limit` is above 3.
pub(crate) fn bytes(text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit - MARK.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", &text[..end])
}

#[cfg(test)]
mod tests {
    #[test]
    fn keeps_what_fits() {
        assert_eq!(super::characters("äöü".into(), 3), "äöü");
        assert_eq!(super::characters("äöüx".into(), 3), "äöü");
        assert_eq!(super::characters("äöüxy".into(), 4), "äöü…");
        assert_eq!(super::bytes("abcdef".into(), 6), "abcdef");
        assert_eq!(super::bytes("abcdefg".into(), 6), "abc…");
        assert_eq!(super::bytes("aäöü".into(), 6), "aä…");
    }
}

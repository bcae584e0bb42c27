//! Comparing short texts, of which lines and labels have many: as numbers, without a call of C's `memcmp`.

/// Whether two texts are the same. Most that are compared are short: they are two numbers each, and no call.
#[inline]
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    fn ends<const N: usize>(text: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
        text.first_chunk().zip(text.last_chunk())
    }
    if a.len() > 16 {
        a == b
    } else if let (Some(a), Some(b)) = (ends::<8>(a), ends::<8>(b)) {
        a == b
    } else if let (Some(a), Some(b)) = (ends::<4>(a), ends::<4>(b)) {
        a == b
    } else {
        a.iter().zip(b).all(|(a, b)| a == b)
    }
}

/// Whether a text begins with another.
#[inline]
#[must_use]
pub fn begins_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|text| same(text, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_all_lengths() {
        let text: Vec<u8> = (b'a'..=b'z').collect();
        for length in 0..text.len() {
            let text = &text[..length];
            assert!(same(text, text) && (length == 0 || !same(text, &text[..length - 1])));
            for at in 0..length {
                assert!(begins_with(text, &text[..at]) && !begins_with(&text[..at], text));
                let mut other = text.to_vec();
                other[at] += 1;
                assert!(!same(text, &other) && !begins_with(text, &other));
                assert!(begins_with(&other, &text[..at]));
            }
        }
    }
}

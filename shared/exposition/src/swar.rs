//! Where a run of bytes ends, eight bytes at a time: names and values are too short for a search that is called.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of each byte that is zero. Above the first of them bits may be set that should not.
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// The high bit of each byte that is `byte`, as [`zeros`].
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    zeros(word ^ (ONES * u64::from(byte)))
}

/// The high bit of each byte from `low` to `high`, of bytes that are ASCII.
#[inline]
fn within(word: u64, low: u8, high: u8) -> u64 {
    let from = word + ONES * u64::from(0x80 - low);
    let after = word + ONES * u64::from(0x7f - high);
    from & !after & HIGHS
}

/// The place of the first byte for which a word has its high bit set by `marks`; `tail` says it of a single byte.
#[inline]
fn first(bytes: &[u8], marks: impl Fn(u64) -> u64, tail: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let marked = marks(u64::from_le_bytes(*word));
        if marked != 0 {
            return Some(place * 8 + marked.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|b| tail(*b)).map(|place| words.len() * 8 + place)
}

/// The first byte that is no letter, digit, underscore or, where that is wanted, colon.
#[inline]
pub(crate) fn end_of_word(bytes: &[u8], colon: bool) -> Option<usize> {
    // The colon follows the nine.
    let last = if colon { b':' } else { b'9' };
    let marks = |word: u64| {
        let ascii = word & !HIGHS;
        let letters = within(ascii | (ONES * 0x20), b'a', b'z');
        // Of zeros, false marks follow a true one alone; here each one counts.
        let underscore = within(ascii, b'_', b'_');
        (!(letters | within(ascii, b'0', last) | underscore) | word) & HIGHS
    };
    first(bytes, marks, |b| {
        !(b.is_ascii_alphanumeric() || b == b'_' || (colon && b == b':'))
    })
}

/// The first quote, backslash, line break or NUL.
#[inline]
pub(crate) fn end_of_value(bytes: &[u8]) -> Option<usize> {
    let marks = |word: u64| equal(word, b'"') | equal(word, b'\\') | equal(word, b'\n') | zeros(word);
    first(bytes, marks, |b| matches!(b, b'"' | b'\\' | b'\n' | 0))
}

/// The first line break.
#[inline]
pub(crate) fn end_of_line(bytes: &[u8]) -> Option<usize> {
    first(bytes, |word| equal(word, b'\n'), |b| b == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn the_first_end_is_found(
            bytes in proptest::collection::vec(proptest::sample::select(b"aZ_:09 /;@[`{\"\\\n\0\x01\x7f\x80\xc3\xff".to_vec()), 0..40),
            word in "[a-zA-Z0-9_:]{0,20}",
        ) {
            let all = [word.as_bytes(), &bytes].concat();
            let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
            proptest::prop_assert_eq!(end_of_word(&all, false), all.iter().position(|b| !is_word(b)));
            proptest::prop_assert_eq!(end_of_word(&all, true), all.iter().position(|b| !is_word(b) && *b != b':'));
            proptest::prop_assert_eq!(end_of_value(&all), all.iter().position(|b| b"\"\\\n\0".contains(b)));
            proptest::prop_assert_eq!(end_of_line(&all), all.iter().position(|b| *b == b'\n'));
        }
    }

    #[test]
    fn each_byte_is_told() {
        for byte in 0..=255u8 {
            let bytes = [b'a', b'a', byte, b'a', b'a', b'a', b'a', b'a', b'a'];
            let is_word = byte.is_ascii_alphanumeric() || byte == b'_';
            assert_eq!(end_of_word(&bytes, false), (!is_word).then_some(2), "{byte}");
            assert_eq!(
                end_of_word(&bytes, true),
                (!is_word && byte != b':').then_some(2),
                "{byte}"
            );
            assert_eq!(end_of_value(&bytes), b"\"\\\n\0".contains(&byte).then_some(2), "{byte}");
        }
    }
}

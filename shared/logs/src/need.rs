//! [`Need`]: what a query surely needs of a block of lines.

use crate::index::MIN_PART_BYTES;
use crate::text::{is_word_byte, sure_words};

/// Words that the lines of a block must have for any of them to match: asked of a block's word index before the block is
/// read. Conservative: what it refuses holds no match; what it lets through may hold none either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// Nothing is needed: any block may match.
    #[default]
    Nothing,
    /// A word, in lower case.
    Word(String),
    /// A part of a word, in lower case.
    Part(String),
    /// Every part is needed.
    All(Vec<Need>),
    /// One of the parts is needed.
    Any(Vec<Need>),
}

impl Need {
    /// Every one of the parts.
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut wanted: Vec<Self> = Vec::new();
        for part in parts {
            match part {
                Self::Nothing => {}
                Self::All(inner) => wanted.extend(inner),
                part => wanted.push(part),
            }
        }
        match wanted.len() {
            0 => Self::Nothing,
            1 => wanted.remove(0),
            _ => Self::All(wanted),
        }
    }

    /// One of the parts: nothing is needed where one of them needs nothing.
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut parts: Vec<Self> = parts.into_iter().collect();
        if parts.contains(&Self::Nothing) {
            return Self::Nothing;
        }
        match parts.len() {
            0 => Self::Nothing,
            1 => parts.remove(0),
            _ => Self::Any(parts),
        }
    }

    /// Every one of the words.
    #[must_use]
    pub fn words(words: &[String]) -> Self {
        Self::all(words.iter().cloned().map(Self::Word))
    }

    /// What a text needs that stands anywhere in a line: its words, and of those at its ends, which may be parts of
    /// longer ones, that part.
    #[must_use]
    pub fn substring(text: &str) -> Self {
        let word = |c: char| c.is_ascii() && is_word_byte(c as u8);
        let first = text.find(|c| !word(c)).unwrap_or(text.len());
        let last = text
            .rfind(|c| !word(c))
            .map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
        let ends = if first == text.len() {
            vec![text]
        } else {
            vec![&text[..first], &text[last..]]
        };
        let parts = ends.into_iter().filter(|part| part.len() >= MIN_PART_BYTES);
        let parts = parts.map(|part| Self::Part(part.to_ascii_lowercase()));
        Self::all([Self::words(&sure_words(text))].into_iter().chain(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_text_needs() {
        let word = |word: &str| Need::Word(word.to_owned());
        let part = |part: &str| Need::Part(part.to_owned());
        for (text, want) in [
            ("short", Need::Nothing),
            ("a b c", word("b")),
            ("0123456789ABCDEF", part("0123456789abcdef")),
            ("id=0123456789abcdef x", word("0123456789abcdef")),
            ("0123456789abcdef é", part("0123456789abcdef")),
            ("x é 0123456789abcdef", part("0123456789abcdef")),
        ] {
            assert_eq!(Need::substring(text), want, "{text}");
        }
    }
}

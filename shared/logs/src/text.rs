//! Words of a line: what full-text search, its index and query strings agree on.
//!
//! A word is a run of ASCII letters, digits and underscores; case does not count. All else separates words.

use regex::Regex;
use std::fmt::Write as _;

/// Whether a byte belongs to a word.
#[must_use]
pub fn is_word_byte(byte: u8) -> bool {
    WORD_BYTES[usize::from(byte)]
}

static WORD_BYTES: [bool; 256] = {
    let mut bytes = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        bytes[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    bytes
};

/// The words of a line, as they are written.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| !is_word_byte(*byte)).filter(|word| !word.is_empty())
}

/// Words that stand one after another in a line, with wildcards within: `connection refus*`.
#[derive(Clone, Debug)]
pub struct Phrase {
    text: String,
    regex: Regex,
    needles: Vec<String>,
}

impl Phrase {
    /// Compiles a phrase. Where `wildcards` is set, `*` stands for any characters but spaces and `?` for one.
    /// A backslash takes its meaning from what follows.
    ///
    /// # Errors
    /// A phrase that is too long to compile.
    pub fn new(text: &str, wildcards: bool) -> Result<Self, String> {
        let mut pattern = String::new();
        let mut needles = Needles::default();
        let mut chars = text.chars();
        let mut spaces = false;
        while let Some(c) = chars.next() {
            match c {
                '*' if wildcards => {
                    pattern.push_str(r"\S*");
                    needles.unsure();
                }
                '?' if wildcards => {
                    pattern.push_str(r"\S");
                    needles.unsure();
                }
                c if c.is_whitespace() => {
                    // What stands between two words of a phrase does not count.
                    if !spaces {
                        pattern.push_str(r"[^0-9A-Za-z_]+");
                    }
                    needles.end();
                }
                c => {
                    let c = if c == '\\' && wildcards {
                        chars.next().unwrap_or(c)
                    } else {
                        c
                    };
                    let literal = regex::escape(c.encode_utf8(&mut [0; 4]));
                    // ASCII folds to ASCII alone, as in the index.
                    let flags = if c.is_ascii() { "i-u" } else { "i" };
                    let _ = write!(pattern, "(?{flags}:{literal})");
                    needles.push(c);
                }
            }
            spaces = c.is_whitespace();
        }
        let needles = needles.finish();
        let edge = |c: Option<char>, boundary: &'static str| match c {
            Some(c) if c.is_ascii() && is_word_byte(c as u8) => boundary,
            _ => "",
        };
        let start = edge(text.chars().next(), r"(?-u:\b{start-half})");
        let end = edge(text.chars().next_back(), r"(?-u:\b{end-half})");
        let regex = Regex::new(&format!("{start}{pattern}{end}")).map_err(|error| error.to_string())?;
        Ok(Self {
            text: text.to_owned(),
            regex,
            needles,
        })
    }

    /// Whether the phrase stands in a line.
    #[must_use]
    pub fn matches(&self, line: &str) -> bool {
        self.regex.is_match(line)
    }

    /// Words, in lower case, that every line which matches has: what an index can be asked for.
    #[must_use]
    pub fn needles(&self) -> &[String] {
        &self.needles
    }

    /// The phrase as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The words that a text surely holds wherever it stands in a line: where it may begin or end within a word, the first
/// and the last word are not sure.
#[must_use]
pub fn sure_words(text: &str) -> Vec<String> {
    let mut needles = Needles::default();
    needles.unsure();
    text.chars().for_each(|c| needles.push(c));
    needles.unsure();
    needles.finish()
}

/// Collects words whose both ends are known.
#[derive(Default)]
struct Needles {
    words: Vec<String>,
    word: String,
    unsure: bool,
}

impl Needles {
    fn push(&mut self, c: char) {
        if c.is_ascii() && is_word_byte(c as u8) {
            self.word.push(c.to_ascii_lowercase());
        } else {
            self.end();
        }
    }

    fn end(&mut self) {
        let word = std::mem::take(&mut self.word);
        if !word.is_empty() && !self.unsure {
            self.words.push(word);
        }
        self.unsure = false;
    }

    fn unsure(&mut self) {
        self.word.clear();
        self.unsure = true;
    }

    fn finish(mut self) -> Vec<String> {
        self.end();
        self.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases() {
        for (text, line, want) in [
            ("error", "an ERROR here", true),
            ("error", "errors", false),
            ("error", "my_error", false),
            ("10.0.0.1", "from 10.0.0.1:80", true),
            ("10.0.0.1", "from 110.0.0.1", false),
            ("connection refused", "Connection: refused!", true),
            ("connection refused", "connection was refused", false),
            ("refus*", "it refused", true),
            ("*fused", "refused", true),
            ("re?used", "refused", true),
            ("café", "un CAFÉ noir", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
        ] {
            assert_eq!(Phrase::new(text, true).unwrap().matches(line), want, "{text} {line}");
        }
    }

    #[test]
    fn needles_are_whole_words() {
        for (text, want) in [
            ("Connection refused", vec!["connection", "refused"]),
            ("10.0.0.1", vec!["10", "0", "0", "1"]),
            ("foo-bar*", vec!["foo"]),
            ("*a b*c d", vec!["d"]),
            ("café x", vec!["caf", "x"]),
        ] {
            assert_eq!(Phrase::new(text, true).unwrap().needles(), want, "{text}");
        }
        assert_eq!(sure_words("ab cd-ef gh"), ["cd", "ef"]);
        assert_eq!(sure_words(" ab "), ["ab"]);
        assert_eq!(sure_words("ab"), Vec::<String>::new());
    }
}

//! Label matchers as Alertmanager writes and reads them.
//!
//! Two grammars are in use: the UTF-8 one (`"foo.bar"=~"a|b"`, Go string escapes) and the older classic one. A
//! configuration is read with both: where the UTF-8 parser refuses, or both answer differently, the classic one holds
//! (`matcher/compat.FallbackMatchersParser` of Alertmanager).

use parapet_model::{Labels, MatchOp, is_legacy_label_name, quote};
use std::fmt;

mod classic;
mod unquote;
mod utf8;

pub use classic::parse_classic_matchers;
pub use utf8::parse_utf8_matchers;

/// How matchers and names of labels are read (`--enable-feature` of Alertmanager).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grammar {
    /// Both grammars, any UTF-8 as a name.
    #[default]
    Fallback,
    /// Only the classic one, only classic names (`classic-mode`).
    Classic,
    /// Only the UTF-8 one (`utf8-strict-mode`).
    Utf8,
}

impl Grammar {
    /// What a list of features, separated by commas, asks for.
    ///
    /// # Errors
    /// [`MatchersError`] for a feature that is unknown or has no meaning here, and for two that exclude each other.
    pub fn from_features(text: &str) -> Result<Self, MatchersError> {
        let mut grammar = Self::Fallback;
        for feature in text.split(',').map(str::trim).filter(|feature| !feature.is_empty()) {
            let wanted = match feature {
                "classic-mode" => Self::Classic,
                "utf8-strict-mode" => Self::Utf8,
                "alert-names-in-metrics"
                | "receiver-name-in-metrics"
                | "group-key-in-metrics"
                | "auto-gomemlimit"
                | "event-recorder" => {
                    return Err(MatchersError(format!("{feature} is not supported; remove it")));
                }
                _ => {
                    let known = "write classic-mode or utf8-strict-mode";
                    return Err(MatchersError(format!("unknown feature {}; {known}", quote(feature))));
                }
            };
            if grammar != Self::Fallback && grammar != wanted {
                let both = "classic-mode and utf8-strict-mode exclude each other; remove one";
                return Err(MatchersError(both.to_owned()));
            }
            grammar = wanted;
        }
        Ok(grammar)
    }

    /// Reads matchers.
    ///
    /// # Errors
    /// [`MatchersError`].
    pub fn parse(self, text: &str) -> Result<Matchers, MatchersError> {
        match self {
            Self::Fallback => parse_matchers(text),
            Self::Classic => parse_classic_matchers(text),
            Self::Utf8 => parse_utf8_matchers(text),
        }
    }

    /// Whether a label may have this name (`compat.IsValidLabelName`).
    #[must_use]
    pub fn is_label_name(self, name: &str) -> bool {
        !name.is_empty() && (self != Self::Classic || is_legacy_label_name(name))
    }
}

/// A test of one label. An absent label counts as the empty value; regular expressions are anchored at both ends.
///
/// This is not `parapet_model::Matcher`: in Alertmanager `.` does not match a newline, and the printed form, which is
/// part of every group key, quotes otherwise.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// How to compare.
    pub op: MatchOp,
    /// The value or the regular expression as written.
    pub value: String,
    regex: Option<regex::Regex>,
}

/// All of these must pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matchers(pub Vec<Matcher>);

/// Text that is no matcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MatchersError(pub String);

impl Matcher {
    /// Builds a matcher.
    ///
    /// # Errors
    /// [`MatchersError`] where a regular expression does not compile.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Self, MatchersError> {
        let value = value.into();
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => {
                let compiled = regex::Regex::new(&format!("^(?:{value})$")).map_err(|_| {
                    MatchersError(format!("{} is not a regular expression in RE2 syntax", quote(&value)))
                })?;
                Some(compiled)
            }
        };
        Ok(Self {
            name: name.into(),
            op,
            value,
            regex,
        })
    }

    /// Whether a label of this value passes.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let by_regex = || self.regex.as_ref().is_some_and(|regex| regex.is_match(value));
        match self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex => by_regex(),
            MatchOp::NotRegex => !by_regex(),
        }
    }

    /// `name`, then value, then operator: the order of matchers in a route's key.
    fn sort_key(&self) -> (&str, &str, u8) {
        let op = match self.op {
            MatchOp::Equal => 0,
            MatchOp::NotEqual => 1,
            MatchOp::Regex => 2,
            MatchOp::NotRegex => 3,
        };
        (&self.name, &self.value, op)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.sort_key() == other.sort_key()
    }
}

impl Eq for Matcher {}

impl Matchers {
    /// Whether a label set passes all of them.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0
            .iter()
            .all(|matcher| matcher.matches(labels.get(&matcher.name).unwrap_or_default()))
    }

    /// Puts them in the order that Alertmanager prints.
    pub(crate) fn sort(&mut self) {
        self.0.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    }
}

/// `labels.Matcher.String`: OpenMetrics escapes, but Go quoting of both sides when the name is not plain.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = self.op.as_str();
        if self.name.chars().any(is_reserved) {
            write!(f, "{}{op}{}", quote(&self.name), quote(&self.value))
        } else {
            let value = self
                .value
                .replace('\\', "\\\\")
                .replace('\n', "\\n")
                .replace('"', "\\\"");
            write!(f, "{}{op}\"{value}\"", self.name)
        }
    }
}

impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, matcher) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{matcher}")?;
        }
        f.write_str("}")
    }
}

/// Reads matchers as a configuration file has them: `a="b"`, `{a=b, c=~"d|e"}`.
///
/// # Errors
/// [`MatchersError`] where neither grammar reads the text; the message is the classic parser's.
pub fn parse_matchers(text: &str) -> Result<Matchers, MatchersError> {
    match (parse_utf8_matchers(text), parse_classic_matchers(text)) {
        (Err(_), Err(error)) => Err(error),
        (Err(_), Ok(classic)) => Ok(classic),
        (Ok(utf8), Ok(classic)) if utf8 != classic => Ok(classic),
        (Ok(utf8), _) => Ok(utf8),
    }
}

/// Characters that end an unquoted word.
fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

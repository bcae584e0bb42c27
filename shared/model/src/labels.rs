//! [`Labels`]: a sorted, immutable, cheaply cloned label set.

use crate::compare::same;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// A label set, sorted by name, without empty values and without repeated names.
///
/// All names and values stand in one allocation (as Prometheus' `stringlabels`): a clone is a
/// reference count, equality is a memory comparison.
#[derive(Clone, PartialEq, Eq)]
pub struct Labels {
    /// For each label: name length (u32, little endian), name, value length, value.
    packed: Arc<[u8]>,
}

impl Labels {
    /// The empty label set.
    #[must_use]
    pub fn empty() -> Self {
        // The standard library keeps one for all: nothing is allocated.
        Self { packed: Arc::default() }
    }

    /// Builds a label set from pairs in any order. A later pair replaces an earlier one of the same
    /// name; an empty value removes the label, as in Prometheus.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name, value);
        }
        builder.build()
    }

    /// Builds a label set from pairs that are already sorted by name, without repeats and without empty values.
    ///
    /// # Panics
    /// In debug builds, when the pairs are not sorted.
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::from_sorted_in(&mut Vec::with_capacity(128), pairs)
    }

    /// The same, for one who builds many: what is in `packed` does not count, but that it has room.
    ///
    /// # Panics
    /// In debug builds, when the pairs are not sorted.
    pub fn from_sorted_in<'a>(packed: &mut Vec<u8>, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        packed.clear();
        let mut previous: Option<&str> = None;
        for (name, value) in pairs {
            debug_assert!(previous.is_none_or(|p| p < name), "labels are not sorted at {name:?}");
            previous = Some(name);
            push_text(packed, name);
            push_text(packed, value);
        }
        if packed.is_empty() {
            return Self::empty();
        }
        Self {
            packed: packed.as_slice().into(),
        }
    }

    /// The labels in order of name.
    #[must_use]
    pub fn iter(&self) -> LabelsIter<'_> {
        LabelsIter { rest: &self.packed }
    }

    /// The labels in order of name, as the UTF-8 bytes of [`Labels::iter`]: several times as quick, and in the same
    /// order.
    #[must_use]
    pub fn iter_bytes(&self) -> LabelsBytesIter<'_> {
        LabelsBytesIter { rest: &self.packed }
    }

    /// The value of `name`, `None` where the label is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        // Names mostly differ by their lengths: to compare them all is quicker than to stop at the first larger one.
        self.iter_bytes()
            .find_map(|(n, v)| same(n, name.as_bytes()).then_some(v))
            .map(text)
    }

    /// The value of `__name__`.
    #[must_use]
    pub fn metric_name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// How many labels there are, `__name__` included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter_bytes().count()
    }

    /// Whether there is no label at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// The bytes that this label set takes in memory.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.packed.len()
    }

    /// The stable identity of the series, stored in segments: XXH3-64 over every name and value, each
    /// followed by the byte 0xFF (which no UTF-8 text contains), in order of name.
    #[must_use]
    pub fn series_id(&self) -> i64 {
        // As long as the packed form, less the lengths: two bytes stand for each label's two lengths.
        let mut plain = Vec::with_capacity(self.packed.len());
        for (name, value) in self.iter_bytes() {
            plain.extend_from_slice(name);
            plain.push(0xFF);
            plain.extend_from_slice(value);
            plain.push(0xFF);
        }
        xxhash_rust::xxh3::xxh3_64(&plain).cast_signed()
    }

    /// A copy with `name` set to `value`; an empty value removes it.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut builder = LabelsBuilder::from(self);
        builder.set(name, value);
        builder.build()
    }

    /// A copy without the labels whose name `drop` answers true for.
    #[must_use]
    pub fn without(&self, mut drop: impl FnMut(&str) -> bool) -> Self {
        Self::from_sorted(self.iter().filter(|(n, _)| !drop(n)))
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.packed.hash(state);
    }
}

/// By name, then value, label by label; a prefix sorts first (`labels.Compare` of Prometheus).
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        // The order of UTF-8 bytes is that of texts.
        if self.packed == other.packed {
            return Ordering::Equal;
        }
        self.iter_bytes().cmp(other.iter_bytes())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As Prometheus prints a series: `name{a="b"}`, names outside the classic character set in quotes.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "{";
        let mut open = false;
        if let Some(name) = self.metric_name() {
            if is_legacy_metric_name(name) {
                f.write_str(name)?;
            } else {
                write!(f, "{{{}", quote(name))?;
                (separator, open) = (", ", true);
            }
        }
        for (name, value) in self.iter().filter(|(n, _)| *n != METRIC_NAME) {
            f.write_str(separator)?;
            (separator, open) = (", ", true);
            if is_legacy_label_name(name) {
                write!(f, "{name}={}", quote(value))?;
            } else {
                write!(f, "{}={}", quote(name), quote(value))?;
            }
        }
        if open {
            f.write_str("}")
        } else if self.metric_name().is_none() {
            f.write_str("{}")
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Labels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> serde::Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::collections::BTreeMap::<String, String>::deserialize(deserializer).map(Self::from_pairs)
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = LabelsIter<'a>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Iterator over the labels of [`Labels`] in order of name.
#[derive(Clone, Debug)]
pub struct LabelsIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for LabelsIter<'a> {
    type Item = (&'a str, &'a str);
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some((text(take_bytes(&mut self.rest)), text(take_bytes(&mut self.rest))))
    }
}

/// Iterator over the labels of [`Labels`] in order of name, as UTF-8 bytes.
#[derive(Clone, Debug)]
pub struct LabelsBytesIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for LabelsBytesIter<'a> {
    type Item = (&'a [u8], &'a [u8]);
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some((take_bytes(&mut self.rest), take_bytes(&mut self.rest)))
    }
}

/// Collects labels in any order, then builds [`Labels`].
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    /// Sets a label, replacing an earlier value; an empty value removes it when built.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.pairs.iter_mut().find(|(n, _)| *n == name) {
            Some(pair) => pair.1 = value,
            None => self.pairs.push((name, value)),
        }
    }

    /// Removes a label.
    pub fn remove(&mut self, name: &str) {
        self.pairs.retain(|(n, _)| n != name);
    }

    /// Removes the labels whose name does not pass.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.pairs.retain(|(n, _)| keep(n));
    }

    /// Names and values set so far; empty values are those of labels that are not there.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// The value set so far.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The finished label set.
    #[must_use]
    pub fn build(mut self) -> Labels {
        self.pairs.retain(|(_, v)| !v.is_empty());
        self.pairs.sort_unstable();
        Labels::from_sorted(self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())))
    }
}

impl From<&Labels> for LabelsBuilder {
    fn from(labels: &Labels) -> Self {
        Self {
            pairs: labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        }
    }
}

/// Whether `name` may stand unquoted as a metric name: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
#[must_use]
pub fn is_legacy_metric_name(name: &str) -> bool {
    is_word(name, |b| b == b':')
}

/// Whether `name` may stand unquoted as a label name: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_legacy_label_name(name: &str) -> bool {
    is_word(name, |_| false)
}

fn is_word(name: &str, also: impl Fn(u8) -> bool) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_' || also(b);
    let mut bytes = name.bytes();
    bytes.next().is_some_and(letter) && bytes.all(|b| letter(b) || b.is_ascii_digit())
}

/// Quotes a text as Go's `strconv.Quote` does.
#[must_use]
pub fn quote(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if c.is_control() || c == '\u{feff}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[inline]
fn push_text(out: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&text.as_bytes()[..length as usize]);
}

#[inline]
fn take_bytes<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (length, tail) = rest.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    let (bytes, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
    *rest = tail;
    bytes
}

/// Only `push_text` writes the packed form, from `&str`: the check cannot fail, and costs little.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_sorted_without_empty_and_last_wins() {
        let labels = Labels::from_pairs([("b", "1"), ("a", "x"), ("c", ""), ("b", "2")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "x"), ("b", "2")]);
        assert_eq!(labels.get("b"), Some("2"));
        assert_eq!(labels.get("c"), None);
        assert_eq!(labels.with("a", "").len(), 1);
    }

    #[test]
    fn prints_as_prometheus_does() {
        let cases = [
            (Labels::from_pairs([("__name__", "up")]), "up"),
            (
                Labels::from_pairs([("__name__", "up"), ("job", "a\"b")]),
                r#"up{job="a\"b"}"#,
            ),
            (
                Labels::from_pairs([("__name__", "my.metric"), ("a", "b")]),
                r#"{"my.metric", a="b"}"#,
            ),
            (Labels::from_pairs([("__name__", "my.metric")]), r#"{"my.metric"}"#),
            (Labels::from_pairs([("a.b", "c")]), r#"{"a.b"="c"}"#),
            (Labels::empty(), "{}"),
        ];
        for (labels, want) in cases {
            assert_eq!(labels.to_string(), want);
        }
    }

    #[test]
    fn series_id_is_stable_on_disk() {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "node")]);
        let plain = b"__name__\xFFup\xFFjob\xFFnode\xFF";
        assert_eq!(labels.series_id(), xxhash_rust::xxh3::xxh3_64(plain).cast_signed());
        assert_eq!(
            labels.series_id(),
            Labels::from_pairs([("job", "node"), ("__name__", "up")]).series_id()
        );
        assert_ne!(
            labels.series_id(),
            Labels::from_pairs([("__name__", "upjob"), ("", "node")]).series_id()
        );
    }

    #[test]
    fn orders_by_name_then_value() {
        let a = Labels::from_pairs([("a", "1")]);
        let ab = Labels::from_pairs([("a", "1"), ("b", "1")]);
        let b = Labels::from_pairs([("b", "0")]);
        assert!(a < ab && ab < b);
        // By text, not by length; and beyond ASCII.
        let sorted = ["a1", "a10", "a2", "b", "é", "漢", "🦀"].map(|value| Labels::from_pairs([("a", value)]));
        assert!(sorted.is_sorted_by(|a, b| a < b));
        assert!(sorted.is_sorted_by(|a, b| a.get("a") < b.get("a")));
    }
}

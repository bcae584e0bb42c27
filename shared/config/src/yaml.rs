//! A YAML document as a tree that knows where each node stands.

use crate::error::{Fault, Position};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;
use std::ops::Range;

/// Nesting deeper than this is refused: Prometheus' own files need seven levels.
const MAX_DEPTH: usize = 48;

/// A node with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    /// Where its text stands in the file, in bytes.
    pub(crate) bytes: Range<usize>,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    /// Any scalar, as it is written: the reader decides what it is.
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// What is not written.
    pub(crate) const fn empty() -> Self {
        Self {
            at: Position { line: 0, column: 0 },
            bytes: 0..0,
            value: Value::Null,
        }
    }
}

/// Reads a document; an empty one is null.
pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    if text.contains('\0') {
        return Err(Fault::new(
            Position::default(),
            "the file holds a NUL character: is it text?",
        ));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Ok(node(raw, text)),
        Err(error) => {
            let error = error.without_snippet();
            let at = error.location().map(position).unwrap_or_default();
            Err(Fault::new(at, message(error)))
        }
    }
}

/// The library's message, without what it says to programmers.
fn message(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error as E;
    match error {
        E::DuplicateMappingKey { key: Some(key), .. } => {
            format!("field {} already set; remove one of the two", parapet_model::quote(key))
        }
        E::DuplicateMappingKey { .. } => "the same field twice; remove one of the two".to_owned(),
        E::MultipleDocuments { .. } => "more than one YAML document; remove what follows ---".to_owned(),
        E::BinaryNotUtf8 { .. } => "a !!binary value that is not valid UTF-8".to_owned(),
        other => without_place(&other.render_with_options(serde_saphyr::render_options! {
            snippets: serde_saphyr::SnippetMode::Off,
        })),
    }
}

/// The library ends its messages with the place, which stands at the beginning of ours.
fn without_place(message: &str) -> String {
    let message = message.trim_start_matches("error: ");
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].trim_end_matches(',').to_owned()
}

fn position(location: Location) -> Position {
    Position {
        line: location.line(),
        column: location.column(),
    }
}

/// A node as the library gives it.
enum Raw {
    Null,
    Text(String),
    /// A number or truth value: its text has to be taken from the file.
    Typed(String),
    Sequence(Vec<Spanned<Raw>>),
    Mapping(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

fn node(raw: Spanned<Raw>, source: &str) -> Node {
    let span = raw.defined.span();
    let start = span
        .byte_offset()
        .and_then(|at| usize::try_from(at).ok())
        .unwrap_or_default();
    let length = span
        .byte_len()
        .and_then(|at| usize::try_from(at).ok())
        .unwrap_or_default();
    let bytes = start..start.saturating_add(length).min(source.len());
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Text(text) => Value::Scalar(text),
        Raw::Typed(text) => {
            let written = source.get(bytes.clone()).map(str::trim).filter(|text| !text.is_empty());
            Value::Scalar(written.map_or(text, str::to_owned))
        }
        Raw::Sequence(items) => Value::Sequence(items.into_iter().map(|item| node(item, source)).collect()),
        Raw::Mapping(pairs) => Value::Mapping(
            pairs
                .into_iter()
                .map(|(key, value)| (node(key, source), node(value, source)))
                .collect(),
        ),
    };
    Node {
        at: position(raw.defined),
        bytes,
        value,
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML node")
    }
    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }
    fn visit_bytes<E: serde::de::Error>(self, value: &[u8]) -> Result<Raw, E> {
        std::str::from_utf8(value)
            .map(|text| Raw::Text(text.to_owned()))
            .map_err(|_| E::custom("a !!binary value that is not UTF-8 text"))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element()? {
            out.push(item);
        }
        Ok(Raw::Sequence(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Raw, A::Error> {
        let mut out = Vec::new();
        while let Some(pair) = pairs.next_entry()? {
            out.push(pair);
        }
        Ok(Raw::Mapping(out))
    }
}

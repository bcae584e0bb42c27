//! YAML as a tree that knows where each node stands, and mappings whose fields must be known.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// A fault in a pipeline file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineFault {
    /// The line, from 1.
    pub line: u64,
    /// The character in the line, from 1.
    pub column: u64,
    /// What is wrong and what to write.
    pub message: String,
}

impl PipelineFault {
    pub(super) fn at(at: Location, message: impl Into<String>) -> Self {
        Self {
            line: at.line().max(1),
            column: at.column().max(1),
            message: message.into(),
        }
    }
}

/// A pipeline file that cannot be used: every fault found in it, one line each, `file:line:column: what is wrong`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineError {
    /// The file as it was named to the parser.
    pub path: String,
    /// The faults in order, at least one.
    pub faults: Vec<PipelineFault>,
}

impl std::error::Error for PipelineError {}

impl fmt::Display for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            let (path, PipelineFault { line, column, message }) = (&self.path, fault);
            write!(f, "{separator}{path}:{line}:{column}: {message}")?;
        }
        Ok(())
    }
}

/// A node with its place.
pub(super) type Node = Spanned<Tree>;

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Null,
    /// Any scalar as text: the reader decides what it is.
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<(Spanned<String>, Node)>),
}

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Node, PipelineFault> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 48, },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let rendered = error.render_with_options(serde_saphyr::render_options! {
            snippets: serde_saphyr::SnippetMode::Off,
        });
        let message = rendered.trim_start_matches("error: ");
        let end = message.rfind(" at line ").unwrap_or(message.len());
        let (line, column) = error
            .location()
            .map_or((1, 1), |location| (location.line(), location.column()));
        PipelineFault {
            line,
            column,
            message: message[..end].trim_end_matches(',').to_owned(),
        }
    })
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyTree;
        impl<'de> Visitor<'de> for AnyTree {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("YAML")
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_none<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
                Tree::deserialize(deserializer)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.to_string()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Tree, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = sequence.next_element()? {
                    nodes.push(node);
                }
                Ok(Tree::Sequence(nodes))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Tree::Mapping(pairs))
            }
        }
        deserializer.deserialize_any(AnyTree)
    }
}

/// Reads the fields of a mapping and collects faults.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) faults: Vec<PipelineFault>,
}

/// The fields of one mapping.
pub(super) struct Fields<'a> {
    pub(super) at: Location,
    pairs: &'a [(Spanned<String>, Node)],
}

impl Reader {
    pub(super) fn fault(&mut self, at: Location, message: impl Into<String>) {
        self.faults.push(PipelineFault::at(at, message));
    }

    /// The result, or `None` after its fault is noted.
    pub(super) fn check<T>(&mut self, at: Location, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.fault(at, message)).ok()
    }

    /// A mapping whose fields are among `known`; null is an empty one.
    pub(super) fn fields<'a>(&mut self, node: &'a Node, what: &str, known: &[&str]) -> Option<Fields<'a>> {
        let pairs: &[_] = match &node.value {
            Tree::Mapping(pairs) => pairs,
            Tree::Null => &[],
            _ => {
                self.fault(
                    node.defined,
                    format!("{what} must be a mapping of {}", known.join(", ")),
                );
                return None;
            }
        };
        for (index, (key, _)) in pairs.iter().enumerate() {
            if !known.contains(&key.value.as_str()) {
                let message = format!("field {} not found; fields here are {}", key.value, known.join(", "));
                self.fault(key.defined, message);
            } else if pairs[..index].iter().any(|(other, _)| other.value == key.value) {
                self.fault(
                    key.defined,
                    format!("field {} already set; remove one of the two", key.value),
                );
            }
        }
        Some(Fields {
            at: node.defined,
            pairs,
        })
    }

    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.value {
            Tree::Scalar(text) if !text.is_empty() => Some(text.clone()),
            _ => {
                self.fault(node.defined, format!("{what} must be a text"));
                None
            }
        }
    }

    /// A number within bounds.
    pub(super) fn number(&mut self, node: &Node, what: &str, low: f64, high: f64) -> Option<f64> {
        let number = match &node.value {
            Tree::Scalar(text) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) if (low..=high).contains(&number) => Some(number),
            _ => {
                self.fault(node.defined, format!("{what} must be a number from {low} to {high}"));
                None
            }
        }
    }

    /// One text, or several in a sequence.
    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Vec<(String, Location)> {
        match &node.value {
            Tree::Sequence(nodes) => nodes
                .iter()
                .filter_map(|node| Some((self.text(node, what)?, node.defined)))
                .collect(),
            _ => self
                .text(node, what)
                .map(|text| (text, node.defined))
                .into_iter()
                .collect(),
        }
    }

    /// A mapping of names to texts.
    pub(super) fn pairs(&mut self, node: &Node, what: &str) -> Vec<(String, String, Location)> {
        let Tree::Mapping(pairs) = &node.value else {
            self.fault(node.defined, format!("{what} must be a mapping of names to texts"));
            return Vec::new();
        };
        pairs
            .iter()
            .filter_map(|(name, value)| Some((name.value.clone(), self.text(value, &name.value)?, value.defined)))
            .collect()
    }
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a Node> {
        self.pairs
            .iter()
            .find(|(key, _)| key.value == name)
            .map(|(_, node)| node)
    }

    pub(super) fn text(&self, reader: &mut Reader, name: &str) -> Option<String> {
        self.get(name).and_then(|node| reader.text(node, name))
    }

    pub(super) fn needed(&self, reader: &mut Reader, name: &str, example: &str) -> Option<&'a Node> {
        let node = self.get(name);
        if node.is_none() {
            reader.fault(
                self.at,
                format!("field {name} must be set; write for example {name}: {example}"),
            );
        }
        node
    }
}

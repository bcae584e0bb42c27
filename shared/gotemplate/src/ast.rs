//! The syntax tree, printing itself as Go's does in error messages.

use std::fmt::{self, Display};
use std::sync::Arc;

/// The text that a tree was parsed from.
#[derive(Debug)]
pub(crate) struct Source {
    /// The name given to the text as a whole.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Source {
    /// The line, from 1, of a byte offset.
    pub(crate) fn line(&self, position: usize) -> usize {
        1 + self.before(position).bytes().filter(|byte| *byte == b'\n').count()
    }

    /// The byte offset within its line, from 0 (what Go prints).
    pub(crate) fn column(&self, position: usize) -> usize {
        let before = self.before(position);
        before.len() - before.rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn before(&self, position: usize) -> &str {
        self.text.get(..position).unwrap_or(&self.text)
    }
}

/// One named template.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) name: String,
    pub(crate) source: Arc<Source>,
    pub(crate) root: Arc<Vec<Node>>,
}

impl Tree {
    /// Whether there is nothing but white space: such a definition gives way to another.
    pub(crate) fn is_empty(&self) -> bool {
        self.root
            .iter()
            .all(|node| matches!(&node.kind, NodeKind::Text(text) if text.trim().is_empty()))
    }
}

/// A piece of a template's body.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) position: usize,
    pub(crate) kind: NodeKind,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Text(String),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { name: String, pipe: Option<Pipe> },
    Break,
    Continue,
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) list: Vec<Node>,
    pub(crate) else_list: Option<Vec<Node>>,
}

/// A pipeline with the variables that it declares or assigns.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) position: usize,
    pub(crate) is_assign: bool,
    pub(crate) variables: Vec<String>,
    pub(crate) commands: Vec<Command>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) position: usize,
    /// At least one.
    pub(crate) operands: Vec<Operand>,
}

#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) position: usize,
    pub(crate) kind: OperandKind,
}

#[derive(Debug)]
pub(crate) enum OperandKind {
    Bool(bool),
    Dot,
    Nil,
    Number(Number),
    String {
        quoted: String,
        text: Arc<str>,
    },
    Identifier(String),
    /// `$x.A.B`: the variable with its `$`, then the fields.
    Variable(String, Vec<String>),
    Field(Vec<String>),
    Chain(Box<Operand>, Vec<String>),
    Pipe(Box<Pipe>),
}

/// A numeric constant in every type that it fits.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) text: String,
    pub(crate) int: Option<i64>,
    pub(crate) float: Option<f64>,
}

/// What was being evaluated when an error struck.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NodeRef<'a> {
    Node(&'a Node),
    Pipe(&'a Pipe),
    Command(&'a Command),
    Operand(&'a Operand),
}

impl NodeRef<'_> {
    pub(crate) fn position(&self) -> usize {
        match self {
            Self::Node(node) => node.position,
            Self::Pipe(pipe) => pipe.position,
            Self::Command(command) => command.position,
            Self::Operand(operand) => operand.position,
        }
    }
}

impl Display for NodeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => node.fmt(f),
            Self::Pipe(pipe) => pipe.fmt(f),
            Self::Command(command) => command.fmt(f),
            Self::Operand(operand) => operand.fmt(f),
        }
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let branch = |f: &mut fmt::Formatter<'_>, word: &str, branch: &Branch| {
            write!(f, "{{{{{word} {}}}}}", branch.pipe)?;
            write_list(f, &branch.list)?;
            if let Some(list) = &branch.else_list {
                f.write_str("{{else}}")?;
                write_list(f, list)?;
            }
            f.write_str("{{end}}")
        };
        match &self.kind {
            NodeKind::Text(text) => f.write_str(text),
            NodeKind::Action(pipe) => write!(f, "{{{{{pipe}}}}}"),
            NodeKind::If(inner) => branch(f, "if", inner),
            NodeKind::With(inner) => branch(f, "with", inner),
            NodeKind::Range(inner) => branch(f, "range", inner),
            NodeKind::Template { name, pipe } => {
                write!(f, "{{{{template {}", parapet_model::quote(name))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
            NodeKind::Break => f.write_str("{{break}}"),
            NodeKind::Continue => f.write_str("{{continue}}"),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, list: &[Node]) -> fmt::Result {
    list.iter().try_for_each(|node| node.fmt(f))
}

impl Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            write!(
                f,
                "{} {} ",
                self.variables.join(", "),
                if self.is_assign { "=" } else { ":=" }
            )?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, operand) in self.operands.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match &operand.kind {
                OperandKind::Pipe(pipe) => write!(f, "({pipe})")?,
                _ => operand.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields =
            |f: &mut fmt::Formatter<'_>, names: &[String]| names.iter().try_for_each(|name| write!(f, ".{name}"));
        match &self.kind {
            OperandKind::Bool(value) => write!(f, "{value}"),
            OperandKind::Dot => f.write_str("."),
            OperandKind::Nil => f.write_str("nil"),
            OperandKind::Number(number) => f.write_str(&number.text),
            OperandKind::String { quoted, .. } => f.write_str(quoted),
            OperandKind::Identifier(name) => f.write_str(name),
            OperandKind::Variable(name, names) => {
                f.write_str(name)?;
                fields(f, names)
            }
            OperandKind::Field(names) => fields(f, names),
            OperandKind::Chain(first, names) => {
                match &first.kind {
                    OperandKind::Pipe(pipe) => write!(f, "({pipe})")?,
                    _ => first.fmt(f)?,
                }
                fields(f, names)
            }
            OperandKind::Pipe(pipe) => pipe.fmt(f),
        }
    }
}

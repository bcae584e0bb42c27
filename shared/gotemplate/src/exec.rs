//! Walks the syntax tree (`text/template/exec.go` of Go): control structures, variables, output and limits.

mod evaluate;

use crate::ast::{Branch, Node, NodeKind, NodeRef, Pipe, Tree};
use crate::environment::{Environment, MAX_TEXT_BYTES};
use crate::error::{ErrorKind, TemplateError};
use crate::html::Escaper;
use crate::set::TemplateSet;
use crate::value::Value;

/// How deeply templates, control structures and pipelines may nest while executing: the stack is finite.
const MAX_DEPTH: usize = 250;

/// How deeply lists and maps may nest in each other.
const MAX_VALUE_DEPTH: u32 = 50;

/// Whether values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Text,
    Html,
}

/// Executes the template `name` of `set`.
pub(crate) fn execute(
    set: &TemplateSet,
    name: &str,
    data: &Value,
    environment: &mut Environment<'_>,
    mode: Mode,
) -> Result<String, TemplateError> {
    let mut budget = Budget {
        steps: environment.limits.steps,
        depth: 0,
        routes: Vec::new(),
    };
    run(set, name, data, data, environment, mode, &mut budget)
}

/// What an execution and those that it starts share.
struct Budget {
    /// Steps left.
    steps: u64,
    /// How deep the nesting is now.
    depth: usize,
    /// Route labels being expanded, to find cycles.
    routes: Vec<String>,
}

fn run(
    set: &TemplateSet,
    name: &str,
    dot: &Value,
    root: &Value,
    environment: &mut Environment<'_>,
    mode: Mode,
    budget: &mut Budget,
) -> Result<String, TemplateError> {
    let Some(tree) = set.tree(name) else {
        let message = format!(
            "template: no template {} associated with template",
            parapet_model::quote(name)
        );
        return Err(TemplateError::new(ErrorKind::Execute, message));
    };
    let mut execution = Execution {
        set,
        environment,
        budget,
        root,
        tree,
        current: None,
        variables: vec![("$".to_owned(), dot.clone())],
        out: String::new(),
        escaper: (mode == Mode::Html).then(Escaper::default),
    };
    execution.walk_list(dot, &tree.root)?;
    Ok(execution.out)
}

/// How a piece of a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Normal,
    Break,
    Continue,
}

type Done<T> = Result<T, TemplateError>;

struct Execution<'t, 'e, 'q> {
    set: &'t TemplateSet,
    environment: &'e mut Environment<'q>,
    budget: &'e mut Budget,
    /// The data of the whole execution, for `routeLabels`.
    root: &'t Value,
    /// The template being executed.
    tree: &'t Tree,
    /// The node being executed, for errors.
    current: Option<NodeRef<'t>>,
    variables: Vec<(String, Value)>,
    out: String,
    escaper: Option<Escaper>,
}

impl<'t> Execution<'t, '_, '_> {
    fn error<T>(&self, message: impl std::fmt::Display) -> Done<T> {
        self.error_of(ErrorKind::Execute, message)
    }

    fn error_of<T>(&self, kind: ErrorKind, message: impl std::fmt::Display) -> Done<T> {
        let source = &self.tree.source;
        let text = match self.current {
            None => format!("template: {}: {message}", self.tree.name),
            Some(node) => {
                let position = node.position();
                let mut context = node.to_string();
                if context.len() > 200 {
                    context = context.chars().take(200).chain("...".chars()).collect();
                }
                format!(
                    "template: {}:{}:{}: executing {} at <{context}>: {message}",
                    source.name,
                    source.line(position),
                    source.column(position),
                    parapet_model::quote(&self.tree.name),
                )
            }
        };
        Err(TemplateError::new(kind, text))
    }

    fn at(&mut self, node: NodeRef<'t>) {
        self.current = Some(node);
    }

    fn charge(&mut self, steps: usize) -> Done<()> {
        match self.budget.steps.checked_sub(steps as u64) {
            Some(left) => {
                self.budget.steps = left;
                Ok(())
            }
            None => self.error_of(ErrorKind::Limit, "template takes too many steps"),
        }
    }

    /// Counts a new value against the limits.
    fn charge_value(&mut self, value: Value) -> Done<Value> {
        let cost = value.cost();
        if value.depth() > MAX_VALUE_DEPTH {
            return self.error_of(ErrorKind::Limit, "value is nested too deeply");
        }
        if cost > MAX_TEXT_BYTES / 64 {
            return self.error_of(ErrorKind::Limit, "value is too large");
        }
        self.charge(cost)?;
        Ok(value)
    }

    fn enter(&mut self) -> Done<()> {
        self.budget.depth += 1;
        if self.budget.depth > MAX_DEPTH {
            return self.error_of(
                ErrorKind::Limit,
                format_args!("exceeded maximum template depth ({MAX_DEPTH})"),
            );
        }
        self.charge(1)
    }

    fn leave(&mut self) {
        self.budget.depth -= 1;
    }

    fn walk_list(&mut self, dot: &Value, nodes: &'t [Node]) -> Done<Flow> {
        self.enter()?;
        for node in nodes {
            let flow = self.walk(dot, node)?;
            if flow != Flow::Normal {
                self.leave();
                return Ok(flow);
            }
        }
        self.leave();
        Ok(Flow::Normal)
    }

    fn walk(&mut self, dot: &Value, node: &'t Node) -> Done<Flow> {
        self.at(NodeRef::Node(node));
        self.charge(1)?;
        match &node.kind {
            NodeKind::Text(text) => self.write_text(text)?,
            NodeKind::Action(pipe) => {
                let value = self.pipeline(dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.at(NodeRef::Node(node));
                    self.write_value(&value)?;
                }
            }
            NodeKind::If(branch) => return self.walk_branch(dot, branch, false),
            NodeKind::With(branch) => return self.walk_branch(dot, branch, true),
            NodeKind::Range(branch) => return self.walk_range(dot, branch),
            NodeKind::Template { name, pipe } => self.walk_template(dot, name, pipe.as_ref())?,
            NodeKind::Break => return Ok(Flow::Break),
            NodeKind::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Normal)
    }

    fn walk_branch(&mut self, dot: &Value, branch: &'t Branch, sets_dot: bool) -> Done<Flow> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = if value.is_true() {
            self.walk_list(if sets_dot { &value } else { dot }, &branch.list)?
        } else if let Some(list) = &branch.else_list {
            self.walk_list(dot, list)?
        } else {
            Flow::Normal
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn walk_range(&mut self, dot: &Value, branch: &'t Branch) -> Done<Flow> {
        let outer = self.variables.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let mut iterated = false;
        let mut flow = Flow::Normal;
        if let Some(items) = value.items() {
            for (index, item) in (0..).zip(items.iter()) {
                iterated = true;
                if self.iterate(branch, Value::Int(index), item.clone())? == Flow::Break {
                    break;
                }
            }
        } else if let Some(entries) = value.entries() {
            for (key, item) in entries {
                iterated = true;
                if self.iterate(branch, Value::String(key), item)? == Flow::Break {
                    break;
                }
            }
        } else {
            match value {
                Value::Nil => {}
                Value::Int(count) => {
                    for index in 0..count {
                        iterated = true;
                        if self.iterate(branch, Value::Int(index), Value::Int(index))? == Flow::Break {
                            break;
                        }
                    }
                }
                other => {
                    return self.error(format_args!(
                        "range can't iterate over {}",
                        crate::format::shown(&other)
                    ));
                }
            }
        }
        if let (false, Some(list)) = (iterated, &branch.else_list) {
            flow = self.walk_list(dot, list)?;
        }
        self.variables.truncate(outer);
        Ok(flow)
    }

    fn iterate(&mut self, branch: &'t Branch, index: Value, item: Value) -> Done<Flow> {
        let mark = self.variables.len();
        self.charge(1)?;
        let values = match branch.pipe.variables.len() {
            0 => Vec::new(),
            1 => vec![item.clone()],
            _ => vec![index, item.clone()],
        };
        if branch.pipe.is_assign {
            for (name, value) in branch.pipe.variables.iter().zip(values) {
                self.assign(name, value)?;
            }
        } else {
            // The pipeline has declared them: they are the topmost.
            let first = mark - values.len();
            for (slot, value) in self.variables[first..].iter_mut().zip(values) {
                slot.1 = value;
            }
        }
        let flow = self.walk_list(&item, &branch.list)?;
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn walk_template(&mut self, dot: &Value, name: &str, pipe: Option<&'t Pipe>) -> Done<()> {
        let set = self.set;
        let Some(tree) = set.tree(name) else {
            return self.error(format_args!("template {} not defined", parapet_model::quote(name)));
        };
        let dot = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::Nil,
        };
        let outer = (self.tree, self.current);
        // A template sees none of its caller's variables.
        let variables = std::mem::replace(&mut self.variables, vec![("$".to_owned(), dot.clone())]);
        self.tree = tree;
        self.walk_list(&dot, &tree.root)?;
        (self.tree, self.current) = outer;
        self.variables = variables;
        Ok(())
    }

    /// Sets the innermost variable of this name.
    fn assign(&mut self, name: &str, value: Value) -> Done<()> {
        match self.variables.iter_mut().rev().find(|(other, _)| other == name) {
            Some(slot) => {
                slot.1 = value;
                Ok(())
            }
            None => self.error(format_args!("undefined variable: {name}")),
        }
    }

    fn write_text(&mut self, text: &str) -> Done<()> {
        match &mut self.escaper {
            Some(escaper) => escaper.write_text(&mut self.out, text),
            None => self.out.push_str(text),
        }
        self.check_output()
    }

    fn write_value(&mut self, value: &Value) -> Done<()> {
        let text = match value {
            Value::Nil if self.escaper.is_some() => String::new(),
            Value::Nil => "<no value>".to_owned(),
            _ => crate::format::shown(value),
        };
        self.charge(text.len() / 64)?;
        match &mut self.escaper {
            Some(escaper) => escaper.write_value(&mut self.out, value, &text),
            None => self.out.push_str(&text),
        }
        self.check_output()
    }

    fn check_output(&self) -> Done<()> {
        if self.out.len() > self.environment.limits.output_bytes {
            return self.error_of(ErrorKind::Limit, "template output is too long");
        }
        Ok(())
    }
}

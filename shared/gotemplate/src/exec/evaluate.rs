//! Evaluates pipelines, commands, operands, fields and calls.

use super::{Done, Execution, Mode};
use crate::ast::{Command, NodeRef, Number, Operand, OperandKind, Pipe};
use crate::environment::MissingKey;
use crate::functions::{Call, Function, Type};
use crate::value::Value;

/// The operands after the first, and the value handed over by the previous command.
#[derive(Clone)]
struct Arguments<'t> {
    operands: &'t [Operand],
    last: Option<Value>,
}

impl Arguments<'_> {
    const NONE: Self = Arguments {
        operands: &[],
        last: None,
    };

    fn is_empty(&self) -> bool {
        self.operands.is_empty() && self.last.is_none()
    }

    fn count(&self) -> usize {
        self.operands.len() + usize::from(self.last.is_some())
    }
}

impl<'t> Execution<'t, '_, '_> {
    /// The value of a pipeline; its variables are declared or assigned.
    pub(super) fn pipeline(&mut self, dot: &Value, pipe: &'t Pipe) -> Done<Value> {
        self.enter()?;
        self.at(NodeRef::Pipe(pipe));
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value)?);
        }
        let value = value.unwrap_or_default();
        for name in &pipe.variables {
            if pipe.is_assign {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        self.leave();
        Ok(value)
    }

    fn command(&mut self, dot: &Value, command: &'t Command, last: Option<Value>) -> Done<Value> {
        self.charge(1)?;
        let Some((first, rest)) = command.operands.split_first() else {
            return Ok(Value::Nil);
        };
        let arguments = Arguments { operands: rest, last };
        match &first.kind {
            OperandKind::Field(names) => {
                self.at(NodeRef::Operand(first));
                self.chain(dot, dot.clone(), NodeRef::Operand(first), names, arguments)
            }
            OperandKind::Chain(inner, names) => self.chain_operand(dot, first, inner, names, arguments),
            OperandKind::Identifier(name) => {
                self.at(NodeRef::Operand(first));
                self.function(dot, name, NodeRef::Command(command), arguments)
            }
            OperandKind::Pipe(pipe) => {
                self.no_arguments(first, &arguments)?;
                self.pipeline(dot, pipe)
            }
            OperandKind::Variable(name, names) => self.variable(dot, first, name, names, arguments),
            _ => {
                self.at(NodeRef::Operand(first));
                self.no_arguments(first, &arguments)?;
                match &first.kind {
                    OperandKind::Nil => self.error("nil is not a command"),
                    _ => self.literal(dot, first),
                }
            }
        }
    }

    fn no_arguments(&self, first: &Operand, arguments: &Arguments<'_>) -> Done<()> {
        if arguments.is_empty() {
            return Ok(());
        }
        self.error(format_args!("can't give argument to non-function {first}"))
    }

    /// A constant or the dot, where its type is not prescribed.
    fn literal(&mut self, dot: &Value, operand: &'t Operand) -> Done<Value> {
        Ok(match &operand.kind {
            OperandKind::Bool(value) => Value::Bool(*value),
            OperandKind::Dot => dot.clone(),
            OperandKind::Number(number) => return self.number(number),
            OperandKind::String { text, .. } => Value::String(text.clone()),
            _ => Value::Nil,
        })
    }

    /// The type of a number follows from how it is written.
    fn number(&self, number: &Number) -> Done<Value> {
        let text = &number.text;
        let is_hex = text.get(..2).is_some_and(|head| head.eq_ignore_ascii_case("0x")) && !text.contains(['p', 'P']);
        let reads_as_float = !is_hex && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P']);
        match (number.float, number.int) {
            (Some(value), _) if reads_as_float => Ok(Value::Float(value)),
            (_, Some(value)) => Ok(Value::Int(value)),
            _ => self.error(format_args!("{text} overflows int")),
        }
    }

    fn variable(
        &mut self,
        dot: &Value,
        operand: &'t Operand,
        name: &str,
        names: &'t [String],
        arguments: Arguments<'t>,
    ) -> Done<Value> {
        self.at(NodeRef::Operand(operand));
        let Some((_, value)) = self.variables.iter().rev().find(|(other, _)| other == name) else {
            return self.error(format_args!("undefined variable: {name}"));
        };
        let value = value.clone();
        if names.is_empty() {
            self.no_arguments(operand, &arguments)?;
            return Ok(value);
        }
        self.chain(dot, value, NodeRef::Operand(operand), names, arguments)
    }

    fn chain_operand(
        &mut self,
        dot: &Value,
        operand: &'t Operand,
        inner: &'t Operand,
        names: &'t [String],
        arguments: Arguments<'t>,
    ) -> Done<Value> {
        self.at(NodeRef::Operand(operand));
        let receiver = self.argument(dot, Type::Any, inner)?;
        self.chain(dot, receiver, NodeRef::Operand(operand), names, arguments)
    }

    /// `.A.B.C` from a receiver; the last may be a method with arguments.
    fn chain(
        &mut self,
        dot: &Value,
        mut receiver: Value,
        node: NodeRef<'t>,
        names: &'t [String],
        arguments: Arguments<'t>,
    ) -> Done<Value> {
        let Some((last, others)) = names.split_last() else {
            return Ok(receiver);
        };
        for name in others {
            receiver = self.field(dot, &receiver, node, name, Arguments::NONE)?;
        }
        self.field(dot, &receiver, node, last, arguments)
    }

    fn field(
        &mut self,
        dot: &Value,
        receiver: &Value,
        node: NodeRef<'t>,
        name: &str,
        arguments: Arguments<'t>,
    ) -> Done<Value> {
        self.charge(1)?;
        if matches!(receiver, Value::Nil) {
            if self.environment.missing_key == MissingKey::Error {
                return self.error(format_args!(
                    "nil data; no entry for key {}",
                    parapet_model::quote(name)
                ));
            }
            return Ok(Value::Nil);
        }
        if matches!(receiver, Value::Object(_) | Value::Time(_) | Value::Duration(_)) {
            let mut values = Vec::with_capacity(arguments.count());
            for operand in arguments.operands {
                values.push(self.argument(dot, Type::Any, operand)?);
            }
            values.extend(arguments.last.clone());
            let result = match receiver {
                Value::Object(object) => object.method(name, &values),
                Value::Time(time) => time.method(name, &values),
                Value::Duration(nanos) => crate::time::duration_method(*nanos, name, &values),
                _ => None,
            };
            match result {
                Some(Ok(value)) => return self.charge_value(value),
                Some(Err(message)) => {
                    self.at(node);
                    return self.error(format_args!("error calling {name}: {message}"));
                }
                None => {}
            }
        }
        let has_arguments = !arguments.is_empty();
        if let Value::Object(object) = receiver
            && let Some(value) = object.field(name)
        {
            if has_arguments {
                return self.error(format_args!("{name} has arguments but cannot be invoked as function"));
            }
            return Ok(value);
        }
        let (found, of_strings) = match receiver {
            Value::Map(map) => (map.entries.get(name).cloned(), map.of_strings),
            Value::Object(object) => match object.entries() {
                Some(entries) => (
                    entries
                        .into_iter()
                        .find(|(key, _)| &**key == name)
                        .map(|(_, value)| value),
                    true,
                ),
                None => return self.no_field(name, receiver),
            },
            _ => return self.no_field(name, receiver),
        };
        if has_arguments {
            return self.error(format_args!("{name} is not a method but has arguments"));
        }
        match (found, self.environment.missing_key) {
            (Some(value), _) => Ok(value),
            (None, MissingKey::Zero) if of_strings => Ok(Value::from("")),
            (None, MissingKey::Error) => {
                self.error(format_args!("map has no entry for key {}", parapet_model::quote(name)))
            }
            (None, _) => Ok(Value::Nil),
        }
    }

    fn no_field(&self, name: &str, receiver: &Value) -> Done<Value> {
        self.error(format_args!(
            "can't evaluate field {name} in type {}",
            receiver.type_name()
        ))
    }

    fn function(&mut self, dot: &Value, name: &str, node: NodeRef<'t>, arguments: Arguments<'t>) -> Done<Value> {
        let Some(function) = self.set.dialect().function(name) else {
            return self.error(format_args!("{} is not a defined function", parapet_model::quote(name)));
        };
        let (fixed, count) = (function.parameters.len(), arguments.count());
        if function.variadic.is_some() && count < fixed {
            let got = arguments.operands.len();
            return self.error(format_args!(
                "wrong number of args for {name}: want at least {fixed} got {got}"
            ));
        }
        if function.variadic.is_none() && count != fixed {
            return self.error(format_args!(
                "wrong number of args for {name}: want {fixed} got {count}"
            ));
        }
        let parameter = |index: usize| {
            function
                .parameters
                .get(index)
                .copied()
                .or(function.variadic)
                .unwrap_or(Type::Any)
        };
        if let Call::And | Call::Or = function.call {
            return self.short_circuit(dot, matches!(function.call, Call::Or), arguments);
        }
        let mut values = Vec::with_capacity(count);
        for (index, operand) in arguments.operands.iter().enumerate() {
            values.push(self.argument(dot, parameter(index), operand)?);
        }
        if let Some(last) = arguments.last {
            values.push(self.validated(last, parameter(count - 1))?);
        }
        match self.invoke(&function, &values) {
            Ok(value) => self.charge_value(value),
            Err(message) => {
                self.at(node);
                self.error(format_args!("error calling {name}: {message}"))
            }
        }
    }

    fn invoke(&mut self, function: &Function, values: &[Value]) -> Result<Value, String> {
        match function.call {
            Call::Pure(call) => call(values),
            Call::Environment(call) => call(self.environment, values),
            Call::Integers(operation) => crate::functions::fold_integers(values, operation),
            Call::Floats(operation) => crate::functions::fold_floats(values, operation),
            Call::And | Call::Or => Ok(Value::Nil),
            Call::Template => {
                let name = values.first().and_then(Value::as_str).unwrap_or_default();
                let data = values.get(1).cloned().unwrap_or_default();
                super::run(
                    self.set,
                    name,
                    &data,
                    self.root,
                    self.environment,
                    Mode::Html,
                    self.budget,
                )
                .map(|text| Value::Html(text.into()))
                .map_err(|error| error.to_string())
            }
            Call::RouteLabel => self.route_label(values.first().and_then(Value::as_str).unwrap_or_default()),
        }
    }

    /// Expands a route label, whose value may be a template that names others; an unknown one is empty.
    fn route_label(&mut self, name: &str) -> Result<Value, String> {
        let Value::Object(data) = self.root else {
            return Ok(Value::from(""));
        };
        let labels = data
            .field("RouteLabels")
            .and_then(|labels| labels.entries())
            .unwrap_or_default();
        let Some(Value::String(raw)) = labels
            .into_iter()
            .find(|(key, _)| &**key == name)
            .map(|(_, value)| value)
        else {
            return Ok(Value::from(""));
        };
        let rendered = data.field("RouteLabelsRendered").is_some_and(|flag| flag.is_true());
        if rendered || !raw.contains("{{") {
            return Ok(Value::String(raw));
        }
        let busy = self.budget.routes.iter().any(|other| other == name);
        self.budget.routes.push(name.to_owned());
        if busy {
            return Err(format!(
                "route label cycle detected: {}",
                self.budget.routes.join(" -> ")
            ));
        }
        let mode = if self.escaper.is_some() { Mode::Html } else { Mode::Text };
        self.budget.depth += 10;
        let expanded = self
            .set
            .with_nameless(&raw)
            .and_then(|set| super::run(&set, "", self.root, self.root, self.environment, mode, self.budget));
        self.budget.depth = self.budget.depth.saturating_sub(10);
        self.budget.routes.pop();
        expanded.map(Value::from).map_err(|error| error.to_string())
    }

    /// `and` and `or` evaluate only as many arguments as they need.
    fn short_circuit(&mut self, dot: &Value, stops_at: bool, arguments: Arguments<'t>) -> Done<Value> {
        let mut value = Value::Nil;
        for operand in arguments.operands {
            value = self.argument(dot, Type::Any, operand)?;
            if value.is_true() == stops_at {
                return Ok(value);
            }
        }
        Ok(arguments.last.unwrap_or(value))
    }

    fn validated(&self, value: Value, parameter: Type) -> Done<Value> {
        if matches!(value, Value::Nil) {
            if parameter.has_nil() {
                return Ok(value);
            }
            return self.error(format_args!("invalid value; expected {}", parameter.name()));
        }
        if parameter.accepts(&value) {
            return Ok(value);
        }
        let (expected, got) = (parameter.name(), value.type_name());
        self.error(format_args!("wrong type for value; expected {expected}; got {got}"))
    }

    /// An operand as an argument of a prescribed type.
    fn argument(&mut self, dot: &Value, parameter: Type, operand: &'t Operand) -> Done<Value> {
        self.at(NodeRef::Operand(operand));
        self.charge(1)?;
        let value = match &operand.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Nil if parameter.has_nil() => return Ok(Value::Nil),
            OperandKind::Nil => return self.error(format_args!("cannot assign nil to {}", parameter.name())),
            OperandKind::Field(names) => {
                self.chain(dot, dot.clone(), NodeRef::Operand(operand), names, Arguments::NONE)?
            }
            OperandKind::Variable(name, names) => self.variable(dot, operand, name, names, Arguments::NONE)?,
            OperandKind::Pipe(pipe) => self.pipeline(dot, pipe)?,
            OperandKind::Identifier(name) => self.function(dot, name, NodeRef::Operand(operand), Arguments::NONE)?,
            OperandKind::Chain(inner, names) => self.chain_operand(dot, operand, inner, names, Arguments::NONE)?,
            OperandKind::Bool(_) | OperandKind::Number(_) | OperandKind::String { .. } => {
                return match (parameter, &operand.kind) {
                    (Type::Any, _) => self.literal(dot, operand),
                    (Type::String, OperandKind::String { text, .. }) => Ok(Value::String(text.clone())),
                    (Type::String, _) => self.error(format_args!("expected string; found {operand}")),
                    _ => self.error(format_args!(
                        "can't handle {operand} for arg of type {}",
                        parameter.name()
                    )),
                };
            }
        };
        self.validated(value, parameter)
    }
}

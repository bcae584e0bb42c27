//! The functions of every Go template (`text/template/funcs.go`).

use super::{Call, Function, Table, Type, compare, text, variadic};
use crate::format::{sprint, sprintf, sprintln};
use crate::value::{Map, Value};

pub(super) const FUNCTIONS: Table = &[
    (
        "and",
        Function {
            parameters: &[Type::Any],
            variadic: Some(Type::Any),
            call: Call::And,
        },
    ),
    (
        "or",
        Function {
            parameters: &[Type::Any],
            variadic: Some(Type::Any),
            call: Call::Or,
        },
    ),
    ("call", variadic(&[Type::Any], Type::Any, call)),
    ("eq", variadic(&[Type::Any], Type::Any, compare::equal)),
    ("ne", super::pure(&[Type::Any, Type::Any], compare::not_equal)),
    ("lt", super::pure(&[Type::Any, Type::Any], compare::less)),
    ("le", super::pure(&[Type::Any, Type::Any], compare::less_or_equal)),
    ("gt", super::pure(&[Type::Any, Type::Any], compare::greater)),
    ("ge", super::pure(&[Type::Any, Type::Any], compare::greater_or_equal)),
    (
        "html",
        variadic(&[], Type::Any, |arguments| {
            Ok(Value::from(text::html_escape(&evaluated(arguments))))
        }),
    ),
    (
        "js",
        variadic(&[], Type::Any, |arguments| {
            Ok(Value::from(text::js_escape(&evaluated(arguments))))
        }),
    ),
    (
        "urlquery",
        variadic(&[], Type::Any, |arguments| {
            Ok(Value::from(text::query_escape(&evaluated(arguments))))
        }),
    ),
    ("index", variadic(&[Type::Any], Type::Any, index)),
    ("slice", variadic(&[Type::Any], Type::Any, slice)),
    ("len", super::pure(&[Type::Any], length)),
    (
        "not",
        super::pure(&[Type::Any], |arguments| Ok(Value::Bool(!arguments[0].is_true()))),
    ),
    (
        "print",
        variadic(&[], Type::Any, |arguments| Ok(Value::from(sprint(arguments)))),
    ),
    (
        "printf",
        variadic(&[Type::String], Type::Any, |arguments| {
            Ok(Value::from(sprintf(super::text(arguments, 0), &arguments[1..])))
        }),
    ),
    (
        "println",
        variadic(&[], Type::Any, |arguments| Ok(Value::from(sprintln(arguments)))),
    ),
];

/// What `html`, `js` and `urlquery` work on: one text as it is, else all printed.
fn evaluated(arguments: &[Value]) -> String {
    match arguments {
        [Value::String(text)] => text.to_string(),
        [Value::Nil] => "<no value>".to_owned(),
        _ => sprint(arguments),
    }
}

/// No value of this language is a function.
fn call(arguments: &[Value]) -> Result<Value, String> {
    match &arguments[0] {
        Value::Nil => Err("call of nil".to_owned()),
        other => Err(format!("non-function of type {}", other.type_name())),
    }
}

fn length(arguments: &[Value]) -> Result<Value, String> {
    match &arguments[0] {
        Value::Nil => Err("len of nil pointer".to_owned()),
        other => match other.length() {
            Some(length) => Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX))),
            None => Err(format!("len of type {}", other.type_name())),
        },
    }
}

fn position(value: &Value, length: usize) -> Result<usize, String> {
    let position = match value {
        Value::Int(position) => usize::try_from(*position).ok(),
        Value::Uint(position) => usize::try_from(*position).ok(),
        Value::Nil => return Err("cannot index slice/array with nil".to_owned()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    position
        .filter(|position| *position <= length)
        .ok_or_else(|| format!("index out of range: {}", crate::format::shown(value)))
}

fn index(arguments: &[Value]) -> Result<Value, String> {
    let mut item = arguments[0].clone();
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".to_owned());
    }
    for key in &arguments[1..] {
        item = index_one(&item, key)?;
    }
    Ok(item)
}

fn index_one(item: &Value, key: &Value) -> Result<Value, String> {
    if let Value::String(text) = item {
        let at = position(key, text.len().saturating_sub(1))?;
        return match text.as_bytes().get(at) {
            Some(byte) => Ok(Value::Uint(u64::from(*byte))),
            None => Err(format!("index out of range: {at}")),
        };
    }
    if let Some(items) = item.items() {
        let at = position(key, items.len())?;
        return items
            .get(at)
            .cloned()
            .ok_or_else(|| format!("index out of range: {at}"));
    }
    let lookup = |found: Option<Value>, of_strings: bool| match found {
        Some(value) => value,
        None if of_strings => Value::from(""),
        None => Value::Nil,
    };
    let key_text = || match key {
        Value::String(text) => Ok(text.clone()),
        Value::Nil => Err("value is nil; should be of type string".to_owned()),
        other => Err(format!("value has type {}; should be string", other.type_name())),
    };
    match item {
        Value::Map(Map {
            entries, of_strings, ..
        }) => Ok(lookup(entries.get(&key_text()?).cloned(), *of_strings)),
        Value::Object(object) => match object.entries() {
            Some(entries) => {
                let key = key_text()?;
                Ok(lookup(
                    entries
                        .into_iter()
                        .find(|(name, _)| *name == key)
                        .map(|(_, value)| value),
                    true,
                ))
            }
            None => Err(format!("can't index item of type {}", object.type_name())),
        },
        Value::Nil => Err("index of nil pointer".to_owned()),
        other => Err(format!("can't index item of type {}", other.type_name())),
    }
}

fn slice(arguments: &[Value]) -> Result<Value, String> {
    let item = &arguments[0];
    if matches!(item, Value::Nil) {
        return Err("slice of untyped nil".to_owned());
    }
    if arguments.len() > 4 {
        return Err(format!("too many slice indexes: {}", arguments.len() - 1));
    }
    let items = item.items();
    let length = match (item, &items) {
        (Value::String(_), _) if arguments.len() == 4 => return Err("cannot 3-index slice a string".to_owned()),
        (Value::String(text), _) => text.len(),
        (_, Some(items)) => items.len(),
        _ => return Err(format!("can't slice item of type {}", item.type_name())),
    };
    let mut bounds = [0, length, length];
    for (bound, value) in bounds.iter_mut().zip(&arguments[1..]) {
        *bound = position(value, length)?;
    }
    let [from, to, _] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    match (item, items) {
        (Value::String(text), _) => Ok(Value::from(
            String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned(),
        )),
        (_, Some(items)) => {
            let type_name = match item {
                Value::List(list) => list.type_name,
                _ => "[]interface {}",
            };
            Ok(Value::typed_list(type_name, items[from..to].iter().cloned()))
        }
        _ => Ok(Value::Nil),
    }
}

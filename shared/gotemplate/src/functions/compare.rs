//! `eq`, `ne`, `lt`, `le`, `gt`, `ge`: Go's rules, which mix integers of either sign but not integers and floats.

use crate::value::Value;
use std::cmp::Ordering;

const INCOMPATIBLE: &str = "incompatible types for comparison";
const INVALID: &str = "invalid type for comparison";

/// A value that has a natural order, or is a truth value.
enum Basic<'a> {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
}

fn basic(value: &Value) -> Option<Basic<'_>> {
    Some(match value {
        Value::Bool(value) => Basic::Bool(*value),
        Value::Int(value) | Value::Duration(value) => Basic::Integer(i128::from(*value)),
        Value::Uint(value) => Basic::Integer(i128::from(*value)),
        Value::Float(value) => Basic::Float(*value),
        Value::String(text) | Value::Html(text) | Value::Url(text) => Basic::Text(text),
        _ => return None,
    })
}

fn equal_two(left: &Value, right: &Value) -> Result<bool, String> {
    match (basic(left), basic(right)) {
        (Some(Basic::Bool(left)), Some(Basic::Bool(right))) => Ok(left == right),
        (Some(Basic::Integer(left)), Some(Basic::Integer(right))) => Ok(left == right),
        (Some(Basic::Float(left)), Some(Basic::Float(right))) => Ok(left == right),
        (Some(Basic::Text(left)), Some(Basic::Text(right))) => Ok(left == right),
        (Some(_), Some(_)) => Err(INCOMPATIBLE.to_owned()),
        _ => match (left, right) {
            (Value::Nil, Value::Nil) => Ok(true),
            (Value::Nil, _) | (_, Value::Nil) => Ok(false),
            (Value::Time(left), Value::Time(right)) => Ok(left == right),
            (Value::List(_) | Value::Map(_) | Value::Object(_), _) => Err(format!(
                "non-comparable type {}: {}",
                crate::format::shown(left),
                left.type_name()
            )),
            _ => Err(INCOMPATIBLE.to_owned()),
        },
    }
}

fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, String> {
    match (basic(left), basic(right)) {
        (Some(Basic::Integer(left)), Some(Basic::Integer(right))) => Ok(Some(left.cmp(&right))),
        (Some(Basic::Float(left)), Some(Basic::Float(right))) => Ok(left.partial_cmp(&right)),
        (Some(Basic::Text(left)), Some(Basic::Text(right))) => Ok(Some(left.cmp(right))),
        (Some(Basic::Bool(_)), Some(Basic::Bool(_))) | (None, _) | (_, None) => Err(INVALID.to_owned()),
        _ => Err(INCOMPATIBLE.to_owned()),
    }
}

/// `eq a b c…`: whether `a` equals any of the others.
pub(super) fn equal(arguments: &[Value]) -> Result<Value, String> {
    let [first, others @ ..] = arguments else {
        return Ok(Value::Nil);
    };
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equal_two(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(super) fn not_equal(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(!equal_two(&arguments[0], &arguments[1])?))
}

pub(super) fn less(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(
        order(&arguments[0], &arguments[1])? == Some(Ordering::Less),
    ))
}

pub(super) fn less_or_equal(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(matches!(
        order(&arguments[0], &arguments[1])?,
        Some(Ordering::Less | Ordering::Equal)
    )))
}

// Go computes these two as the opposite of the others, which shows for NaN.
pub(super) fn greater(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(!matches!(
        order(&arguments[0], &arguments[1])?,
        Some(Ordering::Less | Ordering::Equal)
    )))
}

pub(super) fn greater_or_equal(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(
        order(&arguments[0], &arguments[1])? != Some(Ordering::Less),
    ))
}

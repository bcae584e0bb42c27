//! Paths into JSON: `a.b[0]["c d"]`.

use crate::parse::json::{self, Value};
use std::borrow::Cow;

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

pub(super) fn parse(text: &str) -> Result<Vec<Step>, String> {
    let fault = || {
        format!(
            "cannot parse expression {}; write for example a.b[0] or [\"c d\"]",
            parapet_model::quote(text)
        )
    };
    let mut steps = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            if let Some(quoted) = inside.strip_prefix('"') {
                let (name, after) = quoted.split_once("\"]").ok_or_else(fault)?;
                steps.push(Step::Name(name.to_owned()));
                rest = after;
            } else {
                let (index, after) = inside.split_once(']').ok_or_else(fault)?;
                steps.push(Step::Index(index.trim().parse().map_err(|_| fault())?));
                rest = after;
            }
        } else {
            let start = if steps.is_empty() {
                Some(rest)
            } else {
                rest.strip_prefix('.')
            };
            let name = start.ok_or_else(fault)?;
            let length = name.find(['.', '[']).unwrap_or(name.len());
            if length == 0 || name[..length].contains(char::is_whitespace) {
                return Err(fault());
            }
            steps.push(Step::Name(name[..length].to_owned()));
            rest = &name[length..];
        }
    }
    if steps.is_empty() { Err(fault()) } else { Ok(steps) }
}

/// What stands at the path in a JSON text; `None` where there is nothing. A fault behind it is none.
pub(super) fn find<'a>(line: &'a str, steps: &[Step]) -> Option<Value<'a>> {
    let (first, rest) = steps.split_first()?;
    let mut found = None;
    let _ = match first {
        Step::Name(name) => json::members_leading(line, &mut |other: Cow<'a, str>, value| {
            if other == *name && found.is_none() {
                found = Some(value);
            }
        }),
        Step::Index(index) => {
            let mut at = 0;
            json::elements(line, &mut |value| {
                if at == *index {
                    found = Some(value);
                }
                at += 1;
            })
        }
    };
    match (found?, rest) {
        (value, []) => Some(value),
        (Value::Object(raw) | Value::Array(raw), rest) => find(raw, rest),
        _ => None,
    }
}

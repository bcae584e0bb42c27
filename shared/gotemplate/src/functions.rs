//! The functions that templates call: which exist in which dialect, and the types of their parameters.

mod alertmanager;
mod builtin;
mod compare;
mod decimal;
mod humanize;
mod loki;
mod prometheus;
mod text;

pub(crate) use loki::{fold_floats, fold_integers};

use crate::environment::Environment;
use crate::value::Value;

/// Whose templates these are: it decides which functions exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Rule files: `query`, `humanize`, `externalURL`, …
    Prometheus,
    /// Console templates: Prometheus' functions and `tmpl`, with HTML escaping.
    PrometheusHtml,
    /// Notification templates: `join`, `toJson`, `date`, …
    Alertmanager,
    /// LogQL's `line_format` and `label_format`: `__line__`, `alignLeft`, `addf`, …
    Loki,
}

/// The type of a parameter, for checks with Go's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Any,
    String,
    Strings,
    List,
    Time,
    Queried,
    Sample,
}

impl Type {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::String => "string",
            Self::Strings => "[]string",
            Self::List => "[]interface {}",
            Self::Time => "time.Time",
            Self::Queried => "template.queryResult",
            Self::Sample => "*template.sample",
        }
    }

    /// Whether Go's nil can be of this type.
    pub(crate) fn has_nil(self) -> bool {
        !matches!(self, Self::String | Self::Time)
    }

    pub(crate) fn accepts(self, value: &Value) -> bool {
        let of_type = |names: &[&str]| names.contains(&value.type_name());
        match self {
            Self::Any => true,
            Self::String => matches!(value, Value::String(_)),
            Self::Strings => of_type(&["[]string", "template.Strings"]),
            Self::List => of_type(&["[]interface {}"]),
            Self::Time => matches!(value, Value::Time(_)),
            Self::Queried => of_type(&["template.queryResult"]),
            Self::Sample => of_type(&["*template.sample"]),
        }
    }
}

/// How a function is carried out.
#[derive(Clone, Copy)]
pub(crate) enum Call {
    Pure(fn(&[Value]) -> Result<Value, String>),
    Environment(fn(&mut Environment<'_>, &[Value]) -> Result<Value, String>),
    /// Folds integers.
    Integers(fn(i64, i64) -> Option<i64>),
    /// Folds floats.
    Floats(fn(f64, f64) -> Option<f64>),
    /// `and`: the first argument that is not true, evaluating no more than needed.
    And,
    /// `or`: the first argument that is true.
    Or,
    /// `tmpl`: executes a named template.
    Template,
    /// `routeLabels`: expands a route label.
    RouteLabel,
}

#[derive(Clone, Copy)]
pub(crate) struct Function {
    pub(crate) parameters: &'static [Type],
    pub(crate) variadic: Option<Type>,
    pub(crate) call: Call,
}

type Table = &'static [(&'static str, Function)];

const fn pure(parameters: &'static [Type], call: fn(&[Value]) -> Result<Value, String>) -> Function {
    Function {
        parameters,
        variadic: None,
        call: Call::Pure(call),
    }
}

const fn variadic(parameters: &'static [Type], rest: Type, call: fn(&[Value]) -> Result<Value, String>) -> Function {
    Function {
        parameters,
        variadic: Some(rest),
        call: Call::Pure(call),
    }
}

const fn with_environment(
    parameters: &'static [Type],
    call: fn(&mut Environment<'_>, &[Value]) -> Result<Value, String>,
) -> Function {
    Function {
        parameters,
        variadic: None,
        call: Call::Environment(call),
    }
}

impl Dialect {
    fn table(self) -> Table {
        match self {
            Self::Prometheus | Self::PrometheusHtml => prometheus::FUNCTIONS,
            Self::Alertmanager => alertmanager::FUNCTIONS,
            Self::Loki => loki::FUNCTIONS,
        }
    }

    /// The function of this name.
    pub(crate) fn function(self, name: &str) -> Option<Function> {
        if name == "tmpl" && self == Self::PrometheusHtml {
            return Some(Function {
                parameters: &[Type::String, Type::Any],
                variadic: None,
                call: Call::Template,
            });
        }
        let find = |table: Table| {
            table
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, function)| *function)
        };
        find(self.table()).or_else(|| find(builtin::FUNCTIONS))
    }
}

/// The text of argument `index`; the evaluator has checked the types.
fn text(arguments: &[Value], index: usize) -> &str {
    arguments.get(index).and_then(Value::as_str).unwrap_or_default()
}

/// A compiled regular expression, bounded in size.
fn regex(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| {
            format!(
                "error parsing regexp: {}",
                error.to_string().lines().last().unwrap_or_default()
            )
        })
}

/// `reReplaceAll`
fn replace_all(arguments: &[Value]) -> Result<Value, String> {
    let pattern = regex(text(arguments, 0))?;
    let replaced = pattern.replace_all(text(arguments, 2), text(arguments, 1));
    if replaced.len() > crate::environment::MAX_TEXT_BYTES {
        return Err("text is too long".to_owned());
    }
    Ok(Value::from(replaced.into_owned()))
}

/// `match`
fn matches(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::Bool(regex(text(arguments, 0))?.is_match(text(arguments, 1))))
}

fn to_upper(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::from(self::text::upper(text(arguments, 0))))
}

fn to_lower(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::from(self::text::lower(text(arguments, 0))))
}

fn safe_html(arguments: &[Value]) -> Result<Value, String> {
    Ok(Value::Html(text(arguments, 0).into()))
}

//! [`Value`]: what a template computes with, and [`Object`]: how a caller's own types join in.

use crate::time::Time;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// A value of the template language. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Go's untyped nil: printed as `<no value>`.
    #[default]
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `uint64`
    Uint(u64),
    /// `float64`
    Float(f64),
    /// `string`
    String(Arc<str>),
    /// Text known to be safe HTML (`safeHtml`); HTML templates do not escape it.
    Html(Arc<str>),
    /// Text known to be a safe URL (`safeUrl`).
    Url(Arc<str>),
    /// A slice.
    List(List),
    /// A map with text keys.
    Map(Map),
    /// `time.Time`
    Time(Time),
    /// `time.Duration`, nanoseconds.
    Duration(i64),
    /// A type of the caller.
    Object(Arc<dyn Object>),
}

/// A slice and the Go name of its type.
#[derive(Clone, Debug)]
pub struct List {
    /// The elements.
    pub(crate) items: Arc<[Value]>,
    /// As Go's error messages name the type, such as `[]string`.
    pub(crate) type_name: &'static str,
    depth: u32,
}

/// A map with text keys, in order of key.
#[derive(Clone, Debug)]
pub struct Map {
    /// The entries.
    pub(crate) entries: Arc<BTreeMap<Arc<str>, Value>>,
    /// Whether the elements are of type `string`: an absent key then gives the empty text instead of nil.
    pub(crate) of_strings: bool,
    depth: u32,
}

/// A type of the caller with fields, methods, elements or entries, as Go's structs and named types have.
///
/// A type is a *slice* when [`Object::items`] answers, a *map* when [`Object::entries`] answers, otherwise a *struct*.
pub trait Object: Debug + Send + Sync {
    /// The Go name of the type, for error messages: `template.Alert`.
    fn type_name(&self) -> &str;

    /// The value of a field.
    fn field(&self, name: &str) -> Option<Value> {
        let _ = name;
        None
    }

    /// Calls a method; `None` when there is none of this name. Methods win over fields.
    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let _ = (name, arguments);
        None
    }

    /// The elements of a slice.
    fn items(&self) -> Option<Vec<Value>> {
        None
    }

    /// The entries of a map, in order of key; its elements are texts.
    fn entries(&self) -> Option<Vec<(Arc<str>, Value)>> {
        None
    }

    /// A struct's fields in order of declaration, under their JSON names; for `toJson` and `%v`.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// What the type's `String` method gives, where it has one.
    fn display(&self) -> Option<String> {
        None
    }

    /// Whether it is a nil slice or map (`null` in JSON).
    fn is_nil(&self) -> bool {
        false
    }
}

/// A struct made on the spot, for data that needs no type of its own.
#[derive(Debug)]
struct Record {
    type_name: &'static str,
    fields: Vec<(&'static str, Value)>,
}

impl Object for Record {
    fn type_name(&self) -> &str {
        self.type_name
    }
    fn field(&self, name: &str) -> Option<Value> {
        self.fields
            .iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value.clone())
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        self.fields.clone()
    }
}

impl Value {
    /// A slice of anything (`[]interface {}`).
    pub fn list(items: impl IntoIterator<Item = Value>) -> Self {
        Self::typed_list("[]interface {}", items)
    }

    /// A slice of texts (`[]string`).
    pub fn string_list<T: Into<Arc<str>>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::typed_list("[]string", items.into_iter().map(|text| Self::String(text.into())))
    }

    /// A slice whose Go type is `type_name`.
    pub fn typed_list(type_name: &'static str, items: impl IntoIterator<Item = Value>) -> Self {
        let items: Arc<[Self]> = items.into_iter().collect();
        let depth = 1 + items.iter().map(Self::depth).max().unwrap_or(0);
        Self::List(List {
            items,
            type_name,
            depth,
        })
    }

    /// A map of texts (`map[string]string`).
    pub fn string_map<K: Into<Arc<str>>, V: Into<Arc<str>>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (key.into(), Self::String(value.into())))
            .collect();
        Self::Map(Map {
            entries: Arc::new(entries),
            of_strings: true,
            depth: 1,
        })
    }

    /// A map of anything (`map[string]interface {}`).
    pub fn map<K: Into<Arc<str>>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let entries: BTreeMap<Arc<str>, Self> = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        let depth = 1 + entries.values().map(Self::depth).max().unwrap_or(0);
        Self::Map(Map {
            entries: Arc::new(entries),
            of_strings: false,
            depth,
        })
    }

    /// A struct with these fields.
    #[must_use]
    pub fn record(type_name: &'static str, fields: Vec<(&'static str, Value)>) -> Self {
        Self::Object(Arc::new(Record { type_name, fields }))
    }

    /// A value of the caller's own type.
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Arc::new(object))
    }

    /// The text, if it is a plain one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, if it is a slice.
    #[must_use]
    pub fn items(&self) -> Option<Arc<[Value]>> {
        match self {
            Self::List(list) => Some(list.items.clone()),
            Self::Object(object) => object.items().map(Into::into),
            _ => None,
        }
    }

    /// The entries in order of key, if it is a map.
    #[must_use]
    pub fn entries(&self) -> Option<Vec<(Arc<str>, Value)>> {
        match self {
            Self::Map(map) => Some(
                map.entries
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            ),
            Self::Object(object) => object.entries(),
            _ => None,
        }
    }

    /// The texts, if it is a slice of texts only.
    #[must_use]
    pub fn strings(&self) -> Option<Vec<Arc<str>>> {
        self.items()?
            .iter()
            .map(|item| match item {
                Self::String(text) => Some(text.clone()),
                _ => None,
            })
            .collect()
    }

    /// The Go name of its type.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::String(_) => "string",
            Self::Html(_) => "template.HTML",
            Self::Url(_) => "template.URL",
            Self::List(list) => list.type_name,
            Self::Map(Map { of_strings: true, .. }) => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Object(object) => object.type_name(),
        }
    }

    /// Whether `if` takes it for true: not the zero of its type, not empty; structs always.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Duration(value) => *value != 0,
            Self::Uint(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::String(text) | Self::Html(text) | Self::Url(text) => !text.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Time(_) => true,
            Self::Object(object) => self.length().is_none_or(|length| length > 0) && !object.is_nil(),
        }
    }

    /// What `len` answers; `None` for a type without a length.
    #[must_use]
    pub fn length(&self) -> Option<usize> {
        match self {
            Self::String(text) | Self::Html(text) | Self::Url(text) => Some(text.len()),
            Self::List(list) => Some(list.items.len()),
            Self::Map(map) => Some(map.entries.len()),
            Self::Object(object) => object
                .items()
                .map(|items| items.len())
                .or_else(|| object.entries().map(|entries| entries.len())),
            _ => None,
        }
    }

    /// How deeply lists and maps nest in it: a value is dropped, printed and compared by recursion.
    pub(crate) fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.depth,
            _ => 0,
        }
    }

    /// About how much memory the value itself takes (not what it shares), for the limits.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::String(text) | Self::Html(text) | Self::Url(text) => text.len() / 64,
            Self::List(list) => list.items.len(),
            Self::Map(map) => map.entries.len(),
            _ => 0,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&parapet_model::Labels> for Value {
    fn from(labels: &parapet_model::Labels) -> Self {
        Self::string_map(labels.iter())
    }
}

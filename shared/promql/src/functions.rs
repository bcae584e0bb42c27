//! The functions of the language: their signatures, and what each computes.

pub(crate) mod classic;
pub(crate) mod date;
pub(crate) mod math;
pub(crate) mod over_time;
mod table;

use crate::ast::ValueType;

/// A function's signature.
#[derive(Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Types of its arguments; with [`variadic`](Self::variadic), the last type repeats.
    pub args: &'static [ValueType],
    /// How many further arguments may be given or left out: 0 none, -1 any number.
    pub variadic: i32,
    /// What it answers.
    pub returns: ValueType,
    /// Whether Prometheus has it behind `promql-experimental-functions`.
    pub experimental: bool,
}

impl Function {
    /// The function of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        let at = table::FUNCTIONS
            .binary_search_by(|function| function.name.cmp(name))
            .ok()?;
        Some(&table::FUNCTIONS[at])
    }

    /// Every function, sorted by name.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &table::FUNCTIONS
    }
}

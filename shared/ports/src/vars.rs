//! Settings come from variables; this is how they are read, and how every fault is told at once.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Where variables come from: the environment of a process, or a list in a test.
pub trait Vars: Send + Sync + std::fmt::Debug {
    /// The value of a variable; `None` where it is not set.
    fn get(&self, name: &str) -> Option<String>;
}

impl Vars for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name).cloned()
    }
}

/// Reads variables and collects what is wrong with them.
pub struct VarReader<'v> {
    vars: &'v dyn Vars,
    faults: Vec<String>,
}

impl std::fmt::Debug for VarReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VarReader")
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl<'v> VarReader<'v> {
    /// A reader without faults yet.
    #[must_use]
    pub fn new(vars: &'v dyn Vars) -> Self {
        Self {
            vars,
            faults: Vec::new(),
        }
    }

    /// The variable as text, `None` where it is unset or empty.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        self.vars.get(name).filter(|value| !value.is_empty())
    }

    /// The variable as text; a fault where it is missing.
    pub fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.faults.push(format!("{name} is not set"));
            String::new()
        })
    }

    /// The variable as a `T`, `default` where it is unset; a fault where it does not read.
    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T) -> T {
        let Some(text) = self.optional(name) else {
            return default;
        };
        text.parse().unwrap_or_else(|_| {
            self.faults
                .push(format!("{name}={text:?} is not a {}", std::any::type_name::<T>()));
            default
        })
    }

    /// Notes a fault of the caller's own.
    pub fn fault(&mut self, text: impl Into<String>) {
        self.faults.push(text.into());
    }

    /// `value`, unless something was wrong: then every fault in one error.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`].
    pub fn finish<T>(self, value: T) -> Result<T, crate::Error> {
        if self.faults.is_empty() {
            return Ok(value);
        }
        Err(crate::Error::new(
            crate::Kind::Invalid,
            format!("wrong settings: {}", self.faults.join("; ")),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_every_fault_at_once() {
        let vars = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
        let mut reader = VarReader::new(&vars);
        let number: u32 = reader.parsed("A", 7);
        let missing = reader.required("B");
        let error = reader.finish((number, missing)).unwrap_err();
        assert_eq!(error.to_string(), "wrong settings: A=\"x\" is not a u32; B is not set");
    }
}

//! What is wrong with a configuration, and where.

use std::fmt;

/// A configuration that cannot be used. It prints as `file:line:column: what is wrong; what to write`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file, as it was given.
    pub path: String,
    /// Line from 1; 0 where the fault is of the file as a whole.
    pub line: u64,
    /// Column from 1, in characters; 0 where the fault is of the file as a whole.
    pub column: u64,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// Whether the file is a good Alertmanager configuration that asks for what this version cannot do.
    pub unsupported: bool,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.path, self.message)
        } else {
            write!(f, "{}:{}:{}: {}", self.path, self.line, self.column, self.message)
        }
    }
}

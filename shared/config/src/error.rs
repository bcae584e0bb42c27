//! What is wrong with a configuration, and where.

/// A fault in a configuration file: `file:line:column: what is wrong; what to write`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct ConfigError {
    /// The file as it was named to the parser.
    pub path: String,
    /// The line, from 1.
    pub line: u64,
    /// The character in the line, from 1.
    pub column: u64,
    /// What is wrong and what to write.
    pub message: String,
}

/// A place in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// A fault before the file's name is known.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) at: Position,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(at: Position, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
        }
    }

    pub(crate) fn in_file(self, path: &str) -> ConfigError {
        ConfigError {
            path: path.to_owned(),
            line: self.at.line.max(1),
            column: self.at.column.max(1),
            message: self.message,
        }
    }
}

//! What is wrong with a rule file, and where.

use std::fmt;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: u64,
    /// The character in the line, from 1.
    pub column: u64,
    /// What is wrong, in Prometheus' words where it has them, and what to write.
    pub message: String,
}

/// A rule file that cannot be used: every fault found in it. Prints one line for each,
/// `file:line:column: what is wrong`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError {
    /// The file as it was named to the parser.
    pub path: String,
    /// The faults in order, at least one.
    pub faults: Vec<Fault>,
}

impl std::error::Error for RulesError {}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index > 0 { "\n" } else { "" };
            write!(
                f,
                "{separator}{}:{}:{}: {}",
                self.path, fault.line, fault.column, fault.message
            )?;
        }
        Ok(())
    }
}

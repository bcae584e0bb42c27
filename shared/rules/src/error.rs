//! What is wrong with a rule file, and where.

use serde::de::DeserializeOwned;
use serde_saphyr::Location;
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

impl Fault {
    pub(crate) fn at(at: Location, message: impl Into<String>) -> Self {
        Self {
            line: at.line().max(1),
            column: at.column().max(1),
            message: message.into(),
        }
    }
}

/// Reads a YAML document. What it nests is bounded.
pub(crate) fn read_yaml<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 48, },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| syntax_fault(&error))
}

/// Reads every document of a YAML stream.
pub(crate) fn read_yaml_documents<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, Fault> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 48, },
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| syntax_fault(&error))
}

/// A document that is not YAML, or not of the right form.
fn syntax_fault(error: &serde_saphyr::Error) -> Fault {
    let error = error.without_snippet();
    let (line, column) = error
        .location()
        .map_or((1, 1), |location| (location.line(), location.column()));
    let message = match error {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("field {key} already set; remove one of the two")
        }
        other => {
            let rendered = other.render_with_options(serde_saphyr::render_options! {
                snippets: serde_saphyr::SnippetMode::Off,
            });
            let message = rendered.trim_start_matches("error: ");
            let end = message.rfind(" at line ").unwrap_or(message.len());
            message[..end].trim_end_matches(',').to_owned()
        }
    };
    Fault { line, column, message }
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

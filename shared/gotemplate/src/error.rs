//! What can go wrong with a template.

/// At which stage a template failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text does not parse.
    Parse,
    /// Evaluating it failed.
    Execute,
    /// A limit of [`crate::Limits`] was passed.
    Limit,
}

/// A template that does not parse or does not execute; the message is Go's, position included:
/// `template: name:1:23: executing "name" at <.Foo>: …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    kind: ErrorKind,
    message: String,
}

impl TemplateError {
    pub(crate) fn new(kind: ErrorKind, message: String) -> Self {
        Self { kind, message }
    }

    /// At which stage it failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn prefixed(self, prefix: &str) -> Self {
        Self {
            message: format!("{prefix}{}", self.message),
            ..self
        }
    }
}

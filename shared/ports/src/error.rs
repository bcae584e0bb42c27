//! The error of every port. Its [`Kind`] says who acts.

use std::fmt;

/// Who acts on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A condition did not hold: read again and decide anew.
    Conflict,
    /// The service is away or busy: try again later.
    Unavailable,
    /// The caller asked for something that cannot be: reject.
    Invalid,
    /// Stored data does not read: reject and alarm.
    Corrupt,
    /// A fault of ours: fail the invocation.
    Internal,
}

/// What went wrong at a port.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` is lowercase and has no full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// The same with the error that caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Who acts on it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The whole chain of causes in one line, for the log at the edge.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// Writes an error and its causes as `outer: inner: innermost`.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as E;
        let kind = match &error {
            E::AlreadyExists { .. } | E::Precondition { .. } | E::NotModified { .. } => Kind::Conflict,
            E::NotFound { .. } | E::InvalidPath { .. } => Kind::Invalid,
            _ => Kind::Unavailable,
        };
        Self::new(kind, "object store request failed").with_source(error)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Invalid => "invalid",
            Self::Corrupt => "corrupt",
            Self::Internal => "internal",
        })
    }
}

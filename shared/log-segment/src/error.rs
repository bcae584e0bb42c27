//! What can be wrong with a segment.

use parquet::errors::ParquetError;

/// A segment that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Records are not in the order of their times.
    #[error("records are not in the order of their times")]
    Order,
    /// The file is not of the form.
    #[error("not a log segment: {0}")]
    Form(String),
    /// The Parquet library.
    #[error("parquet")]
    Parquet(#[from] ParquetError),
    /// The Arrow library.
    #[error("arrow")]
    Arrow(#[from] arrow_schema::ArrowError),
}

impl Error {
    pub(crate) fn form(text: impl Into<String>) -> Self {
        Self::Form(text.into())
    }
}

/// Runs what reads foreign bytes: the Parquet library has a few asserts on damaged files.
pub(crate) fn contained<T>(read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Error::form("the file is damaged")))
}

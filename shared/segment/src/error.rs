//! What can be wrong with a segment.

/// A segment that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Parquet bytes do not read, or cannot be written.
    #[error("parquet segment does not read or write")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Arrow arrays do not fit together.
    #[error("columns of a segment do not fit together")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// The file is Parquet but not of the segment's form.
    #[error("not a segment: {0}")]
    Form(String),
    /// Chunks were pushed out of the sort order.
    #[error("chunks are not in the segment's sort order")]
    Order,
}

impl Error {
    pub(crate) fn form(text: impl Into<String>) -> Self {
        Self::Form(text.into())
    }
}

/// Runs a read of stored bytes. The `parquet` crate answers most damage with an error, but not all: some of its
/// readers panic on columns that contradict each other. Here that is an error too.
pub(crate) fn contained<T>(read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Error::form("its columns contradict each other")))
}

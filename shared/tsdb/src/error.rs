//! Why a block does not read or is not written.

/// A fault in a block.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not of the format, or were changed.
    #[error("{place}: {what}")]
    Corrupt {
        /// Where: the part of the block, and the offset where there is one.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// The block is of a version or has an encoding that is not known.
    #[error("{0}")]
    Unsupported(String),
    /// A file does not read, or is not written.
    #[error("{place}")]
    Io {
        /// What was read or written.
        place: String,
        /// The fault.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn corrupt(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Corrupt {
            place: place.into(),
            what: what.into(),
        }
    }

    pub(crate) fn io(place: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let place = place.into();
        move |source| Self::Io { place, source }
    }
}

//! What is wrong with a remote write request.

/// Why a request does not decode: the sender's fault (HTTP 400), or a corrupt batch where the bytes were our own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The protobuf encoding is broken.
    #[error(transparent)]
    Protobuf(#[from] parapet_protobuf::Error),
    /// A histogram message is broken.
    #[error("invalid histogram of series {series}: {reason}")]
    Histogram {
        /// The series as Prometheus prints it.
        series: String,
        /// What is wrong.
        reason: String,
    },
    /// A 2.0 label reference points past the symbols, or names and values do not come in pairs.
    #[error("invalid label references of timeseries {index}: {reason}")]
    LabelReferences {
        /// Which timeseries, from 0.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The same label stands twice in one series.
    #[error("duplicate label {name:?} in timeseries {index}")]
    DuplicateLabel {
        /// Which timeseries, from 0.
        index: usize,
        /// The label's name.
        name: String,
    },
    /// The labels unfold to more than [`crate::MAX_LABEL_BYTES`].
    #[error("labels of the request are longer than {limit} bytes in all")]
    LabelsTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The compression is broken.
    #[error("invalid snappy block")]
    Snappy,
    /// The body decompresses to more than is allowed.
    #[error("decompressed body has {length} bytes, the limit is {limit}")]
    TooLong {
        /// What the body says it decompresses to.
        length: usize,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    /// Whether the fault is one of a series or a sample: the rest of the request can be read all the same.
    #[must_use]
    pub fn is_of_one_series(&self) -> bool {
        matches!(
            self,
            Self::Histogram { .. } | Self::LabelReferences { .. } | Self::DuplicateLabel { .. }
        )
    }
}

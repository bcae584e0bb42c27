//! Prometheus remote write messages: 2.0 (`io.prometheus.write.v2.Request`) both ways, 1.0
//! (`prometheus.WriteRequest`) in.
//!
//! The 2.0 form is also how a batch of samples travels between functions: [`encode_v2`] and [`decode_v2`] keep
//! every bit of a [`BatchSeries`](parapet_model::BatchSeries), staleness markers and native histograms included.
//! It is not an HTTP handler: content types, headers and the rules of a receiver are the API's.
//!
//! The bytes are read in one pass without building the whole message: a symbol stays where it is, and nothing is
//! allocated that the result does not hold. [`proto`] has the messages as plain `prost` structs for whoever
//! needs all their fields.
//!
//! ```
//! use parapet_model::{BatchSeries, Labels, MetricType, Sample};
//! let series = vec![BatchSeries {
//!     labels: Labels::from_pairs([("__name__", "up"), ("job", "node")]),
//!     kind: MetricType::Gauge,
//!     samples: vec![Sample::float(1_700_000_000_000, 1.0)],
//!     exemplars: Vec::new(),
//! }];
//! let bytes = parapet_remote_write::encode_v2(&series);
//! assert_eq!(parapet_remote_write::decode_v2(&bytes)?, series);
//! # Ok::<(), parapet_remote_write::Error>(())
//! ```
//!
//! Contract: decoding never panics; what it allocates is bounded by the input's length and [`MAX_LABEL_BYTES`].
#![warn(missing_docs)]

mod error;
mod histogram;
pub mod proto;
mod receive;
mod snappy;
mod v1;
mod v2;

pub use error::Error;
pub use receive::Received;
pub use snappy::{snappy_decode, snappy_encode, snappy_length};
pub use v1::{decode_v1, receive_v1};
pub use v2::{decode_v2, encode_v2, receive_v2};

/// The most bytes of label names and values that one request may unfold to. A message of version 2.0 names a
/// symbol in two bytes, however long the symbol is: without a limit, a megabyte could unfold to a terabyte.
pub const MAX_LABEL_BYTES: usize = 256 * 1024 * 1024;

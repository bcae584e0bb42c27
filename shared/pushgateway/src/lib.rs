//! What Prometheus' Pushgateway keeps and answers, as data: groups of metrics that jobs push and a scraper reads.
//!
//! [`Grouping::from_path`] reads the labels of a group from a request's path, [`read_families`] a pushed body,
//! [`Group`] takes pushes, [`check`] says whether they fit together with other groups, [`exposition`] and [`to_json`]
//! show them. It keeps nothing and serves nothing: that is the API's.
//!
//! ```
//! use parapet_pushgateway::{Group, Grouping, exposition, read_families};
//! let grouping = Grouping::from_path("job/backup/instance/db1").unwrap();
//! let mut group = Group::new(grouping);
//! group.push(read_families(b"done 1\n", None).unwrap(), true, 1_700_000_000_000);
//! assert!(exposition(&[group]).contains("done{instance=\"db1\",job=\"backup\"} 1\n"));
//! ```
//!
//! Contract: behaves as the Pushgateway 1.11 (`handler`, `storage/diskmetricstore.go`). It differs where it says so:
//! native histograms are refused, names outside the classic character set are taken in bodies. Nothing panics on any
//! bytes.
#![warn(missing_docs)]

mod exposition;
mod family;
mod group;
mod grouping;
mod json;

pub use exposition::exposition;
pub use family::{Family, read_families};
pub use group::{Group, check};
pub use grouping::Grouping;
pub use json::to_json;

/// Why a push is refused, in the words of the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub(crate) String);

/// What a push with times is told.
const TIMES: &str = "pushed metrics must not have timestamps";

impl Refused {
    /// Whether the body was read, but has times: that is a failed push of its group, where a body that does not read is
    /// nobody's.
    #[must_use]
    pub fn is_about_times(&self) -> bool {
        self.0 == TIMES
    }
}

//! Reads what targets expose: the Prometheus text format (0.0.4 and 1.0.0), OpenMetrics 1.0 and the protobuf format
//! with native histograms, as Prometheus' scrape parser reads them (`model/textparse` of Prometheus 3), with its
//! leniency, its oddities and its messages.
//!
//! It is not a validator of OpenMetrics (the scrape parser accepts much that the specification forbids), and it writes
//! no exposition.
//!
//! [`Format::from_content_type`] says which format a body is in, [`Parser`] goes through it entry by entry without
//! copying what it need not copy, [`collect`] gathers all of it. A [`Skeleton`] knows the next body of the same target
//! again and reads its numbers only.
//!
//! ```
//! use parapet_exposition::{Format, Limits, Parser, collect};
//! let body = b"# TYPE http_requests_total counter\nhttp_requests_total{code=\"200\"} 1027 1395066363000\n";
//! let format = Format::from_content_type("text/plain; version=0.0.4", None)?;
//! let scraped = collect(Parser::new(body, format, &Limits::default()))?;
//! assert_eq!(scraped.series[0].labels.to_string(), r#"http_requests_total{code="200"}"#);
//! assert_eq!(scraped.series[0].timestamp_ms, Some(1_395_066_363_000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Contract: never panics; one pass; memory is bounded by the body's length and [`Limits`]. A body with a fault
//! anywhere is a fault as a whole: whoever stores what came before the error stores half a scrape.
#![warn(missing_docs)]

mod collect;
mod created;
mod cursor;
mod error;
mod format;
mod label_list;
mod nhcb;
mod number;
mod openmetrics;
mod parser;
mod protobuf;
mod skeleton;
mod swar;
mod text;

pub use collect::{Exposition, FamilyTracker, Metadata, ParsedSeries, collect, is_part_of_family};
pub use error::{ParseError, Place};
pub use format::{ContentTypeError, Format};
pub use number::normalize as normalize_bound;
pub use parser::{Entry, Exemplar, HistogramSeries, LabelPair, Limits, Options, Parser, Series};
pub use skeleton::Skeleton;

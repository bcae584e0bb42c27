//! The Parquet segment: series chunks in, series chunks out.
//!
//! A segment is one immutable Parquet file. A row is a [`Chunk`]: the samples of one series for a while, with
//! its labels, its time range and rollups of its values. Rows are sorted by metric name, series id and time. The
//! columns are open to any reader of Parquet (Athena, DuckDB, pyarrow, Spark); what they hold and why is in
//! `docs/adr/0004-segment-v1.md`.
//!
//! - Writing: [`encode`] for chunks at hand, [`SegmentWriter`] row by row, [`Template`] for the series of an earlier one.
//! - Reading: [`Footer`] (what is where), then [`Index`] (labels and times of rows), then the samples of chosen rows.
//!   Each step says which byte ranges it needs, so that the caller fetches those and no more ([`Source`]).
//!   Where a range takes a row whole, its rollups will do ([`Footer::read_runs`]).
//! - Merging: [`merge`], in one pass and bounded memory.
//!
//! It is not the store: it knows no object store, no manifest, no clock, and does no I/O.
//!
//! ```
//! use parapet_model::{Labels, Matcher, MetricType};
//! use parapet_segment::{Chunk, EncodeOptions, Footer, NoLabelCache, RowSamples, Samples, Source, encode};
//!
//! let up = Chunk {
//!     labels: Labels::from_pairs([("__name__", "up"), ("job", "node")]),
//!     kind: MetricType::Gauge,
//!     samples: Samples::Floats { timestamps: vec![0, 15_000], values: vec![1.0, 0.0] },
//! };
//! let segment = encode(vec![up], EncodeOptions::default())?.expect("there is a chunk");
//!
//! let source = Source::whole(segment.bytes);
//! let footer = Footer::read(&source)?;
//! let index = footer.read_index(&source, &mut NoLabelCache)?;
//! let rows = index.select(&[Matcher::equal("__name__", "up")], 0, 60_000);
//! footer.read_rows(&source, &rows, |row, samples| {
//!     assert_eq!(index.labels(row).to_string(), r#"up{job="node"}"#);
//!     assert!(matches!(samples, RowSamples::Floats { values: [1.0, 0.0], .. }));
//! })?;
//! # Ok::<(), parapet_segment::Error>(())
//! ```
//!
//! Contract: every bit of a value is kept (staleness markers, NaN payloads, `-0.0`). Samples of one series at one time
//! are one sample, chosen by [`SeriesMerger`]'s rule, which does not depend on their order: no merge changes an answer.
//! The same chunks give the same bytes. A damaged file is an [`Error`], not a panic.
#![warn(missing_docs)]

mod chunk;
mod columns;
mod decode;
mod duplicates;
mod encode;
mod error;
mod exemplars;
mod histograms;
mod merge;
mod schema;
mod source;
mod template;

pub use chunk::{Chunk, Samples, sort};
pub use decode::{Footer, Index, LabelCache, NoLabelCache, RollupColumn, RowRun, RowSamples};
pub use duplicates::SeriesMerger;
pub use encode::{EncodeOptions, ListEncoding, Segment, SegmentInfo, SegmentWriter, encode};
pub use error::Error;
pub use merge::{merge, merge_kept};
pub use schema::{VERSION, VERSION_KEY};
pub use source::{Source, coalesce};
pub use template::Template;

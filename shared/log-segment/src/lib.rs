//! The Parquet file of logs: records in the order of their times in, records out.
//!
//! ```text
//! records ─ SegmentWriter ─► blocks (row groups) | index of words | footer: what is in which block
//!                                 ▲                    ▲               │
//!                              Rows ◄─ read_block ◄─ may_match ◄────────┘ Footer
//! ```
//!
//! - One row is one record. A line stands there as its [`parapet_logs::shape`]: without what its fields say already.
//! - Fields have columns of their own, those of a block that came first.
//! - A block is a row group. The [`Footer`] says of each: its range of time, its levels, its streams. The index says which
//!   words are in which block, and is asked with one short read for each word.
//! - [`merge`] makes fewer, larger segments.
//!
//! It reads and writes bytes, no files: what is to be fetched is said in ranges.
//!
//! ```
//! use parapet_logs::{LogRecord, Need};
//! use parapet_log_segment::{EncodeOptions, Footer, Projection, SegmentWriter};
//! use parapet_segment::Source;
//!
//! let line = LogRecord { timestamp_ns: 7, raw: b"took 5ms".to_vec().into(), ..LogRecord::default() };
//! let mut writer = SegmentWriter::new(EncodeOptions::default());
//! writer.push(&line)?;
//! let segment = writer.finish()?.unwrap();
//!
//! let source = Source::whole(segment.bytes);
//! let footer = Footer::read(&source)?;
//! assert_eq!(footer.blocks().len(), 1);
//! let mut rows = footer.read_block(&source, 0, Projection::ALL)?;
//! assert_eq!(rows.record(0)?, line);
//! # Ok::<(), parapet_log_segment::Error>(())
//! ```
//!
//! Contract: every byte of a line comes back. The same records give the same bytes. A damaged file is an [`Error`], not a
//! panic. Athena and DuckDB read every file: no unsigned, INT96 or nanosecond types; columns are only ever added.
#![warn(missing_docs)]

mod columns;
mod count;
mod decode;
mod encode;
mod error;
mod fields;
mod merge;
mod rows;
mod schema;
mod summary;
mod texts;
mod volume;

pub use count::Counting;
pub use decode::Footer;
pub use encode::{EncodeOptions, Segment, SegmentInfo, SegmentWriter};
pub use error::Error;
pub use merge::merge;
pub use rows::{Projection, Rows};
pub use schema::{VERSION, VERSION_KEY};
pub use summary::{Block, Origin};
pub use volume::Part;

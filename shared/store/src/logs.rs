//! The store of logs: messages of lines in, files of records, records out.
//!
//! ```text
//! send_logs ─► [logs queue] ─► envelope::open ─► (log-parse: pipelines) ─► LogWriter::commit ─► files + manifest
//!                                                          LogReader::search ◄─ manifest ─► files
//! ```
//!
//! - [`send_logs`] makes lines durable, as they came in: before pipelines. A retry gives the same records again.
//! - [`LogWriter`] commits batches: a Parquet file per tenant and day; one transaction for files, batch marks and the
//!   [`sums`] of metrics that are made of lines.
//! - [`LogReader`] gives records in the order of their times, counts them, and says what streams there are.

mod answer;
mod count;
mod cursor;
mod message;
mod open_file;
mod query;
mod reader;
mod streams;
pub mod sums;
mod writer;

pub use answer::AnswerError;
pub use count::{Count, Kind};
pub use message::{LogBatch, MAX_BATCH_BYTES, RawLogs, send_logs};
pub use parapet_log_segment::{Origin, Part};
pub use query::{Columns, LogQuery, LogStats, Order};
pub use reader::{LogReader, LogReaderSettings};
pub use streams::Volume;
pub use writer::{LogCommitReport, LogWriter, LogWriterSettings, ParsedBatch};

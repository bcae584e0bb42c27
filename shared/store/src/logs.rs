//! The store of logs: messages of lines in, files of records, records out.
//!
//! ```text
//! send_logs ─► [logs queue] ─► envelope::open ─► (log-parse: pipelines) ─► LogWriter::commit ─► files + manifest
//!                                                          LogReader::search ◄─ manifest ─► files
//! ```
//!
//! - [`send_logs`] makes lines durable, as they came in: before pipelines. A retry gives the same records again.
//! - [`LogReader`] gives records in the order of their times, and says what streams there are.

mod message;
mod reader;

pub use message::{LogBatch, MAX_BATCH_BYTES, RawLogs, send_logs};
pub use reader::{Columns, LogQuery, LogReader, LogReaderSettings, LogStats, Order};

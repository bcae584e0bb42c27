//! Log records.
//!
//! What it is not: it reads no files, sockets or clocks and stores nothing.
#![warn(missing_docs)]

mod level;
mod record;

pub use level::Level;
pub use record::{LogRecord, PROMOTED};

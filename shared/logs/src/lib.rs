//! Log records.
//!
//! What it is not: it reads no files, sockets or clocks and stores nothing.
#![warn(missing_docs)]

pub mod filter;
mod grok;
mod level;
pub mod logql;
mod need;
mod number;
mod parse;
pub mod pipeline;
mod query;
mod record;
mod text;
pub mod templates;
pub mod time;

pub use level::Level;
pub use need::Need;
pub use number::{parse_bytes, parse_duration_seconds, parse_quantity};
pub use query::{QueryError, parse_query};
pub use record::{LogRecord, PROMOTED};
pub use text::{Phrase, is_word_byte, sure_words, words};

//! The log-parse function: takes log lines from the queue, runs them through their pipelines and stores them, each batch
//! exactly once.
//!
//! ```text
//! [logs] ─► batches of lines ──────────────┐
//! [logs] ─► "an object was dropped" ─ pieces ─► pipelines ─► files + manifest + sums ─(each minute)─► [samples]
//! CloudWatch's delivery ─► [logs]
//! ```
//!
//! - A batch is parsed as of the time of its arrival, which it brings: however often it comes, it gives the same records.
//! - An object under `logs-in/` is streamed in pieces, each a batch of its own, named from the object and its place in it.
//!   After some pieces the rest is sent on as another message.
//! - Pipelines are `pipelines.yml` of the configuration, and after them [`DEFAULT_PIPELINES`]. Lines wait where the file
//!   has faults: what is to be redacted must not be stored.
//! - A message that cannot be understood is rejected with the reason; a line that does not parse is kept whole and counted.

mod dropped;
mod handler;
mod pieces;
mod pipelines;
mod settings;

pub use dropped::PREFIX as DROPPED_PREFIX;
pub use handler::LogParse;
pub use pipelines::{DEFAULT_PIPELINES, pipelines};
pub use settings::Settings;

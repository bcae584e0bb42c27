//! The scraper function: from `prometheus.yml` to batches of samples on the queue.
//!
//! ```text
//! minute tick ─► discovery: what is due is asked, what was found is kept in the bucket
//! minute tick ─► plan: one task per interval, shard and slot of the minute ─► [scrape-tasks, delayed to the slot]
//! task ─► scrape the shard's targets ─► [samples]  then  state: series sets, health, last error, slowness
//!         (in waves: what came within a second first, the slow rest by itself)
//! minute tick ─► tidy: targets that left the configuration get their staleness markers
//! ```
//!
//! A task carries the time it is meant for, and that is the timestamp of its samples, however late it runs; later than
//! one interval it is skipped. What Prometheus holds in memory between two scrapes (which series there were) is an
//! object in the bucket, named by a small item per shard in the table.
//!
//! Invariants, each with a test in `tests/`:
//! - Samples are sent before state is written: a death between the two repeats the batch under the same id, and the
//!   store takes each id once.
//! - An object is put before an item names it, and removed only after no item names it. A death may leave litter.
//! - A tick or a task that runs twice gives the same ids. A repeat, whose batch the store may drop, forgets nothing:
//!   what ended is marked again by the next slot.
#![warn(missing_docs)]

mod body;
mod client;
mod counters;
mod discovery;
mod fetch;
mod handler;
mod known;
mod metadata;
mod native_histogram;
mod outcome;
mod plan;
mod request;
mod sample_labels;
mod series_set;
mod settings;
mod state;
mod task;
mod tidy;

pub use counters::{Counters, CountersSnapshot};
pub use discovery::with_discovered_targets;
pub use handler::Scraper;
pub use metadata::{load_metadata, read_metadata};
pub use plan::ScrapeTask;
pub use settings::Settings;
pub use state::{Health, TargetState, read_targets};

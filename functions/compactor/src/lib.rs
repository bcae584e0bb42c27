//! The compactor function: called once a minute, keeps what is stored in shape.
//!
//! Every minute it merges small files of the newest days, publishes what Athena sees and deletes replaced files whose
//! grace period is over; once an hour it also visits every day, applies the retention and collects orphans and old
//! claim checks. It may run twice, late or concurrently: see [`parapet_store::Compaction`] for the invariants.

mod handler;
mod rules;
mod settings;

pub use handler::Compactor;
pub use rules::retention_rules;
pub use settings::Settings;

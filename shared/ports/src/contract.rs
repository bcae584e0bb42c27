//! Contract suites: what every adapter of a port must do.
//!
//! A suite is an async function that asserts each promise written on the trait and panics, naming the promise,
//! where one is broken. An adapter's tests call it with a fresh, empty instance:
//!
//! ```ignore
//! #[tokio::test]
//! async fn embedded_table_keeps_the_contract() {
//!     parapet_ports::contract::table_contract(&open_table()).await;
//! }
//! ```
//!
//! Objects have no suite here: `object_store::integration` is theirs.

mod queue;
mod table;

pub use queue::{QueueLimits, queue_contract};
pub use table::table_contract;

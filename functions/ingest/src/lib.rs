//! The ingest function: takes sample batches from the queue and stores them, each exactly once.
//!
//! Messages (`parapet_store::envelope`) are opened, claim checks fetched from the bucket, and all batches of a
//! call committed together: one file per tenant and day, one transaction per tenant, as long as limits allow.
//! A message is done when every batch of it is stored, now or by an earlier call; a message that cannot be
//! understood is rejected with the reason, and holds up no other.
//!
//! It may run twice, late or concurrently on the same messages: see [`parapet_store::Writer::commit`] for the
//! invariant that makes each batch count once.

mod handler;
mod settings;

pub use handler::Ingest;
pub use settings::Settings;

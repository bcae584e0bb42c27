//! The notifier: alerts in, pages out, with nothing resident in between.
//!
//! ```text
//! [alerts] ──► route, merge into the stored group, set its deadline ──► [timers, delayed]
//! [timers] ──► flush the group: what is worth telling whom ──► delivery items ──► [deliveries]
//! [deliveries] ──► claim, send, record ──► receivers
//! minute tick ──► timers for deadlines that are further away than a message can be delayed, or were lost
//! minute tick ──► entries of the ledger, written with the state that they tell of, into Parquet files
//! ```
//!
//! Decisions are `parapet-routing`'s, payloads are `parapet-receivers`'; here is storing, sending and trying again.
//!
//! # Invariants
//! - **No page is lost.** A flush stores the group and its delivery items in one conditional transaction before any
//!   message is sent; what was stored and not sent is found again by the timer's redelivery, or by the tick through
//!   the deadline's index item, which stays until the messages are known to be in the queue.
//! - **A duplicate is rare and known.** A delivery is claimed, sent and recorded under one key
//!   (`<group>/<integration>/<flush>`); only a crash between sending and recording repeats it, with the same key. No
//!   flush overtakes a delivery that is held, and what it says again that is not known to have arrived keeps its key.
//! - **A decision is told once.** Its entry in the ledger is part of the transaction that makes it.
//! - **One writer at a time.** Groups change by compare-and-set on their version. Statements about alerts are merged,
//!   so late and repeated messages change nothing.
#![warn(missing_docs)]

mod acknowledgements;
mod alerts;
mod aws_secrets;
mod bulk;
mod configuration;
mod deliveries;
mod failure;
mod handler;
mod ledger;
mod outlets;
mod pending;
mod settings;
mod silences;
mod sources;
mod store;
mod suppression;
mod timers;
mod view;

pub use acknowledgements::{IdentifiedAcknowledgement, acknowledge, end_acknowledgement, read_acknowledgements};
pub use aws_secrets::AwsSecrets;
pub use handler::Notifier;
pub use ledger::read_ledger;
pub use outlets::Outlets;
pub use settings::Settings;
pub use silences::{SetSilenceError, expire_silence, read_silence, read_silences, set_silence};
pub use suppression::{Suppression, Suppressor};
pub use view::read_groups;

//! What Parapet asks of its surroundings. Each trait is a port; `adapter-aws` and `adapter-local` answer it.
//!
//! - **Objects** is [`object_store::ObjectStore`] itself, with conditional puts.
//! - [`Queues`] sends, [`QueueReader`] receives: at least once, in any order.
//! - [`Table`] holds small items with a version each: reads, conditional writes and transactions.
//! - [`Http`] makes one request, [`Mailer`] sends one message, [`Dns`] asks one name server, [`Secrets`] reads what a
//!   configuration refers to, [`Identity`] gives credentials for the cloud; [`Clock`] and [`Entropy`] give time and
//!   randomness.
//!
//! A port names no cloud and no database. Its promises are written on the trait and tested by the contract
//! suite beside it (`contract`), which every adapter runs.
#![warn(missing_docs)]

mod body_memory;
pub mod clock;
pub mod config_files;
pub mod contract;
mod dns;
pub mod error;
mod files;
pub mod function;
pub mod http;
mod identity;
pub mod mail;
pub mod memory;
pub mod queue;
pub mod secrets;
pub mod table;
pub mod vars;

pub use body_memory::{BodyBuffer, BodyMemory, BodyShare};
pub use clock::{Clock, Entropy, FixedClock};
pub use config_files::{ConfigFiles, ConfigSource, FixedConfig, SourceFile};
pub use dns::{Dns, NoDns};
pub use error::{Error, Kind};
pub use files::{Files, NoFiles, matches_pattern};
pub use function::Function;
pub use http::{Http, HttpOptions, HttpRequest, HttpResponse};
pub use identity::{Identity, NoIdentity};
pub use mail::{MailCredentials, MailRequest, Mailer};
pub use queue::{Disposition, Message, Outgoing, Queue, QueueReader, Queues, Received};
pub use secrets::{NoSecrets, Secrets};
pub use table::{Condition, Item, Key, Page, SkRange, Table, Write};
pub use vars::{VarReader, Vars};

/// The object port: the trait of the `object_store` crate, shared.
pub type Objects = std::sync::Arc<dyn object_store::ObjectStore>;

/// Every port, as a function is given them.
#[derive(Clone, Debug)]
pub struct Ports {
    /// Blobs: segments, claim checks, series sets.
    pub objects: Objects,
    /// Sending messages.
    pub queues: std::sync::Arc<dyn Queues>,
    /// State.
    pub table: std::sync::Arc<dyn Table>,
    /// Requests out.
    pub http: std::sync::Arc<dyn Http>,
    /// Time.
    pub clock: std::sync::Arc<dyn Clock>,
    /// Randomness.
    pub entropy: std::sync::Arc<dyn Entropy>,
    /// The user's configuration.
    pub config: std::sync::Arc<dyn ConfigSource>,
}

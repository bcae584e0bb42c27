//! What every function's `main.rs` and the local host need: the process's settings, logs, clock, randomness and
//! HTTP client, and the loop that hands Lambda events to a [`parapet_ports::Function`].
//!
//! It holds no rule of the product: it is the thin edge between a host and a handler.
#![warn(missing_docs)]

mod dns;
mod event;
mod files;
mod http;
mod lambda;
mod logs;
mod mail;
mod process;
mod secrets;
mod settle;

pub use dns::MachineDns;
pub use event::{Event, EventError, SqsRecord, parse_event};
pub use files::{BucketFiles, MachineFiles};
pub use http::ReqwestHttp;
pub use lambda::run;
pub use logs::{LogFormat, init_logs};
pub use mail::SmtpMailer;
pub use process::{ProcessVars, SystemClock, SystemEntropy, process_ports};
pub use secrets::{BucketSecrets, MachineSecrets};
pub use settle::{release, settle};

/// Variables and how settings are read from them.
pub mod settings {
    pub use crate::ProcessVars;
    pub use parapet_ports::{VarReader, Vars};
}

//! The ledger: each decision about an alert on its way to people, as rows that SQL reads.
//!
//! ```text
//! a decision ──► Entry (stored with the state that it changed) ──Entry::rows──► Row, one for each alert
//! rows ──encode──► a Parquet file ──decode──► rows ──stories──► what happened to each alert, for people
//! ```
//!
//! It decides nothing and stores nothing: the notifier writes entries with the state that they tell of, and files
//! from entries. `docs/adr/0005-ledger.md` has the schema and the write path.
//!
//! # Contract
//! - One decision about one alert is one row, with one [`Row::id`], whoever derives it and how often.
//! - Files are read as they are written today and as they were written by any version before: columns are only added.
//! - No row holds a secret: no URL, token or header of a receiver.
//!
//! ```
//! use parapet_ledger::{Entry, Event, decode, encode, stories};
//! use parapet_model::Labels;
//!
//! let entry = Entry {
//!     at_ms: 1_767_225_600_000,
//!     event: Event::Silenced,
//!     receiver: "ops".into(),
//!     cause: "1f2e".into(),
//!     alerts: vec![parapet_ledger::EntryAlert {
//!         fingerprint: "00000000000000aa".into(),
//!         labels: Labels::from_pairs([("alertname", "Down")]),
//!         starts_at_ms: 1_767_225_500_000,
//!         ended_at_ms: None,
//!     }],
//!     ..Entry::default()
//! };
//! let rows = decode(encode(entry.rows())?)?;
//! assert_eq!(rows, entry.rows());
//! assert_eq!(stories(rows)[0].steps[0].event, Event::Silenced);
//! # Ok::<(), parapet_ledger::Error>(())
//! ```
#![warn(missing_docs)]

mod entry;
mod file;
mod story;
mod time;

pub use entry::{Entry, EntryAlert, Event, Row};
pub use file::{Error, VERSION, decode, encode};
pub use story::{Story, stories};

//! The ports on one directory: files for objects, an embedded database (redb) for queues and the table.
//!
//! It is not a server and has no network: one process opens the directory, a second one is refused. What a call
//! has acknowledged is on disk; `kill -9` at any moment loses none of it.
//!
//! ```text
//! DIR/objects/…     objects, one file each, written beside and renamed into place
//! DIR/state.redb    the table's items and the queues' messages
//! ```
//!
//! Flow: every write is a job for one writer thread ([`database`]), which runs all jobs that wait in one
//! transaction and answers them after its commit: many callers share one `fsync`. Reads use snapshots and do not wait.
//!
//! ```no_run
//! # fn main() -> Result<(), parapet_ports::Error> {
//! # let clock: std::sync::Arc<dyn parapet_ports::Clock> = std::sync::Arc::new(parapet_ports::FixedClock::new(0));
//! let local = parapet_adapter_local::Local::open("data".as_ref(), clock, &Default::default())?;
//! let (_objects, _queues, _table) = (local.objects, local.queues, local.table);
//! # Ok(()) }
//! ```
#![warn(missing_docs)]

mod database;
mod queues;
mod table;

pub use queues::LocalQueues;
pub use table::LocalTable;

use object_store::local::LocalFileSystem;
use parapet_ports::{Clock, Error, Kind, Objects};
use std::path::Path;
use std::sync::Arc;

/// Limits of the embedded adapter.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    /// Memory for the database's page cache, bytes.
    pub cache_bytes: usize,
    /// How long a received message stays hidden from other receivers, milliseconds.
    pub visibility_timeout_ms: i64,
    /// A message received this often without success goes to the dead-letter queue.
    pub max_receives: u32,
}

impl Default for LocalSettings {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            visibility_timeout_ms: 180_000,
            max_receives: 10,
        }
    }
}

/// The ports of one directory.
#[derive(Clone, Debug)]
pub struct Local {
    /// Objects.
    pub objects: Objects,
    /// Queues, both sides.
    pub queues: Arc<LocalQueues>,
    /// The table.
    pub table: Arc<LocalTable>,
}

impl Local {
    /// Opens a directory, making it where it does not exist.
    ///
    /// # Errors
    /// [`Kind::Invalid`] where the directory cannot be made or another process holds it.
    pub fn open(directory: &Path, clock: Arc<dyn Clock>, settings: &LocalSettings) -> Result<Self, Error> {
        let invalid = |what: &str, error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(
                Kind::Invalid,
                format!("cannot use {} as storage: {what}", directory.display()),
            )
            .with_source(error)
        };
        let objects = directory.join("objects");
        std::fs::create_dir_all(&objects).map_err(|error| invalid("the directory cannot be made", error.into()))?;
        let files = LocalFileSystem::new_with_prefix(&objects)
            .map_err(|error| invalid("its objects cannot be opened", error.into()))?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        let database =
            database::open(&directory.join("state.redb"), settings.cache_bytes).map_err(|error| match error {
                redb::DatabaseError::DatabaseAlreadyOpen => invalid(
                    "another process has it open; stop that one or choose another --storage.path",
                    error.into(),
                ),
                error => invalid("its database cannot be opened", error.into()),
            })?;
        let writer = database::Writer::start(database.clone(), clock.clone())?;
        Ok(Self {
            objects: Arc::new(files),
            queues: Arc::new(LocalQueues::open(&database, writer.clone(), clock.clone(), settings)?),
            table: Arc::new(LocalTable::new(database, writer, clock)),
        })
    }
}

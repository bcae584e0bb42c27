//! The embedded database and its one writer thread.

use parapet_ports::{Clock, Error, Kind};
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition,
    WriteTransaction,
};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Key: partition key, sort key. Value: version, expiry in seconds (0: never), text.
pub(crate) const ITEMS: TableDefinition<'_, (&str, &str), (u64, i64, &str)> = TableDefinition::new("items");
/// Items that expire, in order of time. Key: expiry in seconds, partition key, sort key.
pub(crate) const EXPIRIES: TableDefinition<'_, (i64, &str, &str), ()> = TableDefinition::new("expiries");
/// Key: queue, message id. Value: first visible at (ms), receives so far, body.
pub(crate) const MESSAGES: TableDefinition<'_, (&str, u64), (i64, u32, &str)> = TableDefinition::new("messages");
/// Key: queue, message id. Value: body, reason.
pub(crate) const DEAD_LETTERS: TableDefinition<'_, (&str, u64), (&str, &str)> = TableDefinition::new("dead_letters");
/// The next version and message id, under [`SEQUENCE`].
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
const SEQUENCE: &str = "sequence";

/// How many jobs share one transaction at most: bounds how long the first of them waits.
const MAX_JOBS_PER_COMMIT: usize = 256;
/// How many expired items are removed per commit: housekeeping never makes a commit long.
const MAX_EXPIRED_PER_COMMIT: usize = 64;

pub(crate) fn open(path: &Path, cache_bytes: usize) -> Result<Arc<Database>, DatabaseError> {
    let database = Builder::new().set_cache_size(cache_bytes).create(path)?;
    Ok(Arc::new(database))
}

/// Turns a database fault into a port error.
pub(crate) fn failed(error: impl Into<redb::Error>) -> Error {
    Error::new(Kind::Unavailable, "the local database failed").with_source(error.into())
}

/// The tables of one open transaction, as a job sees them.
pub(crate) struct Batch<'t> {
    pub(crate) items: Table<'t, (&'static str, &'static str), (u64, i64, &'static str)>,
    pub(crate) expiries: Table<'t, (i64, &'static str, &'static str), ()>,
    pub(crate) messages: Table<'t, (&'static str, u64), (i64, u32, &'static str)>,
    pub(crate) dead_letters: Table<'t, (&'static str, u64), (&'static str, &'static str)>,
    next: u64,
}

impl Batch<'_> {
    /// The next number of the sequence that gives versions and message ids: never repeats.
    pub(crate) fn next_sequence(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// What a job does in a transaction. It answers after the commit: `Ok` once durable.
/// A job tests all of its conditions before its first write, so that a refusal leaves nothing behind.
type Job = Box<dyn FnOnce(&mut Batch<'_>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// Hands jobs to the writer thread. Where the last handle is dropped, the thread has ended and let go of the database:
/// the directory can be opened again at once.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    thread: Arc<Thread>,
}

#[derive(Debug)]
struct Thread {
    /// `None` only while dropping: the thread ends when nothing can send any more.
    jobs: Option<mpsc::Sender<Request>>,
    handle: Option<JoinHandle<()>>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.jobs = None;
        // A panic of the thread has been printed, and its callers were told that the database is closed.
        let _ = self.handle.take().map(JoinHandle::join);
    }
}

struct Request {
    job: Job,
    durable: bool,
}

impl Writer {
    pub(crate) fn start(database: Arc<Database>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let (jobs, requests) = mpsc::channel();
        let mut next = prepare(&database)?;
        let handle = std::thread::Builder::new()
            .name("database-writer".to_owned())
            .spawn(move || {
                while let Ok(first) = requests.recv() {
                    let batch = std::iter::once(first)
                        .chain(requests.try_iter().take(MAX_JOBS_PER_COMMIT - 1))
                        .collect();
                    commit(&database, &mut next, batch, clock.now_ms() / 1000);
                }
            })
            .map_err(|error| Error::new(Kind::Internal, "cannot start the database thread").with_source(error))?;
        let thread = Thread {
            jobs: Some(jobs),
            handle: Some(handle),
        };
        Ok(Self {
            thread: Arc::new(thread),
        })
    }

    /// Runs `job` in a transaction and waits until its effects are durable.
    pub(crate) async fn durable<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Batch<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(job, true).await
    }

    /// Runs `job` in a transaction whose loss in a crash does no harm: it becomes durable with the next that must be.
    pub(crate) async fn relaxed<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Batch<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(job, false).await
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Batch<'_>) -> Result<T, Error> + Send + 'static,
        durable: bool,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |batch| {
            let outcome = job(batch);
            Box::new(move |committed| {
                let _ = reply.send(committed.and(outcome));
            })
        });
        let gone = || Error::new(Kind::Unavailable, "the local database is closed");
        let jobs = self.thread.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Request { job, durable }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// Makes the tables and reads where the sequence stands.
fn prepare(database: &Database) -> Result<u64, Error> {
    let transaction = database.begin_write().map_err(failed)?;
    with_batch(&transaction, 0, |_| ()).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    let read = database.begin_read().map_err(failed)?;
    let counters = read.open_table(COUNTERS).map_err(failed)?;
    let stored = counters.get(SEQUENCE).map_err(failed)?.map_or(0, |guard| guard.value());
    Ok(stored)
}

fn commit(database: &Database, next: &mut u64, requests: Vec<Request>, now_seconds: i64) {
    let durable = requests.iter().any(|request| request.durable);
    let mut answers: Vec<Answer> = Vec::with_capacity(requests.len());
    let outcome = (|| -> Result<u64, redb::Error> {
        let mut transaction = database.begin_write()?;
        // A crash then needs no walk through the whole file at the next start.
        transaction.set_quick_repair(durable);
        if !durable {
            transaction.set_durability(Durability::None)?;
        }
        let after = with_batch(&transaction, *next, |batch| {
            for request in requests {
                answers.push((request.job)(batch));
            }
            remove_expired(batch, now_seconds)
        })?;
        transaction.commit()?;
        Ok(after)
    })();
    match &outcome {
        Ok(after) => *next = *after,
        Err(error) => tracing::error!(%error, "the local database did not commit"),
    }
    for answer in answers {
        answer(match &outcome {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(
                Kind::Unavailable,
                format!("the local database did not commit: {error}"),
            )),
        });
    }
}

/// Opens the tables, runs `work` and stores where the sequence then stands.
fn with_batch<R>(
    transaction: &WriteTransaction,
    next: u64,
    work: impl FnOnce(&mut Batch<'_>) -> R,
) -> Result<u64, redb::Error> {
    let mut batch = Batch {
        items: transaction.open_table(ITEMS)?,
        expiries: transaction.open_table(EXPIRIES)?,
        messages: transaction.open_table(MESSAGES)?,
        dead_letters: transaction.open_table(DEAD_LETTERS)?,
        next,
    };
    work(&mut batch);
    if batch.next != next {
        transaction.open_table(COUNTERS)?.insert(SEQUENCE, batch.next)?;
    } else {
        transaction.open_table(COUNTERS)?;
    }
    Ok(batch.next)
}

/// Forgets some items whose time has passed. A fault here is no fault of the jobs: the next commit tries again.
fn remove_expired(batch: &mut Batch<'_>, now_seconds: i64) {
    let due: Vec<(i64, String, String)> = match batch.expiries.range(..(now_seconds, "", "")) {
        Ok(range) => range
            .take(MAX_EXPIRED_PER_COMMIT)
            .filter_map(Result::ok)
            .map(|(key, _)| {
                let (at, pk, sk) = key.value();
                (at, pk.to_owned(), sk.to_owned())
            })
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "expired items cannot be listed");
            return;
        }
    };
    for (at, pk, sk) in due {
        // The item may have been written anew with another expiry since.
        let same = matches!(batch.items.get((pk.as_str(), sk.as_str())), Ok(Some(item)) if item.value().1 == at);
        if same {
            let _ = batch.items.remove((pk.as_str(), sk.as_str()));
        }
        let _ = batch.expiries.remove((at, pk.as_str(), sk.as_str()));
    }
}

//! The ports of a process that can die between any two of its effects: before one, or after it and before it hears of
//! it. A [`Fate`] says when.

use crate::{Error, Item, Key, Kind, Objects, Outgoing, Page, Queue, Queues, SkRange, Table, Write};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use std::sync::Arc;

/// An effect on the surroundings.
#[derive(Clone, Copy, Debug)]
pub enum Effect<'a> {
    /// A transaction.
    Table(&'a [Write]),
    /// Messages to a queue, or one to its dead-letter queue.
    Queue,
    /// An object that is written, with its size in bytes, or removed.
    Object(usize),
    /// A request to somebody else.
    Http,
}

/// Whether an effect happens, and whether the process lives to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// It happens.
    pub happens: bool,
    /// The process hears of it.
    pub heard: bool,
}

/// What a process meets with.
#[async_trait::async_trait]
pub trait Fate: Send + Sync + std::fmt::Debug {
    /// What becomes of the next effect.
    fn verdict(&self, effect: Effect<'_>) -> Verdict;

    /// An effect that happened, and was not refused.
    fn happened(&self, _effect: Effect<'_>) {}

    /// Whether nothing works any more.
    fn is_dead(&self) -> bool {
        false
    }

    /// What becomes of messages on their way: they may come twice, or late.
    fn carry(&self, _queue: Queue, messages: Vec<Outgoing>) -> Vec<Outgoing> {
        messages
    }

    /// Comes before each effect: lets others go first.
    async fn meet(&self) {}
}

/// What a dead process gets in answer.
#[must_use]
pub fn died() -> Error {
    Error::new(Kind::Unavailable, "the process died here")
}

/// An effect under a fate.
///
/// # Errors
/// Those of the effect, and [`died`].
pub async fn under<T>(
    fate: &dyn Fate,
    effect: Effect<'_>,
    work: impl Future<Output = Result<T, Error>> + Send,
) -> Result<T, Error> {
    fate.meet().await;
    let Verdict { happens, heard } = fate.verdict(effect);
    if !happens {
        return Err(died());
    }
    let result = work.await;
    if result.is_ok() {
        fate.happened(effect);
    }
    if heard { result } else { Err(died()) }
}

/// A table under a fate.
#[derive(Clone, Debug)]
pub struct MortalTable<F>(pub Arc<dyn Table>, pub Arc<F>);

#[async_trait::async_trait]
impl<F: Fate> Table for MortalTable<F> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        if self.1.is_dead() {
            return Err(died());
        }
        self.0.get(key).await
    }

    async fn query_page(&self, pk: &str, range: &SkRange, limit: usize) -> Result<Page, Error> {
        if self.1.is_dead() {
            return Err(died());
        }
        self.0.query_page(pk, range, limit).await
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        let work = self.0.transact(writes.clone());
        under(&*self.1, Effect::Table(&writes), work).await
    }
}

/// Queues under a fate.
#[derive(Clone, Debug)]
pub struct MortalQueues<F>(pub Arc<dyn Queues>, pub Arc<F>);

#[async_trait::async_trait]
impl<F: Fate> Queues for MortalQueues<F> {
    async fn send_batch(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<(), Error> {
        let messages = self.1.carry(queue, messages);
        under(&*self.1, Effect::Queue, self.0.send_batch(queue, messages)).await
    }

    async fn send_dead_letter(&self, queue: Queue, body: String, reason: String) -> Result<(), Error> {
        let work = self.0.send_dead_letter(queue, body, reason);
        under(&*self.1, Effect::Queue, work).await
    }
}

/// Objects under a fate: each write and each removal is an effect.
#[derive(Clone, Debug)]
pub struct MortalObjects<F>(pub Objects, pub Arc<F>);

impl<F> std::fmt::Display for MortalObjects<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("objects of a mortal process")
    }
}

type Stored<T> = object_store::Result<T>;

async fn object<T>(fate: &dyn Fate, bytes: usize, work: impl Future<Output = Stored<T>> + Send) -> Stored<T> {
    let outcome = under(fate, Effect::Object(bytes), async {
        match work.await {
            // An answer as such: who writes an object once asks for it.
            Err(error @ object_store::Error::AlreadyExists { .. }) => Ok(Err(error)),
            other => other.map(Ok).map_err(Error::from),
        }
    });
    outcome.await.unwrap_or_else(|error| {
        Err(object_store::Error::Generic {
            store: "mortal",
            source: Box::new(error),
        })
    })
}

#[async_trait::async_trait]
impl<F: Fate + 'static> ObjectStore for MortalObjects<F> {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Stored<PutResult> {
        let bytes = payload.content_length();
        object(&*self.1, bytes, self.0.put_opts(path, payload, options)).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Stored<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Stored<GetResult> {
        self.0.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Stored<Path>>) -> BoxStream<'static, Stored<Path>> {
        let (objects, fate) = (self.0.clone(), self.1.clone());
        let removed = paths.then(move |path| {
            let (objects, fate) = (objects.clone(), fate.clone());
            async move {
                let path = path?;
                object(&*fate, 0, objects.delete(&path)).await?;
                Ok(path)
            }
        });
        removed.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Stored<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Stored<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Stored<()> {
        self.0.copy_opts(from, to, options).await
    }
}

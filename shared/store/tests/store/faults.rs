//! Ports that fail at a chosen effect: from then on everything fails, as for a process that died.

use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use parapet_ports::{Error, Item, Key, Kind, Page, Ports, SkRange, Table, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts effects (puts, deletes, transactions).
#[derive(Debug)]
struct Gate {
    seen: AtomicUsize,
    cut: usize,
    after: bool,
}

/// What to do with an effect.
enum Pass {
    Through,
    /// The effect takes place, but the caller learns of a failure.
    ThroughAndFail,
    Fail,
}

impl Gate {
    fn effect(&self) -> Pass {
        match self.seen.fetch_add(1, Ordering::SeqCst) {
            seen if seen < self.cut => Pass::Through,
            seen if seen == self.cut && self.after => Pass::ThroughAndFail,
            _ => Pass::Fail,
        }
    }

    fn is_dead(&self) -> bool {
        self.seen.load(Ordering::SeqCst) > self.cut
    }
}

pub(crate) struct Faults {
    pub(crate) ports: Ports,
    gate: Arc<Gate>,
}

impl Faults {
    pub(crate) fn new(ports: &Ports, cut: usize, after: bool) -> Self {
        let gate = Arc::new(Gate {
            seen: AtomicUsize::new(0),
            cut,
            after,
        });
        let mut faulty = ports.clone();
        faulty.objects = Arc::new(FaultyObjects {
            inner: ports.objects.clone(),
            gate: gate.clone(),
        });
        faulty.table = Arc::new(FaultyTable {
            inner: ports.table.clone(),
            gate: gate.clone(),
        });
        Self { ports: faulty, gate }
    }

    /// Whether the run got as far as the chosen effect.
    pub(crate) fn was_hit(&self) -> bool {
        self.gate.is_dead()
    }
}

#[derive(Debug)]
struct FaultyTable {
    inner: Arc<dyn Table>,
    gate: Arc<Gate>,
}

fn dead() -> Error {
    Error::new(Kind::Unavailable, "cut off")
}

#[async_trait::async_trait]
impl Table for FaultyTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        if self.gate.is_dead() {
            Err(dead())
        } else {
            self.inner.get(key).await
        }
    }

    async fn query_page(&self, pk: &str, range: &SkRange, limit: usize) -> Result<Page, Error> {
        if self.gate.is_dead() {
            Err(dead())
        } else {
            self.inner.query_page(pk, range, limit).await
        }
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        match self.gate.effect() {
            Pass::Through => self.inner.transact(writes).await,
            Pass::ThroughAndFail => self.inner.transact(writes).await.and(Err(dead())),
            Pass::Fail => Err(dead()),
        }
    }
}

#[derive(Debug)]
struct FaultyObjects {
    inner: Arc<dyn ObjectStore>,
    gate: Arc<Gate>,
}

impl std::fmt::Display for FaultyObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultyObjects")
    }
}

fn cut_off() -> object_store::Error {
    object_store::Error::Generic {
        store: "faulty",
        source: "cut off".into(),
    }
}

#[async_trait::async_trait]
impl ObjectStore for FaultyObjects {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        match self.gate.effect() {
            Pass::Through => self.inner.put_opts(path, payload, options).await,
            Pass::ThroughAndFail => self.inner.put_opts(path, payload, options).await.and(Err(cut_off())),
            Pass::Fail => Err(cut_off()),
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        if self.gate.is_dead() {
            Err(cut_off())
        } else {
            self.inner.get_opts(path, options).await
        }
    }

    fn delete_stream(
        &self,
        paths: futures::stream::BoxStream<'static, object_store::Result<Path>>,
    ) -> futures::stream::BoxStream<'static, object_store::Result<Path>> {
        use futures::StreamExt as _;
        let (inner, gate) = (self.inner.clone(), self.gate.clone());
        paths
            .then(move |path| {
                let (inner, gate) = (inner.clone(), gate.clone());
                async move {
                    let path = path?;
                    let delete = async || object_store::ObjectStoreExt::delete(&inner, &path).await;
                    match gate.effect() {
                        Pass::Through => delete().await?,
                        Pass::ThroughAndFail => return delete().await.and(Err(cut_off())),
                        Pass::Fail => return Err(cut_off()),
                    }
                    Ok(path)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> futures::stream::BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

//! Objects whose every write and removal is an effect at which the process can die.

use crate::world::Fate;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parapet_ports::Objects;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct FatefulObjects(pub(crate) Objects, pub(crate) Arc<Fate>);

impl std::fmt::Display for FatefulObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("objects with a fate")
    }
}

async fn effect<T>(fate: &Fate, effect: impl Future<Output = Result<T>>) -> Result<T> {
    let outcome = fate.effect(async { effect.await.map_err(parapet_ports::Error::from) });
    outcome.await.map_err(|error| object_store::Error::Generic {
        store: "fateful",
        source: Box::new(error),
    })
}

#[async_trait::async_trait]
impl ObjectStore for FatefulObjects {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        effect(&self.1, self.0.put_opts(path, payload, options)).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (objects, fate) = (self.0.clone(), self.1.clone());
        let removed = paths.then(move |path| {
            let (objects, fate) = (objects.clone(), fate.clone());
            async move {
                let path = path?;
                effect(&fate, objects.delete(&path)).await?;
                Ok(path)
            }
        });
        removed.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

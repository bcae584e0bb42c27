//! Objects in S3.
//!
//! An [`ObjectStore`] over one bucket. Conditional puts are S3's own (`If-None-Match: *`, `If-Match`); listings skip
//! what is no [`Path`] (folder markers, keys with empty segments), for a bucket may hold what others put there.

mod attributes;
mod error;
mod get;
mod list;
mod upload;

use attributes::ObjectHeaders;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use error::store_error;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::sync::Arc;

/// Names this store in errors.
const STORE: &str = "S3";

/// Most keys of one `DeleteObjects` call: S3's limit.
const DELETE_KEYS: usize = 1000;

/// How often a conditional put is sent that S3 answers with 409: another one for the key was under way.
const CONFLICT_ATTEMPTS: usize = 4;

/// [`ObjectStore`] over one bucket. Clones share the client.
#[derive(Clone, Debug)]
pub(crate) struct S3Objects {
    client: Client,
    bucket: Arc<str>,
}

impl S3Objects {
    pub(crate) fn new(client: Client, bucket: String) -> Self {
        Self {
            client,
            bucket: bucket.into(),
        }
    }

    async fn delete_call(&self, locations: Vec<Path>) -> Result<Vec<Result<Path>>> {
        let identifiers = locations
            .iter()
            .map(|location| ObjectIdentifier::builder().key(location.as_ref()).build());
        let identifiers = identifiers.collect::<Result<_, _>>().map_err(error::unbuildable)?;
        let delete = Delete::builder().set_objects(Some(identifiers)).quiet(true).build();
        let request = self
            .client
            .delete_objects()
            .bucket(&*self.bucket)
            .delete(delete.map_err(error::unbuildable)?);
        let answer = request
            .send()
            .await
            .map_err(|error| store_error("DeleteObjects", "", error))?;
        let answers = locations.into_iter().map(|location| {
            let refusal = answer
                .errors()
                .iter()
                .find(|refusal| refusal.key() == Some(location.as_ref()));
            match refusal {
                None => Ok(location),
                Some(refusal) => {
                    let (code, text) = (
                        refusal.code().unwrap_or_default(),
                        refusal.message().unwrap_or_default(),
                    );
                    Err(error::refusal(&location, code, text))
                }
            }
        });
        Ok(answers.collect())
    }
}

impl std::fmt::Display for S3Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3({})", self.bucket)
    }
}

/// The condition headers of a put: `If-None-Match` and `If-Match`.
fn put_condition(mode: PutMode) -> Result<(Option<String>, Option<String>)> {
    match mode {
        PutMode::Overwrite => Ok((None, None)),
        PutMode::Create => Ok((Some("*".to_owned()), None)),
        PutMode::Update(version) => match version.e_tag {
            Some(e_tag) => Ok((None, Some(e_tag))),
            None => Err(Error::Generic {
                store: STORE,
                source: "a conditional put needs an ETag".into(),
            }),
        },
    }
}

#[async_trait::async_trait]
impl ObjectStore for S3Objects {
    /// A conditional put whose answer was lost and which the SDK then repeats is answered
    /// [`Error::AlreadyExists`] or [`Error::Precondition`] by its own first write: keys named from content make
    /// that harmless.
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let headers = ObjectHeaders::try_from(opts.attributes)?;
        let creates = opts.mode == PutMode::Create;
        let (if_none_match, if_match) = put_condition(opts.mode)?;
        let body = Bytes::from(payload);
        let mut attempt = 1;
        loop {
            let headers = headers.clone();
            let request = self
                .client
                .put_object()
                .bucket(&*self.bucket)
                .key(location.as_ref())
                .set_if_none_match(if_none_match.clone())
                .set_if_match(if_match.clone())
                .set_cache_control(headers.cache_control)
                .set_content_disposition(headers.content_disposition)
                .set_content_encoding(headers.content_encoding)
                .set_content_language(headers.content_language)
                .set_content_type(headers.content_type)
                .set_storage_class(headers.storage_class)
                .set_metadata(headers.metadata)
                .set_tagging((!opts.tags.is_empty()).then(|| opts.tags.encoded().to_owned()))
                .body(ByteStream::from(body.clone()));
            let error = match Box::pin(request.send()).await {
                Ok(answer) => return Ok(upload::put_result(answer.e_tag, answer.version_id)),
                Err(error) => error,
            };
            let conditional = if_none_match.is_some() || if_match.is_some();
            if conditional && error::status(&error) == Some(409) && attempt < CONFLICT_ATTEMPTS {
                attempt += 1;
                continue;
            }
            return Err(match store_error("PutObject", location.as_ref(), error) {
                Error::Precondition { path, source } if creates => Error::AlreadyExists { path, source },
                // What is not there does not have the version asked for.
                Error::NotFound { path, source } if if_match.is_some() => Error::Precondition { path, source },
                error => error,
            });
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let id = Box::pin(self.create_multipart_opts(location, opts)).await?;
        Ok(Box::new(upload::S3Upload::new(self.clone(), location.clone(), id)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if let Some(range) = &options.range {
            range.is_valid().map_err(|source| Error::Generic {
                store: STORE,
                source: source.into(),
            })?;
        }
        if options.head {
            Box::pin(self.head_object(location, options)).await
        } else {
            Box::pin(self.get_object(location, options)).await
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let calls = locations.try_chunks(DELETE_KEYS).map(move |locations| {
            let store = store.clone();
            async move {
                // A broken list of keys ends the deletion; the keys before the fault are not deleted either.
                let locations = locations.map_err(|fault| fault.1)?;
                let answers = Box::pin(store.delete_call(locations)).await?;
                Ok::<_, Error>(stream::iter(answers))
            }
        });
        calls.buffered(4).try_flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_from(prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        Box::pin(self.list_level(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        match options.mode {
            CopyMode::Overwrite => {
                let request = self
                    .client
                    .copy_object()
                    .copy_source(self.copy_source(from))
                    .bucket(&*self.bucket)
                    .key(to.as_ref());
                let copied = Box::pin(request.send()).await;
                copied
                    .map(|_| ())
                    .map_err(|error| store_error("CopyObject", from.as_ref(), error))
            }
            CopyMode::Create => Box::pin(self.copy_if_absent(from, to)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::UpdateVersion;

    #[test]
    fn an_update_needs_an_e_tag() {
        let version = |e_tag: Option<&str>| UpdateVersion {
            e_tag: e_tag.map(str::to_owned),
            version: None,
        };
        assert_eq!(put_condition(PutMode::Overwrite).unwrap(), (None, None));
        assert_eq!(put_condition(PutMode::Create).unwrap(), (Some("*".to_owned()), None));
        let update = put_condition(PutMode::Update(version(Some("\"a\"")))).unwrap();
        assert_eq!(update, (None, Some("\"a\"".to_owned())));
        assert!(put_condition(PutMode::Update(version(None))).is_err());
    }
}

//! Writing objects in parts, and copying where nothing stands.

use super::attributes::ObjectHeaders;
use super::error::{status, store_error};
use super::get::version;
use super::{S3Objects, STORE};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Error, MultipartId, MultipartUpload, PutMultipartOptions, PutPayload, PutResult, Result, UploadPart,
};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) fn put_result(e_tag: Option<String>, version_id: Option<String>) -> PutResult {
    PutResult {
        e_tag,
        version: version(version_id),
        extensions: Default::default(),
    }
}

/// S3 counts parts from 1.
fn part_number(index: usize) -> Result<i32> {
    i32::try_from(index + 1).map_err(|error| Error::Generic {
        store: STORE,
        source: Box::new(error),
    })
}

/// What completing an upload needs of a part, kept in a [`PartId`]: its ETag, and after a space the checksum that the
/// SDK sent with it.
fn part_id(e_tag: Option<String>, checksum: Option<&str>) -> PartId {
    let e_tag = e_tag.unwrap_or_default();
    let content_id = match checksum {
        Some(checksum) => format!("{e_tag} {checksum}"),
        None => e_tag,
    };
    PartId { content_id }
}

fn completed_part(index: usize, part: &PartId) -> Result<CompletedPart> {
    let (e_tag, checksum) = match part.content_id.split_once(' ') {
        Some((e_tag, checksum)) => (e_tag, Some(checksum.to_owned())),
        None => (part.content_id.as_str(), None),
    };
    let part = CompletedPart::builder().part_number(part_number(index)?).e_tag(e_tag);
    Ok(part.set_checksum_crc32(checksum).build())
}

impl S3Objects {
    /// `bucket/key` as a header wants it: percent-encoded but for unreserved characters and slashes.
    pub(super) fn copy_source(&self, from: &Path) -> String {
        let mut source = format!("{}/", self.bucket);
        for byte in from.as_ref().bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => source.push(byte as char),
                _ => source.push_str(&format!("%{byte:02X}")),
            }
        }
        source
    }

    async fn complete(&self, path: &Path, id: &str, parts: Vec<CompletedPart>, if_absent: bool) -> Result<PutResult> {
        let request = self
            .client
            .complete_multipart_upload()
            .bucket(&*self.bucket)
            .key(path.as_ref())
            .upload_id(id)
            .set_if_none_match(if_absent.then(|| "*".to_owned()))
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
        match request.send().await {
            Ok(answer) => Ok(put_result(answer.e_tag, answer.version_id)),
            // A conditional completion under way at the same time: whoever it is, the key will not be absent.
            Err(error) if if_absent && status(&error) == Some(409) => Err(Error::AlreadyExists {
                path: path.to_string(),
                source: Box::new(error),
            }),
            Err(error) => Err(store_error("CompleteMultipartUpload", path.as_ref(), error)),
        }
    }

    /// An upload of one part that is a copy, completed if nothing stands at `to`: CopyObject itself takes no such
    /// condition everywhere.
    pub(super) async fn copy_if_absent(&self, from: &Path, to: &Path) -> Result<()> {
        let id = self.create_multipart(to).await?;
        let copied = async {
            let request = self
                .client
                .upload_part_copy()
                .bucket(&*self.bucket)
                .key(to.as_ref())
                .upload_id(&id)
                .part_number(1)
                .copy_source(self.copy_source(from));
            let answer = request
                .send()
                .await
                .map_err(|error| store_error("UploadPartCopy", from.as_ref(), error))?;
            let result = answer.copy_part_result();
            let e_tag = result.and_then(|result| result.e_tag()).unwrap_or_default();
            let checksum = result.and_then(|result| result.checksum_crc32()).map(str::to_owned);
            let part = CompletedPart::builder()
                .part_number(1)
                .e_tag(e_tag)
                .set_checksum_crc32(checksum)
                .build();
            match Box::pin(self.complete(to, &id, vec![part], true)).await {
                Ok(_) => Ok(()),
                Err(Error::Precondition { path, source }) => Err(Error::AlreadyExists { path, source }),
                Err(error) => Err(error),
            }
        };
        let copied = Box::pin(copied).await;
        if copied.is_err() {
            // As far as it goes: the bucket's lifecycle removes what is left behind.
            let _ = self.abort_multipart(to, &id).await;
        }
        copied
    }
}

#[async_trait::async_trait]
impl MultipartStore for S3Objects {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        Box::pin(self.create_multipart_opts(path, PutMultipartOptions::default())).await
    }

    async fn create_multipart_opts(&self, path: &Path, opts: PutMultipartOptions) -> Result<MultipartId> {
        let headers = ObjectHeaders::try_from(opts.attributes)?;
        let request = self
            .client
            .create_multipart_upload()
            .bucket(&*self.bucket)
            .key(path.as_ref())
            .set_cache_control(headers.cache_control)
            .set_content_disposition(headers.content_disposition)
            .set_content_encoding(headers.content_encoding)
            .set_content_language(headers.content_language)
            .set_content_type(headers.content_type)
            .set_storage_class(headers.storage_class)
            .set_metadata(headers.metadata)
            .set_tagging((!opts.tags.is_empty()).then(|| opts.tags.encoded().to_owned()));
        let answer = Box::pin(request.send()).await;
        let answer = answer.map_err(|error| store_error("CreateMultipartUpload", path.as_ref(), error))?;
        answer.upload_id.ok_or_else(|| Error::Generic {
            store: STORE,
            source: "the answer has no upload id".into(),
        })
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part_idx: usize, data: PutPayload) -> Result<PartId> {
        let request = self
            .client
            .upload_part()
            .bucket(&*self.bucket)
            .key(path.as_ref())
            .upload_id(id)
            .part_number(part_number(part_idx)?)
            .body(ByteStream::from(Bytes::from(data)));
        let answer = Box::pin(request.send()).await;
        let answer = answer.map_err(|error| store_error("UploadPart", path.as_ref(), error))?;
        let checksum = answer.checksum_crc32().map(str::to_owned);
        Ok(part_id(answer.e_tag, checksum.as_deref()))
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, mut parts: Vec<PartId>) -> Result<PutResult> {
        if parts.is_empty() {
            // S3 does not complete an upload without parts; an empty last part is one.
            parts.push(self.put_part(path, id, 0, PutPayload::default()).await?);
        }
        let parts = parts
            .iter()
            .enumerate()
            .map(|(index, part)| completed_part(index, part));
        Box::pin(self.complete(path, id, parts.collect::<Result<_>>()?, false)).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        let request = self
            .client
            .abort_multipart_upload()
            .bucket(&*self.bucket)
            .key(path.as_ref())
            .upload_id(id);
        let aborted = Box::pin(request.send()).await;
        aborted
            .map(|_| ())
            .map_err(|error| store_error("AbortMultipartUpload", path.as_ref(), error))
    }
}

/// One upload in parts. Parts may be sent side by side and in any order.
#[derive(Debug)]
pub(super) struct S3Upload {
    store: S3Objects,
    location: Path,
    id: MultipartId,
    parts: Arc<Mutex<Vec<Option<PartId>>>>,
}

impl S3Upload {
    pub(super) fn new(store: S3Objects, location: Path, id: MultipartId) -> Self {
        Self {
            store,
            location,
            id,
            parts: Arc::default(),
        }
    }
}

#[async_trait::async_trait]
impl MultipartUpload for S3Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (store, location, id) = (self.store.clone(), self.location.clone(), self.id.clone());
        let parts = self.parts.clone();
        let index = {
            let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
            parts.push(None);
            parts.len() - 1
        };
        Box::pin(async move {
            let part = store.put_part(&location, &id, index, data).await?;
            parts.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(part);
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let parts: Option<Vec<PartId>> = {
            let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            parts.iter().cloned().collect()
        };
        let parts = parts.ok_or_else(|| Error::Generic {
            store: STORE,
            source: "an upload is completed before each of its parts is".into(),
        })?;
        self.store.complete_multipart(&self.location, &self.id, parts).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.abort_multipart(&self.location, &self.id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_checksum() {
        let part = completed_part(0, &part_id(Some("\"e\"".into()), Some("AAAA=="))).unwrap();
        assert_eq!(
            (part.part_number(), part.e_tag(), part.checksum_crc32()),
            (Some(1), Some("\"e\""), Some("AAAA=="))
        );
        let part = completed_part(9, &part_id(Some("\"e\"".into()), None)).unwrap();
        assert_eq!(
            (part.part_number(), part.e_tag(), part.checksum_crc32()),
            (Some(10), Some("\"e\""), None)
        );
    }
}

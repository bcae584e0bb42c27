//! Reading objects.

use super::attributes::ObjectHeaders;
use super::error::store_error;
use super::{S3Objects, STORE};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use chrono::Utc;
use futures::{StreamExt, stream};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, Result};
use std::ops::Range;

fn to_sdk(time: chrono::DateTime<Utc>) -> DateTime {
    DateTime::from_millis(time.timestamp_millis())
}

pub(super) fn from_sdk(time: Option<&DateTime>) -> chrono::DateTime<Utc> {
    let time = time.and_then(|time| chrono::DateTime::from_timestamp(time.secs(), time.subsec_nanos()));
    time.unwrap_or_default()
}

/// S3 says `null` for objects that were put while the bucket kept no versions.
pub(super) fn version(version_id: Option<String>) -> Option<String> {
    version_id.filter(|version| version != "null")
}

fn generic(text: String) -> Error {
    Error::Generic {
        store: STORE,
        source: text.into(),
    }
}

/// `bytes=0-9` and the like.
fn range_header(range: &GetRange) -> String {
    match range {
        GetRange::Bounded(range) => format!("bytes={}-{}", range.start, range.end - 1),
        GetRange::Offset(offset) => format!("bytes={offset}-"),
        GetRange::Suffix(length) => format!("bytes=-{length}"),
    }
}

/// The range and the whole size of `bytes 0-9/100`.
fn read_content_range(header: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = header.strip_prefix("bytes ")?.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    Some((first..last.checked_add(1)?, size.parse().ok()?))
}

fn content_length(length: Option<i64>) -> Result<u64> {
    let length = length.and_then(|length| u64::try_from(length).ok());
    length.ok_or_else(|| generic("the answer has no length".to_owned()))
}

impl S3Objects {
    pub(super) async fn head_object(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let request = self
            .client
            .head_object()
            .bucket(&*self.bucket)
            .key(location.as_ref())
            .set_if_match(options.if_match)
            .set_if_none_match(options.if_none_match)
            .set_if_modified_since(options.if_modified_since.map(to_sdk))
            .set_if_unmodified_since(options.if_unmodified_since.map(to_sdk))
            .set_version_id(options.version);
        let answer = request
            .send()
            .await
            .map_err(|error| store_error("HeadObject", location.as_ref(), error))?;
        let size = content_length(answer.content_length)?;
        let HeadObjectOutput {
            last_modified,
            e_tag,
            version_id,
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            content_type,
            storage_class,
            metadata,
            ..
        } = answer;
        let headers = ObjectHeaders {
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            content_type,
            storage_class,
            metadata,
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::empty().boxed()),
            meta: ObjectMeta {
                location: location.clone(),
                last_modified: from_sdk(last_modified.as_ref()),
                size,
                e_tag,
                version: version(version_id),
            },
            range: 0..size,
            attributes: headers.into(),
            extensions: Default::default(),
        })
    }

    pub(super) async fn get_object(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let asked = options.range;
        let request = self
            .client
            .get_object()
            .bucket(&*self.bucket)
            .key(location.as_ref())
            .set_range(asked.as_ref().map(range_header))
            .set_if_match(options.if_match)
            .set_if_none_match(options.if_none_match)
            .set_if_modified_since(options.if_modified_since.map(to_sdk))
            .set_if_unmodified_since(options.if_unmodified_since.map(to_sdk))
            .set_version_id(options.version);
        let answer = request
            .send()
            .await
            .map_err(|error| store_error("GetObject", location.as_ref(), error))?;
        let GetObjectOutput {
            body,
            last_modified,
            content_length: length,
            content_range,
            e_tag,
            version_id,
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            content_type,
            storage_class,
            metadata,
            ..
        } = answer;
        let (range, size) = match (&asked, &content_range) {
            (None, _) => {
                let size = content_length(length)?;
                (0..size, size)
            }
            (Some(_), Some(header)) => {
                let read = read_content_range(header);
                read.ok_or_else(|| generic(format!("the answer's range `{header}` does not read")))?
            }
            // A service that ignores ranges would hand over the wrong bytes.
            (Some(_), None) => return Err(generic("a range was asked for and the whole object came".to_owned())),
        };
        let headers = ObjectHeaders {
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            content_type,
            storage_class,
            metadata,
        };
        let chunks = stream::unfold(body, |mut body| async {
            let chunk = body.next().await?;
            let chunk = chunk.map_err(|error| Error::Generic {
                store: STORE,
                source: Box::new(error),
            });
            Some((chunk, body))
        });
        Ok(GetResult {
            // Callers may poll past the end.
            payload: GetResultPayload::Stream(chunks.fuse().boxed()),
            meta: ObjectMeta {
                location: location.clone(),
                last_modified: from_sdk(last_modified.as_ref()),
                size,
                e_tag,
                version: version(version_id),
            },
            range,
            attributes: headers.into(),
            extensions: Default::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_inclusive_in_headers() {
        assert_eq!(range_header(&GetRange::Bounded(0..10)), "bytes=0-9");
        assert_eq!(range_header(&GetRange::Offset(5)), "bytes=5-");
        assert_eq!(range_header(&GetRange::Suffix(8)), "bytes=-8");
        assert_eq!(read_content_range("bytes 0-9/100"), Some((0..10, 100)));
        for broken in [
            "",
            "bytes",
            "bytes */100",
            "bytes 0-9/*",
            "bytes 0-18446744073709551615/5",
            "items 0-9/100",
        ] {
            assert_eq!(read_content_range(broken), None, "{broken}");
        }
    }
}

//! Listing objects.

use super::S3Objects;
use super::error::store_error;
use super::get::from_sdk;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::Object;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::{DELIMITER, Path};
use object_store::{Error, ListResult, ObjectMeta, Result};

/// A directory's prefix: with the delimiter, so that `a` does not list `ab`.
fn directory(prefix: Option<&Path>) -> Option<String> {
    let prefix = prefix.filter(|prefix| !prefix.as_ref().is_empty());
    prefix.map(|prefix| format!("{prefix}{DELIMITER}"))
}

/// A key as a path; `None` for folder markers and other keys that no path can name.
fn location(key: &str) -> Option<Path> {
    if key.ends_with(DELIMITER) {
        return None;
    }
    Path::parse(key).ok().filter(|path| path.as_ref() == key)
}

fn meta(object: &Object) -> Option<ObjectMeta> {
    let key = object.key()?;
    let Some(location) = location(key) else {
        tracing::debug!(key, "a listed object has no readable path and is skipped");
        return None;
    };
    Some(ObjectMeta {
        location,
        last_modified: from_sdk(object.last_modified()),
        size: object
            .size()
            .and_then(|size| u64::try_from(size).ok())
            .unwrap_or_default(),
        e_tag: object.e_tag().map(str::to_owned),
        version: None,
    })
}

/// Where a listing goes on.
enum Next {
    Start,
    Token(String),
    End,
}

impl Next {
    fn after(answer: &ListObjectsV2Output) -> Self {
        match answer.next_continuation_token() {
            Some(token) if answer.is_truncated() == Some(true) => Self::Token(token.to_owned()),
            _ => Self::End,
        }
    }
}

impl S3Objects {
    async fn list_call(
        &self,
        prefix: Option<&str>,
        offset: Option<&str>,
        delimiter: Option<&str>,
        next: Next,
    ) -> Result<Option<(ListObjectsV2Output, Next)>> {
        let token = match next {
            Next::Start => None,
            Next::Token(token) => Some(token),
            Next::End => return Ok(None),
        };
        let request = self
            .client
            .list_objects_v2()
            .bucket(&*self.bucket)
            .set_prefix(prefix.map(str::to_owned))
            .set_start_after(offset.map(str::to_owned))
            .set_delimiter(delimiter.map(str::to_owned))
            .set_continuation_token(token);
        let answer = request.send().await;
        let answer = answer.map_err(|error| store_error("ListObjectsV2", prefix.unwrap_or_default(), error))?;
        let next = Next::after(&answer);
        Ok(Some((answer, next)))
    }

    pub(super) fn list_from(
        &self,
        prefix: Option<&Path>,
        offset: Option<&Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix, offset) = (self.clone(), directory(prefix), offset.map(Path::to_string));
        let pages = stream::try_unfold(Next::Start, move |next| {
            let (store, prefix, offset) = (store.clone(), prefix.clone(), offset.clone());
            async move {
                let page = Box::pin(store.list_call(prefix.as_deref(), offset.as_deref(), None, next)).await?;
                Ok::<_, Error>(page.map(|(answer, next)| {
                    let metas: Vec<_> = answer.contents().iter().filter_map(meta).map(Ok).collect();
                    (stream::iter(metas), next)
                }))
            }
        });
        pages.try_flatten().boxed()
    }

    pub(super) async fn list_level(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = directory(prefix);
        let mut result = ListResult {
            objects: Vec::new(),
            common_prefixes: Vec::new(),
            extensions: Default::default(),
        };
        let mut next = Next::Start;
        while let Some((answer, after)) = self.list_call(prefix.as_deref(), None, Some(DELIMITER), next).await? {
            result.objects.extend(answer.contents().iter().filter_map(meta));
            let prefixes = answer.common_prefixes().iter().filter_map(|common| common.prefix());
            let prefixes = prefixes.filter_map(|prefix| location(prefix.strip_suffix(DELIMITER).unwrap_or(prefix)));
            result.common_prefixes.extend(prefixes);
            next = after;
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_keys_are_skipped() {
        assert_eq!(
            location("config/prometheus.yml"),
            Some(Path::from("config/prometheus.yml"))
        );
        for key in ["config/", "/absolute", "a//b", "a/./b", "a/../b", ""] {
            assert!(location(key).is_none_or(|path| path.as_ref().is_empty()), "{key}");
        }
    }

    #[test]
    fn a_prefix_is_a_directory() {
        assert_eq!(directory(None), None);
        assert_eq!(directory(Some(&Path::from("/"))), None);
        assert_eq!(directory(Some(&Path::from("a/b"))).as_deref(), Some("a/b/"));
    }
}

//! Reads that do not wait for a slow answer: of an object store a few in a thousand take ten times as long as the rest.

use bytes::Bytes;
use futures::future::{Either, select};
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use parapet_ports::Objects;
use std::fmt;
use std::ops::Range;
use std::pin::pin;
use std::time::Duration;

/// Asks again where an answer is not there after a while, and takes the one that comes first. Reads alone: objects never
/// change, so that both answers are the same.
#[derive(Debug)]
pub(crate) struct Hedged {
    inner: Objects,
    after: Duration,
}

impl Hedged {
    pub(crate) fn new(inner: Objects, after: Duration) -> Self {
        Self { inner, after }
    }

    #[expect(clippy::disallowed_methods)] // Nothing is held up: the first request is under way meanwhile.
    async fn read<T, F: Future<Output = Result<T>>>(&self, request: impl Fn() -> F) -> Result<T> {
        first(request, tokio::time::sleep(self.after)).await
    }
}

/// The first answer: of a request, or of a second one that is made when the time is up.
async fn first<T, F: Future<Output = Result<T>>>(
    request: impl Fn() -> F,
    time_up: impl Future<Output = ()>,
) -> Result<T> {
    let first = pin!(request());
    let first = match select(first, pin!(time_up)).await {
        Either::Left((answer, _)) => return answer,
        Either::Right(((), first)) => first,
    };
    metrics::counter!("parapet_store_hedged_reads_total").increment(1);
    match select(first, pin!(request())).await {
        Either::Left((Ok(answer), _)) | Either::Right((Ok(answer), _)) => Ok(answer),
        Either::Left((Err(_), second)) => second.await,
        Either::Right((Err(_), first)) => first.await,
    }
}

impl fmt::Display for Hedged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Hedged {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.read(|| self.inner.get_opts(location, options.clone())).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.read(|| self.inner.get_ranges(location, ranges)).await
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::cell::Cell;

    use std::future::{pending, ready};

    /// What requests meet with, one after another: an answer, an error, or nothing for ever.
    fn ask(answers: &[Option<Result<u32, ()>>], time_up: bool) -> (Option<Result<u32, ()>>, usize) {
        let asked = Cell::new(0);
        let request = || {
            let answer = answers[asked.replace(asked.get() + 1)];
            async move {
                match answer {
                    Some(Ok(answer)) => Ok(answer),
                    Some(Err(())) => Err(object_store::Error::NotImplemented {
                        operation: String::new(),
                        implementer: String::new(),
                    }),
                    None => pending().await,
                }
            }
        };
        let answer = if time_up {
            first(request, ready(())).now_or_never()
        } else {
            first(request, pending()).now_or_never()
        };
        (answer.map(|answer| answer.map_err(|_| ())), asked.get())
    }

    #[test]
    fn the_first_answer_counts() {
        assert_eq!(ask(&[Some(Ok(1))], true), (Some(Ok(1)), 1));
        assert_eq!(ask(&[Some(Err(()))], true), (Some(Err(())), 1), "an error is an answer");
        assert_eq!(ask(&[None], false), (None, 1), "not before its time");
        assert_eq!(ask(&[None, Some(Ok(2))], true), (Some(Ok(2)), 2));
        assert_eq!(ask(&[None, None], true), (None, 2), "no third request");
        assert_eq!(
            ask(&[None, Some(Err(()))], true),
            (None, 2),
            "an error does not end the other"
        );
    }
}

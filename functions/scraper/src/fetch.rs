//! The request of a scrape and the reading of its answer, with the memory that both take.

use crate::body::{self, Body, BodyFault, Reading};
use crate::known::KnownBody;
use crate::outcome::{Before, Context};
use crate::request;
use bytes::Bytes;
use parapet_exposition::Format;
use parapet_ports::BodyShare;
use parapet_store::Readings;
use std::sync::Arc;
use std::time::Duration;

/// What the samples of a body take, as a multiple of its length, about: they are there until they are stored, while the
/// set of their series and the batch are encoded.
const PARSED_FACTOR: usize = 6;

/// What the HTTP client says of a body over `body_size_limit`.
const BODY_SIZE_LIMIT: &str = "body size limit exceeded";

/// Why a scrape failed, and how many samples had been read and kept by relabelling.
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) samples: usize,
    pub(crate) kept: usize,
    /// As `scrape_body_size_bytes` reports it.
    pub(crate) body_bytes: i64,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self {
            // As in Prometheus, of a body over the limit the size is told as -1.
            body_bytes: if message == BODY_SIZE_LIMIT { -1 } else { 0 },
            message,
            samples: 0,
            kept: 0,
        }
    }
}

/// What a target answered; nothing where that is no exposition, which says nothing.
pub(crate) struct Fetched(pub(crate) Option<Response>);

pub(crate) struct Response {
    pub(crate) bytes: Bytes,
    pub(crate) format: Format,
}

impl Fetched {
    pub(crate) fn length(&self) -> i64 {
        let length = self.0.as_ref().map_or(0, |response| response.bytes.len());
        i64::try_from(length).unwrap_or(i64::MAX)
    }
}

pub(crate) async fn fetch(context: &Context, reading: &Reading<'_>, memory: &BodyShare) -> Result<Fetched, Failure> {
    let Reading { job, target, .. } = *reading;
    let count = job.targets.len() as u64;
    if job.target_limit > 0 && count > job.target_limit {
        return Err(Failure::from(format!(
            "target_limit exceeded (number of targets: {count}, limit: {})",
            job.target_limit
        )));
    }
    let settings = &context.settings;
    let request = request::build(&context.clients, job, target, settings.max_body_bytes, memory.clone()).await;
    let request = request.map_err(|error| error.chain())?;
    let response = context.ports.http.call(request).await.map_err(|error| error.chain())?;
    let response = request::read(job, response)?;
    Ok(Fetched(response.map(|(bytes, format)| Response { bytes, format })))
}

/// A body as it was read.
pub(crate) enum Read {
    Known(Arc<KnownBody>, Readings),
    Anew(Body),
}

pub(crate) async fn read(
    context: &Context,
    reading: &Reading<'_>,
    fetched: &Fetched,
    before: Before<'_>,
    memory: &BodyShare,
    within: Duration,
) -> Result<Read, Failure> {
    let Some(Response { bytes, format }) = &fetched.0 else {
        return Ok(Read::Anew(Body::default()));
    };
    let hash = before.set().map(|set| set.hash);
    if let Some((body, readings)) = context.known.read((bytes, *format), reading, before.written, hash) {
        return Ok(Read::Known(body, readings));
    }
    let failure = |fault: BodyFault| Failure {
        message: fault.message,
        samples: fault.samples,
        kept: fault.kept,
        body_bytes: fetched.length(),
    };
    let drawn = tokio::time::timeout(within, memory.draw(bytes.len().saturating_mul(PARSED_FACTOR))).await;
    drawn.map_err(|_| failure(BodyFault::from(memory.memory().exhausted().to_string())))?;
    body::read(bytes, *format, reading).map(Read::Anew).map_err(failure)
}

//! Sending samples to the store: batches become messages on [`Queue::Samples`].

use crate::batch::{Batch, Samples};
use crate::envelope::{Body, Content, Envelope, EnvelopeBatch};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use parapet_ports::queue::MAX_BODY_BYTES;
use parapet_ports::{Error, Kind, Outgoing, Ports, Queue};

/// A message is closed when it would grow over this: ingest then has messages of a size that parallelises, and
/// a queue of few large messages costs less than one of many small ones.
pub const SOFT_MESSAGE_BYTES: usize = 192 * 1024;

/// Sends batches to the samples queue. When this answers `Ok` they are durable and will be stored exactly once,
/// however often the same batch (by tenant and id) is sent.
///
/// A batch whose encoded body is over what a message holds is put in the bucket first (a claim check).
///
/// # Errors
/// What the queue or the object store said; then all of it is to be sent again, under the same ids.
pub async fn send_samples<B: Into<Batch>>(ports: &Ports, batches: Vec<B>) -> Result<(), Error> {
    send(ports, batches.into_iter().map(Into::into).collect(), false).await
}

/// As [`send_samples`], for samples that may be older than the store otherwise takes: the caller has checked their age.
///
/// # Errors
/// As [`send_samples`].
pub async fn send_samples_of_any_age<B: Into<Batch>>(ports: &Ports, batches: Vec<B>) -> Result<(), Error> {
    send(ports, batches.into_iter().map(Into::into).collect(), true).await
}

async fn send(ports: &Ports, batches: Vec<Batch>, any_age: bool) -> Result<(), Error> {
    let now_ms = ports.clock.now_ms();
    let (mut messages, mut open, mut open_bytes) = (Vec::new(), Vec::new(), 0usize);
    for batch in batches {
        let Some(content) = content(ports, &batch, now_ms).await? else {
            continue;
        };
        let entry = EnvelopeBatch {
            id: batch.id,
            tenant: batch.tenant,
            any_age,
            content,
        };
        let entry_bytes = entry.size_bytes();
        if open_bytes + entry_bytes > SOFT_MESSAGE_BYTES && !open.is_empty() {
            messages.push(close(std::mem::take(&mut open))?);
            open_bytes = 0;
        }
        open_bytes += entry_bytes;
        open.push(entry);
    }
    if !open.is_empty() {
        messages.push(close(open)?);
    }
    if messages.is_empty() {
        return Ok(());
    }
    ports.queues.send_batch(Queue::Samples, messages).await
}

/// What a batch is in a message; `None` where there is nothing in it.
async fn content(ports: &Ports, batch: &Batch, now_ms: i64) -> Result<Option<Content>, Error> {
    let objects = ports.objects.as_ref();
    let limit = MAX_BODY_BYTES - batch.id.len() * 6 - batch.tenant.len() * 6 - 256;
    let body = match &batch.samples {
        Samples::Series(series) if series.is_empty() => return Ok(None),
        Samples::Series(series) => Body::encode(series)?,
        Samples::Readings(readings) => {
            let body = BASE64_STANDARD.encode(readings.encode()?);
            if body.len() <= limit {
                let layout = readings.layout.put(objects, now_ms).await?;
                return Ok(Some(Content::Readings { layout, body }));
            }
            Body::encode(&readings.clone().into_series())?
        }
    };
    match body.into_inline(limit) {
        Ok(inline) => Ok(Some(inline)),
        Err(body) => Ok(Some(body.into_claim(objects, now_ms, &batch.tenant, &batch.id).await?)),
    }
}

fn close(batches: Vec<EnvelopeBatch>) -> Result<Outgoing, Error> {
    let text = serde_json::to_string(&Envelope {
        v: Envelope::VERSION,
        batches,
    })
    .map_err(|error| Error::new(Kind::Internal, "sample message does not encode").with_source(error))?;
    Ok(Outgoing::now(text))
}

//! Sending samples to the store: batches become messages on [`Queue::Samples`].

use crate::envelope::{Body, Envelope, EnvelopeBatch, Payload};
use parapet_model::SampleBatch;
use parapet_ports::queue::MAX_BODY_BYTES;
use parapet_ports::{Error, Kind, Outgoing, Ports};

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
pub async fn send_samples(ports: &Ports, batches: Vec<SampleBatch>) -> Result<(), Error> {
    send(ports, batches, false).await
}

/// As [`send_samples`], for samples that may be older than the store otherwise takes: the caller has checked their age.
///
/// # Errors
/// As [`send_samples`].
pub async fn send_samples_of_any_age(ports: &Ports, batches: Vec<SampleBatch>) -> Result<(), Error> {
    send(ports, batches, true).await
}

async fn send(ports: &Ports, batches: Vec<SampleBatch>, any_age: bool) -> Result<(), Error> {
    let batches = batches.into_iter().filter(|batch| !batch.series.is_empty());
    let outgoing = batches.map(|batch| Batch {
        id: batch.id,
        tenant: batch.tenant,
        any_age,
        payload: batch.series,
    });
    send_batches(ports, outgoing.collect()).await
}

/// A batch on its way to a queue.
pub(crate) struct Batch<P> {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) any_age: bool,
    pub(crate) payload: P,
}

/// Sends batches to the queue of their payload, as [`send_samples`] says.
pub(crate) async fn send_batches<P: Payload>(ports: &Ports, batches: Vec<Batch<P>>) -> Result<(), Error> {
    let now_ms = ports.clock.now_ms();
    let (mut messages, mut open, mut open_bytes) = (Vec::new(), Vec::new(), 0usize);
    for batch in batches {
        let body = Body::encode(&batch.payload)?;
        let content = match body.into_inline(MAX_BODY_BYTES - batch.id.len() * 6 - batch.tenant.len() * 6 - 256) {
            Ok(inline) => inline,
            Err(body) => {
                body.into_claim(ports.objects.as_ref(), now_ms, &batch.tenant, &batch.id)
                    .await?
            }
        };
        let entry = EnvelopeBatch {
            id: batch.id,
            tenant: batch.tenant,
            any_age: batch.any_age,
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
    ports.queues.send_batch(P::QUEUE, messages).await
}

fn close(batches: Vec<EnvelopeBatch>) -> Result<Outgoing, Error> {
    let text = serde_json::to_string(&Envelope {
        v: Envelope::VERSION,
        batches,
    })
    .map_err(|error| Error::new(Kind::Internal, "message does not encode").with_source(error))?;
    Ok(Outgoing::now(text))
}

//! Sending samples to the store: batches become messages on [`Queue::Samples`].

use crate::batch::{self, Samples};
use crate::envelope::{Body, Content, Envelope, EnvelopeBatch, Payload};
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
pub async fn send_samples<B: Into<batch::Batch>>(ports: &Ports, batches: Vec<B>) -> Result<(), Error> {
    send(ports, batches.into_iter().map(Into::into).collect(), false).await
}

/// As [`send_samples`], for samples that may be older than the store otherwise takes: the caller has checked their age.
///
/// # Errors
/// As [`send_samples`].
pub async fn send_samples_of_any_age<B: Into<batch::Batch>>(ports: &Ports, batches: Vec<B>) -> Result<(), Error> {
    send(ports, batches.into_iter().map(Into::into).collect(), true).await
}

async fn send(ports: &Ports, batches: Vec<batch::Batch>, any_age: bool) -> Result<(), Error> {
    let mut packing = Packing::default();
    for batch in batches {
        let (id, tenant) = (batch.id, batch.tenant);
        let content = match batch.samples {
            Samples::Series(series) if series.is_empty() => continue,
            Samples::Series(series) => content(ports, &id, &tenant, &series).await?,
            Samples::Readings(readings) => {
                let body = BASE64_STANDARD.encode(readings.encode()?);
                if body.len() <= max_inline(&id, &tenant) {
                    let layout = readings.layout.put(ports.objects.as_ref(), ports.clock.now_ms());
                    let layout = layout.await?;
                    Content::Readings { layout, body }
                } else {
                    content(ports, &id, &tenant, &readings.into_series()).await?
                }
            }
        };
        packing.add(EnvelopeBatch {
            id,
            tenant,
            any_age,
            content,
        })?;
    }
    packing.send(ports, Queue::Samples).await
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
    let mut packing = Packing::default();
    for batch in batches {
        packing.add(EnvelopeBatch {
            content: content(ports, &batch.id, &batch.tenant, &batch.payload).await?,
            id: batch.id,
            tenant: batch.tenant,
            any_age: batch.any_age,
        })?;
    }
    packing.send(ports, P::QUEUE).await
}

/// The longest text that a message holds beside these.
fn max_inline(id: &str, tenant: &str) -> usize {
    MAX_BODY_BYTES - id.len() * 6 - tenant.len() * 6 - 256
}

/// A payload as it stands in a message, or a claim check for it.
async fn content(ports: &Ports, id: &str, tenant: &str, payload: &impl Payload) -> Result<Content, Error> {
    match Body::encode(payload)?.into_inline(max_inline(id, tenant)) {
        Ok(inline) => Ok(inline),
        Err(body) => {
            let now_ms = ports.clock.now_ms();
            let key = body.into_claim(ports.objects.as_ref(), now_ms, tenant, id).await?;
            Ok(Content::Claim(key))
        }
    }
}

/// Batches on their way into messages.
#[derive(Default)]
struct Packing {
    messages: Vec<Outgoing>,
    open: Vec<EnvelopeBatch>,
    open_bytes: usize,
}

impl Packing {
    fn add(&mut self, batch: EnvelopeBatch) -> Result<(), Error> {
        let size_bytes = batch.size_bytes();
        if self.open_bytes + size_bytes > SOFT_MESSAGE_BYTES && !self.open.is_empty() {
            self.close()?;
        }
        self.open_bytes += size_bytes;
        self.open.push(batch);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.open_bytes = 0;
        self.messages.push(close(std::mem::take(&mut self.open))?);
        Ok(())
    }

    async fn send(mut self, ports: &Ports, queue: Queue) -> Result<(), Error> {
        if !self.open.is_empty() {
            self.close()?;
        }
        if self.messages.is_empty() {
            return Ok(());
        }
        ports.queues.send_batch(queue, self.messages).await
    }
}

fn close(batches: Vec<EnvelopeBatch>) -> Result<Outgoing, Error> {
    let text = serde_json::to_string(&Envelope {
        v: Envelope::VERSION,
        batches,
    })
    .map_err(|error| Error::new(Kind::Internal, "message does not encode").with_source(error))?;
    Ok(Outgoing::now(text))
}

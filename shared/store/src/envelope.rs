//! The form of a message on the samples queue and on the logs queue.
//!
//! `{"v":1,"batches":[{"id":"…","tenant":"…","body":"…"}]}`, where `body` is base64 of zstd of a [`Payload`]: of
//! samples a remote write 2.0 request; a body that is too large for a message stands in the bucket and `claim` names the
//! object. Samples that come again for the same series are `"readings":{"layout":"…","body":"…"}` instead: `layout` names
//! the object with the series, `body` has numbers only ([`Readings`]). With `"any_age":true` samples may be older than the
//! store otherwise takes.

use crate::batch::{Batch, Samples};
use crate::objects;
use crate::readings::{Layouts, Readings};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use object_store::{ObjectStore, PutMode, PutOptions};
use parapet_model::BatchSeries;
use parapet_ports::{Error, Kind, Queue};
use serde::{Deserialize, Serialize};

/// Where claim checks stand in the bucket: `claims/<day>/<hash>`.
pub const CLAIM_PREFIX: &str = "claims";

/// A body may unfold to at most this many bytes.
pub const MAX_BATCH_BYTES: usize = 256 << 20;

/// Faster than the default level and within a few percent of its size on remote write bytes.
const ZSTD_LEVEL: i32 = 1;

/// A message's body.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    pub(crate) v: u32,
    pub(crate) batches: Vec<EnvelopeBatch>,
}

impl Envelope {
    pub(crate) const VERSION: u32 = 1;
}

/// One batch of a message.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EnvelopeBatch {
    pub(crate) id: String,
    pub(crate) tenant: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) any_age: bool,
    #[serde(flatten)]
    pub(crate) content: Content,
}

impl EnvelopeBatch {
    pub(crate) fn size_bytes(&self) -> usize {
        let content = match &self.content {
            Content::Body(text) | Content::Claim(text) => text.len(),
            Content::Readings { layout, body } => layout.len() + body.len(),
        };
        content + self.id.len() + self.tenant.len() + 64
    }
}

/// The batch's payload, or where it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Content {
    /// base64(zstd(payload)).
    Body(String),
    /// The key of an object that holds zstd(payload).
    Claim(String),
    /// Samples as numbers, and the key of the object that holds their series.
    Readings {
        layout: String,
        /// base64 of what [`Readings::encode`] gives.
        body: String,
    },
}

/// What batches of a queue hold.
pub trait Payload: Sized {
    /// The queue.
    const QUEUE: Queue;
    /// What it is called where it does not read.
    const NAME: &'static str;
    /// Its bytes.
    fn encode(&self) -> Vec<u8>;
    /// Reads its bytes.
    ///
    /// # Errors
    /// What is wrong with them.
    fn decode(bytes: Bytes) -> Result<Self, String>;
}

impl Payload for Vec<BatchSeries> {
    const QUEUE: Queue = Queue::Samples;
    const NAME: &'static str = "remote write 2.0";

    fn encode(&self) -> Vec<u8> {
        parapet_remote_write::encode_v2(self)
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        parapet_remote_write::decode_v2(&bytes).map_err(|error| parapet_ports::error::chain(&error))
    }
}

/// A compressed payload on its way into a message.
pub(crate) struct Body(Vec<u8>);

impl Body {
    pub(crate) fn encode(payload: &impl Payload) -> Result<Self, Error> {
        let bytes = payload.encode();
        if bytes.len() > MAX_BATCH_BYTES {
            return Err(Error::new(
                Kind::Invalid,
                format!("batch of {} bytes is too large", bytes.len()),
            ));
        }
        zstd::bulk::compress(&bytes, ZSTD_LEVEL)
            .map(Self)
            .map_err(|error| Error::new(Kind::Internal, "batch does not compress").with_source(error))
    }

    /// The body as text, unless it is longer than `limit`.
    pub(crate) fn into_inline(self, limit: usize) -> Result<Content, Self> {
        if self.0.len().div_ceil(3) * 4 > limit {
            Err(self)
        } else {
            Ok(Content::Body(BASE64_STANDARD.encode(&self.0)))
        }
    }

    /// Puts the body in the bucket; answers its key. That holds the day, so that claims of a day go when no message of
    /// that day can be left, and the batch's identity and content, so that a repeat writes nothing new.
    pub(crate) async fn into_claim(
        self,
        objects: &dyn ObjectStore,
        now_ms: i64,
        tenant: &str,
        id: &str,
    ) -> Result<String, Error> {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for part in [tenant.as_bytes(), id.as_bytes(), &self.0] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let day = crate::day::Day::of_ms(now_ms);
        let key = format!("{CLAIM_PREFIX}/{day}/{:032x}", hasher.digest128());
        let path = object_store::path::Path::from(key.as_str());
        let options = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match objects.put_opts(&path, self.0.into(), options).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(key),
            Err(error) => Err(error.into()),
        }
    }
}

/// A message that can never be understood, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Poison(String);

impl Poison {
    pub(crate) fn new(why: String) -> Self {
        Self(why)
    }
}

/// A batch of a message, its payload perhaps still in the bucket.
#[derive(Debug)]
pub struct Parcel<P> {
    /// The batch's id.
    pub id: String,
    /// The batch's tenant.
    pub tenant: String,
    /// Whether its samples may be of any age: whoever took them in has seen to it.
    pub any_age: bool,
    content: ParcelContent<P>,
}

#[derive(Debug)]
enum ParcelContent<P> {
    Payload(P),
    Claim(String),
    /// The key of a layout, and readings as they were encoded.
    Readings(String, Vec<u8>),
}

/// Reads a message of the payload's queue.
///
/// # Errors
/// [`Poison`] where the message is not of the form, names an invalid tenant or holds bytes that do not decode.
pub fn open<P: Payload>(body: &str) -> Result<Vec<Parcel<P>>, Poison> {
    let envelope: Envelope =
        serde_json::from_str(body).map_err(|error| Poison(format!("not a message of batches: {error}")))?;
    if envelope.v != Envelope::VERSION {
        return Err(Poison(format!(
            "message of version {}, known is {}",
            envelope.v,
            Envelope::VERSION
        )));
    }
    let parcel = |batch: EnvelopeBatch| {
        crate::tenant::check(&batch.tenant).map_err(|error| Poison(error.to_string()))?;
        if batch.id.is_empty() || batch.id.len() > 512 {
            return Err(Poison("batch id is empty or longer than 512 bytes".to_owned()));
        }
        let bytes = |text: &str| {
            BASE64_STANDARD
                .decode(text)
                .map_err(|error| Poison(format!("batch {:?} is not base64: {error}", batch.id)))
        };
        let in_bucket = |key: String| match key.starts_with(CLAIM_PREFIX) && !key.contains("..") {
            true => Ok(key),
            false => Err(Poison(format!("claim {key:?} is outside {CLAIM_PREFIX}/"))),
        };
        let content = match batch.content {
            Content::Body(text) => ParcelContent::Payload(decode(&batch.id, &bytes(&text)?)?),
            Content::Claim(key) => ParcelContent::Claim(in_bucket(key)?),
            Content::Readings { layout, body } => ParcelContent::Readings(in_bucket(layout)?, bytes(&body)?),
        };
        Ok(Parcel {
            id: batch.id,
            tenant: batch.tenant,
            any_age: batch.any_age,
            content,
        })
    };
    envelope.batches.into_iter().map(parcel).collect()
}

/// What zstd made of at most `limit` bytes, all at once: then it says how many there are.
pub(crate) fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let size = zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten();
    let size = size.ok_or("does not decompress: its size is missing")?;
    match usize::try_from(size).ok().filter(|size| *size <= limit) {
        Some(size) => zstd::bulk::decompress(bytes, size).map_err(|error| format!("does not decompress: {error}")),
        None => Err(format!("unfolds to more than {limit} bytes")),
    }
}

fn decode<P: Payload>(id: &str, bytes: &[u8]) -> Result<P, Poison> {
    let plain = decompress(bytes, MAX_BATCH_BYTES).map_err(|error| Poison(format!("batch {id:?}: {error}")))?;
    P::decode(plain.into()).map_err(|error| Poison(format!("batch {id:?} is not {}: {error}", P::NAME)))
}

/// What [`Body::into_claim`] put in the bucket.
pub(crate) async fn claimed<P: Payload>(objects: &dyn ObjectStore, id: &str, key: String) -> Result<P, FetchError> {
    match objects::get(objects, &key).await? {
        Some(bytes) => Ok(decode(id, &bytes)?),
        None => Err(FetchError::Missing(key)),
    }
}

/// Why a parcel's payload cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The claim check names an object that is not there.
    #[error("claim check {0:?} is not in the bucket")]
    Missing(String),
    /// The object does not decode.
    #[error(transparent)]
    Poison(#[from] Poison),
    /// The object store is away.
    #[error(transparent)]
    Port(#[from] Error),
}

impl<P: Payload> Parcel<P> {
    /// The key of the object that holds the payload of this batch alone, where it is not in the message.
    #[must_use]
    pub fn claim(&self) -> Option<&str> {
        match &self.content {
            ParcelContent::Claim(key) => Some(key),
            // A layout stands for other batches too.
            ParcelContent::Payload(_) | ParcelContent::Readings(..) => None,
        }
    }

    /// The payload, fetched from the bucket where it is a claim check.
    ///
    /// # Errors
    /// [`FetchError`] where the claim is missing, does not decode, or the object store is away.
    pub async fn payload(self, objects: &dyn ObjectStore) -> Result<P, FetchError> {
        match self.content {
            ParcelContent::Payload(payload) => Ok(payload),
            ParcelContent::Claim(key) => claimed(objects, &self.id, key).await,
            ParcelContent::Readings(..) => Err(Poison(format!("batch {:?} is not {}", self.id, P::NAME)).into()),
        }
    }
}

impl Parcel<Vec<BatchSeries>> {
    /// The batch, fetched from the bucket where it is a claim check; the series of readings too, where `layouts` does
    /// not know them.
    ///
    /// # Errors
    /// As [`Parcel::payload`].
    pub async fn batch(self, objects: &dyn ObjectStore, layouts: &Layouts) -> Result<Batch, FetchError> {
        let (id, tenant) = (self.id.clone(), self.tenant.clone());
        let samples = match self.content {
            ParcelContent::Readings(key, bytes) => {
                let readings = Readings::decode(layouts.get(objects, &key).await?, &bytes);
                Samples::Readings(readings.map_err(|error| Poison(format!("batch {id:?}: {error}")))?)
            }
            _ => Samples::Series(self.payload(objects).await?),
        };
        Ok(Batch { id, tenant, samples })
    }
}

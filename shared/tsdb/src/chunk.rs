//! Chunks: some samples of one series, packed.

mod histogram;
mod layout;
mod xor;

use crate::Error;
use parapet_model::Histogram;
use std::sync::Arc;

/// Samples in order of time, all floats or all native histograms.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Float samples; both lists have the same length.
    Floats {
        /// Milliseconds since the Unix epoch.
        timestamps: Vec<i64>,
        /// The values, bit for bit.
        values: Vec<f64>,
    },
    /// Native histograms: time and histogram.
    Histograms(Vec<(i64, Arc<Histogram>)>),
}

impl Samples {
    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Floats { timestamps, .. } => timestamps.len(),
            Self::Histograms(samples) => samples.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a chunk is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Floats.
    Xor,
    /// Native histograms whose counts are whole numbers.
    Histogram,
    /// Native histograms whose counts are floats.
    FloatHistogram,
}

impl Encoding {
    /// The number that stands before a chunk's bytes.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Xor => 1,
            Self::Histogram => 2,
            Self::FloatHistogram => 3,
        }
    }

    pub(crate) fn from_number(number: u8) -> Result<Self, Error> {
        match number {
            1 => Ok(Self::Xor),
            2 => Ok(Self::Histogram),
            3 => Ok(Self::FloatHistogram),
            // Those with start timestamps, which only a feature flag of later versions writes.
            4..=6 => Err(Error::Unsupported(format!(
                "chunk encoding {number} (with start timestamps) is not supported: have Prometheus write the blocks \
                 without its features xor2-encoding and st-storage"
            ))),
            _ => Err(Error::Unsupported(format!("chunk encoding {number} is not known"))),
        }
    }
}

/// A packed chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedChunk {
    /// How it is packed.
    pub encoding: Encoding,
    /// Time of the first sample, milliseconds.
    pub min_ms: i64,
    /// Time of the last sample.
    pub max_ms: i64,
    /// How many samples it has.
    pub samples: usize,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Samples of one chunk, as Prometheus' head cuts them.
pub const MAX_CHUNK_SAMPLES: usize = 120;

/// Unpacks a chunk.
///
/// Histograms of integers come in the float form, as PromQL computes with them. Their hints of counter resets are those
/// that Prometheus gives: nothing is known of a chunk's first, no reset is before the others. A staleness marker has
/// nothing but its sum.
///
/// # Errors
/// Where the bytes end too early, or a histogram is not one.
pub fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Samples, Error> {
    match encoding {
        Encoding::Xor => xor::decode(bytes),
        Encoding::Histogram => histogram::decode(bytes, histogram::Counts::Whole),
        Encoding::FloatHistogram => histogram::decode(bytes, histogram::Counts::Float),
    }
}

/// Packs samples, in strictly rising order of time, into as many chunks as they need: each has at most
/// [`MAX_CHUNK_SAMPLES`], and histograms begin another where their buckets change or their counter was reset.
#[must_use]
pub fn encode(samples: &Samples) -> Vec<EncodedChunk> {
    match samples {
        Samples::Floats { timestamps, values } => timestamps
            .chunks(MAX_CHUNK_SAMPLES)
            .zip(values.chunks(MAX_CHUNK_SAMPLES))
            .map(|(timestamps, values)| xor::encode(timestamps, values))
            .collect(),
        Samples::Histograms(samples) => histogram::runs(samples).into_iter().map(histogram::encode).collect(),
    }
}

/// The first bytes of a chunk: how many samples follow.
fn sample_count(bytes: &[u8]) -> Result<(usize, &[u8]), Error> {
    match bytes.split_first_chunk() {
        Some((count, rest)) => Ok((usize::from(u16::from_be_bytes(*count)), rest)),
        None => Err(ends_early()),
    }
}

fn ends_early() -> Error {
    Error::corrupt("chunk", "ends too early")
}

/// Chunks have at most [`MAX_CHUNK_SAMPLES`].
fn count_bytes(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes()
}

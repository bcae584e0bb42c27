//! The index: every series, sorted by its labels, with the places of its chunks.

mod read;
mod write;

pub use read::{Index, IndexedSeries, SeriesIter};
pub use write::write_index;

use parapet_model::Labels;

const MAGIC: u32 = 0xBAAA_D700;
const VERSION: u8 = 2;
/// Magic number and version.
const HEADER_BYTES: u64 = 5;
/// Six offsets and a checksum.
const TOC_BYTES: u64 = 52;
/// Series begin at multiples of this, and are named by the multiple.
const SERIES_ALIGNMENT: u64 = 16;

/// Where a chunk is, and what time it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkMeta {
    /// Time of its first sample, milliseconds.
    pub min_ms: i64,
    /// Time of its last sample.
    pub max_ms: i64,
    /// Its place: see [`crate::ChunkFiles::read`].
    pub reference: u64,
}

/// A series and its chunks.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockSeries {
    /// The labels, `__name__` included.
    pub labels: Labels,
    /// Its chunks, in order of time.
    pub chunks: Vec<ChunkMeta>,
}

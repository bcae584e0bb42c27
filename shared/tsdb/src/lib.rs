//! Blocks of Prometheus' storage (its TSDB), read and written: `meta.json`, index version 2, chunk files, tombstones.
//!
//! It opens no files and knows no paths: what it reads is a [`ReadAt`], what it writes goes to a [`std::io::Write`].
//! It reads neither the write-ahead log nor the head's chunks, and answers no queries: series come in the order of the
//! index, each with the times and places of its chunks.
//!
//! ```text
//! meta.json ─► Meta          tombstones ─► Tombstones
//! index ─► Index ─► IndexedSeries ─ references ─► ChunkFiles ─► Samples
//! samples ─► encode ─► ChunkWriter ─ references ─► write_index
//! ```
//!
//! The formats are those of `tsdb/docs/format` of Prometheus. Chunk encodings are XOR floats and histograms of integers
//! and of floats; histograms come in the float form, and are written so.
//!
//! ```
//! use parapet_model::Labels;
//! use parapet_tsdb::{BlockSeries, ChunkFiles, ChunkMeta, ChunkWriter, Index, Samples, encode, write_index};
//! let samples = Samples::Floats { timestamps: vec![1_000, 16_000], values: vec![1.0, 0.0] };
//! let (mut file, mut index) = (Vec::new(), Vec::new());
//! let mut writer = ChunkWriter::new(|_number| Ok(std::mem::take(&mut file)));
//! let mut chunks = Vec::new();
//! for chunk in encode(&samples) {
//!     let reference = writer.write(&chunk)?;
//!     chunks.push(ChunkMeta { min_ms: chunk.min_ms, max_ms: chunk.max_ms, reference });
//! }
//! let up = Labels::from_pairs([("__name__", "up"), ("job", "node")]);
//! let file = writer.finish()?.expect("something was written");
//! write_index(&mut index, &[BlockSeries { labels: up.clone(), chunks }])?;
//!
//! let index = Index::open(index)?;
//! let mut files = ChunkFiles::new(vec![file]);
//! for series in index.series() {
//!     let series = series?;
//!     assert_eq!(series.labels, up);
//!     assert_eq!(files.read(series.chunks[0].reference)?, samples);
//! }
//! # Ok::<(), parapet_tsdb::Error>(())
//! ```
//!
//! Contract: what is not of the format is an [`Error`] that says where, never a panic; every checksum is verified.
//! Memory is the symbols of the index, one series and one chunk. What is written has no randomness in it: the same
//! samples are the same bytes.
#![warn(missing_docs)]

mod bits;
mod chunk;
mod chunk_files;
mod cursor;
mod error;
mod index;
mod meta;
mod read_at;
mod tombstones;
mod ulid;

pub use chunk::{EncodedChunk, Encoding, MAX_CHUNK_SAMPLES, Samples, decode, encode};
pub use chunk_files::{ChunkFiles, ChunkWriter, MAX_FILE_BYTES, file_name};
pub use error::Error;
pub use index::{BlockSeries, ChunkMeta, Index, IndexedSeries, SeriesIter, write_index};
pub use meta::{BlockDescription, Compaction, Meta, Stats};
pub use read_at::ReadAt;
pub use tombstones::Tombstones;
pub use ulid::ulid;

/// CRC-32C (Castagnoli), the checksum of every part of a block.
fn checksum(bytes: &[u8]) -> u32 {
    #[allow(clippy::cast_possible_truncation)] // A 32-bit checksum in 64 bits.
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32;
    sum
}

//! [`WordIndex`]: which words the lines of a block may have, so that blocks without them are not read.
//!
//! A split block Bloom filter, as Parquet has it: a word sets eight bits within 32 bytes. What it denies is not there;
//! of what it allows about one in 400 is not (at the default size). Long words, identifiers as a rule, are also found by
//! their parts: of each seven neighbouring runs of six bytes the one of the least hash is in the index too (its
//! *minimizer*), and any part of twelve bytes has such a run.

mod set;

pub use set::{IndexSet, IndexSetBuilder};

use crate::text::{is_word_byte, words};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Words at least this long are found by their parts, and parts must be at least this long to be looked for.
pub const MIN_PART_BYTES: usize = RUN + WINDOW - 1;

/// The length of a run of bytes that stands for a part.
const RUN: usize = 6;
/// Of how many neighbouring runs one is taken.
const WINDOW: usize = 7;
/// The seed by which runs differ from words.
const RUN_SEED: u64 = 1;
/// The first bytes of a stored index: its version.
const MAGIC: [u8; 4] = *b"PWI1";

/// How an index is built.
#[derive(Clone, Copy, Debug)]
pub struct IndexOptions {
    /// Bits for each entry: 8 let about 1 in 40 through that is not there, 12 1 in 400, 16 1 in 2,500.
    pub bits_per_entry: usize,
    /// Whether long words are found by their parts.
    pub parts: bool,
    /// The most bytes of an index; with more entries than fit well it lets more through.
    pub max_bytes: usize,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self {
            bits_per_entry: 12,
            parts: true,
            max_bytes: 16 << 20,
        }
    }
}

/// Collects the words of a block.
#[derive(Clone, Debug, Default)]
pub struct IndexBuilder {
    options: IndexOptions,
    entries: HashSet<u64, BuildHasherDefault<Already>>,
    word: Vec<u8>,
    /// Entries that were there lately: most words of a line are those of the line before.
    recent: Vec<u64>,
}

/// So many fit into a core's own cache.
const RECENT: usize = 4096;

/// Entries are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl IndexBuilder {
    /// A builder that knows no words yet.
    #[must_use]
    pub fn new(options: IndexOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Takes in the words of a line, or of a field that is to be found as if it stood in the line.
    pub fn add(&mut self, line: &[u8]) {
        for word in words(line) {
            self.word.clear();
            self.word.extend(word.iter().map(u8::to_ascii_lowercase));
            let entry = xxh3_64(&self.word);
            #[allow(clippy::cast_possible_truncation)] // The lower bits are wanted.
            let place = entry as usize % RECENT;
            if self.recent.get(place) == Some(&entry) {
                continue;
            }
            // What fills it first is found at another place.
            self.recent.resize(RECENT, u64::MAX);
            self.recent[place] = entry;
            // A word that is known has its parts in already.
            if self.entries.insert(entry) && self.options.parts {
                self.entries.extend(minimizers(&self.word));
            }
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The index. The same words give the same bytes.
    #[must_use]
    pub fn finish(self) -> WordIndex {
        let bits = self.entries.len().saturating_mul(self.options.bits_per_entry);
        let blocks = bits.div_ceil(256).clamp(1, (self.options.max_bytes / 32).max(1));
        let mut index = WordIndex {
            blocks: vec![[0; 8]; blocks],
        };
        for entry in self.entries {
            let (block, mask) = place(entry, index.blocks.len());
            for (word, bits) in index.blocks[block].iter_mut().zip(mask) {
                *word |= bits;
            }
        }
        index
    }
}

/// The words that the lines of a block may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordIndex {
    blocks: Vec<[u32; 8]>,
}

impl WordIndex {
    /// Whether a line of the block may have the word, case aside.
    #[must_use]
    pub fn may_have_word(&self, word: &str) -> bool {
        self.has(xxh3_64(word.to_ascii_lowercase().as_bytes()))
    }

    /// Whether a word of the block may have the part in it, case aside. A part that is short, or of an index without
    /// parts, may always be there.
    #[must_use]
    pub fn may_have_part(&self, part: &str) -> bool {
        entries_of_part(part).all(|entry| self.has(entry))
    }

    fn has(&self, entry: u64) -> bool {
        let (block, mask) = place(entry, self.blocks.len());
        self.blocks[block]
            .iter()
            .zip(mask)
            .all(|(word, bits)| word & bits == bits)
    }

    /// The stored form: a mark of the version, then the blocks, little endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for word in self.blocks.iter().flatten() {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads the stored form; `None` where it is none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let words = bytes.strip_prefix(&MAGIC)?;
        let (blocks, rest) = words.as_chunks::<32>();
        if blocks.is_empty() || !rest.is_empty() {
            return None;
        }
        let blocks = blocks.iter().map(|block| {
            let (words, _) = block.as_chunks::<4>();
            std::array::from_fn(|index| u32::from_le_bytes(words[index]))
        });
        Some(Self {
            blocks: blocks.collect(),
        })
    }
}

/// The block of an entry among so many, and its bits in it (Parquet's split block Bloom filter).
fn place(entry: u64, blocks: usize) -> (usize, [u32; 8]) {
    const SALT: [u32; 8] = [
        0x47b6_137b,
        0x4497_4d91,
        0x8824_ad5b,
        0xa2b7_289d,
        0x7054_95c7,
        0x2df1_424b,
        0x9efc_4947,
        0x5c6b_fb31,
    ];
    let block = ((entry >> 32) * blocks as u64) >> 32;
    #[allow(clippy::cast_possible_truncation)] // The lower half is wanted.
    let low = entry as u32;
    let mask = SALT.map(|salt| 1 << (low.wrapping_mul(salt) >> 27));
    (usize::try_from(block).unwrap_or_default(), mask)
}

/// The entries that a block with the word has: the word's own, and those of its parts.
fn entries_of_word(word: &str) -> impl Iterator<Item = u64> {
    let word = word.to_ascii_lowercase();
    let parts = minimizers(word.as_bytes());
    std::iter::once(xxh3_64(word.as_bytes())).chain(parts)
}

/// The entries that a block with the part of a word has; none for a part that is short.
fn entries_of_part(part: &str) -> impl Iterator<Item = u64> {
    minimizers(part.to_ascii_lowercase().as_bytes())
}

/// The entries that stand for the parts of a word: the least of the hashes of each window of runs.
fn minimizers(word: &[u8]) -> impl Iterator<Item = u64> + use<> {
    let runs: Vec<u64> = if word.len() < MIN_PART_BYTES || !word.iter().all(|byte| is_word_byte(*byte)) {
        Vec::new()
    } else {
        word.windows(RUN).map(|run| xxh3_64_with_seed(run, RUN_SEED)).collect()
    };
    let mut last = None;
    let mut found = Vec::new();
    for window in runs.windows(WINDOW) {
        let least = window.iter().min().copied();
        if least != last {
            // Least hashes are small numbers: hashed again they spread over the whole index.
            found.extend(least.map(|least| xxh3_64_with_seed(&least.to_le_bytes(), RUN_SEED)));
            last = least;
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(lines: &[String], options: IndexOptions) -> WordIndex {
        let mut builder = IndexBuilder::new(options);
        lines.iter().for_each(|line| builder.add(line.as_bytes()));
        let index = builder.finish();
        assert_eq!(WordIndex::from_bytes(&index.to_bytes()), Some(index.clone()));
        index
    }

    /// An identifier of 32 hexadecimal digits.
    fn id(number: u64) -> String {
        format!(
            "{:016x}{:016x}",
            xxh3_64(&number.to_le_bytes()),
            xxh3_64_with_seed(&number.to_le_bytes(), 7)
        )
    }

    #[test]
    fn what_is_there_is_found() {
        let lines: Vec<String> = (0..1_000)
            .map(|n| format!("Request trace_id={} took {n}ms", id(n)))
            .collect();
        let index = index(&lines, IndexOptions::default());
        for n in 0..1_000 {
            let id = id(n);
            assert!(index.may_have_word(&id.to_uppercase()) && index.may_have_word("REQUEST"));
            for (from, to) in [(0, 12), (5, 20), (20, 32), (0, 32)] {
                assert!(index.may_have_part(&id[from..to]));
            }
        }
    }

    #[test]
    fn few_of_those_that_are_not_there_pass() {
        let lines: Vec<String> = (0..20_000).map(|n| format!("trace_id={} took {n}ms", id(n))).collect();
        for (bits_per_entry, most) in [(8, 0.04), (12, 0.008), (16, 0.002)] {
            let index = index(
                &lines,
                IndexOptions {
                    bits_per_entry,
                    ..IndexOptions::default()
                },
            );
            let asked = 20_000..70_000_u64;
            let total = 50_000.0;
            let words = asked.clone().filter(|n| index.may_have_word(&id(*n))).count();
            let parts = asked.filter(|n| index.may_have_part(&id(*n)[4..28])).count();
            #[allow(clippy::cast_precision_loss)]
            let (words, parts) = (words as f64 / total, parts as f64 / total);
            println!(
                "{bits_per_entry} bits: {words} of words, {parts} of parts, {} bytes",
                index.to_bytes().len()
            );
            assert!(words < most && parts < most, "{bits_per_entry}: {words} {parts}");
        }
    }

    #[test]
    fn short_parts_may_always_be_there() {
        let index = index(&["a".to_owned()], IndexOptions::default());
        assert!(index.may_have_part("short") && !index.may_have_part("a_long_identifier"));
        assert!(!index.may_have_word("b"));
        for bytes in [
            &b""[..],
            b"PWI1",
            b"PWI1abc",
            b"XXXX0123456789012345678901234567890123456789",
        ] {
            assert_eq!(WordIndex::from_bytes(bytes), None);
        }
    }
}

//! [`IndexSet`]: the indexes of all blocks of a file, laid so that one short read asks all of them for a word.
//!
//! All have the same number of slots (blocks of the filter, 32 bytes each), a power of two, and stand slot by slot: what
//! every block of lines says of one entry is in one run of bytes. A slot is chosen by the first bits of an entry, so that
//! an index of fewer slots becomes one of more by writing each slot several times.

use super::{IndexBuilder, entries_of_part, entries_of_word, place};
use crate::Need;

/// How a set of indexes is asked. It is never in memory as a whole.
#[derive(Clone, Copy, Debug)]
pub struct IndexSet;

/// Collects the indexes of a file.
#[derive(Clone, Debug, Default)]
pub struct IndexSetBuilder {
    indexes: Vec<Vec<[u32; 8]>>,
}

/// At least so many bits for an entry: about 1 in 40 words passes that is not there. Of long words and of parts several
/// entries are asked, and next to none passes.
const BITS_PER_ENTRY: usize = 8;

/// The most slots of an index.
const MAX_SLOTS: usize = 1 << 19;

impl IndexSetBuilder {
    /// Adds the index of the next block. The builder must have had the parts of words.
    pub fn push(&mut self, block: IndexBuilder) {
        let bits = block.entries.len().saturating_mul(BITS_PER_ENTRY);
        let slots = bits.div_ceil(256).next_power_of_two().min(MAX_SLOTS);
        let mut index = vec![[0; 8]; slots];
        for entry in block.entries {
            let (slot, mask) = place(entry, slots);
            for (word, bits) in index[slot].iter_mut().zip(mask) {
                *word |= bits;
            }
        }
        self.indexes.push(index);
    }

    /// The bytes that the set will have, about.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let slots = self.indexes.iter().map(Vec::len).max().unwrap_or_default();
        slots * self.indexes.len() * IndexSet::SLOT_BYTES
    }

    /// The number of slots and the bytes: for each slot those of every block, little endian.
    #[must_use]
    pub fn finish(self) -> (usize, Vec<u8>) {
        let slots = self.indexes.iter().map(Vec::len).max().unwrap_or(1);
        let mut bytes = Vec::with_capacity(self.size_bytes());
        for slot in 0..slots {
            for index in &self.indexes {
                for word in index[slot / (slots / index.len())] {
                    bytes.extend_from_slice(&word.to_le_bytes());
                }
            }
        }
        (slots, bytes)
    }
}

impl IndexSet {
    /// Bytes of a slot of one block.
    pub const SLOT_BYTES: usize = 32;

    /// The slots that tell about a need, ascending, in a set of so many.
    #[must_use]
    pub fn slots_of(need: &Need, slots: usize) -> Vec<usize> {
        let mut found = Vec::new();
        collect(need, slots, &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether a block can hold a match: `slot` gives the bytes that a slot has for that block, where they are known.
    #[must_use]
    pub fn may_match<'a>(need: &Need, slots: usize, slot: &dyn Fn(usize) -> Option<&'a [u8]>) -> bool {
        let has = |entry: u64| {
            let (number, mask) = place(entry, slots);
            slot(number).is_none_or(|bytes| {
                let (words, _) = bytes.as_chunks::<4>();
                let mut words = words.iter().zip(mask);
                words.all(|(word, bits)| u32::from_le_bytes(*word) & bits == bits)
            })
        };
        match need {
            Need::Nothing => true,
            Need::Word(word) => entries_of_word(word).all(has),
            Need::Part(part) => entries_of_part(part).all(has),
            Need::All(parts) => parts.iter().all(|part| Self::may_match(part, slots, slot)),
            Need::Any(parts) => parts.iter().any(|part| Self::may_match(part, slots, slot)),
        }
    }
}

fn collect(need: &Need, slots: usize, found: &mut Vec<usize>) {
    let slot = |entry: u64| place(entry, slots).0;
    match need {
        Need::Nothing => {}
        Need::Word(word) => found.extend(entries_of_word(word).map(slot)),
        Need::Part(part) => found.extend(entries_of_part(part).map(slot)),
        Need::All(parts) | Need::Any(parts) => parts.iter().for_each(|part| collect(part, slots, found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::IndexOptions;

    #[test]
    fn every_block_is_asked_for_itself() {
        let blocks: [Vec<String>; 3] = [
            (0..20_000).map(|n| format!("request {n} of user_{n}")).collect(),
            vec!["one trace=4bf92f3577b34da6a3ce929d0e0e4736 alone".to_owned()],
            (0..500).map(|n| format!("other {n}")).collect(),
        ];
        let mut set = IndexSetBuilder::default();
        for lines in &blocks {
            let mut builder = IndexBuilder::new(IndexOptions::default());
            lines.iter().for_each(|line| builder.add(line.as_bytes()));
            set.push(builder);
        }
        let (slots, bytes) = set.finish();
        assert_eq!(bytes.len(), slots * 3 * IndexSet::SLOT_BYTES);
        let matching = |need: &Need| -> Vec<usize> {
            let fetched = IndexSet::slots_of(need, slots);
            let may_match = |block: usize| {
                IndexSet::may_match(need, slots, &|slot| {
                    assert!(fetched.contains(&slot));
                    let start = (slot * 3 + block) * IndexSet::SLOT_BYTES;
                    Some(&bytes[start..start + IndexSet::SLOT_BYTES])
                })
            };
            (0..3).filter(|block| may_match(*block)).collect()
        };
        let word = |word: &str| Need::Word(word.to_owned());
        assert_eq!(matching(&Need::Nothing), [0, 1, 2]);
        assert_eq!(matching(&word("4bf92f3577b34da6a3ce929d0e0e4736")), [1]);
        assert_eq!(matching(&Need::Part("92f3577b34da6a3c".to_owned())), [1]);
        assert_eq!(matching(&word("user_19999")), [0]);
        assert_eq!(matching(&word("499")), [0, 2]);
        assert_eq!(matching(&Need::any([word("request"), word("alone")])), [0, 1]);
        assert_eq!(matching(&Need::all([word("request"), word("alone")])), [0; 0]);
        let passed = (20_000..40_000).filter(|n| !matching(&word(&format!("u{n}"))).is_empty());
        assert!(passed.count() < 800, "about one in forty");
    }
}

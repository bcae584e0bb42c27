//! The index of words: which words the lines of a block may have, so that blocks without them are not read.
//!
//! A split block Bloom filter, much as Parquet has it: an entry sets eight bits within 32 bytes (a *slot*). What it denies is
//! not there; of what it allows some is not. A word has two entries, so that about 1 word in 1,600 passes that is not
//! there. Long words, identifiers as a rule, have those of their parts instead: of each eleven neighbouring runs of six bytes
//! the one of the least hash is in the index (its *minimizer*), and any part of sixteen bytes has such a run.
//!
//! The indexes of a file are laid so that one short read asks all of its blocks for an entry: all have the same number of
//! slots, a power of two, and stand slot by slot. What every block says of one entry is in one run of bytes. A slot is
//! chosen by the first bits of an entry, so that an index of few slots becomes one of more by writing each slot several
//! times, and one of many becomes one of fewer by laying neighbours over one another.

mod entry;

pub use entry::MIN_PART_BYTES;

use crate::Need;
use crate::text::is_word_byte;
use entry::{each_entry, each_minimizer, hash, place};
use std::ops::Range;

/// At least so many bits for an entry: about 1 in 40 passes that is not there. Of nearly all that is asked for several
/// entries are asked, and next to none passes.
const BITS_PER_ENTRY: usize = 8;
const SLOT_BITS: usize = 256;

/// The most slots of an index: their numbers and the bits in them are made of different bits of an entry.
const MAX_SLOTS: usize = 1 << 19;

/// Words that were added lately: most words of a line are those of the line before. So many fit into a core's own cache.
const RECENT: usize = 4096;

/// So many entries wait to be set.
const WAITING: usize = 1024;

/// Eight words of 32 bits, two in each number.
type Slot = [u64; 4];

/// Collects the words of a block.
#[derive(Clone, Debug)]
pub struct IndexBuilder {
    slots: Vec<Slot>,
    len: usize,
    /// Entries that are not set yet. Their slots are anywhere: set one after another, without any work between, many of them
    /// are fetched at once.
    waiting: Vec<u64>,
    recent: Vec<u64>,
    /// The line, its words as they are hashed.
    folded: Vec<u8>,
}

/// The slots that hold so many entries well.
fn slots_for(entries: usize) -> usize {
    let bits = entries.saturating_mul(BITS_PER_ENTRY);
    bits.div_ceil(SLOT_BITS).next_power_of_two().min(MAX_SLOTS)
}

/// Capital letters become small ones; what is no word stays none, and no two other bytes of words become the same.
fn fold(byte: u8) -> u8 {
    // As `is_word_byte`, for many bytes at once.
    let low = byte | 0x20;
    let is_word = (low.wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10) | (byte == b'_');
    if is_word { low } else { b' ' }
}

impl IndexBuilder {
    /// A builder that knows no words yet, for about `entries` of them: with many more it lets more through.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        Self {
            slots: vec![[0; 4]; slots_for(entries)],
            len: 0,
            waiting: Vec::with_capacity(2 * WAITING),
            recent: vec![u64::MAX; RECENT],
            folded: Vec::new(),
        }
    }

    /// Takes in the words of a line, or of a field that is to be found as if it stood in the line.
    pub fn add(&mut self, line: &[u8]) {
        self.fold(line);
        self.text(0..line.len());
    }

    /// Takes in those words of a line that have bytes within some of its ranges: where all others are in already.
    pub fn add_within(&mut self, line: &[u8], ranges: &[Range<usize>]) {
        self.fold(line);
        let mut done = 0;
        for range in ranges {
            let is_word = |at: usize| self.folded.get(at).is_some_and(|byte| *byte != b' ');
            let (mut start, mut end) = (range.start.max(done), range.end);
            while start > done && is_word(start - 1) {
                start -= 1;
            }
            while end > range.start && is_word(end - 1) && is_word(end) {
                end += 1;
            }
            if start < end {
                self.text(start..end);
                done = end;
            }
        }
    }

    fn fold(&mut self, line: &[u8]) {
        self.folded.clear();
        self.folded.extend(line.iter().map(|byte| fold(*byte)));
    }

    /// Takes in the words of a part of the folded line.
    fn text(&mut self, range: Range<usize>) {
        let whole = hash(&self.folded[range.clone()]);
        if self.is_recent(whole) {
            return;
        }
        let mut start = range.start;
        while start < range.end {
            let rest = &self.folded[start..range.end];
            let length = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
            let word = start..start + length;
            start = word.end + 1;
            if word == range {
                // It was asked for.
                self.word(word, whole);
            } else if length > 0 {
                let hash = hash(&self.folded[word.clone()]);
                if !self.is_recent(hash) {
                    self.word(word, hash);
                }
            }
        }
    }

    /// Whether a text was here lately, by its hash; now it was.
    fn is_recent(&mut self, hash: u64) -> bool {
        #[allow(clippy::cast_possible_truncation)] // The lower bits are wanted.
        let place = hash as usize % RECENT;
        std::mem::replace(&mut self.recent[place], hash) == hash
    }

    /// Takes in a word of the folded text, by its hash.
    fn word(&mut self, range: Range<usize>, hash: u64) {
        let waiting = &mut self.waiting;
        each_entry(&self.folded[range], hash, |entry| waiting.push(entry));
        if self.waiting.len() >= WAITING {
            self.settle();
        }
    }

    /// Sets the entries that wait.
    fn settle(&mut self) {
        for entry in self.waiting.drain(..) {
            self.len += usize::from(set(&mut self.slots, entry));
        }
    }

    /// How many entries there are, about: some may be counted twice.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len + self.waiting.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Sets the bits of an entry; answers whether one of them was not set.
fn set(slots: &mut [Slot], entry: u64) -> bool {
    let (slot, mask) = place(entry, slots.len());
    let mut missing = 0;
    for (word, bits) in slots[slot].iter_mut().zip(mask) {
        missing |= bits & !*word;
        *word |= bits;
    }
    missing != 0
}

/// Collects the indexes of a file.
#[derive(Clone, Debug, Default)]
pub struct IndexSetBuilder {
    indexes: Vec<Vec<Slot>>,
}

impl IndexSetBuilder {
    /// Adds the index of the next block.
    pub fn push(&mut self, mut block: IndexBuilder) {
        block.settle();
        let (mut slots, wanted) = (block.slots, slots_for(block.len));
        while slots.len() > wanted {
            let (pairs, _) = slots.as_chunks::<2>();
            slots = pairs
                .iter()
                .map(|[a, b]| std::array::from_fn(|word| a[word] | b[word]))
                .collect();
        }
        self.indexes.push(slots);
    }

    /// The bytes that the set will have, about.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.slots() * self.indexes.len() * IndexSet::SLOT_BYTES
    }

    fn slots(&self) -> usize {
        self.indexes.iter().map(Vec::len).max().unwrap_or(1)
    }

    /// The number of slots and the bytes: for each slot those of every block, little endian.
    #[must_use]
    pub fn finish(self) -> (usize, Vec<u8>) {
        let slots = self.slots();
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

/// How a set of indexes is asked. It is never in memory as a whole.
#[derive(Clone, Copy, Debug)]
pub struct IndexSet;

impl IndexSet {
    /// Bytes of a slot of one block.
    pub const SLOT_BYTES: usize = SLOT_BITS / 8;

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
        let has = |entry: &u64| {
            let (number, mask) = place(*entry, slots);
            slot(number).is_none_or(|bytes| {
                let (words, _) = bytes.as_chunks::<8>();
                let mut words = words.iter().zip(mask);
                words.all(|(word, bits)| u64::from_le_bytes(*word) & bits == bits)
            })
        };
        match need {
            Need::Nothing => true,
            Need::All(parts) => parts.iter().all(|part| Self::may_match(part, slots, slot)),
            Need::Any(parts) => parts.iter().any(|part| Self::may_match(part, slots, slot)),
            one @ (Need::Word(_) | Need::Part(_)) => entries(one).iter().all(has),
        }
    }
}

/// The entries that a word or a part must have.
fn entries(need: &Need) -> Vec<u64> {
    let mut entries = Vec::new();
    let folded = |text: &str| text.bytes().map(fold).collect::<Vec<u8>>();
    match need {
        Need::Word(word) => {
            let word = folded(word);
            each_entry(&word, hash(&word), |entry| entries.push(entry));
        }
        Need::Part(part) if part.bytes().all(is_word_byte) => {
            each_minimizer(&folded(part), |entry| entries.push(entry))
        }
        Need::Part(_) | Need::Nothing | Need::All(_) | Need::Any(_) => {}
    }
    entries
}

fn collect(need: &Need, slots: usize, found: &mut Vec<usize>) {
    match need {
        Need::All(parts) | Need::Any(parts) => parts.iter().for_each(|part| collect(part, slots, found)),
        one => found.extend(entries(one).into_iter().map(|entry| place(entry, slots).0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::words;
    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    /// The blocks of a set that may match.
    fn matching(indexes: Vec<IndexBuilder>) -> impl Fn(&Need) -> Vec<usize> {
        let (count, mut set) = (indexes.len(), IndexSetBuilder::default());
        indexes.into_iter().for_each(|index| set.push(index));
        let (slots, bytes) = set.finish();
        assert_eq!(bytes.len(), slots * count * IndexSet::SLOT_BYTES);
        move |need| {
            let fetched = IndexSet::slots_of(need, slots);
            let may_match = |block: usize| {
                IndexSet::may_match(need, slots, &|slot| {
                    assert!(fetched.contains(&slot));
                    let start = (slot * count + block) * IndexSet::SLOT_BYTES;
                    Some(&bytes[start..start + IndexSet::SLOT_BYTES])
                })
            };
            (0..count).filter(|block| may_match(*block)).collect()
        }
    }

    fn index(lines: &[String]) -> IndexBuilder {
        let mut builder = IndexBuilder::new(1 << 19);
        lines.iter().for_each(|line| builder.add(line.as_bytes()));
        builder
    }

    fn word(word: &str) -> Need {
        Need::Word(word.to_owned())
    }

    /// An identifier of 32 hexadecimal digits.
    fn id(number: u64) -> String {
        format!(
            "{:016x}{:016x}",
            xxh3_64(&number.to_le_bytes()),
            xxh3_64(&number.to_be_bytes())
        )
    }

    #[test]
    fn every_block_is_asked_for_itself() {
        let matching = matching(vec![
            index(
                &(0..20_000)
                    .map(|n| format!("request {n} of user_{n}"))
                    .collect::<Vec<_>>(),
            ),
            index(&["one trace=4bf92f3577b34da6a3ce929d0e0e4736 alone".to_owned()]),
            index(&(0..500).map(|n| format!("other {n}")).collect::<Vec<_>>()),
        ]);
        assert_eq!(matching(&Need::Nothing), [0, 1, 2]);
        assert_eq!(matching(&word("4bf92f3577b34da6a3ce929d0e0e4736")), [1]);
        assert_eq!(matching(&Need::Part("92f3577b34da6a3ce929d0e0".to_owned())), [1]);
        assert_eq!(
            matching(&Need::Part("short".to_owned())),
            [0, 1, 2],
            "nothing is known of short parts"
        );
        assert_eq!(matching(&word("user_19999")), [0]);
        assert_eq!(matching(&word("499")), [0, 2]);
        assert_eq!(matching(&Need::any([word("request"), word("alone")])), [0, 1]);
        assert_eq!(matching(&Need::all([word("request"), word("alone")])), [0; 0]);
    }

    #[test]
    fn few_of_those_that_are_not_there_pass() {
        let lines: Vec<String> = (0..60_000_u64)
            .map(|n| format!("trace_id={} took {n}ms", id(n)))
            .collect();
        let matching = matching(vec![index(&lines)]);
        let passed = |needs: &mut dyn Iterator<Item = Need>| needs.filter(|need| !matching(need).is_empty()).count();
        let asked = 60_000..100_000_u64;
        let words = passed(&mut asked.clone().map(|n| word(&format!("{n}s"))));
        assert!(words < 40, "about 1 in 1,600 of 40,000: {words}");
        let ids = passed(&mut asked.clone().map(|n| word(&id(n))));
        assert!(ids < 40, "{ids}");
        let parts = passed(&mut asked.map(|n| Need::Part(id(n)[4..28].to_owned())));
        assert!(parts < 1_000, "at most 1 in 40: {parts}");
    }

    proptest! {
        #[test]
        fn what_is_there_is_found(lines in prop::collection::vec("[a-cA-C_ =]{0,40}", 1..6), from in 0..30_usize) {
            let matching = matching(vec![index(&lines)]);
            for word in lines.iter().flat_map(|line| words(line.as_bytes())) {
                let text = std::str::from_utf8(word).unwrap();
                prop_assert_eq!(matching(&Need::Word(text.to_lowercase())), [0]);
                if let Some(part) = text.get(from..).filter(|part| part.len() >= MIN_PART_BYTES) {
                    prop_assert_eq!(matching(&Need::Part(part.to_ascii_uppercase())), [0]);
                }
            }
        }

        /// What lies outside of the ranges is in by an earlier line.
        #[test]
        fn ranges_take_the_words_that_they_touch(
            line in "[a-c -]{1,40}",
            cuts in prop::collection::btree_set(0..40_usize, 0..8),
        ) {
            let cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= line.len()).collect();
            let ranges: Vec<_> = cuts.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect();
            let mut builder = IndexBuilder::new(1 << 10);
            builder.add_within(line.as_bytes(), &ranges);
            let matching = matching(vec![builder]);
            for found in words(line.as_bytes()) {
                let start = found.as_ptr() as usize - line.as_ptr() as usize;
                let touched = ranges.iter().any(|range| start < range.end && range.start < start + found.len());
                let text = std::str::from_utf8(found).unwrap();
                prop_assert!(!touched || !matching(&word(text)).is_empty(), "{}", text);
            }
        }
    }
}

//! Entries of the index: what stands for a word, and where it has its bits.

use super::Slot;
use xxhash_rust::xxh3::xxh3_64;

/// Words at least this long are found by their parts, and parts must be at least this long to be looked for.
pub const MIN_PART_BYTES: usize = RUN + WINDOW - 1;

/// The length of a run of bytes that stands for a part.
const RUN: usize = 6;
/// Of how many neighbouring runs one is taken.
const WINDOW: usize = 11;
/// The seed by which runs differ from words.
const RUN_SEED: u64 = 1;
/// The seed of a short word's second entry.
const SECOND_SEED: u64 = 2;

/// The hash of a folded text.
#[inline]
pub(super) fn hash(text: &[u8]) -> u64 {
    const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9];
    if text.len() > 16 {
        return xxh3_64(text);
    }
    // Short ones, most of all by far, are two numbers, multiplied: the halves of the product depend on all of their bits.
    let (first, last) = match (text.first_chunk::<8>(), text.first_chunk::<4>()) {
        (Some(first), _) => (
            u64::from_le_bytes(*first),
            text.last_chunk().map_or(0, |last| u64::from_le_bytes(*last)),
        ),
        (None, Some(first)) => {
            let last = text.last_chunk().map_or(0, |last| u32::from_le_bytes(*last));
            (u32::from_le_bytes(*first).into(), last.into())
        }
        (None, None) => {
            let number = text.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            (number, number)
        }
    };
    #[allow(clippy::cast_possible_truncation)] // The halves are wanted.
    let halves = |number: u128| (number as u64, (number >> 64) as u64);
    let product = u128::from(first ^ FACTORS[0]) * u128::from(last ^ FACTORS[1] ^ text.len() as u64);
    let (low, high) = halves(product);
    let (low, high) = halves(u128::from(low ^ high ^ FACTORS[1]) * u128::from(FACTORS[0]));
    low ^ high
}

/// The slot of an entry among so many, by its upper bits, and its bits in it, one in each word, by its lower ones: as in
/// Parquet's split block Bloom filter, but without multiplications.
#[inline]
pub(super) fn place(entry: u64, slots: usize) -> (usize, Slot) {
    let slot = ((entry >> 32) * slots as u64) >> 32;
    #[allow(clippy::cast_possible_truncation)] // The lower bits are wanted.
    let mask = std::array::from_fn(|pair| PAIRS[(entry >> (10 * pair)) as usize % PAIRS.len()]);
    (usize::try_from(slot).unwrap_or_default(), mask)
}

/// The bits that ten bits of an entry choose, five of them in each of two words.
static PAIRS: [u64; 1024] = {
    let (mut pairs, mut bits) = ([0; 1024], 0);
    while bits < 1024 {
        pairs[bits] = 1 << (bits & 31) | 1 << (bits >> 5) << 32;
        bits += 1;
    }
    pairs
};

/// The entries that a block with the word has, two at least: made of `hash`, that of the word, or those of its parts.
pub(super) fn each_entry(folded: &[u8], hash: u64, mut emit: impl FnMut(u64)) {
    let mut parts = 0;
    each_minimizer(folded, |part| {
        parts += 1;
        emit(part);
    });
    if parts < 3 {
        emit(hash);
    }
    if parts < 1 {
        emit(second(hash, SECOND_SEED));
    }
}

/// The entries that stand for the parts of a word: the least of the hashes of each window of runs. None for a short one.
pub(super) fn each_minimizer(folded: &[u8], mut emit: impl FnMut(u64)) {
    // Of the block of runs before, the least hash from each place to its end: with the least of those from the beginning of
    // this block to a place, it gives that of the window which ends there.
    let (mut before, mut last) = ([u64::MAX; WINDOW], None);
    for (number, start) in (0..(folded.len() + 1).saturating_sub(RUN)).step_by(WINDOW).enumerate() {
        let (mut hashes, mut least) = ([u64::MAX; WINDOW], u64::MAX);
        for place in 0..WINDOW.min(folded.len() - start - RUN + 1) {
            hashes[place] = hash_run(&folded[start + place..]);
            least = least.min(hashes[place]);
            let window = before.get(place + 1).map_or(least, |before| least.min(*before));
            let is_window = number > 0 || place + 1 == WINDOW;
            if is_window && last != Some(window) {
                last = Some(window);
                // Least hashes are small numbers: hashed again they spread over the whole index.
                emit(second(window, RUN_SEED));
            }
        }
        for place in (1..WINDOW).rev() {
            hashes[place - 1] = hashes[place - 1].min(hashes[place]);
        }
        before = hashes;
    }
}

/// Another hash, made of one.
#[inline]
fn second(hash: u64, seed: u64) -> u64 {
    let mixed = (hash ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

/// A number for the run of six bytes at the beginning of a text, by which one of its neighbours is chosen.
#[inline]
fn hash_run(text: &[u8]) -> u64 {
    let bytes = text.first_chunk().copied().unwrap_or_else(|| {
        let mut bytes = [0; 8];
        bytes[..RUN].copy_from_slice(&text[..RUN]);
        bytes
    });
    let run = u64::from_le_bytes(bytes) << (64 - 8 * RUN) >> (64 - 8 * RUN);
    let mixed = run.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

//! Names of blocks.

/// The alphabet of Crockford's base 32.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A ULID: 48 bits of time (milliseconds since the Unix epoch) and the lowest 80 bits of `rest`, as 26 characters.
/// Prometheus takes the present and random bits; what is made from the block's content names the same block alike.
#[must_use]
pub fn ulid(at_ms: u64, rest: u128) -> String {
    let value = u128::from(at_ms) << 80 | rest & ((1 << 80) - 1);
    (0..26)
        .rev()
        .map(|place| char::from(ALPHABET[(value >> (place * 5) & 31) as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::ulid;

    #[test]
    fn as_the_specification_has_it() {
        assert_eq!(ulid(0, 0), "0".repeat(26));
        assert_eq!(ulid((1 << 48) - 1, u128::MAX), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        // The example of the specification: its time part is 1469918176385.
        assert_eq!(&ulid(1_469_918_176_385, 7)[..10], "01ARYZ6S41");
    }
}

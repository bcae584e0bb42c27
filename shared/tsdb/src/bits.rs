//! Bits one after another, the highest of a byte first, and the numbers that chunks are made of
//! (`bstream.go`, `varbit.go`, `xor.go` of Prometheus).

use crate::cursor::unzigzag;

/// Goes through bits; `None` where they end too early.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bits are left: a bound for whatever count the bytes claim.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// The next `count` bits, at most 64, as a number.
    pub(crate) fn bits(&mut self, count: usize) -> Option<u64> {
        if count > self.left() {
            return None;
        }
        let (mut value, mut missing) = (0u64, count);
        while missing > 0 {
            let within = self.at % 8;
            let taken = missing.min(8 - within);
            let byte = self.bytes[self.at / 8] << within >> (8 - taken);
            value = value << taken | u64::from(byte);
            self.at += taken;
            missing -= taken;
        }
        Some(value)
    }

    pub(crate) fn double(&mut self) -> Option<f64> {
        self.bits(64).map(f64::from_bits)
    }

    /// Go's `binary.ReadUvarint`, of bytes that need not stand at a byte's boundary.
    pub(crate) fn uvarint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.bits(8)?;
            if shift == 63 && byte > 1 {
                return None;
            }
            value |= (byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn varint(&mut self) -> Option<i64> {
        self.uvarint().map(unzigzag)
    }

    /// How many ones come before a zero, at most `most`; the zero is taken too.
    pub(crate) fn ones(&mut self, most: usize) -> Option<usize> {
        for count in 0..most {
            if !self.bit()? {
                return Some(count);
            }
        }
        Some(most)
    }

    /// A signed number of `count` bits: from `-(2^(count-1) - 1)` to `2^(count-1)`.
    pub(crate) fn signed(&mut self, count: usize) -> Option<i64> {
        let value = self.bits(count)?;
        Some(match count {
            64 => value.cast_signed(),
            count if value > 1 << (count - 1) => value.cast_signed() - (1i64 << count),
            _ => value.cast_signed(),
        })
    }

    /// A signed number as histogram chunks have them.
    pub(crate) fn varbit(&mut self) -> Option<i64> {
        match WIDTHS[self.ones(8)?] {
            0 => Some(0),
            width => self.signed(width),
        }
    }

    /// An unsigned number as histogram chunks have them.
    pub(crate) fn varbit_unsigned(&mut self) -> Option<u64> {
        self.ones(8).and_then(|ones| self.bits(WIDTHS[ones]))
    }

    /// The value after `state`'s, which becomes the state's.
    pub(crate) fn xor(&mut self, state: &mut Xor) -> Option<f64> {
        if !self.bit()? {
            return Some(state.value);
        }
        if self.bit()? {
            let (leading, significant) = (self.bits(5)? as u32, self.bits(6)? as u32);
            let significant = if significant == 0 { 64 } else { significant };
            state.window = Some((leading, 64u32.checked_sub(leading + significant)?));
        }
        let (leading, trailing) = state.window?;
        let difference = self.bits((64 - leading - trailing) as usize)?;
        state.value = f64::from_bits(state.value.to_bits() ^ difference << trailing);
        Some(state.value)
    }
}

/// How many bits follow after so many ones.
const WIDTHS: [usize; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];

/// What the next value is the difference to: the value before, and where its last difference had its bits (leading and
/// trailing zeros).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Xor {
    pub(crate) value: f64,
    window: Option<(u32, u32)>,
}

impl Xor {
    pub(crate) fn new(value: f64) -> Self {
        Self { value, window: None }
    }
}

/// Writes bits.
#[derive(Clone, Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are not used.
    free: usize,
}

impl BitWriter {
    /// Goes on after whole bytes.
    pub(crate) fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, free: 0 }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn bit(&mut self, bit: bool) {
        self.bits(u64::from(bit), 1);
    }

    /// The lowest `count` bits of a number, the highest of them first.
    pub(crate) fn bits(&mut self, value: u64, count: usize) {
        let mut missing = count;
        while missing > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = missing.min(self.free);
            let part = (value >> (missing - taken)) as u8 & (0xFF >> (8 - taken));
            if let Some(last) = self.bytes.last_mut() {
                *last |= part << (self.free - taken);
            }
            self.free -= taken;
            missing -= taken;
        }
    }

    pub(crate) fn double(&mut self, value: f64) {
        self.bits(value.to_bits(), 64);
    }

    pub(crate) fn uvarint(&mut self, value: u64) {
        let mut bytes = Vec::with_capacity(10);
        crate::cursor::put_uvarint(&mut bytes, value);
        for byte in bytes {
            self.bits(u64::from(byte), 8);
        }
    }

    pub(crate) fn varint(&mut self, value: i64) {
        self.uvarint((value << 1).cast_unsigned() ^ (value >> 63).cast_unsigned());
    }

    /// So many ones, and a zero where they are fewer than `most`.
    pub(crate) fn ones(&mut self, count: usize, most: usize) {
        for _ in 0..count {
            self.bit(true);
        }
        if count < most {
            self.bit(false);
        }
    }

    pub(crate) fn varbit(&mut self, value: i64) {
        let fits = |width: &usize| match *width {
            0 => value == 0,
            64 => true,
            width => fits_signed(value, width),
        };
        let ones = WIDTHS.iter().position(fits).unwrap_or(8);
        self.ones(ones, 8);
        self.bits(value.cast_unsigned(), WIDTHS[ones]);
    }

    pub(crate) fn varbit_unsigned(&mut self, value: u64) {
        let needed = (u64::BITS - value.leading_zeros()) as usize;
        let ones = WIDTHS.iter().position(|width| needed <= *width).unwrap_or(8);
        self.ones(ones, 8);
        self.bits(value, WIDTHS[ones]);
    }

    pub(crate) fn xor(&mut self, state: &mut Xor, value: f64) {
        let difference = value.to_bits() ^ state.value.to_bits();
        state.value = value;
        if difference == 0 {
            return self.bit(false);
        }
        self.bit(true);
        // Leading zeros have five bits.
        let (leading, trailing) = (difference.leading_zeros().min(31), difference.trailing_zeros());
        if let Some((l, t)) = state.window
            && leading >= l
            && trailing >= t
        {
            self.bit(false);
            return self.bits(difference >> t, (64 - l - t) as usize);
        }
        state.window = Some((leading, trailing));
        let significant = 64 - leading - trailing;
        self.bit(true);
        self.bits(u64::from(leading), 5);
        // 64 has its lowest six bits 0, and is read so.
        self.bits(u64::from(significant), 6);
        self.bits(difference >> trailing, significant as usize);
    }
}

/// Whether [`BitReader::signed`] reads the number back from so many bits.
pub(crate) fn fits_signed(value: i64, width: usize) -> bool {
    -((1i64 << (width - 1)) - 1) <= value && value <= 1i64 << (width - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip(values in prop::collection::vec((any::<i64>(), 0u32..64), 0..50), floats in prop::collection::vec(any::<u64>(), 0..50)) {
            let mut writer = BitWriter::default();
            let mut state = Xor::new(1.5);
            for (value, shift) in &values {
                let value = value >> shift;
                writer.bit(true);
                writer.varbit(value);
                writer.varbit_unsigned(value.unsigned_abs());
                writer.varint(value);
            }
            for bits in &floats {
                writer.xor(&mut state, f64::from_bits(*bits));
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            let mut state = Xor::new(1.5);
            for (value, shift) in &values {
                let value = value >> shift;
                prop_assert_eq!(reader.bit(), Some(true));
                prop_assert_eq!(reader.varbit(), Some(value));
                prop_assert_eq!(reader.varbit_unsigned(), Some(value.unsigned_abs()));
                prop_assert_eq!(reader.varint(), Some(value));
            }
            for bits in &floats {
                prop_assert_eq!(reader.xor(&mut state).map(f64::to_bits), Some(*bits));
            }
            prop_assert!(reader.left() < 8);
        }
    }

    #[test]
    fn edges_of_widths() {
        for width in [3, 6, 9, 12, 18, 25, 56] {
            for value in [1i64 << (width - 1), -((1i64 << (width - 1)) - 1)] {
                assert!(fits_signed(value, width) && !fits_signed(value + value.signum(), width));
            }
        }
        assert_eq!(BitReader::new(&[]).bits(1), None);
        assert_eq!(BitReader::new(&[0xFF]).uvarint(), None);
        // Significant bits that do not fit beside the leading zeros.
        let mut writer = BitWriter::default();
        for (value, count) in [(0b11, 2), (31, 5), (63, 6)] {
            writer.bits(value, count);
        }
        assert_eq!(BitReader::new(&writer.finish()).xor(&mut Xor::new(0.0)), None);
    }
}

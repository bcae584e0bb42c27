//! Floats: times as differences of differences, values as the bits that differ (`xor.go` of Prometheus).

use super::{EncodedChunk, Encoding, Samples, count_bytes, ends_early, sample_count};
use crate::Error;
use crate::bits::{BitReader, BitWriter, Xor, fits_signed};

/// How many bits a difference of differences has after so many ones.
const WIDTHS: [usize; 5] = [0, 14, 17, 20, 64];

pub(super) fn decode(bytes: &[u8]) -> Result<Samples, Error> {
    let (count, bits) = sample_count(bytes)?;
    let mut reader = BitReader::new(bits);
    // A sample takes two bits at least.
    let room = count.min(reader.left());
    let (mut timestamps, mut values) = (Vec::with_capacity(room), Vec::with_capacity(room));
    read(&mut reader, count, &mut timestamps, &mut values).ok_or_else(ends_early)?;
    Ok(Samples::Floats { timestamps, values })
}

fn read(reader: &mut BitReader<'_>, count: usize, timestamps: &mut Vec<i64>, values: &mut Vec<f64>) -> Option<()> {
    let (mut at, mut delta) = (0i64, 0i64);
    let mut value = Xor::new(0.0);
    for number in 0..count {
        match number {
            0 => {
                at = reader.varint()?;
                value = Xor::new(reader.double()?);
            }
            1 => delta = reader.uvarint()?.cast_signed(),
            _ => {
                let width = WIDTHS[reader.ones(4)?];
                if width > 0 {
                    delta = delta.wrapping_add(reader.signed(width)?);
                }
            }
        }
        if number > 0 {
            at = at.wrapping_add(delta);
            reader.xor(&mut value)?;
        }
        timestamps.push(at);
        values.push(value.value);
    }
    Some(())
}

pub(super) fn encode(timestamps: &[i64], values: &[f64]) -> EncodedChunk {
    let mut writer = BitWriter::after(count_bytes(timestamps.len()).to_vec());
    let (mut before, mut delta) = (0i64, 0i64);
    let mut state = Xor::new(0.0);
    for (number, (at, value)) in timestamps.iter().zip(values).enumerate() {
        let new_delta = at.wrapping_sub(before);
        match number {
            0 => {
                writer.varint(*at);
                writer.double(*value);
                state = Xor::new(*value);
            }
            1 => writer.uvarint(new_delta.cast_unsigned()),
            _ => put_difference(&mut writer, new_delta.wrapping_sub(delta)),
        }
        if number > 0 {
            writer.xor(&mut state, *value);
            delta = new_delta;
        }
        before = *at;
    }
    EncodedChunk {
        encoding: Encoding::Xor,
        min_ms: timestamps.first().copied().unwrap_or_default(),
        max_ms: timestamps.last().copied().unwrap_or_default(),
        samples: timestamps.len(),
        bytes: writer.finish(),
    }
}

fn put_difference(writer: &mut BitWriter, difference: i64) {
    let fits = |width: &usize| match *width {
        0 => difference == 0,
        64 => true,
        width => fits_signed(difference, width),
    };
    let ones = WIDTHS.iter().position(fits).unwrap_or(4);
    writer.ones(ones, 4);
    writer.bits(difference.cast_unsigned(), WIDTHS[ones]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::STALE_NAN_BITS;
    use proptest::prelude::*;

    #[test]
    fn reads_what_prometheus_writes() {
        // Written by hand after xor.go: 3 samples at 1000, 1015, 1030; the values 1, 1, -1.
        let mut writer = BitWriter::after(vec![0, 3]);
        writer.varint(1000);
        writer.bits(1f64.to_bits(), 64);
        writer.uvarint(15);
        writer.bits(0b0, 1); // the same value
        writer.bits(0b0, 1); // the same difference
        // Changed, new window: 0 leading zeros, 1 significant bit, which is the sign.
        writer.bits(0b11, 2);
        writer.bits(0, 5);
        writer.bits(1, 6);
        writer.bits(1, 1);
        let want = Samples::Floats {
            timestamps: vec![1000, 1015, 1030],
            values: vec![1.0, 1.0, -1.0],
        };
        let bytes = writer.finish();
        assert_eq!(decode(&bytes).unwrap(), want);
        assert_eq!(encode(&[1000, 1015, 1030], &[1.0, 1.0, -1.0]).bytes, bytes);
    }

    proptest! {
        #[test]
        fn bits_round_trip(samples in prop::collection::vec((1i64..1 << 40, any::<u64>(), 0u8..4), 1..120), start in any::<i32>()) {
            let mut at = i64::from(start) * 1000;
            let (mut timestamps, mut values) = (Vec::new(), Vec::new());
            for (delta, bits, kind) in samples {
                at += if kind == 0 { 15_000 } else { delta >> (kind * 12) | 1 };
                timestamps.push(at);
                values.push(f64::from_bits(match kind { 0 => bits, 1 => STALE_NAN_BITS, 2 => (bits as u8 as f64).to_bits(), _ => 0x7ff8_0000_0000_0001 | bits & 0xFF }));
            }
            let Samples::Floats { timestamps: t, values: v } = decode(&encode(&timestamps, &values).bytes).unwrap() else { panic!() };
            prop_assert_eq!(t, timestamps);
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&v), bits(&values));
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
        }
    }
}

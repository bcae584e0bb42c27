//! Bytes in: as a chunk of each encoding, an index, tombstones and a block's description they read or are refused. Nothing
//! panics, and samples that were read are the same after they were packed again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_tsdb::{ChunkFiles, Encoding, Index, Meta, Samples, Tombstones, decode, encode};

/// What is compared: floats by their bits.
fn form(samples: &Samples) -> Vec<(i64, String)> {
    match samples {
        Samples::Floats { timestamps, values } => {
            let bits = values.iter().map(|value| format!("{:x}", value.to_bits()));
            timestamps.iter().copied().zip(bits).collect()
        }
        // The hint about resets depends on where chunks begin.
        Samples::Histograms(samples) => samples
            .iter()
            .map(|(at, one)| {
                let fields = (one.schema, one.zero_threshold, one.zero_count, one.count, one.sum.to_bits());
                let buckets = (&one.positive_spans, &one.positive_buckets, &one.negative_spans, &one.negative_buckets);
                (*at, format!("{fields:?} {buckets:?} {:?}", one.custom_values))
            })
            .collect(),
    }
}

fuzz_target!(|bytes: &[u8]| {
    for encoding in [Encoding::Xor, Encoding::Histogram, Encoding::FloatHistogram] {
        let Ok(samples) = decode(encoding, bytes) else { continue };
        let mut again = Vec::new();
        for chunk in encode(&samples) {
            let part = decode(chunk.encoding, &chunk.bytes).expect("what was packed is read");
            again.extend(form(&part));
        }
        assert_eq!(again, form(&samples));
    }
    if let Ok(index) = Index::open(bytes.to_vec()) {
        let mut files = ChunkFiles::new(vec![bytes.to_vec()]);
        for series in index.series().flatten() {
            for chunk in series.chunks {
                let _ = files.read(chunk.reference);
            }
        }
    }
    let _ = Tombstones::parse(bytes);
    let _ = Meta::parse(bytes);
});

//! Bodies of remote write, both versions, compressed and plain: what reads is written again as the same message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_remote_write::{decode_v1, decode_v2, encode_v2, receive_v1, receive_v2, snappy_decode, snappy_encode};

/// What a receiver lets a body unfold to.
const LIMIT: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let plain = if choice & 1 == 0 {
        let Ok(plain) = snappy_decode(body, LIMIT) else { return };
        assert!(plain.len() <= LIMIT);
        plain
    } else {
        body.to_vec()
    };
    let block = snappy_encode(&plain).expect("it is short");
    assert_eq!(snappy_decode(&block, plain.len()).as_ref(), Ok(&plain));
    let (decoded, received) = match choice & 2 {
        0 => (decode_v1(&plain), receive_v1(&plain)),
        _ => (decode_v2(&plain), receive_v2(&plain)),
    };
    for mut series in [decoded, received.map(|received| received.series)].into_iter().flatten() {
        // Of a series without samples nothing is kept.
        series.retain(|series| !series.samples.is_empty() || !series.exemplars.is_empty());
        let written = encode_v2(&series);
        let again = decode_v2(&written).expect("what was written reads");
        assert_eq!(encode_v2(&again), written);
        for one in &series {
            let _ = (one.labels.to_string(), one.labels.series_id());
        }
    }
});

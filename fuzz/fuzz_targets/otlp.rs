//! OTLP in both encodings: whatever reads is translated and added up, and protobuf written again reads as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_otlp::{DeltaLimits, DeltaState, Promotion, Settings, decode_json, decode_protobuf, translate};
use prost::Message as _;

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let decoded = if choice & 1 == 0 { decode_protobuf(body) } else { decode_json(body) };
    let Ok(request) = decoded else { return };
    let settings = Settings {
        allow_utf8: choice & 2 != 0,
        add_suffixes: choice & 4 != 0,
        promotion: Promotion::AllBut(Default::default()),
        convert_histograms_to_nhcb: choice & 8 != 0,
        promote_scope_metadata: choice & 16 != 0,
        preserve_underscores: choice & 32 != 0,
        ..Settings::default()
    };
    let translated = translate(&request, &settings);
    let again = decode_protobuf(&request.encode_to_vec()).expect("what was written reads");
    // NaN is not equal to itself: the translation is compared by what it prints.
    assert_eq!(format!("{translated:?}"), format!("{:?}", translate(&again, &settings)));
    let limits = DeltaLimits {
        max_stale_ms: 3_600_000,
        max_streams: 4,
    };
    for group in translated.deltas {
        let mut state = DeltaState::default();
        let first = state.accumulate(1, group.series.clone(), limits);
        let second = state.accumulate(1, group.series, limits);
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
});

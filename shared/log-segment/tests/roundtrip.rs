//! Records come back, whatever their fields are, as written and merged; an index never denies a word that is there.
#![allow(clippy::unwrap_used)]

use parapet_log_segment::{EncodeOptions, Footer, Projection, Segment, SegmentWriter, merge};
use parapet_logs::{Level, LogRecord, Need, words};
use parapet_model::Labels;
use parapet_segment::Source;
use proptest::prelude::*;
use std::collections::HashMap;

/// Blocks of few rows, so that there are several.
fn options() -> EncodeOptions {
    EncodeOptions {
        block_rows: 5,
        ..EncodeOptions::flush()
    }
}

fn written(records: &[LogRecord]) -> Segment {
    let mut writer = SegmentWriter::new(options());
    records.iter().for_each(|record| writer.push(record).unwrap());
    writer.finish().unwrap().unwrap()
}

fn read(source: &Source, projection: Projection) -> Vec<LogRecord> {
    let footer = Footer::read(source).unwrap();
    let mut records = Vec::new();
    for block in 0..footer.blocks().len() {
        let mut rows = footer.read_block(source, block, projection).unwrap();
        for row in 0..rows.len() {
            records.push(rows.record(row).unwrap());
        }
    }
    records
}

/// The blocks whose index allows a need.
fn allowed(source: &Source, bytes: &[u8], need: &Need) -> usize {
    let footer = Footer::read(source).unwrap();
    let range =
        |range: std::ops::Range<u64>| usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    let parts = footer.index_ranges(need).into_iter();
    let parts: HashMap<_, _> = parts
        .map(|(slot, place)| (slot, bytes[range(place)].to_vec().into()))
        .collect();
    let blocks = 0..footer.blocks().len();
    blocks.filter(|block| footer.may_match(need, *block, &parts)).count()
}

fn record() -> impl Strategy<Value = LogRecord> {
    // More names than there are columns, some of which no list of names can hold.
    let names = prop_oneof![4 => "[a-c]", 4 => "f[0-9]{2}", 1 => "x\u{1f}y", 1 => "é"];
    let fields = prop::collection::vec((names, "[a-d0-3 \"]{1,4}"), 0..9);
    let level = prop::option::of(0..5_usize);
    let line = prop::collection::vec(prop_oneof![8 => "[a-d0-3=_ ]{0,5}", 1 => "é\u{11}?"], 0..3);
    (fields, level, line, "[ab]?", any::<bool>()).prop_map(|(fields, level, line, service, bytes)| {
        let mut raw = line.concat().into_bytes();
        for (name, value) in &fields {
            raw.extend(format!(" {name}={value}").bytes());
        }
        raw.extend(bytes.then_some(0xff));
        LogRecord {
            raw: raw.into(),
            level: level.map(|level| Level::ALL[level]),
            message: fields
                .first()
                .map_or_else(String::new, |(_, value)| value.clone())
                .into(),
            stream: Labels::from_pairs([("app", format!("s{service}"))]),
            service: service.into(),
            attributes: Labels::from_pairs(fields),
            ..LogRecord::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn records_come_back(records in prop::collection::vec(record(), 1..24)) {
        let mut records = records;
        for (number, record) in records.iter_mut().enumerate() {
            record.timestamp_ns = i64::try_from(number).unwrap() * 7_000_003;
        }
        let segment = written(&records);
        let source = Source::whole(segment.bytes.clone());
        prop_assert_eq!(&read(&source, Projection::ALL), &records);
        for word in records.iter().flat_map(|record| words(&record.raw)) {
            let need = Need::Word(String::from_utf8(word.to_ascii_lowercase()).unwrap());
            prop_assert!(allowed(&source, &segment.bytes, &need) > 0, "{:?}", need);
        }
        // Each second record in another file: merged they are what they were.
        let (mut even, mut odd) = (Vec::new(), Vec::new());
        for (number, record) in records.iter().enumerate() {
            if number % 2 == 0 { even.push(record.clone()) } else { odd.push(record.clone()) }
        }
        let sources: Vec<Source> = [even, odd]
            .iter()
            .filter(|records| !records.is_empty())
            .map(|records| Source::whole(written(records).bytes))
            .collect();
        let merged = merge(&sources, &options(), usize::MAX, &[]).unwrap();
        prop_assert_eq!(merged.len(), 1);
        prop_assert_eq!(read(&Source::whole(merged[0].bytes.clone()), Projection::ALL), records);
    }
}

#[test]
fn fields_beyond_the_columns_are_kept() {
    let wide = |from: usize| LogRecord {
        raw: b"wide".to_vec().into(),
        attributes: Labels::from_pairs(
            (from..from + 40).map(|number| (format!("field{number}"), format!("v{number}"))),
        ),
        ..LogRecord::default()
    };
    let records = [wide(0), wide(20), wide(100), LogRecord::default()];
    let source = Source::whole(written(&records).bytes);
    assert_eq!(read(&source, Projection::ALL), records);
    let without = Projection {
        attributes: false,
        raw: false,
        ..Projection::ALL
    };
    let plain = read(&source, without);
    assert!(
        plain
            .iter()
            .all(|record| record.attributes.is_empty() && record.raw.is_empty())
    );
}

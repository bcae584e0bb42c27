//! Files that PyArrow wrote (`data/make.py`), whole and broken.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use parapet_ml::{Categories, Collector, Column, ColumnKind, FileError, FileLimits, TableFile, TimeRange, Window};
use parapet_segment::Source;
use std::collections::BTreeMap;

const FILES: [&str; 6] = ["snappy", "snappy_v2", "gzip", "zstd_delta", "plain_delta", "int96"];
const ROWS: i64 = 300;
/// 2026-01-01.
const START_MS: i64 = 1_767_225_600_000;

fn bytes(name: &str) -> Bytes {
    let path = format!("{}/tests/data/{name}.parquet", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap().into()
}

fn open(bytes: &Bytes, limits: &FileLimits) -> Result<TableFile, FileError> {
    let size = bytes.len() as u64;
    let footer = TableFile::footer(size, bytes, limits)?;
    TableFile::open(size, &bytes[footer.start as usize..footer.end as usize])
}

/// Reads everything as the exporter does, from the parts that it would fetch.
fn read(
    bytes: &Bytes,
    features: &[&str],
    range: Option<&TimeRange>,
    limits: &FileLimits,
) -> Result<BTreeMap<String, Window>, FileError> {
    let file = open(bytes, limits)?;
    let features = features.iter().map(|name| (*name).to_owned()).collect();
    let mut collector = Collector::new(features, vec!["ts".to_owned()], 1_000_000, 100);
    let columns = collector.columns(&file)?;
    let fetch = |group, columns: &[usize]| -> Result<Source, FileError> {
        let parts = columns.iter().map(|column| {
            let range = file.range(group, *column, limits)?;
            Ok((range.start, bytes.slice(range.start as usize..range.end as usize)))
        });
        Ok(Source::parts(
            bytes.len() as u64,
            parts.collect::<Result<_, FileError>>()?,
        ))
    };
    for group in 0..file.row_groups() {
        let mut keep = None;
        if let Some(range) = range {
            let place = file.column(&range.column).unwrap();
            if !file.overlaps(group, place, range) {
                continue;
            }
            keep = Some(file.rows_in(group, place, &fetch(group, &[place])?, range, limits)?);
        }
        let source = fetch(group, &columns)?;
        collector.take(&file, group, &columns, &source, keep.as_deref(), limits)?;
    }
    Ok(collector.finish())
}

fn numbers(values: impl Iterator<Item = f64>, missing: f64) -> Window {
    let window = Window::of(Column::Numbers(values.collect()));
    let all = window.values + missing;
    Window {
        missing_ratio: Some(missing / all),
        ..window
    }
}

fn categories(values: impl Iterator<Item = String>, missing: f64) -> Window {
    let mut counts = Categories::default();
    values.for_each(|value| counts.add(&value, 1.0, 100));
    let window = Window::of(Column::Categories(counts));
    let all = window.values + missing;
    Window {
        missing_ratio: Some(missing / all),
        ..window
    }
}

/// What make.py wrote in a range of rows.
fn expected(rows: std::ops::Range<i64>) -> BTreeMap<String, Window> {
    let all = || rows.clone();
    let count = |pick: fn(&i64) -> bool| all().filter(pick).count() as f64;
    let place = |row: &i64| row % 6 != 0;
    let no_place = count(|row| row % 6 == 0);
    [
        (
            "amount",
            numbers(
                all().filter(|row| row % 7 != 0).map(|row| row as f64 * 0.5),
                count(|row| row % 7 == 0),
            ),
        ),
        (
            "ratio",
            numbers(
                all().filter(|row| row % 10 != 0).map(|row| row as f64 / 4.0),
                count(|row| row % 10 == 0),
            ),
        ),
        ("count", numbers(all().map(|row| (row - 100) as f64), 0.0)),
        ("large", numbers(all().map(|row| 4e9 + row as f64), 0.0)),
        ("price", numbers(all().map(|row| (row - 150) as f64 / 100.0), 0.0)),
        (
            "country",
            categories(all().map(|row| if row % 3 == 0 { "FR" } else { "DE" }.to_owned()), 0.0),
        ),
        (
            "note",
            categories(
                all().filter(|row| row % 5 != 0).map(|row| format!("note {}", row % 4)),
                count(|row| row % 5 == 0),
            ),
        ),
        ("night", categories(all().map(|row| (row % 2 == 0).to_string()), 0.0)),
        (
            "place.city",
            categories(all().filter(place).map(|row| format!("c{}", row % 3)), no_place),
        ),
        (
            "place.height",
            numbers(all().filter(place).map(|row| row as f64), no_place),
        ),
    ]
    .into_iter()
    .map(|(name, window)| (name.to_owned(), window))
    .collect()
}

#[test]
fn every_codec_and_encoding_reads_the_same() {
    for name in FILES {
        let found = read(&bytes(name), &[], None, &FileLimits::default()).unwrap();
        let wanted = expected(0..ROWS);
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            wanted.keys().collect::<Vec<_>>(),
            "{name}"
        );
        for (feature, window) in wanted {
            assert_eq!(found[&feature], window, "{name} {feature}");
        }
    }
    let error = read(&bytes("brotli"), &[], None, &FileLimits::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("write it with Snappy, zstd, gzip or uncompressed"),
        "{error}"
    );
}

#[test]
fn columns_are_of_their_kinds() {
    let file = open(&bytes("snappy"), &FileLimits::default()).unwrap();
    let kinds: BTreeMap<String, ColumnKind> = file.columns().into_iter().collect();
    assert_eq!((kinds["ts"], kinds["day"]), (ColumnKind::Times, ColumnKind::Times));
    assert_eq!(
        (kinds["tags.list.element"], kinds["price"]),
        (ColumnKind::Other, ColumnKind::Numbers)
    );
    let none = read(&bytes("snappy"), &["amont"], None, &FileLimits::default()).unwrap_err();
    assert!(
        none.to_string()
            .starts_with("has no column amont; it has amount, ratio"),
        "{none}"
    );
    let list = read(&bytes("snappy"), &["ts"], None, &FileLimits::default()).unwrap_err();
    assert!(
        list.to_string()
            .contains("holds neither numbers nor texts nor booleans"),
        "{list}"
    );
}

#[test]
fn rows_count_by_their_time() {
    let minutes = |from: i64, to: i64| TimeRange {
        column: "ts".to_owned(),
        start_ms: START_MS + from * 60_000,
        end_ms: START_MS + to * 60_000,
    };
    for name in FILES {
        for (from, to) in [(100, 140), (0, 300), (260, 300)] {
            let found = read(
                &bytes(name),
                &["count", "note"],
                Some(&minutes(from, to)),
                &FileLimits::default(),
            )
            .unwrap();
            let wanted = expected(from..to);
            assert_eq!(
                (&found["count"], &found["note"]),
                (&wanted["count"], &wanted["note"]),
                "{name} {from} {to}"
            );
        }
        let none = read(
            &bytes(name),
            &["count"],
            Some(&minutes(900, 901)),
            &FileLimits::default(),
        )
        .unwrap();
        assert!(none.get("count").is_none_or(|window| window.values == 0.0), "{name}");
    }
    let days = TimeRange {
        column: "day".to_owned(),
        start_ms: START_MS + 10 * 86_400_000,
        end_ms: START_MS + 12 * 86_400_000,
    };
    let found = read(&bytes("snappy"), &["count"], Some(&days), &FileLimits::default()).unwrap();
    assert_eq!(found["count"], expected(10..12)["count"]);
    let wrong = TimeRange {
        column: "count".to_owned(),
        ..days
    };
    let error = read(&bytes("snappy"), &["count"], Some(&wrong), &FileLimits::default()).unwrap_err();
    assert_eq!(error.to_string(), "timestamp_column count has no times");
}

#[test]
fn limits_are_said() {
    let whole = FileLimits::default();
    for (limits, want) in [
        (
            FileLimits {
                max_footer_bytes: 100,
                ..whole
            },
            "is over the limit of 100",
        ),
        (
            FileLimits {
                max_chunk_bytes: 10,
                ..whole
            },
            "in a row group; the limit is 10",
        ),
        (
            FileLimits {
                max_row_group_rows: 10,
                ..whole
            },
            "a row group of 128 rows; the limit is 10",
        ),
        (
            FileLimits {
                max_page_bytes: 50,
                ..whole
            },
            "a page of more than 50 bytes",
        ),
    ] {
        for name in ["snappy", "gzip", "zstd_delta"] {
            let error = read(&bytes(name), &[], None, &limits).unwrap_err();
            assert!(error.to_string().contains(want), "{name}: {error}");
        }
    }
    let error = read(&Bytes::from_static(b"a,b\n1,2\n"), &[], None, &whole).unwrap_err();
    assert_eq!(error.to_string(), "no Parquet file");
}

/// A file cut short, or with bytes of another, is an error, or gives other rows; it never takes memory that it does not
/// have, and ends nothing but its own reading.
#[test]
fn broken_files_end_their_own_reading() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut errors = 0;
    for name in ["snappy", "plain_delta"] {
        let whole = bytes(name);
        for cut in (0..whole.len()).step_by(499) {
            assert!(
                read(&whole.slice(..cut), &[], None, &FileLimits::default()).is_err(),
                "{name} {cut}"
            );
        }
        for place in (0..whole.len()).step_by(67) {
            for byte in [0xFF, whole[place] ^ 0x80] {
                let mut broken = whole.to_vec();
                broken[place] = byte;
                let broken = Bytes::from(broken);
                let outcome = std::panic::catch_unwind(|| read(&broken, &[], None, &FileLimits::default()));
                errors += usize::from(!matches!(outcome, Ok(Ok(_))));
            }
        }
    }
    let _ = std::panic::take_hook();
    assert!(errors > 100, "{errors}");
}

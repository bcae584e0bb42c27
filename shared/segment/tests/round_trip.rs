//! What goes into a segment comes out of it, bit by bit, by every way of reading.
#![allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]

use parapet_model::{
    BatchSeries, CounterReset, Histogram, Labels, MatchOp, Matcher, MetricType, Sample, Series, Span, Value, stale_nan,
};
use parapet_segment::{
    Chunk, EncodeOptions, Footer, NoLabelCache, RowSamples, Samples, SeriesMerger, Source, coalesce, encode, merge,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

type Bits = Vec<(i64, u64)>;

/// Everything in a segment by series: bits of floats, histograms, kind.
#[derive(Debug, Default, Clone, PartialEq)]
struct Held {
    floats: Bits,
    /// Printed, with the bits of the sum: a staleness marker equals itself.
    histograms: Vec<(i64, String)>,
}

fn print(histogram: &Histogram) -> String {
    format!("{:x} {histogram:?}", histogram.sum.to_bits())
}

fn read(source: &Source, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> BTreeMap<Labels, Held> {
    let footer = Footer::read(source).unwrap();
    let index = footer.read_index(source, &mut NoLabelCache).unwrap();
    assert_eq!(index.len(), footer.rows());
    let rows = index.select(matchers, start_ms, end_ms);
    let mut held: BTreeMap<Labels, Held> = BTreeMap::new();
    footer
        .read_rows(source, &rows, |row, samples| {
            let series = held.entry(index.labels(row).clone()).or_default();
            match samples {
                RowSamples::Floats { timestamps, values } => {
                    series
                        .floats
                        .extend(timestamps.iter().copied().zip(values.iter().map(|v| v.to_bits())));
                }
                RowSamples::Histograms { timestamps, histograms } => {
                    series
                        .histograms
                        .extend(timestamps.iter().copied().zip(histograms.iter().map(print)));
                }
            }
        })
        .unwrap();
    held
}

/// The same from a source that only holds the ranges that the footer asks for.
fn read_sparsely(bytes: &bytes::Bytes, footer_bytes: u64, matchers: &[Matcher]) -> BTreeMap<Labels, Held> {
    let size = bytes.len() as u64;
    let fetch = |ranges: Vec<Range<u64>>| -> Vec<(u64, bytes::Bytes)> {
        let part = |range: Range<u64>| (range.start, bytes.slice(range.start as usize..range.end as usize));
        coalesce(ranges, 0).into_iter().map(part).collect()
    };
    let footer = Footer::read(&Source::parts(size, fetch(vec![size - footer_bytes..size]))).unwrap();
    let index_source = Source::parts(size, fetch(footer.index_ranges()));
    let index = footer.read_index(&index_source, &mut NoLabelCache).unwrap();
    let rows = index.select(matchers, i64::MIN, i64::MAX);
    let source = Source::parts(size, fetch(footer.row_ranges(&rows)));
    let mut held: BTreeMap<Labels, Held> = BTreeMap::new();
    footer
        .read_rows(&source, &rows, |row, samples| {
            if let RowSamples::Floats { timestamps, values } = samples {
                let series = held.entry(index.labels(row).clone()).or_default();
                series
                    .floats
                    .extend(timestamps.iter().copied().zip(values.iter().map(|v| v.to_bits())));
            }
        })
        .unwrap();
    held
}

fn merged(batch: &[BatchSeries]) -> (Vec<Chunk>, BTreeMap<Labels, Held>) {
    let mut by_labels: BTreeMap<Labels, (MetricType, SeriesMerger)> = BTreeMap::new();
    for series in batch {
        let (kind, merger) = by_labels.entry(series.labels.clone()).or_default();
        *kind = (*kind).max(series.kind);
        for sample in &series.samples {
            match &sample.value {
                Value::Float(value) => merger.push_float(sample.timestamp_ms, *value),
                Value::Histogram(histogram) => merger.push_histogram(sample.timestamp_ms, histogram.clone()),
            }
        }
    }
    let (mut chunks, mut want) = (Vec::new(), BTreeMap::new());
    for (labels, (kind, merger)) in by_labels {
        let Series {
            labels,
            timestamps,
            values,
            histograms,
        } = merger.finish(labels);
        let floats = timestamps
            .iter()
            .copied()
            .zip(values.iter().map(|v| v.to_bits()))
            .collect();
        want.insert(
            labels.clone(),
            Held {
                floats,
                histograms: histograms.iter().map(|(at, h)| (*at, print(h))).collect(),
            },
        );
        if !timestamps.is_empty() {
            chunks.push(Chunk {
                labels: labels.clone(),
                kind,
                samples: Samples::Floats { timestamps, values },
            });
        }
        if !histograms.is_empty() {
            chunks.push(Chunk {
                labels,
                kind,
                samples: Samples::Histograms(histograms),
            });
        }
    }
    (chunks, want)
}

fn values() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => any::<f64>(),
        4 => (0u32..50).prop_map(f64::from),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => Just(stale_nan()),
        1 => Just(-0.0),
    ]
}

fn histograms() -> impl Strategy<Value = Value> {
    let spans = || {
        prop::collection::vec(
            (any::<i32>(), any::<u32>()).prop_map(|(offset, length)| Span { offset, length }),
            0..3,
        )
    };
    let buckets = || prop::collection::vec((0u32..9).prop_map(f64::from), 0..4);
    let reset = prop_oneof![
        Just(CounterReset::Unknown),
        Just(CounterReset::Reset),
        Just(CounterReset::NotReset),
        Just(CounterReset::Gauge)
    ];
    (
        reset,
        -53i32..9,
        0u32..5,
        spans(),
        buckets(),
        spans(),
        buckets(),
        buckets(),
    )
        .prop_map(
            |(
                counter_reset,
                schema,
                count,
                positive_spans,
                positive_buckets,
                negative_spans,
                negative_buckets,
                custom_values,
            )| {
                Value::Histogram(Arc::new(Histogram {
                    counter_reset,
                    schema,
                    count: f64::from(count),
                    sum: if count == 4 { stale_nan() } else { 1.5 },
                    positive_spans,
                    positive_buckets,
                    negative_spans,
                    negative_buckets,
                    custom_values,
                    ..Histogram::default()
                }))
            },
        )
}

fn batches() -> impl Strategy<Value = Vec<BatchSeries>> {
    let labels = (0u8..3, prop::collection::vec(("[aZ_]b?", "[xé\"]{0,2}"), 0..4)).prop_map(|(metric, mut pairs)| {
        if metric > 0 {
            pairs.push(("__name__".to_owned(), format!("m{metric}")));
        }
        Labels::from_pairs(pairs)
    });
    let value = prop_oneof![6 => values().prop_map(Value::Float), 1 => histograms()];
    let sample = (-50i64..200, value).prop_map(|(timestamp_ms, value)| Sample { timestamp_ms, value });
    let kind = prop::sample::select(MetricType::ALL.to_vec());
    let series = (labels, kind, prop::collection::vec(sample, 1..30)).prop_map(|(labels, kind, samples)| BatchSeries {
        labels,
        kind,
        samples,
        exemplars: Vec::new(),
    });
    prop::collection::vec(series, 0..25)
}

/// Small chunks, pages and row groups, so that small inputs meet every boundary.
fn small() -> EncodeOptions {
    EncodeOptions {
        max_chunk_samples: 7,
        row_group_rows: 11,
        page_bytes: 64,
        ..EncodeOptions::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn encode_and_read(batch in batches()) {
        let (chunks, want) = merged(&batch);
        let Some(segment) = encode(chunks, small()).unwrap() else {
            prop_assert!(batch.is_empty());
            return Ok(());
        };
        let source = Source::whole(segment.bytes.clone());
        prop_assert_eq!(&read(&source, &[], i64::MIN, i64::MAX), &want);
        prop_assert_eq!(segment.info.series, want.len() as u64);
        let samples: usize = want.values().map(|held| held.floats.len() + held.histograms.len()).sum();
        prop_assert_eq!(segment.info.samples, samples as u64);
        let times = want.values().flat_map(|h| h.floats.iter().map(|s| s.0).chain(h.histograms.iter().map(|s| s.0)));
        prop_assert_eq!(Some(segment.info.min_ts), times.clone().min());
        prop_assert_eq!(Some(segment.info.max_ts), times.max());

        for matchers in [
            vec![Matcher::equal("__name__", "m1")],
            vec![Matcher::equal("__name__", ""), Matcher::new("a", MatchOp::NotEqual, "x").unwrap()],
            vec![Matcher::new("_b", MatchOp::Regex, "x.*|").unwrap()],
        ] {
            let passing = |labels: &Labels| matchers.iter().all(|m| m.matches_labels(labels));
            let expected: BTreeMap<Labels, Held> =
                want.iter().filter(|(labels, _)| passing(labels)).map(|(l, h)| (l.clone(), h.clone())).collect();
            prop_assert_eq!(&read(&source, &matchers, i64::MIN, i64::MAX), &expected);
            let floats = |held: &BTreeMap<Labels, Held>| -> Vec<(Labels, Bits)> {
                held.iter().filter(|(_, h)| !h.floats.is_empty()).map(|(l, h)| (l.clone(), h.floats.clone())).collect()
            };
            prop_assert_eq!(floats(&read_sparsely(&segment.bytes, segment.info.footer_bytes, &matchers)), floats(&expected));
        }
        // A time range leaves whole rows out, never a sample within the range.
        let within = |held: &BTreeMap<Labels, Held>| -> Vec<(Labels, i64, u64)> {
            let samples = held.iter().flat_map(|(l, h)| h.floats.iter().map(move |s| (l.clone(), s.0, s.1)));
            samples.filter(|(_, at, _)| (20..=60).contains(at)).collect()
        };
        prop_assert_eq!(within(&read(&source, &[], 20, 60)), within(&want));
    }

    #[test]
    fn merging_parts_is_encoding_the_whole(batch in batches(), cut in 0usize..25, target in prop_oneof![Just(1usize), Just(1 << 30)]) {
        let (first, second) = batch.split_at(cut.min(batch.len()));
        let sources: Vec<Source> = [first, second]
            .into_iter()
            .filter_map(|part| encode(merged(part).0, small()).unwrap())
            .map(|segment| Source::whole(segment.bytes))
            .collect();
        let outputs = merge(&sources, &small(), target, &[]).unwrap();
        let mut held = BTreeMap::new();
        for output in &outputs {
            for (labels, series) in read(&Source::whole(output.bytes.clone()), &[], i64::MIN, i64::MAX) {
                prop_assert!(held.insert(labels, series).is_none(), "a series stands in one output");
            }
        }
        prop_assert_eq!(&held, &merged(&batch).1);
        // The same bytes whatever the order of inputs: nothing in a file tells how it came to be.
        let reversed: Vec<Source> = sources.into_iter().rev().collect();
        let again = merge(&reversed, &small(), target, &[]).unwrap();
        prop_assert_eq!(outputs.len(), again.len());
        for (a, b) in outputs.iter().zip(&again) {
            prop_assert_eq!(&a.bytes, &b.bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_errors_not_panics(batch in batches(), places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let Some(segment) = encode(merged(&batch).0, small()).unwrap() else { return Ok(()) };
        // Some damage makes the parquet crate panic, which is contained: no need to print it.
        std::panic::set_hook(Box::new(|_| {}));
        let mut bytes = segment.bytes.to_vec();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let source = Source::whole(bytes.into());
        if let Ok(footer) = Footer::read(&source)
            && let Ok(index) = footer.read_index(&source, &mut NoLabelCache)
        {
            let rows = index.select(&[], i64::MIN, i64::MAX);
            let _ = footer.read_rows(&source, &rows, |_, _| {});
        }
    }
}

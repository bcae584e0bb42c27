//! A file of version 1 as it was written when the version was made. It must read for ever.
#![allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int32Type};
use arrow_array::{Array as _, RecordBatch};
use bytes::Bytes;
use parapet_model::{CounterReset, Exemplar, Histogram, Labels, MetricType, Rollup, Span, stale_nan};
use parapet_segment::{Chunk, EncodeOptions, Footer, NoLabelCache, RowSamples, Samples, Source, encode, merge};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::sync::Arc;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/");

fn chunks() -> Vec<Chunk> {
    let floats = |pairs: &[(&str, &str)], kind, samples: &[(i64, f64)]| Chunk {
        labels: Labels::from_pairs(pairs.iter().copied()),
        kind,
        samples: Samples::Floats {
            timestamps: samples.iter().map(|sample| sample.0).collect(),
            values: samples.iter().map(|sample| sample.1).collect(),
        },
    };
    let histogram = |at, sum| {
        let histogram = Histogram {
            counter_reset: CounterReset::NotReset,
            schema: 3,
            zero_threshold: 1e-128,
            zero_count: 2.0,
            count: 12.0,
            sum,
            positive_spans: vec![Span { offset: -4, length: 2 }, Span { offset: 1, length: 1 }],
            positive_buckets: vec![1.0, 2.0, 3.0],
            negative_spans: vec![Span { offset: 0, length: 1 }],
            negative_buckets: vec![4.0],
            custom_values: vec![],
        };
        (at, Arc::new(histogram))
    };
    let t = 1_795_262_400_000;
    vec![
        floats(
            &[("__name__", "up"), ("job", "node"), ("instance", "a:9100")],
            MetricType::Gauge,
            &[(t, 1.0), (t + 15_000, stale_nan())],
        ),
        floats(
            &[("__name__", "requests_total"), ("Zone", "é\"\n"), ("job", "api")],
            MetricType::Counter,
            &[(t, 5.0), (t + 1, 7.5), (t + 2, 1.0), (t + 3, 1.0)],
        ),
        floats(
            &[("job", "no name")],
            MetricType::Unknown,
            &[
                (-1, -0.0),
                (0, f64::INFINITY),
                (1, f64::from_bits(0x7ff8_0000_dead_beef)),
            ],
        ),
        Chunk {
            labels: Labels::from_pairs([("__name__", "latency"), ("job", "api")]),
            kind: MetricType::Histogram,
            samples: Samples::Histograms(vec![histogram(t, 18.5), histogram(t + 15_000, stale_nan())]),
        },
    ]
}

/// Printed with the bits of values: markers and signs count.
fn print(labels: &Labels, floats: &[(i64, f64)], histograms: &[(i64, Arc<Histogram>)]) -> String {
    let bits: Vec<(i64, u64)> = floats.iter().map(|(at, value)| (*at, value.to_bits())).collect();
    let sums: Vec<u64> = histograms
        .iter()
        .map(|(_, histogram)| histogram.sum.to_bits())
        .collect();
    format!("{labels} {bits:?} {histograms:?} {sums:?}")
}

/// What came after the first files of version 1: a column of exemplars.
fn with_exemplars() -> Vec<Chunk> {
    let t = 1_795_262_400_000;
    let exemplar = |id: &str, timestamp_ms, has_timestamp| Exemplar {
        labels: Labels::from_pairs([("trace_id", id), ("é", "\"")]),
        value: 0.25,
        timestamp_ms,
        has_timestamp,
    };
    let mut chunks = chunks();
    chunks.push(Chunk {
        labels: Labels::from_pairs([("__name__", "requests_total"), ("Zone", "é\"\n"), ("job", "api")]),
        kind: MetricType::Counter,
        samples: Samples::Exemplars(vec![exemplar("a", t + 1, true), exemplar("b", t + 2, false)]),
    });
    chunks
}

fn written(chunks: Vec<Chunk>) -> Bytes {
    let options = EncodeOptions {
        rollup_min_samples: 1,
        ..EncodeOptions::default()
    };
    encode(chunks, options).unwrap().unwrap().bytes
}

#[test]
fn version_1_reads_for_ever() {
    reads_for_ever("v1.parquet", &chunks());
    reads_for_ever("v1-exemplars.parquet", &with_exemplars());
}

fn reads_for_ever(name: &str, chunks: &[Chunk]) {
    let path = format!("{FOLDER}{name}");
    let Ok(bytes) = std::fs::read(&path) else {
        std::fs::write(&path, written(chunks.to_vec())).unwrap();
        panic!("{path} was missing and has been written: it belongs to the repository");
    };
    let source = Source::whole(bytes.into());
    let footer = Footer::read(&source).unwrap();
    let index = footer.read_index(&source, &mut NoLabelCache).unwrap();
    let mut read = Vec::new();
    let all = std::slice::from_ref(&(0..index.len())).to_vec();
    footer
        .read_rows(&source, &all, |row, samples| {
            read.push(match samples {
                RowSamples::Floats { timestamps, values } => {
                    let floats: Vec<_> = timestamps.iter().copied().zip(values.iter().copied()).collect();
                    print(index.labels(row), &floats, &[])
                }
                RowSamples::Histograms { timestamps, histograms } => {
                    let histograms: Vec<_> = timestamps
                        .iter()
                        .copied()
                        .zip(histograms.into_iter().map(Arc::new))
                        .collect();
                    print(index.labels(row), &[], &histograms)
                }
            });
        })
        .unwrap();
    footer
        .read_exemplars(&source, &all, |row, exemplars| {
            read.push(format!("{} {exemplars:?}", index.labels(row)));
        })
        .unwrap();
    let mut want = Vec::new();
    for chunk in chunks {
        let samples = match &chunk.samples {
            Samples::Floats { timestamps, values } => {
                let floats: Vec<_> = timestamps.iter().copied().zip(values.iter().copied()).collect();
                print(&chunk.labels, &floats, &[])
            }
            Samples::Histograms(samples) => print(&chunk.labels, &[], samples),
            Samples::Exemplars(exemplars) => {
                want.push(format!("{} {exemplars:?}", chunk.labels));
                // Such a row has no samples.
                print(&chunk.labels, &[], &[])
            }
            Samples::Summary { .. } => print(&chunk.labels, &[], &[]),
        };
        want.push(samples);
    }
    // Rows are in order of metric name.
    assert_eq!(index.labels(0).metric_name(), None);
    assert_eq!(index.labels(index.len() - 1).metric_name(), Some("up"));
    read.sort();
    want.sort();
    assert_eq!(read, want);
    let types = footer.read_types(&source).unwrap();
    assert_eq!(types["requests_total"], MetricType::Counter);
    assert_eq!(types["latency"], MetricType::Histogram);
}

#[test]
fn merging_keeps_exemplars_and_takes_old_files() {
    let sources = ["v1.parquet", "v1-exemplars.parquet", "v1-exemplars.parquet"]
        .map(|name| Source::whole(std::fs::read(format!("{FOLDER}{name}")).unwrap().into()));
    let options = EncodeOptions {
        rollup_min_samples: 1,
        ..EncodeOptions::default()
    };
    let merged = merge(&sources, &options, usize::MAX, &[]).unwrap();
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].bytes, written(with_exemplars()));
    assert_eq!(merged[0].info.samples, 11, "an exemplar is no sample");
}

/// Reads the columns as any reader of Parquet would: by name.
#[test]
fn columns_are_those_of_the_design() {
    let reader = ParquetRecordBatchReaderBuilder::try_new(written(with_exemplars()))
        .unwrap()
        .build()
        .unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let batch = &batches[0];
    let names: Vec<&str> = batch
        .schema_ref()
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let expected = [
        "metric",
        "labels",
        "series_id",
        "type",
        "min_ts",
        "max_ts",
        "samples",
        "stale_samples",
        "timestamps",
        "values",
        "first_value",
        "last_value",
        "min_value",
        "max_value",
        "sum_value",
        "increase",
        "resets",
        "changes",
        "histograms",
        "exemplars",
    ];
    assert_eq!(names, expected);
    let metrics = batch.column_by_name("metric").unwrap().as_string::<i32>();
    let double = |name: &str, row: usize| {
        let column = batch.column_by_name(name).unwrap();
        column
            .is_valid(row)
            .then(|| column.as_primitive::<Float64Type>().value(row))
    };
    let int = |name: &str, row: usize| {
        batch
            .column_by_name(name)
            .unwrap()
            .as_primitive::<Int32Type>()
            .value(row)
    };
    let place = |metric: &str| (0..batch.num_rows()).find(|row| metrics.value(*row) == metric).unwrap();

    let requests = place("requests_total");
    let rollup = Rollup::of(&[5.0, 7.5, 1.0, 1.0]).unwrap();
    let figures = [
        ("first_value", rollup.first),
        ("last_value", rollup.last),
        ("min_value", rollup.min),
        ("max_value", rollup.max),
        ("sum_value", rollup.sum),
        ("increase", rollup.increase()),
        ("resets", rollup.resets),
        ("changes", rollup.changes),
    ];
    for (name, want) in figures {
        assert_eq!(double(name, requests), Some(want), "{name}");
    }
    assert_eq!((rollup.increase(), rollup.resets, rollup.changes), (3.5, 1.0, 2.0));
    assert_eq!((int("samples", requests), int("stale_samples", requests)), (4, 0));
    let up = place("up");
    assert_eq!(
        (int("samples", up), int("stale_samples", up), double("last_value", up)),
        (2, 1, Some(1.0))
    );
    let latency = place("latency");
    assert_eq!((int("samples", latency), int("stale_samples", latency)), (2, 1));
    assert_eq!(double("sum_value", latency), None);
    assert!(batch.column_by_name("values").unwrap().is_null(latency));
    assert!(batch.column_by_name("histograms").unwrap().is_null(up));
}

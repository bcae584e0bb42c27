//! What is written is read bit by bit, before and after a merge; large commits are several files.

use crate::world::{NOW_MS, batch_of, world};
use parapet_model::{
    BatchSeries, Exemplar, Histogram, Labels, MetricType, Sample, SampleBatch, Series, Span, Value, stale_nan,
};
use parapet_ports::Ports;
use parapet_store::day::Day;
use parapet_store::{Compaction, CompactionSettings, Dataset, Reader, ReaderSettings, Writer, WriterSettings};
use std::sync::Arc;

async fn read(ports: &Ports) -> Vec<Series> {
    let reader = Reader::new(ports, ReaderSettings::default());
    reader.select("default", &[], 0, i64::MAX).await.unwrap()
}

/// Times and bits of the floats; times and texts of the histograms, the bits of their sums among them.
fn printed(series: &[Series]) -> Vec<String> {
    let print = |series: &Series| {
        let bits: Vec<u64> = series.values.iter().map(|value| value.to_bits()).collect();
        let histograms: Vec<String> = series
            .histograms
            .iter()
            .map(|(at, histogram)| format!("{at} {:x} {histogram:?}", histogram.sum.to_bits()))
            .collect();
        format!("{} {:?} {bits:x?} {histograms:?}", series.labels, series.timestamps)
    };
    series.iter().map(print).collect()
}

fn of(id: &str, metric: &str, samples: Vec<Sample>) -> SampleBatch {
    SampleBatch {
        id: id.to_owned(),
        tenant: "default".to_owned(),
        series: vec![BatchSeries {
            labels: Labels::from_pairs([("__name__", metric)]),
            kind: MetricType::Gauge,
            samples,
            exemplars: vec![Exemplar {
                labels: Labels::from_pairs([("trace_id", id)]),
                value: -0.0,
                timestamp_ms: NOW_MS,
                has_timestamp: true,
            }],
        }],
    }
}

fn histogram(at_ms: i64, schema: i32, sum: f64) -> Sample {
    let custom_values = if schema == -53 { vec![0.5, 1.0] } else { Vec::new() };
    let histogram = Histogram {
        schema,
        sum,
        count: 3.0,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_buckets: vec![1.0, 2.0],
        custom_values,
        ..Histogram::default()
    };
    Sample {
        timestamp_ms: at_ms,
        value: Value::Histogram(Arc::new(histogram)),
    }
}

#[tokio::test]
async fn every_bit_is_kept_and_duplicates_are_resolved_by_their_values() {
    let special = [
        f64::from_bits(0x7ff8_0000_dead_beef),
        f64::from_bits(0xfff8_0000_0000_0001),
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        0.0,
        f64::MIN_POSITIVE / 4.0,
        f64::MAX,
        stale_nan(),
    ];
    let at = |n: usize| NOW_MS + n as i64 * 1000;
    let floats: Vec<Sample> = special
        .iter()
        .enumerate()
        .map(|(n, v)| Sample::float(at(n), *v))
        .collect();
    let mut backwards = floats.clone();
    backwards.reverse();
    let batches = [
        of("a", "special", floats),
        // The same, out of order, and what loses and wins against it.
        of("b", "special", backwards),
        of(
            "c",
            "special",
            vec![
                Sample::float(at(9), 9.0),
                Sample::float(at(8), 1.0),
                Sample::float(at(2), 2.0),
            ],
        ),
        of(
            "d",
            "native",
            vec![
                histogram(at(0), 3, 1.5),
                histogram(at(1), -53, -0.0),
                histogram(at(2), 3, stale_nan()),
            ],
        ),
        // Floats and histograms of one series; at one time the float stays, unless it is a marker.
        of(
            "e",
            "native",
            vec![
                Sample::float(at(0), 7.0),
                Sample::float(at(1), stale_nan()),
                Sample::float(at(3), 8.0),
            ],
        ),
    ];
    let mut stored = Vec::new();
    // In one commit, in as many as there are, and in the other order.
    let apart: Vec<Vec<SampleBatch>> = batches.iter().map(|batch| vec![batch.clone()]).collect();
    let reversed = apart.iter().rev().cloned().collect();
    for order in [vec![batches.to_vec()], apart, reversed] {
        let world = world();
        for batches in order {
            let report = Writer::new(&world.ports, WriterSettings::default())
                .commit(batches)
                .await;
            assert!(report.failed.is_empty() && report.refused.is_empty(), "{report:?}");
        }
        stored.push(printed(&read(&world.ports).await));
        let compaction = Compaction::new(&world.ports, CompactionSettings::default());
        compaction.compact("default", Day::FIRST_NAMED).await.unwrap();
        stored.push(printed(&read(&world.ports).await));
    }
    let mut wanted = special;
    (wanted[9], wanted[2]) = (9.0, 2.0);
    let special = Series {
        labels: Labels::from_pairs([("__name__", "special")]),
        timestamps: (0..10).map(at).collect(),
        values: wanted.to_vec(),
        histograms: Vec::new(),
    };
    let kept = [histogram(at(1), -53, -0.0), histogram(at(2), 3, stale_nan())];
    let histograms = kept.into_iter().filter_map(|sample| match sample.value {
        Value::Histogram(histogram) => Some((sample.timestamp_ms, histogram)),
        Value::Float(_) => None,
    });
    let native = Series {
        labels: Labels::from_pairs([("__name__", "native")]),
        timestamps: vec![at(0), at(3)],
        values: vec![7.0, 8.0],
        histograms: histograms.collect(),
    };
    for stored in stored {
        assert_eq!(stored, printed(&[native.clone(), special.clone()]));
    }
}

#[tokio::test]
async fn a_large_flush_is_several_files_in_one_transaction() {
    let world = world();
    let names: Vec<String> = (0..40_000).map(|n| format!("metric_{n:05}")).collect();
    let series: Vec<(&str, &[(i64, f64)])> = names.iter().map(|name| (name.as_str(), &[(NOW_MS, 1.0)][..])).collect();
    let settings = WriterSettings {
        max_file_bytes: 100_000,
        ..WriterSettings::default()
    };
    let batch = batch_of("large", &series);
    let report = Writer::new(&world.ports, settings).commit(vec![batch.clone()]).await;
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(report.samples, 40_000);
    assert!(report.files >= 3, "{} files", report.files);
    let files = Dataset::Metrics
        .files(world.ports.table.as_ref(), "default", Day::of_ms(NOW_MS))
        .await
        .unwrap();
    assert_eq!(files.len() as u64, report.files);
    // Cut between metrics, in order.
    let mut ranges: Vec<(&str, &str)> = files
        .iter()
        .map(|file| (&*file.first_metric, &*file.last_metric))
        .collect();
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "{ranges:?}");
    // Given again it is known, whatever the size of files is now.
    let report = Writer::new(&world.ports, WriterSettings::default())
        .commit(vec![batch])
        .await;
    assert_eq!((report.repeated, report.files), (1, 0));
    let read = read(&world.ports).await;
    assert_eq!(read.len(), 40_000);
    assert!(read.iter().all(|series| series.values == [1.0]));
}

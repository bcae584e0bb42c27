//! Segments made of an earlier one of the same series.
#![allow(clippy::unwrap_used)]

use parapet_model::{Exemplar, Labels, MetricType, stale_nan};
use parapet_segment::{Chunk, EncodeOptions, Samples, Segment, SegmentInfo, SegmentWriter, Template, encode};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use proptest::prelude::*;

fn options() -> EncodeOptions {
    EncodeOptions {
        // Many pages and row groups of few rows.
        page_bytes: 256,
        row_group_rows: 4096,
        ..EncodeOptions::flush()
    }
}

fn written(rows: usize, at: impl Fn(usize) -> i64, value: impl Fn(usize) -> f64) -> Segment {
    let mut series: Vec<Labels> = (0..rows)
        .map(|n| {
            let (metric, instance) = (format!("metric_{}", n % 7), format!("host-{n}"));
            Labels::from_pairs([("__name__", metric), ("instance", instance)])
        })
        .collect();
    series.sort_by_key(|labels| (labels.metric_name().unwrap().to_owned(), labels.series_id()));
    let mut writer = SegmentWriter::new(options());
    for (n, labels) in series.iter().enumerate() {
        let id = labels.series_id();
        writer
            .push_floats(labels, id, MetricType::Gauge, &[at(n)], &[value(n)])
            .unwrap();
    }
    writer.finish().unwrap().unwrap()
}

/// The same pages to the byte, and footers that read alike.
fn assert_same(got: &Segment, want: &Segment) {
    let read = |segment: &Segment| {
        let metadata = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Required)
            .parse_and_finish(&segment.bytes)
            .unwrap();
        let data_end = segment.bytes.len() - usize::try_from(segment.info.footer_bytes).unwrap();
        (segment.bytes.slice(..data_end), format!("{metadata:?}"))
    };
    let without_footer = |segment: &Segment| SegmentInfo {
        footer_bytes: 0,
        ..segment.info.clone()
    };
    assert_eq!(without_footer(got), without_footer(want));
    assert!(read(got) == read(want), "{} rows", want.info.rows);
}

#[test]
fn gives_what_the_writer_gives() {
    for rows in [1, 50, 10_000] {
        let first = written(rows, |_| 1000, |n| n as f64);
        let template = Template::of(&first, &options()).unwrap().unwrap();
        let at = |n: usize| 2000 + i64::try_from(n % 3).unwrap();
        let value = |n: usize| match n % 5 {
            0 => stale_nan(),
            1 => -0.0,
            2 => f64::NAN,
            _ => 1.5 * n as f64,
        };
        let timestamps: Vec<i64> = (0..rows).map(at).collect();
        let values: Vec<f64> = (0..rows).map(value).collect();
        let want = written(rows, at, value);
        let got = template.fill(&timestamps, &values).unwrap();
        assert_same(&got, &want);
        // And one made of it.
        let again = Template::of(&got, &options()).unwrap().unwrap();
        assert_same(&again.fill(&timestamps, &values).unwrap(), &want);
        assert!(template.fill(&timestamps[1..], &values[1..]).is_err());
    }
}

#[test]
fn other_rows_make_none() {
    let labels = Labels::from_pairs([("__name__", "a")]);
    let exemplar = Exemplar {
        labels: Labels::empty(),
        value: 1.0,
        timestamp_ms: 1,
        has_timestamp: true,
    };
    let floats = |timestamps: &[i64]| Samples::Floats {
        timestamps: timestamps.to_vec(),
        values: vec![1.0; timestamps.len()],
    };
    for samples in [
        vec![floats(&[1, 2])],
        vec![floats(&[1]), Samples::Exemplars(vec![exemplar])],
    ] {
        let chunks = samples.into_iter().map(|samples| Chunk {
            labels: labels.clone(),
            kind: MetricType::Counter,
            samples,
        });
        let segment = encode(chunks.collect(), options()).unwrap().unwrap();
        assert!(Template::of(&segment, &options()).unwrap().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_samples_give_what_the_writer_gives(samples in prop::collection::vec((any::<i32>(), any::<u64>()), 1..200)) {
        let at = |n: usize| i64::from(samples[n].0);
        let value = |n: usize| f64::from_bits(samples[n].1);
        let template = Template::of(&written(samples.len(), |_| 0, |_| 0.0), &options()).unwrap().unwrap();
        let timestamps: Vec<i64> = (0..samples.len()).map(at).collect();
        let values: Vec<f64> = (0..samples.len()).map(value).collect();
        let got = template.fill(&timestamps, &values).unwrap();
        assert_same(&got, &written(samples.len(), at, value));
    }
}

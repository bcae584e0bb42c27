use super::*;
use parapet_model::{Span, stale_nan};
use proptest::prelude::*;

fn histogram(count: f64) -> Histogram {
    Histogram {
        counter_reset: CounterReset::Unknown,
        schema: 3,
        zero_threshold: f64::powi(2.0, -128),
        zero_count: 1.0,
        count,
        sum: count * 0.3,
        positive_spans: vec![Span { offset: -2, length: 2 }, Span { offset: 3, length: 1 }],
        positive_buckets: vec![count, 2.0, 0.5],
        negative_spans: vec![Span { offset: 0, length: 1 }],
        negative_buckets: vec![1.0],
        custom_values: Vec::new(),
    }
}

fn stale() -> Histogram {
    Histogram {
        sum: stale_nan(),
        ..Histogram::default()
    }
}

fn samples(histograms: Vec<Histogram>) -> Vec<Sample> {
    let times = (0..).map(|number| 1_795_219_200_000 + number * 15_000);
    times.zip(histograms.into_iter().map(Arc::new)).collect()
}

fn through_chunks(samples: &[Sample]) -> (usize, Vec<Sample>) {
    let mut back = Vec::new();
    let runs = runs(samples);
    for run in &runs {
        let chunk = encode(run);
        let Samples::Histograms(read) = decode(&chunk.bytes, Counts::Float).unwrap() else {
            panic!("histograms")
        };
        back.extend(read);
    }
    (runs.len(), back)
}

/// The form that tells a marker's bits apart.
fn bits(samples: &[Sample]) -> Vec<(i64, u64, String)> {
    let form = |(at, h): &Sample| (*at, h.sum.to_bits(), format!("{h:?}"));
    samples.iter().map(form).collect()
}

#[test]
fn integers_are_read_as_prometheus_writes_them() {
    // By hand after histogram.go: two samples, schema 1, one span of two buckets.
    let mut writer = BitWriter::after(vec![0, 2, 0]);
    let layout = Layout {
        schema: 1,
        zero_threshold: 0.001,
        positive_spans: vec![Span { offset: 1, length: 2 }],
        ..Layout::default()
    };
    layout.write(&mut writer);
    writer.varbit(5_000); // time
    writer.varbit_unsigned(7); // count
    writer.varbit_unsigned(1); // zero count
    writer.double(2.5);
    writer.varbit(4); // the first bucket
    writer.varbit(-2); // the second has 2 fewer
    writer.varbit(15_000); // 15 s later
    writer.varbit(3); // count 10
    writer.varbit(0);
    writer.xor(&mut Xor::new(2.5), 4.0);
    writer.varbit(1); // the first bucket 5
    writer.varbit(1); // the difference -1
    let Samples::Histograms(read) = decode(&writer.finish(), Counts::Whole).unwrap() else {
        panic!("histograms")
    };
    let (first, second) = (&read[0].1, &read[1].1);
    assert_eq!((read[0].0, read[1].0), (5_000, 20_000));
    assert_eq!((first.count, first.zero_count, first.sum), (7.0, 1.0, 2.5));
    assert_eq!(first.positive_buckets, [4.0, 2.0]);
    assert_eq!((second.count, second.zero_count, second.sum), (10.0, 1.0, 4.0));
    assert_eq!(second.positive_buckets, [5.0, 4.0]);
    assert_eq!(
        (first.counter_reset, second.counter_reset),
        (CounterReset::Unknown, CounterReset::NotReset)
    );
    assert_eq!((first.schema, first.zero_threshold), (1, 0.001));
}

#[test]
fn markers_resets_and_new_buckets_begin_chunks() {
    let mut wider = histogram(9.0);
    wider.positive_spans[1].length = 2;
    wider.positive_buckets.push(4.0);
    let (runs, back) = through_chunks(&samples(vec![
        histogram(1.0),
        histogram(2.0),
        stale(),
        stale(),
        histogram(3.0),
        histogram(1.0), // a reset
        wider.clone(),
        stale(),
    ]));
    assert_eq!(runs, 4);
    let known = |mut histogram: Histogram, reset| {
        histogram.counter_reset = reset;
        histogram
    };
    use CounterReset::{NotReset, Unknown};
    let want = samples(vec![
        histogram(1.0),
        known(histogram(2.0), NotReset),
        stale(),
        stale(),
        known(histogram(3.0), Unknown),
        known(histogram(1.0), Unknown),
        wider,
        stale(),
    ]);
    assert_eq!(bits(&back), bits(&want));
}

#[test]
fn gauges_fall_within_a_chunk() {
    let gauge = |count| Histogram {
        counter_reset: CounterReset::Gauge,
        ..histogram(count)
    };
    let written = samples(vec![gauge(5.0), gauge(1.0), gauge(7.0)]);
    assert_eq!(through_chunks(&written), (1, written));
}

#[test]
fn custom_bounds_keep_their_bits() {
    let custom = Histogram {
        schema: -53,
        zero_threshold: 0.0,
        zero_count: 0.0,
        custom_values: vec![-1.5, -0.0, 0.005, 0.1, 33_554.43, 33_554.431, 1e300],
        positive_spans: vec![Span { offset: 0, length: 8 }],
        positive_buckets: (0..8).map(f64::from).collect(),
        negative_spans: Vec::new(),
        negative_buckets: Vec::new(),
        ..histogram(28.0)
    };
    let written = samples(vec![custom]);
    assert_eq!(bits(&through_chunks(&written).1), bits(&written));
}

#[test]
fn what_is_no_histogram_is_refused() {
    let chunk = |layout: Layout| {
        let mut writer = BitWriter::after(vec![0, 1, 0]);
        layout.write(&mut writer);
        for _ in 0..20 {
            writer.bits(0, 64);
        }
        decode(&writer.finish(), Counts::Float).unwrap_err().to_string()
    };
    let spans = |offset, length| vec![Span { offset: 0, length: 1 }, Span { offset, length }];
    for (layout, want) in [
        (
            Layout {
                schema: 9,
                ..Layout::default()
            },
            "schema 9",
        ),
        (
            Layout {
                positive_spans: spans(-1, 1),
                ..Layout::default()
            },
            "negative offset",
        ),
        (
            Layout {
                negative_spans: spans(1, u32::MAX),
                ..Layout::default()
            },
            "ends too early",
        ),
        (
            Layout {
                schema: -53,
                positive_spans: spans(0, 5),
                ..Layout::default()
            },
            "6 buckets for 0 custom bounds",
        ),
        (
            Layout {
                schema: -53,
                custom_values: vec![2.0, 1.0],
                ..Layout::default()
            },
            "not ascending",
        ),
    ] {
        let error = chunk(layout);
        assert!(error.contains(want), "{error}");
    }
}

proptest! {
    #[test]
    fn any_bits_round_trip(values in prop::collection::vec((any::<u64>(), 0u32..60), 1..150)) {
        let gauge = |(bits, shift): (u64, u32)| Histogram {
            counter_reset: CounterReset::Gauge,
            sum: f64::from_bits(bits),
            positive_buckets: vec![(bits >> shift) as f64, 2.0, f64::from_bits(bits >> 1)],
            ..histogram(f64::from(shift))
        };
        let written = samples(values.into_iter().map(gauge).filter(|h| !is_stale_nan(h.sum)).collect());
        prop_assert_eq!(bits(&through_chunks(&written).1), bits(&written));
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = decode(&bytes, Counts::Whole);
        let _ = decode(&bytes, Counts::Float);
    }
}

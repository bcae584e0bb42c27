//! What is written is read back bit by bit, and agrees with the messages as `prost` reads them.

use parapet_model::{
    BatchSeries, CounterReset, Exemplar, Histogram, Labels, MetricType, Sample, Span, Value, stale_nan,
};
use parapet_remote_write::{Error, decode_v1, decode_v2, encode_v2, proto};
use proptest::prelude::*;
use prost::Message as _;
use std::sync::Arc;

fn histogram() -> Histogram {
    Histogram {
        counter_reset: CounterReset::NotReset,
        schema: 3,
        zero_threshold: 1e-128,
        zero_count: 2.0,
        count: 9.5,
        sum: 12.25,
        positive_spans: vec![Span { offset: -2, length: 2 }, Span { offset: 3, length: 1 }],
        positive_buckets: vec![1.0, 2.5, 3.0],
        negative_spans: vec![Span { offset: 0, length: 1 }],
        negative_buckets: vec![1.0],
        custom_values: vec![],
    }
}

fn series(kind: MetricType, samples: Vec<Sample>) -> BatchSeries {
    BatchSeries {
        labels: Labels::from_pairs([("__name__", "up"), ("job", "node"), ("instance", "node")]),
        kind,
        samples,
        exemplars: Vec::new(),
    }
}

#[test]
fn keeps_kinds_markers_histograms_and_order() {
    let stale = Histogram {
        sum: stale_nan(),
        ..Histogram::default()
    };
    let mixed = vec![
        Sample::float(-5, f64::NEG_INFINITY),
        Sample {
            timestamp_ms: 10,
            value: Value::Histogram(Arc::new(histogram())),
        },
        Sample::float(20, -0.0),
    ];
    let mut sent: Vec<_> = MetricType::ALL
        .into_iter()
        .map(|kind| series(kind, vec![Sample::float(1_700_000_000_000, 0.0)]))
        .collect();
    sent.push(series(MetricType::Histogram, mixed));
    assert_eq!(decode_v2(&encode_v2(&sent)).unwrap(), sent);
    assert_eq!(decode_v2(&encode_v2(&[])).unwrap(), []);

    for value in [Value::Float(stale_nan()), Value::Histogram(Arc::new(stale))] {
        let sent = [series(MetricType::Gauge, vec![Sample { timestamp_ms: 1, value }])];
        let got = decode_v2(&encode_v2(&sent)).unwrap();
        assert!(got[0].samples[0].value.is_stale());
    }
}

#[test]
fn is_the_message_of_the_specification() {
    let sent = [series(
        MetricType::Counter,
        vec![
            Sample::float(1, 2.5),
            Sample {
                timestamp_ms: 3,
                value: Value::Histogram(Arc::new(histogram())),
            },
        ],
    )];
    let request = proto::v2::Request::decode(encode_v2(&sent).as_slice()).unwrap();
    assert_eq!(request.symbols, ["", "__name__", "up", "instance", "node", "job"]);
    let timeseries = &request.timeseries[0];
    assert_eq!(timeseries.labels_refs, [1, 2, 3, 4, 5, 4]);
    assert_eq!((timeseries.samples[0].value, timeseries.samples[0].timestamp), (2.5, 1));
    assert_eq!(timeseries.metadata.unwrap().r#type, 1);
    assert_eq!(timeseries.histograms[0].positive_counts, [1.0, 2.5, 3.0]);
    // The other way round: what `prost` writes is read, symbols after the series and unknown fields included.
    let mut bytes = request.encode_to_vec();
    bytes.extend_from_slice(&[15 << 3, 7, (16u8 << 3 | 5) & 0x7f | 0x80, 1, 0, 0, 0, 0]);
    assert_eq!(decode_v2(&bytes).unwrap(), sent);
    let (mut symbols, mut last) = (request.clone(), request);
    symbols.timeseries.clear();
    last.symbols.clear();
    let bytes = [last.encode_to_vec(), symbols.encode_to_vec()].concat();
    assert_eq!(decode_v2(&bytes).unwrap(), sent);
}

#[test]
fn integer_histograms_become_float() {
    let message = proto::Histogram {
        count: Some(proto::Count::Int(4)),
        zero_count: Some(proto::ZeroCount::Int(1)),
        positive_spans: vec![proto::BucketSpan { offset: 0, length: 3 }],
        positive_deltas: vec![1, 1, -2],
        reset_hint: 3,
        timestamp: 7,
        ..Default::default()
    };
    let request = v1_request(vec![message], vec![("__name__", "h")]);
    let got = decode_v1(&request.encode_to_vec()).unwrap();
    let Value::Histogram(got) = &got[0].samples[0].value else {
        panic!("not a histogram")
    };
    assert_eq!(got.positive_buckets, [1.0, 2.0, 0.0]);
    assert_eq!(
        (got.count, got.zero_count, got.counter_reset),
        (4.0, 1.0, CounterReset::Gauge)
    );
}

fn v1_request(histograms: Vec<proto::Histogram>, labels: Vec<(&str, &str)>) -> proto::v1::WriteRequest {
    proto::v1::WriteRequest {
        timeseries: vec![proto::v1::TimeSeries {
            labels: labels
                .into_iter()
                .map(|(name, value)| proto::v1::Label {
                    name: name.into(),
                    value: value.into(),
                })
                .collect(),
            samples: vec![],
            exemplars: vec![],
            histograms,
        }],
        metadata: vec![],
    }
}

#[test]
fn version_1_takes_kinds_from_metadata_and_sorts_labels() {
    let mut request = v1_request(vec![], vec![("job", "a"), ("empty", ""), ("__name__", "x_total")]);
    request.timeseries[0].samples.push(proto::v1::Sample {
        value: 1.0,
        timestamp: 5,
    });
    request.metadata.push(proto::v1::MetricMetadata {
        r#type: 1,
        metric_family_name: "x".into(),
        ..Default::default()
    });
    let got = decode_v1(&request.encode_to_vec()).unwrap();
    assert_eq!(got[0].labels.to_string(), r#"x_total{job="a"}"#);
    assert_eq!(got[0].kind, MetricType::Counter);
    assert_eq!(got[0].samples, [Sample::float(5, 1.0)]);
}

#[test]
fn refuses_broken_requests() {
    let request = |refs: &[u32]| {
        proto::v2::Request {
            symbols: ["", "a", "b"].map(String::from).to_vec(),
            timeseries: vec![proto::v2::TimeSeries {
                labels_refs: refs.to_vec(),
                samples: vec![proto::v2::Sample::default()],
                ..Default::default()
            }],
        }
        .encode_to_vec()
    };
    assert!(decode_v2(&request(&[1, 2])).is_ok());
    for refs in [&[1][..], &[1, 3], &[u32::MAX, 0]] {
        assert!(matches!(
            decode_v2(&request(refs)),
            Err(Error::LabelReferences { index: 0, .. })
        ));
    }
    assert!(matches!(
        decode_v2(&request(&[1, 2, 1, 0])),
        Err(Error::DuplicateLabel { .. })
    ));
    for bytes in [&[0xff][..], &[0x2a, 0x7f], &[0x03], &[0x22, 1, 0xff], &[0x00, 0x00]] {
        assert!(matches!(decode_v2(bytes), Err(Error::Protobuf { .. })), "{bytes:?}");
        assert!(decode_v1(bytes).is_err() || bytes == [0x22, 1, 0xff], "{bytes:?}");
    }
    let bad = |change: fn(&mut proto::Histogram)| {
        let mut message = proto::Histogram {
            count: Some(proto::Count::Float(1.0)),
            positive_spans: vec![proto::BucketSpan { offset: 0, length: 1 }],
            positive_counts: vec![1.0],
            ..Default::default()
        };
        change(&mut message);
        decode_v1(&v1_request(vec![message], vec![("__name__", "h")]).encode_to_vec())
    };
    assert!(bad(|_| ()).is_ok());
    assert!(bad(|h| h.schema = 9).is_err());
    assert!(bad(|h| h.positive_counts.push(1.0)).is_err());
    assert!(bad(|h| h.positive_counts[0] = -1.0).is_err());
    assert!(bad(|h| h.custom_values.push(1.0)).is_err());
    assert!(bad(|h| h.positive_spans[0].length = u32::MAX).is_err());
}

#[test]
fn a_long_symbol_cannot_unfold_without_end() {
    let request = proto::v2::Request {
        symbols: vec![String::new(), "a".repeat(1 << 20)],
        timeseries: vec![
            proto::v2::TimeSeries {
                labels_refs: vec![1, 1],
                samples: vec![proto::v2::Sample::default()],
                ..Default::default()
            };
            1000
        ],
    };
    assert!(matches!(
        decode_v2(&request.encode_to_vec()),
        Err(Error::LabelsTooLong { .. })
    ));
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_v1(&bytes);
        let _ = decode_v2(&bytes);
    }

    #[test]
    fn never_panics_on_damage(at in 0usize..200, byte in any::<u8>(), cut in 0usize..200) {
        let mut bytes = encode_v2(&[series(MetricType::Gauge, vec![
            Sample::float(1, 1.0),
            Sample { timestamp_ms: 2, value: Value::Histogram(Arc::new(histogram())) },
        ])]);
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(length - cut % length);
        let _ = decode_v1(&bytes);
        let _ = decode_v2(&bytes);
    }

    #[test]
    fn round_trips(all in proptest::collection::vec(
        (proptest::collection::btree_map("[a-z_.é]{1,8}", "[ -~é]{1,20}", 0..6),
         proptest::collection::vec((any::<i64>(), any::<f64>().prop_filter("NaN", |v| !v.is_nan())), 1..4), 0usize..8), 0..20)) {
        let sent: Vec<_> = all.into_iter().map(|(labels, samples, kind)| BatchSeries {
            labels: Labels::from_pairs(labels),
            kind: MetricType::ALL[kind],
            samples: samples.into_iter().map(|(t, v)| Sample::float(t, v)).collect(),
            exemplars: Vec::new(),
        }).collect();
        prop_assert_eq!(decode_v2(&encode_v2(&sent)).unwrap(), sent);
    }
}

#[test]
fn keeps_exemplars_apart_from_samples_too() {
    let exemplar = |id: &str, timestamp_ms, has_timestamp| Exemplar {
        labels: Labels::from_pairs([("trace_id", id)]),
        value: -0.5,
        timestamp_ms,
        has_timestamp,
    };
    let mut with_samples = series(
        MetricType::Counter,
        vec![Sample::float(20, 1.0), Sample::float(30, 2.0)],
    );
    with_samples.exemplars = vec![exemplar("a", 25, true), exemplar("up", 30, false)];
    let mut alone = series(MetricType::Unknown, Vec::new());
    alone.exemplars = vec![exemplar("b", 7, true)];
    let sent = vec![with_samples, alone];
    let bytes = encode_v2(&sent);
    assert_eq!(decode_v2(&bytes).unwrap(), sent);
    let request = proto::v2::Request::decode(&bytes[..]).unwrap();
    let [own, none] = &request.timeseries[0].exemplars[..] else {
        panic!("{request:?}");
    };
    assert_eq!((own.timestamp, none.timestamp, own.value), (25, 0, -0.5));

    let label = |(name, value): (&str, &str)| proto::v1::Label {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let v1 = proto::v1::WriteRequest {
        timeseries: vec![proto::v1::TimeSeries {
            labels: sent[1].labels.iter().map(label).collect(),
            exemplars: vec![proto::v1::Exemplar {
                labels: vec![label(("trace_id", "b"))],
                value: -0.5,
                timestamp: 7,
            }],
            ..proto::v1::TimeSeries::default()
        }],
        metadata: vec![],
    };
    assert_eq!(decode_v1(&v1.encode_to_vec()).unwrap(), sent[1..]);
}

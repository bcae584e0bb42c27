//! What is asked of a receiver of remote write: the checks of Prometheus' compliance suite by name, so that one without a
//! check here is noticed; faults that cost a sample alone; too many pushes at one time.

mod request;

use crate::conformance;
use crate::harness::{Answer, Harness, get};
use http::Request;
use parapet_remote_write::proto::v2::{Request as WriteRequest, Sample};
use parapet_remote_write::proto::{Count, Histogram, v1};
use parapet_remote_write::snappy_encode;
use prost::Message as _;
use request::{Builder, custom, histogram, histogram_case, sample};
use serde_json::Value;

const NOW_MS: i64 = 1_700_000_000_000;
const V1: &str = "application/x-protobuf";
const V2: &str = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

/// Names and values.
type Labels<'a> = &'a [(&'a str, &'a str)];

/// Written samples, histograms and exemplars, and whether all of the request is taken.
struct Want {
    written: [usize; 3],
    taken: bool,
}

fn want(written: [usize; 3], taken: bool) -> Want {
    Want { written, taken }
}

const NAME: (&str, &str) = ("__name__", "http_requests_total");

/// The request of a check of the suite, and what is to come of it; `None` where the check is not known here.
fn check(test: &str, case: &str) -> Option<(WriteRequest, Want)> {
    let mut request = Builder::new();
    let wanted = match (test, case) {
        ("TestSingleMetric", _) | ("TestMultipleMetrics", _) => {
            let (first, second): (Labels<'_>, Labels<'_>) = match case {
                "simple metric" => (&[NAME], &[]),
                "simple metric with multiple labels" => (&[NAME, ("code", "200"), ("method", "get")], &[]),
                "simple metric with newlines" => (&[NAME, ("a", "x\ny")], &[]),
                "simple metric with dots" => (&[("__name__", "http.requests"), ("a.b", "c")], &[]),
                "simple metric with spaces" => (&[("__name__", "http requests"), ("a b", "c d")], &[]),
                "simple metric without name label" => (&[("a", "b")], &[]),
                "empty metric" => (&[], &[]),
                "multiple metrics" => (&[NAME], &[("__name__", "other")]),
                "multiple metrics, without name label" => (&[("a", "b")], &[("c", "d")]),
                "multiple metrics, 1 without name label" => (&[NAME], &[("c", "d")]),
                _ => return None,
            };
            let all = if test == "TestMultipleMetrics" {
                vec![first, second]
            } else {
                vec![first]
            };
            let named = |labels: &&[(&str, &str)]| labels.iter().any(|(name, _)| *name == "__name__");
            let written = all.iter().filter(|labels| named(labels)).count();
            for labels in &all {
                request.series(labels).samples.push(sample(f64::INFINITY));
            }
            want([written, 0, 0], written == all.len())
        }
        ("TestHistograms", "basic_histogram" | "custom_buckets_histogram" | "positive_only_histogram")
        | ("TestHistograms", "negative_only_histogram" | "minimal_histogram" | "bad_count_histogram") => {
            request.series(&[NAME]).histograms.push(histogram_case(case));
            let sound = case != "bad_count_histogram";
            want([0, usize::from(sound), 0], sound)
        }
        ("TestExemplars", _) | ("TestExemplarWithCreatedTimestamp" | "TestExemplarTimestamps", "") => {
            let labels: &[(&str, &str)] = match case {
                "basic_exemplar" | "" => &[("trace_id", "abc")],
                "exemplar_with_span_id" => &[("span_id", "1"), ("trace_id", "abc")],
                "exemplar_without_trace_id" => &[("user", "u")],
                "exemplar_with_multiple_labels" => &[("a", "1"), ("b", "2"), ("c", "3")],
                "exemplar_no_labels" => &[],
                "exemplar_with_special_chars" => &[("a", "q\"u\\o\nte")],
                "exemplar_with_unicode" => &[("a", "größe 花火")],
                _ => return None,
            };
            let mut one = sample(1.0);
            one.start_timestamp = NOW_MS - 60_000;
            request.series(&[NAME]).samples.push(one);
            request.exemplar(labels, 0.5);
            want([1, 0, 1], true)
        }
        ("TestMultipleExemplars" | "TestExemplarSpecialValues", "") => {
            request.series(&[NAME]).samples.push(sample(1.0));
            for (id, value) in [("a", f64::NAN), ("b", f64::INFINITY), ("c", 0.0)] {
                request.exemplar(&[("trace_id", id)], value);
            }
            want([1, 0, 3], true)
        }
        ("TestExemplarValidation" | "TestMetadataValidation", _) => {
            let (labels, sound): (&[(&str, &str)], bool) = match case.rsplit_once("_with").map(|(_, rest)| rest) {
                Some("out_name_label") => (&[("a", "b")], false),
                Some("_empty_name") => (&[("__name__", ""), ("a", "b")], false),
                Some("_valid_name") => (&[NAME], true),
                _ => return None,
            };
            request.series(labels);
            if test == "TestExemplarValidation" {
                request.exemplar(&[("trace_id", "a")], 1.0);
                want([0, 0, usize::from(sound)], sound)
            } else {
                request.metadata(1, "help", "seconds");
                want([0, 0, 0], sound)
            }
        }
        ("TestMetadata", _)
        | (
            "TestMetadataWithSamples" | "TestCounterMetadataWithCreatedTimestamp" | "TestMetadataWithComplexLabels",
            "",
        ) => {
            let kind = match case {
                "counter_metadata" | "metadata_with_special_chars" | "metadata_no_help_no_unit" | "" => 1,
                "gauge_metadata" => 2,
                "histogram_metadata" => 3,
                "gauge_histogram_metadata_type" => 4,
                "summary_metadata_type" => 5,
                "info_metadata_type" => 6,
                "stateset_metadata_type" => 7,
                "unspecified_metadata_type" => 0,
                _ => return None,
            };
            let help = if case == "metadata_no_help_no_unit" {
                ""
            } else {
                "q\"uote\nline\\"
            };
            request.series(&[NAME, ("a", "ä b\"c")]).samples.push(sample(1.0));
            request.metadata(kind, help, "");
            want([1, 0, 0], true)
        }
        ("TestMultipleMetadata" | "TestMultipleMetricFamiliesSamples" | "TestSamplesWithMetadataAndExemplars", "")
        | ("TestComplexSamplesRequest" | "TestSpecialCharactersCombined" | "TestCounterWithCreatedTimestamp", "") => {
            for name in ["a_total", "größe", "x y"] {
                let mut one = sample(f64::NAN);
                one.start_timestamp = 1;
                request
                    .series(&[("__name__", name), ("l", "\u{0}\n\"")])
                    .samples
                    .push(one);
                request.metadata(1, name, "");
                request.exemplar(&[("trace_id", name)], 1.0);
            }
            want([3, 0, 3], true)
        }
        ("TestMultipleHistograms" | "TestHistogramWithMetadata" | "TestHistogramWithCreatedTimestamp", "")
        | ("TestMultipleHistogramsWithMetadata" | "TestMultipleMetricFamiliesHistograms", "")
        | ("TestHistogramsWithMetadataAndExemplars" | "TestHistogramWithMetadataAndExemplar", "")
        | (
            "TestHistogramWithExemplar" | "TestComplexHistogramsRequest" | "TestCustomBucketsHistogramWithExemplar",
            "",
        ) => {
            for (name, mut histogram) in [("a", histogram()), ("b", custom())] {
                histogram.start_timestamp = NOW_MS - 1_000;
                request.series(&[("__name__", name)]).histograms.push(histogram);
                request.metadata(3, name, "seconds");
                request.exemplar(&[("trace_id", name)], 1.0);
            }
            want([0, 2, 2], true)
        }
        ("TestEmptyHistogram", "") => {
            request.series(&[NAME]).histograms.push(Histogram {
                count: Some(Count::Int(0)),
                timestamp: NOW_MS,
                ..Histogram::default()
            });
            want([0, 1, 0], true)
        }
        ("TestManySamples" | "TestManyHistograms", "") => {
            let floats = test == "TestManySamples";
            for number in 0..1_000 {
                let series = request.series(&[NAME, ("n", &number.to_string())]);
                if floats {
                    series.samples.push(sample(1.0));
                } else {
                    series.histograms.push(histogram());
                }
            }
            want(if floats { [1_000, 0, 0] } else { [0, 1_000, 0] }, true)
        }
        ("TestEdgeCaseCombinations", "metadata_without_data") => {
            request.series(&[NAME]);
            request.metadata(1, "help", "");
            want([0, 0, 0], true)
        }
        ("TestEdgeCaseCombinations", "exemplars_without_data") => {
            request.series(&[NAME]);
            request.exemplar(&[("trace_id", "a")], 1.0);
            want([0, 0, 1], true)
        }
        ("TestEdgeCaseCombinations", "mixed_timestamp_data") => {
            let series = request.series(&[NAME]);
            for at in [NOW_MS - 60_000, NOW_MS - 30_000, NOW_MS] {
                series.samples.push(Sample {
                    timestamp: at,
                    ..sample(1.0)
                });
            }
            request.series(&[("__name__", "h")]).histograms.push(Histogram {
                timestamp: NOW_MS - 45_000,
                ..histogram()
            });
            want([3, 1, 0], true)
        }
        _ => return None,
    };
    Some((request.0, wanted))
}

async fn send(harness: &Harness, content_type: &str, encoding: &str, body: Vec<u8>) -> Answer {
    let request = Request::post("/api/v1/write")
        .header("content-type", content_type)
        .header("content-encoding", encoding);
    harness.call(request.body(body.into()).unwrap()).await
}

async fn push(harness: &Harness, request: &WriteRequest) -> Answer {
    send(harness, V2, "snappy", snappy_encode(&request.encode_to_vec()).unwrap()).await
}

fn written(answer: &Answer) -> [usize; 3] {
    ["samples", "histograms", "exemplars"].map(|what| {
        let header = format!("x-prometheus-remote-write-{what}-written");
        answer.header(&header).unwrap().parse().unwrap()
    })
}

/// The checks that are about the request as such.
async fn envelope(test: &str) -> bool {
    let harness = Harness::new(NOW_MS);
    let sound = snappy_encode(&check("TestSingleMetric", "simple metric").unwrap().0.encode_to_vec()).unwrap();
    let old = v1::WriteRequest {
        timeseries: vec![v1::TimeSeries {
            labels: vec![v1::Label {
                name: "__name__".to_owned(),
                value: "old".to_owned(),
            }],
            samples: vec![v1::Sample {
                value: 1.0,
                timestamp: NOW_MS,
            }],
            ..v1::TimeSeries::default()
        }],
        metadata: Vec::new(),
    };
    let old = snappy_encode(&old.encode_to_vec()).unwrap();
    let sent: Vec<(&str, &str, Vec<u8>, u16)> = match test {
        "TestBadContentTypes" => [
            "application/json",
            "text/plain",
            "application/x-protobuf;proto=io.unknown.Request",
        ]
        .map(|content_type| (content_type, "snappy", sound.clone(), 415))
        .to_vec(),
        "TestBadContentEncodings" => ["gzip", "zstd", "deflate"]
            .map(|encoding| (V2, encoding, sound.clone(), 415))
            .to_vec(),
        "TestCorruptRequestBody" => {
            let cut = sound[..sound.len() - 1].to_vec();
            let nonsense = snappy_encode(b"\xff\xff\xff").unwrap();
            [b"no snappy".to_vec(), cut, nonsense]
                .map(|body| (V2, "snappy", body, 400))
                .to_vec()
        }
        "TestRW1BasicCompatibility" => vec![(V1, "snappy", old, 204)],
        "TestRW1ErrorHandling" => vec![(V1, "snappy", b"no snappy".to_vec(), 400)],
        _ => return false,
    };
    for (content_type, encoding, body, status) in sent {
        let answer = send(&harness, content_type, encoding, body).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{test} {content_type} {encoding}: {}",
            answer.text()
        );
    }
    true
}

#[tokio::test]
async fn what_the_compliance_suite_asks_of_a_receiver() {
    let Some(text) = conformance::text("remote_write/requirements.json") else {
        return;
    };
    let all: Value = serde_json::from_str(&text).unwrap();
    let (mut checked, mut unknown) = (0, Vec::new());
    for test in all["tests"].as_array().unwrap() {
        if test["side"] != "receiver" {
            continue;
        }
        let name = test["test"].as_str().unwrap();
        let cases: Vec<&str> = test["cases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|case| case["name"].as_str().unwrap())
            .collect();
        for case in if cases.is_empty() { vec![""] } else { cases } {
            checked += 1;
            let Some((request, want)) = check(name, case) else {
                if !envelope(name).await {
                    unknown.push(format!("{name}/{case}"));
                }
                continue;
            };
            let harness = Harness::new(NOW_MS);
            let answer = push(&harness, &request).await;
            let status = if want.taken { 204 } else { 400 };
            assert_eq!(answer.status.as_u16(), status, "{name}/{case}: {}", answer.text());
            assert_eq!(written(&answer), want.written, "{name}/{case}");
            // And what was said to be written is.
            harness.ingest().await;
            let query = "/api/v1/query?query=%7B__name__!=%22%22%7D[1h]";
            let found = harness.call(get(query)).await.json();
            let count = |list: &Value| list.as_array().map_or(0, Vec::len);
            let series = found["data"]["result"].as_array().unwrap().iter();
            let stored: usize = series
                .map(|one| count(&one["values"]) + count(&one["histograms"]))
                .sum();
            assert_eq!(stored, want.written[0] + want.written[1], "{name}/{case}");
        }
    }
    assert!(unknown.is_empty(), "no check for {unknown:?}");
    assert!(checked >= 60, "{checked}");
}

#[tokio::test]
async fn a_fault_costs_its_sample_or_its_series_alone() {
    let harness = Harness::new(NOW_MS);
    let mut request = Builder::new();
    let series = request.series(&[NAME]);
    series.histograms.push(histogram_case("bad_count_histogram"));
    series.histograms.push(Histogram {
        timestamp: NOW_MS - 1,
        ..histogram()
    });
    request.series(&[("__name__", "past")]).labels_refs.push(99);
    request
        .series(&[("__name__", "twice"), ("a", "1"), ("a", "2")])
        .samples
        .push(sample(1.0));
    request.series(&[("__name__", "sound")]).samples.push(sample(1.0));
    let answer = push(&harness, &request.0).await;
    assert_eq!((answer.status.as_u16(), written(&answer)), (400, [1, 1, 0]));
    for reason in [
        "invalid histogram of series http_requests_total: 10 observations found in buckets, but the Count field is 11",
        "invalid label references of timeseries 1",
        "duplicate label \"a\" in timeseries 2",
    ] {
        assert!(answer.text().contains(reason), "{}", answer.text());
    }
}

#[tokio::test]
async fn too_many_pushes_at_one_time_are_told_to_come_again() {
    let harness = Harness::with(NOW_MS, |settings| {
        settings.max_concurrent_writes = 0;
        settings.write_wait_ms = 0;
    });
    for path in [
        "/api/v1/write",
        "/v1/metrics",
        "/write",
        "/api/v2/write",
        "/metrics/job/a",
    ] {
        let request = Request::post(path).header("content-type", "application/x-protobuf");
        let answer = harness.call(request.body("".into()).unwrap()).await;
        assert_eq!(answer.status, 429, "{path}");
        assert!(answer.text().contains("send again later"), "{}", answer.text());
    }
}

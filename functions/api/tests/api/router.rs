//! The router over ports in memory: envelopes, errors, headers, remote write.

use crate::harness::{Harness, get, post};
use http::{StatusCode, header};
use parapet_api::Origins;
use serde_json::json;

#[tokio::test]
async fn unknown_paths_are_not_found() {
    let harness = Harness::new(0);
    for path in ["/nosuch", "/api/v1/nosuch", "/api/v2/query"] {
        let answer = harness.call(get(path)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.text(), "404 page not found\n");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

#[tokio::test]
async fn health() {
    let harness = Harness::new(0);
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(harness.call(get(path)).await.status, StatusCode::OK);
        let head = http::Request::head(path).body(axum::body::Body::empty()).unwrap();
        let answer = harness.call(head).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    }
    // Links in notifications lead to these.
    for path in ["/", "/graph?g0.expr=up&g0.tab=1", "/alerts"] {
        let page = harness.call(get(path)).await;
        assert!(
            page.status == StatusCode::OK && page.text().contains("Parapet"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn errors_have_prometheus_texts() {
    let harness = Harness::new(0);
    for (path, status, kind, message) in [
        (
            "/api/v1/query?query=up&time=abc",
            400,
            "bad_data",
            r#"invalid parameter "time": invalid time value for 'time': cannot parse "abc" to a valid timestamp"#,
        ),
        (
            "/api/v1/query?query=up&limit=-1",
            400,
            "bad_data",
            r#"invalid parameter "limit": limit must be non-negative"#,
        ),
        (
            "/api/v1/query?query=up&timeout=x",
            400,
            "bad_data",
            r#"invalid parameter "timeout": cannot parse "x" to a valid duration"#,
        ),
        (
            "/api/v1/query_range?query=up&start=1&end=0&step=1",
            400,
            "bad_data",
            r#"invalid parameter "end": end timestamp must not be before start time"#,
        ),
        (
            "/api/v1/query_range?query=up&start=0&end=1&step=0",
            400,
            "bad_data",
            "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. \
             Try a positive integer",
        ),
        (
            "/api/v1/query_range?query=up&start=0&end=100000000&step=1",
            400,
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. \
             Try decreasing the query resolution (?step=XX)",
        ),
        ("/api/v1/series", 400, "bad_data", "no match[] parameter provided"),
        (
            "/api/v1/status/tsdb?limit=0",
            400,
            "bad_data",
            "limit must be a positive number",
        ),
    ] {
        let answer = harness.call(get(path)).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(
            answer.json(),
            json!({"status": "error", "errorType": kind, "error": message})
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn tenants_are_checked() {
    let harness = Harness::new(0);
    let mut request = get("/api/v1/labels");
    request.headers_mut().insert("x-scope-orgid", "a/b".parse().unwrap());
    let answer = harness.call(request).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["errorType"], "bad_data");
}

#[tokio::test]
async fn forms_over_the_limit_are_refused() {
    let harness = Harness::with(0, |settings| settings.max_form_bytes = 10);
    let answer = harness.call(post("/api/v1/query", "query=vector(1)")).await;
    assert_eq!(
        answer.json()["error"],
        "error parsing form values: http: POST too large"
    );
}

#[tokio::test]
async fn cross_origin_headers() {
    let harness = Harness::with(0, |settings| {
        settings.cors_origins = Origins::matching("https://(a|b)\\.example").unwrap();
    });
    let path = "/api/v1/status/buildinfo";
    let without = harness.call(get(path)).await;
    assert!(without.header("vary").unwrap().contains("Origin"));
    assert_eq!(without.header("access-control-allow-methods"), None);
    for (origin, allowed) in [
        ("https://a.example", Some("https://a.example")),
        ("https://c.example", None),
    ] {
        for method in ["GET", "OPTIONS"] {
            let mut request = get(path);
            *request.method_mut() = method.parse().unwrap();
            request.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
            let answer = harness.call(request).await;
            assert!(answer.status.is_success());
            assert_eq!(
                answer.header("access-control-allow-origin"),
                allowed,
                "{method} {origin}"
            );
            assert_eq!(
                answer.header("access-control-allow-headers"),
                Some("Accept, Authorization, Content-Type, Origin")
            );
        }
    }
    let any = Harness::new(0);
    let mut request = get(path);
    request.headers_mut().insert(header::ORIGIN, "null".parse().unwrap());
    assert_eq!(any.call(request).await.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn answers_are_compressed_on_request() {
    let harness = Harness::new(0);
    let mut request = get("/");
    request
        .headers_mut()
        .insert(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
    let answer = harness.call(request).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(answer.body.as_ref()), &mut text).unwrap();
    assert!(text.contains("Parapet"));
}

#[tokio::test]
async fn status_endpoints() {
    let harness = Harness::with(1_433_337_718_555, |settings| {
        settings.flags.insert("web.listen-address".to_owned(), "x".to_owned());
        settings.started_at_ms = Some(1_433_337_718_000);
    });
    let data = async |path: &str| harness.call(get(path)).await.json()["data"].clone();
    let build = data("/api/v1/status/buildinfo").await;
    assert!(build["version"].as_str().unwrap().starts_with("3."));
    let runtime = data("/api/v1/status/runtimeinfo").await;
    assert_eq!(runtime["startTime"], "2015-06-03T13:21:58Z");
    assert_eq!(runtime["serverTime"], "2015-06-03T13:21:58.555Z");
    assert_eq!(data("/api/v1/status/flags").await, json!({"web.listen-address": "x"}));
    assert_eq!(
        data("/api/v1/alertmanagers").await,
        json!({"activeAlertmanagers": [], "droppedAlertmanagers": []})
    );
}

mod stored {
    use super::*;
    use parapet_model::{BatchSeries, Labels, MetricType, Sample, stale_nan};

    async fn harness() -> Harness {
        let series = |labels: &[(&str, &str)], values: &[f64]| BatchSeries {
            labels: Labels::from_pairs(labels.iter().copied()),
            kind: MetricType::Gauge,
            samples: (0..)
                .zip(values)
                .map(|(n, value)| Sample::float(940_000 + n * 15_000, *value))
                .collect(),
            exemplars: Vec::new(),
        };
        let harness = Harness::new(1_000_000);
        harness
            .store(vec![
                series(
                    &[("__name__", "up"), ("job", "a"), ("instance", "x")],
                    &[1.0, 0.0, 1.0, 1.0],
                ),
                series(&[("__name__", "up"), ("job", "gone")], &[1.0, stale_nan()]),
                series(&[("__name__", "my.metric"), ("job", "a")], &[2.0]),
            ])
            .await;
        harness
    }

    #[tokio::test]
    async fn federation() {
        let harness = harness().await;
        let path = "/federate?match[]=up&match[]=%7Bjob%3D%22a%22%7D";
        let mut request = get(path);
        let accept = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1";
        request.headers_mut().insert(header::ACCEPT, accept.parse().unwrap());
        let answer = harness.call(request).await;
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8")
        );
        assert_eq!(
            answer.text(),
            "# TYPE \"my.metric\" untyped\n{\"my.metric\",job=\"a\",instance=\"\"} 2 940000\n\
             # TYPE up untyped\nup{instance=\"x\",job=\"a\"} 1 985000\n"
        );
        assert_eq!(harness.call(get("/federate")).await.text(), "");
        let refused = harness.call(get("/federate?match[]=up(")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn tenants_see_their_own_alone() {
        let harness = harness().await;
        for path in [
            "/api/v1/labels",
            "/api/v1/label/job/values",
            "/api/v1/series?match[]=up",
            "/api/v1/query?query=up",
            "/api/v1/status/tsdb",
        ] {
            let own = harness.call(get(path)).await;
            let mut request = get(path);
            request.headers_mut().insert("x-scope-orgid", "other".parse().unwrap());
            let other = harness.call(request).await;
            assert_eq!((own.status, other.status), (StatusCode::OK, StatusCode::OK), "{path}");
            assert!(
                own.text().contains("job") || own.text().contains("gone"),
                "{path}: {}",
                own.text()
            );
            assert!(
                !other.text().contains("job") && !other.text().contains("gone"),
                "{path}: {}",
                other.text()
            );
        }
    }

    #[tokio::test]
    async fn cardinality() {
        let harness = harness().await;
        let data = harness.call(get("/api/v1/status/tsdb?limit=1")).await.json()["data"].clone();
        assert_eq!(data["headStats"]["numSeries"], 3);
        assert_eq!(data["headStats"]["minTime"], 940_000);
        assert_eq!(data["headStats"]["maxTime"], 985_000);
        assert_eq!(data["seriesCountByMetricName"], json!([{"name": "up", "value": 2}]));
        let empty = Harness::new(0).call(get("/api/v1/status/tsdb")).await.json()["data"].clone();
        assert_eq!(empty["headStats"]["numSeries"], 0);
        assert_eq!(empty["headStats"]["minTime"], i64::MAX);
    }

    #[tokio::test]
    async fn statistics_and_warnings() {
        let harness = harness().await;
        let answer = harness.call(get("/api/v1/query?query=up&stats=all")).await.json();
        assert!(
            answer["data"]["stats"]["samples"]["totalQueryableSamples"]
                .as_u64()
                .unwrap()
                > 0
        );
        assert!(answer["data"]["stats"]["timings"]["execTotalTime"].as_f64().unwrap() > 0.0);
        let answer = harness
            .call(get("/api/v1/query?query=rate(up[1m])&stats=some"))
            .await
            .json();
        assert_eq!(
            answer["warnings"],
            json!([
                "value \"some\" for parameter \"stats\" is deprecated and will be rejected in the next major release, \
                 use \"true\" or \"all\""
            ])
        );
        assert!(answer["infos"][0].as_str().unwrap().contains("up"), "{answer}");
    }
}

mod remote_write {
    use super::*;
    use parapet_model::{BatchSeries, Labels, MetricType, Sample};
    use parapet_ports::{ConfigFiles, Queue, QueueReader, SourceFile};

    fn series(name: &str, at_ms: i64) -> BatchSeries {
        BatchSeries {
            labels: Labels::from_pairs([("__name__", name), ("job", "a")]),
            kind: MetricType::Gauge,
            samples: vec![Sample::float(at_ms, 1.0)],
            exemplars: Vec::new(),
        }
    }

    fn v2(series: &[BatchSeries]) -> http::Request<axum::body::Body> {
        let body = parapet_remote_write::snappy_encode(&parapet_remote_write::encode_v2(series)).unwrap();
        http::Request::post("/api/v1/write")
            .header(
                "content-type",
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            )
            .header("content-encoding", "snappy")
            .body(body.into())
            .unwrap()
    }

    async fn queued(harness: &Harness) -> Vec<String> {
        let received = harness.memory.queues.receive(Queue::Samples, 10, 0).await.unwrap();
        received.into_iter().map(|one| one.message.body).collect()
    }

    #[tokio::test]
    async fn samples_are_queued_under_an_id_of_their_bytes() {
        let harness = Harness::new(1_000);
        for _ in 0..2 {
            let answer = harness.call(v2(&[series("up", 1_000)])).await;
            assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
            assert_eq!(answer.header("x-prometheus-remote-write-samples-written"), Some("1"));
            assert_eq!(answer.header("x-prometheus-remote-write-histograms-written"), Some("0"));
        }
        let bodies = queued(&harness).await;
        assert_eq!(bodies.len(), 2);
        assert_eq!(bodies[0], bodies[1], "a request sent again must be the same batch");
        assert!(bodies[0].contains("remote-write-"));
    }

    #[tokio::test]
    async fn what_is_sound_is_stored_and_the_rest_is_told() {
        let harness = Harness::new(1_000);
        let answer = harness
            .call(v2(&[
                series("", 1_000),
                series("up", 1_000),
                series("ahead", 99_999_999),
            ]))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.header("x-prometheus-remote-write-samples-written"), Some("1"));
        assert_eq!(
            answer.text(),
            "invalid metric name or labels, got {job=\"a\"}\n\
             out of bounds: timestamp is too far in the future for series ahead{job=\"a\"}\n"
        );
        assert_eq!(queued(&harness).await.len(), 1);
    }

    #[tokio::test]
    async fn old_samples_are_taken_as_far_back_as_the_configuration_says() {
        const NOW_MS: i64 = 1_795_262_400_000;
        const DAY_MS: i64 = 86_400_000;
        let configured = |window: &str| {
            let prometheus = SourceFile {
                path: "prometheus.yml".to_owned(),
                text: format!("storage: {{tsdb: {{out_of_order_time_window: {window}}}}}\n"),
            };
            let config = ConfigFiles {
                prometheus,
                version: window.to_owned(),
                ..ConfigFiles::default()
            };
            Harness::configured(NOW_MS, config, |_| ())
        };
        // Over more days than a transaction could hold, back to 1970.
        let mut old = series("old", 0);
        let days = (0..150).map(|day| Sample::float(NOW_MS - (150 - day) * DAY_MS, 1.0));
        old.samples.extend(days);
        let harness = configured("100y");
        harness.store(vec![old.clone()]).await;
        for (time, want) in [(0, "1"), (NOW_MS / 1000 - 150 * 86_400, "1")] {
            let answer = harness.call(get(&format!("/api/v1/query?query=old&time={time}"))).await;
            let answer: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
            assert_eq!(answer["data"]["result"][0]["value"][1], want, "{answer}");
        }
        let query = format!("/api/v1/query?query=count_over_time(old[200d])&time={}", NOW_MS / 1000);
        let answer = harness.call(get(&query)).await;
        assert!(answer.text().contains("\"150\""), "{}", answer.text());

        for window in ["0s", "1d", "100d"] {
            let harness = configured(window);
            let answer = harness.call(v2(std::slice::from_ref(&old))).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{window}");
            assert_eq!(answer.text(), "too old sample for series old{job=\"a\"}\n");
            // At least as far back as without a window: three days.
            let kept = if window == "100d" { "100" } else { "3" };
            assert_eq!(
                answer.header("x-prometheus-remote-write-samples-written"),
                Some(kept),
                "{window}"
            );
        }
    }

    #[tokio::test]
    async fn refusals() {
        let harness = Harness::with(1_000, |settings| {
            settings.max_write_bytes = 1_000;
            settings.max_decompressed_write_bytes = 2_000;
        });
        let with = |name: &'static str, value: &'static str| {
            let mut request = v2(&[series("up", 1_000)]);
            request.headers_mut().insert(name, value.parse().unwrap());
            request
        };
        let body = |body: Vec<u8>| {
            let mut request = v2(&[]);
            *request.body_mut() = body.into();
            request
        };
        for (request, want) in [
            (with("content-type", "application/json"), 415),
            (with("content-encoding", "gzip"), 415),
            (with("x-scope-orgid", "a/b"), 400),
            (body(b"nonsense".to_vec()), 400),
            (body(vec![0; 1_001]), 413),
            (body(parapet_remote_write::snappy_encode(&[0; 2_001]).unwrap()), 413),
        ] {
            let answer = harness.call(request).await;
            assert_eq!(answer.status.as_u16(), want, "{}", answer.text());
        }
        assert!(queued(&harness).await.is_empty());
    }
}

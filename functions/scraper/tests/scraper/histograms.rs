//! Native histograms, start times, and what else a job asks of the parser.

use crate::world::{Answer, START_MS, World, job, of};
use parapet_protobuf::{put_bytes, put_key, put_varint};
use parapet_scraper::Settings;

const PROTOBUF: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    put_key(out, field, 1);
    out.extend(value.to_le_bytes());
}

fn varint(out: &mut Vec<u8>, field: u32, value: u64) {
    put_key(out, field, 0);
    put_varint(out, value);
}

/// A body with one histogram `h` of `buckets` observations, one in each bucket of schema 3, and a classic bucket.
fn body(buckets: u64) -> Vec<u8> {
    let (mut histogram, mut bucket, mut span) = (Vec::new(), Vec::new(), Vec::new());
    varint(&mut histogram, 1, buckets);
    double(&mut histogram, 2, 7.5);
    varint(&mut bucket, 1, 1);
    double(&mut bucket, 2, 2.0);
    put_bytes(&mut histogram, 3, &bucket);
    varint(&mut histogram, 5, 3 << 1);
    double(&mut histogram, 6, 1e-9);
    varint(&mut span, 1, 1 << 1);
    varint(&mut span, 2, buckets);
    put_bytes(&mut histogram, 12, &span);
    for at in 0..buckets {
        varint(&mut histogram, 13, if at == 0 { 1 << 1 } else { 0 });
    }
    let (mut metric, mut family, mut out) = (Vec::new(), Vec::new(), Vec::new());
    put_bytes(&mut metric, 7, &histogram);
    put_bytes(&mut family, 1, b"h");
    varint(&mut family, 3, 4);
    put_bytes(&mut family, 4, &metric);
    put_varint(&mut out, family.len() as u64);
    out.extend(family);
    out
}

#[tokio::test]
async fn native_histograms_are_asked_for_and_stored() {
    let world = World::new(&job(&["h:1"], "  scrape_native_histograms: true\n"));
    world.answer("h:1", Answer::Bytes(PROTOBUF, body(8)));
    world.scrape(0).await;
    let accept = world.targets.requests.lock().unwrap()[0].headers["accept"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(accept.starts_with(
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    ));
    assert_eq!(world.values(&of("up")), ["1"]);
    let [(_, histogram)] = &world.histograms(&of("h"))[..] else {
        panic!()
    };
    assert_eq!((histogram.schema, histogram.count, histogram.sum), (3, 8.0, 7.5));
    assert_eq!(histogram.positive_buckets, [1.0; 8]);
    assert!(world.values(&of("h_count")).is_empty());
    assert_eq!(world.values(&of("scrape_samples_scraped")), ["1"]);
    // Gone, it is marked as any other series.
    world.answer("h:1", Answer::Status(500));
    world.scrape(1).await;
    assert_eq!(world.values(&of("h")), ["histogram", "stale"]);
}

#[tokio::test]
async fn without_the_option_a_native_histogram_is_read_as_a_classic_one() {
    for (more, native, classic) in [
        ("", 0, true),
        (
            "  scrape_native_histograms: true\n  always_scrape_classic_histograms: true\n",
            1,
            true,
        ),
        ("  convert_classic_histograms_to_nhcb: true\n", 1, false),
    ] {
        let world = World::new(&job(&["h:1"], more));
        world.answer("h:1", Answer::Bytes(PROTOBUF, body(1)));
        world.scrape(0).await;
        assert_eq!(world.values(&of("up")), ["1"], "{more}");
        let histograms = world.histograms(&of("h"));
        assert_eq!(histograms.len(), native, "{more}");
        assert_eq!(!world.values(&of("h_sum")).is_empty(), classic, "{more}");
        if more.contains("nhcb") {
            assert_eq!(histograms[0].1.custom_values, [2.0]);
        }
    }
}

#[tokio::test]
async fn too_many_buckets_are_made_fewer_or_fail_the_scrape() {
    let option = "  scrape_native_histograms: true\n";
    let scraped = async |more: &str| {
        let world = World::new(&job(&["h:1"], &format!("{option}{more}")));
        world.answer("h:1", Answer::Bytes(PROTOBUF, body(256)));
        world.scrape(0).await;
        world
    };
    let world = scraped("  native_histogram_bucket_limit: 64\n").await;
    assert_eq!(world.histograms(&of("h"))[0].1.schema, 1);
    let world = scraped("  native_histogram_min_bucket_factor: 2\n").await;
    assert_eq!(world.histograms(&of("h"))[0].1.schema, 0);
    let world = scraped("  native_histogram_bucket_limit: 1\n").await;
    assert_eq!(world.values(&of("up")), ["0"]);
    assert_eq!(world.values(&of("scrape_samples_post_metric_relabeling")), ["1"]);
    let state = parapet_scraper::read_targets(world.ports.table.as_ref()).await.unwrap();
    assert_eq!(
        state.values().next().unwrap().last_error,
        "histogram bucket limit exceeded"
    );
}

#[tokio::test]
async fn a_counter_that_began_since_the_last_scrape_begins_with_zero() {
    let settings = Settings {
        start_timestamps: true,
        type_and_unit_labels: true,
        ..Settings::default()
    };
    let world = World::with_settings(&job(&["h:1"], ""), settings);
    let began = (START_MS - 5_000) as f64 / 1000.0;
    let text = format!(
        "# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 3\na_seconds_created {began}\n# EOF\n"
    );
    world.answer("h:1", Answer::Text(OPENMETRICS, text));
    world.scrape(0).await;
    world.scrape(1).await;
    let series = r#"a_seconds_total{__type__="counter", __unit__="seconds", instance="h:1", job="j"}"#;
    let samples: Vec<(f64, String)> = world.samples(series);
    let want = [(-5.0, "0"), (0.0, "3"), (15.0, "3")].map(|(at, value)| (at, value.to_owned()));
    assert_eq!(samples, want);
    assert!(world.series().iter().all(|series| !series.contains("created")));
}

#[tokio::test]
async fn legacy_names_are_asked_for_and_others_fail_the_scrape() {
    let world = World::new(&job(&["h:1"], "  metric_name_validation_scheme: legacy\n"));
    world.expose("h:1", "{\"a.b\"} 1\n");
    world.scrape(0).await;
    let accept = world.targets.requests.lock().unwrap()[0].headers["accept"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(accept.contains(";version=1.0.0;escaping=underscores;q=0.6"), "{accept}");
    assert_eq!(world.values(&of("up")), ["0"]);
}

#[tokio::test]
async fn extra_metrics_tell_of_the_scrape_and_end_with_it() {
    let more = "  extra_scrape_metrics: true\n  sample_limit: 9\n  scrape_timeout: 2500ms\n  body_size_limit: 100B\n";
    let world = World::new(&job(&["h:1"], more));
    world.expose("h:1", "a 1\n");
    world.scrape(0).await;
    world.expose("h:1", &"a".repeat(200));
    world.scrape(1).await;
    assert_eq!(world.values(&of("scrape_timeout_seconds")), ["2.5", "2.5"]);
    assert_eq!(world.values(&of("scrape_sample_limit")), ["9", "9"]);
    assert_eq!(world.values(&of("scrape_body_size_bytes")), ["4", "-1"]);
    world.config.set("scrape_configs: []\n");
    world.minute(1).await;
    assert_eq!(world.values(&of("scrape_body_size_bytes")), ["4", "-1", "stale"]);
}

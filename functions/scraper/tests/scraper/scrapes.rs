//! What one scrape brings.

use crate::world::{Answer, START_MS, World, job, of};
use parapet_scraper::{Health, read_metadata, read_targets};

#[tokio::test]
async fn stores_samples_with_labels_of_the_target_and_its_own_series() {
    let world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "# TYPE a counter\na{x=\"1\",job=\"body\"} 2\nb NaN\n");
    world.scrape(0).await;
    assert_eq!(
        world.series(),
        [
            r#"a{exported_job="body", instance="h:1", job="j", x="1"}"#.to_owned(),
            of("b"),
            of("scrape_duration_seconds"),
            of("scrape_samples_post_metric_relabeling"),
            of("scrape_samples_scraped"),
            of("scrape_series_added"),
            of("up"),
        ]
    );
    assert_eq!(world.samples(&of("up")), [(0.0, "1".to_owned())]);
    assert_eq!(world.values(&of("scrape_samples_scraped")), ["2"]);
    assert_eq!(world.values(&of("scrape_series_added")), ["2"]);
    world.scrape(1).await;
    assert_eq!(world.values(&of("scrape_series_added")), ["2", "0"]);
    assert_eq!(world.values(&of("b")), ["NaN", "NaN"]);
}

#[tokio::test]
async fn rules_for_metrics_come_after_the_labels_of_the_target_and_before_the_limits() {
    let rules = r#"  sample_limit: 2
  relabel_configs:
  - {target_label: env, replacement: prod}
  metric_relabel_configs:
  - {source_labels: [__name__, env], regex: 'go_.*;prod', action: drop}
  - {regex: x, action: labeldrop}
  - {source_labels: [__name__], regex: old_(.*), target_label: __name__, replacement: new_$1}
"#;
    let world = World::new(&job(&["h:1"], rules));
    world.expose("h:1", "go_a 1\nold_b{x=\"1\"} 2\ngo_c 3\nd 4\n");
    world.scrape(0).await;
    let of = |name: &str| format!(r#"{name}{{env="prod", instance="h:1", job="j"}}"#);
    assert_eq!(world.values(&of("up")), ["1"]);
    assert_eq!(
        (world.values(&of("new_b")), world.values(&of("d"))),
        (vec!["2".to_owned()], vec!["4".to_owned()])
    );
    assert_eq!(world.series().len(), 7);
    assert_eq!(world.values(&of("scrape_samples_scraped")), ["4"]);
    assert_eq!(world.values(&of("scrape_samples_post_metric_relabeling")), ["2"]);
    // Two series that rules make one are one sample; a name that rules take away fails the scrape.
    world.expose("h:1", "d{x=\"1\"} 1\nd{x=\"2\"} 2\n");
    world.scrape(1).await;
    assert_eq!(world.values(&of("d")), ["4", "1"]);
    let world = World::new(&job(
        &["h:1"],
        "  metric_relabel_configs: [{regex: __name__, action: labeldrop}]\n",
    ));
    world.expose("h:1", "a 1\n");
    world.scrape(0).await;
    assert_eq!(world.values(&crate::world::of("up")), ["0"]);
}

#[tokio::test]
async fn asks_as_prometheus_asks() {
    let more = "  scrape_timeout: 2500ms\n  basic_auth: {username: u, password: p}\n  body_size_limit: 1KB\n";
    let world = World::new(&job(&["h:1"], more));
    world.scrape(0).await;
    let requests = world.targets.requests.lock().unwrap();
    let request = &requests[0];
    assert_eq!(request.url, "http://h:1/metrics");
    let header = |name: &str| request.headers[name].to_str().unwrap().to_owned();
    assert!(header("accept").starts_with("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"));
    assert_eq!(header("accept-encoding"), "gzip");
    assert_eq!(header("x-prometheus-scrape-timeout-seconds"), "2.5");
    assert!(header("user-agent").starts_with("Parapet/"));
    assert_eq!(header("authorization"), "Basic dTpw");
    assert_eq!(request.timeout.as_millis(), 2500);
    assert_eq!(request.body_limit_bytes, 1024);
}

#[tokio::test]
async fn a_failed_scrape_stores_nothing_of_the_body_and_says_why() {
    for (answer, want, scraped) in [
        (
            Answer::Error("context deadline exceeded"),
            "context deadline exceeded",
            "0",
        ),
        (
            Answer::Status(503),
            "server returned HTTP status 503 Service Unavailable",
            "0",
        ),
        (
            Answer::Text(crate::world::TEXT, "a 1\nb{ 2\n".into()),
            r#"line 2, column 4: expected label name, got "2" ("INVALID") while parsing: "b{ 2""#,
            "1",
        ),
        (
            Answer::Text("text/html", "<html>".into()),
            r#"received unsupported Content-Type "text/html" and no fallback_scrape_protocol specified for target"#,
            "0",
        ),
        (
            Answer::Text("application/openmetrics-text", "a 1\n".into()),
            "line 1, column 4: data does not end with # EOF",
            "1",
        ),
        (
            Answer::Text(crate::world::TEXT, "a ".repeat(2000)),
            "body size limit exceeded",
            "0",
        ),
        (
            Answer::Text(crate::world::TEXT, "a 1\nb 1\nc 1\nd 1\n".into()),
            "sample limit exceeded",
            "4",
        ),
        (
            Answer::Text(crate::world::TEXT, "a{x=\"1\",y=\"2\",z=\"3\"} 1\n".into()),
            "label_limit exceeded (metric: a, number of labels: 6, limit: 5)",
            "1",
        ),
        (
            Answer::Text(crate::world::TEXT, "a{x=\"1\",x=\"2\"} 1\n".into()),
            "label name \"x\" is not unique: invalid sample",
            "1",
        ),
    ] {
        let world = World::new(&job(
            &["h:1"],
            "  body_size_limit: 1KB\n  sample_limit: 3\n  label_limit: 5\n",
        ));
        world.answer("h:1", answer);
        world.scrape(0).await;
        assert_eq!(world.series().len(), 5, "{want}");
        assert_eq!(world.values(&of("up")), ["0"]);
        assert_eq!(world.values(&of("scrape_samples_scraped")), [scraped], "{want}");
        let targets = read_targets(world.ports.table.as_ref()).await.unwrap();
        let state = targets.values().next().unwrap();
        assert_eq!((state.health, state.last_error.as_str()), (Health::Down, want));
        assert_eq!(state.changed_ms, START_MS);
    }
}

#[tokio::test]
async fn an_empty_body_is_a_success() {
    let world = World::new(&job(&["h:1"], ""));
    world.answer("h:1", Answer::Text("text/html", String::new()));
    world.scrape(0).await;
    assert_eq!(world.values(&of("up")), ["1"]);
}

#[tokio::test]
async fn the_first_of_duplicate_series_is_kept() {
    let world = World::new(&job(&["h:1"], ""));
    world.expose(
        "h:1",
        "a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\na{x=\"1\",y=\"2\"} 3\n",
    );
    world.scrape(0).await;
    assert_eq!(world.values(r#"a{instance="h:1", job="j", x="1", y="2"}"#), ["1"]);
    assert_eq!(world.scraper.counters().snapshot().samples_duplicate, 2);
    // As Prometheus does, they count as scraped.
    assert_eq!(world.values(&of("scrape_samples_scraped")), ["3"]);
    assert_eq!(world.values(&of("scrape_series_added")), ["1"]);
}

#[tokio::test]
async fn timestamps_of_the_target_are_honored_or_not() {
    let own = START_MS - 7_000;
    let body = format!("a 1 {own}\nb 2\na 3 {}\nfuture 1 {}\n", own - 1_000, START_MS + 700_000);
    for (more, want) in [
        ("", vec![(-8.0, "3".to_owned()), (-7.0, "1".to_owned())]),
        ("  honor_timestamps: false\n", vec![(0.0, "1".to_owned())]),
    ] {
        let world = World::new(&job(&["h:1"], more));
        world.expose("h:1", &body);
        world.scrape(0).await;
        assert_eq!(world.samples(&of("a")), want);
        assert_eq!(world.samples(&of("b")), [(0.0, "2".to_owned())]);
        assert_eq!(world.values(&of("future")).len(), usize::from(!more.is_empty()));
    }
}

#[tokio::test]
async fn openmetrics_and_a_fallback_protocol() {
    let world = World::new(&job(
        &["h:1", "g:1"],
        "  fallback_scrape_protocol: PrometheusText0.0.4\n",
    ));
    world.answer(
        "h:1",
        Answer::Text(
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# TYPE a counter\na_total 1 # {t=\"x\"} 1\na_created 5\n# EOF\n".into(),
        ),
    );
    world.answer("g:1", Answer::Text("text/html", "a 1\n".into()));
    world.scrape(0).await;
    assert_eq!(world.values(&of("a_total")), ["1"]);
    assert_eq!(world.values(&of("a_created")), ["5"]);
    assert_eq!(world.values(r#"a{instance="g:1", job="j"}"#), ["1"]);
}

#[tokio::test]
async fn over_target_limit_every_scrape_of_the_job_fails() {
    let world = World::new(&job(&["h:1", "g:1"], "  target_limit: 1\n"));
    world.expose("h:1", "a 1\n");
    world.scrape(0).await;
    assert_eq!(world.values(&of("up")), ["0"]);
    assert!(world.targets.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn metadata_is_kept_for_the_api_and_shared_by_like_targets() {
    let world = World::new(&job(&["h:1", "g:1"], ""));
    let body = "# HELP a One\\ntwo.\n# TYPE a counter\na 1\n# HELP b Other.\nb 1\n";
    world.expose("h:1", body);
    world.expose("g:1", body);
    world.scrape(0).await;
    let metadata = read_metadata(&world.ports).await.unwrap();
    assert_eq!(metadata.len(), 2);
    let a = metadata["a"].first().unwrap();
    assert_eq!((a.kind.as_str(), a.help.as_str()), ("counter", "One\ntwo."));
    assert_eq!(metadata["b"].first().unwrap().kind.as_str(), "unknown");
    assert_eq!(world.objects("state/metadata").await.len(), 1);
}

#[tokio::test]
async fn exemplars_come_with_their_samples_while_they_are_new() {
    let world = World::new(&job(&["h:1"], ""));
    let body =
        "# TYPE a counter\na_total 1 # {t=\"x\"} 0.5 1700000095\n# TYPE b counter\nb_total 1 # {t=\"y\"} 2\n# EOF\n";
    let answer = Answer::Text(
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        body.into(),
    );
    world.answer("h:1", answer);
    // Twelve minutes on, the target still shows them.
    for n in [4, 52] {
        world.scrape(n).await;
    }
    let found = world.exemplars("a_total");
    assert_eq!(found, [("x".to_owned(), 0.5, 1_700_000_095_000, true)]);
    let found = world.exemplars("b_total");
    assert_eq!(
        found.iter().map(|one| (one.0.as_str(), one.3)).collect::<Vec<_>>(),
        [("y", false), ("y", false)]
    );
}

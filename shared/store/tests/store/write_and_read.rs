//! Batches in, series out: over memory ports.

use crate::world::{NOW_MS, batch, batch_of, world};
use parapet_model::{BatchSeries, Exemplar, Labels, MatchOp, Matcher, MetricType, Sample, SampleBatch, stale_nan};
use parapet_ports::Kind;
use parapet_store::{Limits, Reader, ReaderSettings, Refusal, Writer, WriterSettings, day::DAY_MS};

#[tokio::test]
async fn batches_are_stored_once_and_read_back() {
    let world = world();
    let writer = Writer::new(&world.ports, WriterSettings::default());
    let reader = Reader::new(&world.ports, ReaderSettings::default());
    let batches = vec![
        batch("a", NOW_MS, 1.0),
        batch("b", NOW_MS + 15_000, 2.0),
        batch("a", NOW_MS, 1.0),
    ];
    let report = writer.commit(batches.clone()).await;
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!((report.samples, report.files, report.repeated), (6, 1, 1));
    // The same again, alone and beside a new one.
    let report = writer.commit(batches).await;
    assert_eq!((report.samples, report.repeated), (0, 3));
    let report = writer
        .commit(vec![
            batch("b", NOW_MS + 15_000, 2.0),
            batch("c", NOW_MS + 30_000, stale_nan()),
        ])
        .await;
    assert_eq!((report.samples, report.repeated), (3, 1));

    let series = reader
        .select("default", &[Matcher::equal("__name__", "m1")], NOW_MS, NOW_MS + 30_000)
        .await
        .unwrap();
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].labels.to_string(), r#"m1{job="j"}"#);
    assert_eq!(series[0].timestamps, [NOW_MS, NOW_MS + 15_000, NOW_MS + 30_000]);
    assert_eq!(
        series[0].values.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
        [1.0, 2.0, stale_nan()].map(f64::to_bits)
    );
    // The range is inclusive at both ends, and a series without samples in it is left out.
    let at = |start, end| reader.select("default", &[], start, end);
    assert_eq!(at(NOW_MS + 15_000, NOW_MS + 15_000).await.unwrap().len(), 3);
    assert!(at(NOW_MS + 15_001, NOW_MS + 29_999).await.unwrap().is_empty());
    assert!(reader.select("other", &[], 0, i64::MAX).await.unwrap().is_empty());
    assert_eq!(reader.tenants().await.unwrap(), ["default"]);
}

#[tokio::test]
async fn labels_and_series_and_status() {
    let world = world();
    let writer = Writer::new(&world.ports, WriterSettings::default());
    let reader = Reader::new(&world.ports, ReaderSettings::default());
    writer
        .commit(vec![batch("a", NOW_MS, 1.0), batch("b", NOW_MS - 2 * DAY_MS, 1.0)])
        .await;
    let sets = [
        vec![Matcher::new("__name__", MatchOp::Regex, "m[12]").unwrap()],
        vec![Matcher::equal("__name__", "m3")],
    ];
    let names = reader.label_names("default", &[], 0, i64::MAX).await.unwrap();
    assert_eq!(names, ["__name__", "job"]);
    assert_eq!(
        reader
            .label_values("default", "__name__", &sets, 0, i64::MAX)
            .await
            .unwrap(),
        ["m1", "m2", "m3"]
    );
    assert_eq!(
        reader
            .label_values("default", "__name__", &sets[..1], 0, i64::MAX)
            .await
            .unwrap(),
        ["m1", "m2"]
    );
    assert!(
        reader
            .label_values("default", "absent", &[], 0, i64::MAX)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        reader.series("default", &sets[1..], 0, i64::MAX).await.unwrap().len(),
        1
    );
    assert!(
        reader
            .series("default", &[], NOW_MS + 1, i64::MAX)
            .await
            .unwrap()
            .is_empty()
    );
    let types = reader.metric_types("default", 0, i64::MAX).await.unwrap();
    assert_eq!(types.get("m1"), Some(&MetricType::Counter));
    let status = reader.status("default").await.unwrap();
    assert_eq!((status.days, status.series), (2, 3));
    assert_eq!(
        (status.min_time_ms, status.max_time_ms),
        (Some(NOW_MS - 2 * DAY_MS), Some(NOW_MS))
    );
    assert_eq!((status.levels[&0].files, status.levels[&0].samples), (2, 6));
}

#[tokio::test]
async fn a_batch_over_midnight_is_stored_in_both_days_at_once() {
    let world = world();
    let writer = Writer::new(&world.ports, WriterSettings::default());
    let midnight = NOW_MS - NOW_MS % DAY_MS;
    let report = writer
        .commit(vec![batch_of("a", &[("x", &[(midnight - 1, 1.0), (midnight, 2.0)])])])
        .await;
    assert_eq!((report.files, report.samples), (2, 2));
    let reader = Reader::new(&world.ports, ReaderSettings::default());
    let series = reader.select("default", &[], midnight - 1, midnight).await.unwrap();
    assert_eq!(series[0].values, [1.0, 2.0]);
}

#[tokio::test]
async fn refusals_are_counted_and_the_rest_is_stored() {
    let world = world();
    let limits = Limits {
        max_labels: 3,
        max_label_value_bytes: 10,
        ..Limits::default()
    };
    let writer = Writer::new(
        &world.ports,
        WriterSettings {
            limits,
            ..WriterSettings::default()
        },
    );
    let mut batch = batch_of(
        "a",
        &[
            (
                "x",
                &[(NOW_MS - 8 * DAY_MS, 1.0), (NOW_MS, 2.0), (NOW_MS + 3_600_000, 3.0)],
            ),
            ("longer than ten", &[(NOW_MS, 1.0)]),
        ],
    );
    let many = Labels::from_pairs([("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
    for labels in [many, Labels::empty()] {
        let samples = vec![Sample::float(NOW_MS, 1.0)];
        batch.series.push(BatchSeries {
            labels,
            kind: MetricType::Gauge,
            samples,
            exemplars: Vec::new(),
        });
    }
    let report = writer.commit(vec![batch]).await;
    assert_eq!(report.samples, 1);
    let counted: Vec<(Refusal, u64)> = report.refused.into_iter().collect();
    let wanted = [
        (Refusal::NoLabels, 1),
        (Refusal::TooManyLabels, 1),
        (Refusal::LabelValueTooLong, 1),
        (Refusal::TooOld, 1),
        (Refusal::TooFarInFuture, 1),
    ];
    assert_eq!(counted, wanted);
    // A batch of which nothing is left leaves nothing behind.
    let report = writer.commit(vec![batch_of("b", &[("x", &[(0, 1.0)])])]).await;
    assert_eq!((report.files, report.failed.len()), (0, 0));
}

#[tokio::test]
async fn many_batches_take_several_transactions() {
    let world = world();
    let writer = Writer::new(&world.ports, WriterSettings::default());
    let midnight = NOW_MS - NOW_MS % DAY_MS;
    let over_days = |id: usize| {
        let samples: Vec<(i64, f64)> = (0..6).map(|day| (midnight - day * DAY_MS + id as i64, 1.0)).collect();
        batch_of(&id.to_string(), &[("x", &samples)])
    };
    let batches: Vec<SampleBatch> = (0..250).map(over_days).collect();
    let report = writer.commit(batches).await;
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(report.samples, 1500);
    // More days than a transaction has room for, with that many batches: split until they fit.
    let settings = WriterSettings {
        max_commit_batches: 98,
        ..WriterSettings::default()
    };
    let report = Writer::new(&world.ports, settings)
        .commit((300..398).map(over_days).collect())
        .await;
    assert!(report.failed.is_empty(), "{report:?}");
    let reader = Reader::new(&world.ports, ReaderSettings::default());
    let series = reader.select("default", &[], 0, i64::MAX).await.unwrap();
    assert_eq!(series[0].timestamps.len(), 348 * 6);
}

#[tokio::test]
async fn too_many_samples_are_refused_and_bad_tenants_too() {
    let world = world();
    Writer::new(&world.ports, WriterSettings::default())
        .commit(vec![batch("a", NOW_MS, 1.0)])
        .await;
    let reader = Reader::new(
        &world.ports,
        ReaderSettings {
            max_samples: 2,
            ..ReaderSettings::default()
        },
    );
    assert_eq!(
        reader.select("default", &[], 0, i64::MAX).await.unwrap_err().kind(),
        Kind::Invalid
    );
    assert_eq!(
        reader.select("a#b", &[], 0, i64::MAX).await.unwrap_err().kind(),
        Kind::Invalid
    );
}

#[tokio::test]
async fn every_way_of_holding_a_file_gives_the_same_answer() {
    let world = world();
    let writer = Writer::new(&world.ports, WriterSettings::default());
    for minute in 0..4i64 {
        let samples: Vec<(i64, f64)> = (0..40)
            .map(|n| (NOW_MS + minute * 60_000 + n * 1000, n as f64))
            .collect();
        let names: Vec<String> = (0..50).map(|n| format!("s{n}")).collect();
        let series: Vec<(&str, &[(i64, f64)])> = names.iter().map(|name| (name.as_str(), samples.as_slice())).collect();
        writer.commit(vec![batch_of(&minute.to_string(), &series)]).await;
    }
    let decoded = ReaderSettings::default();
    let whole = ReaderSettings {
        decoded_file_samples: 0,
        ..decoded.clone()
    };
    let remote = ReaderSettings {
        whole_file_bytes: 0,
        ..decoded.clone()
    };
    let uncached = ReaderSettings {
        cache_bytes: 0,
        cached_label_sets: 0,
        ..remote.clone()
    };
    let mut answers = Vec::new();
    for settings in [decoded, whole, remote, uncached] {
        let reader = Reader::new(&world.ports, settings);
        let matchers = [Matcher::new("__name__", MatchOp::Regex, "s[13].?").unwrap()];
        for _ in 0..2 {
            answers.push(
                reader
                    .select("default", &matchers, NOW_MS + 5_000, NOW_MS + 125_000)
                    .await
                    .unwrap(),
            );
        }
    }
    assert_eq!(answers[0].len(), 22);
    assert_eq!(answers[0][0].timestamps.len(), 35 + 40 + 6);
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn exemplars_are_read_once_and_found_by_time_and_labels() {
    let world = world();
    let writer = Writer::new(&world.ports, WriterSettings::default());
    let exemplar = |id: &str, timestamp_ms, has_timestamp| Exemplar {
        labels: Labels::from_pairs([("trace_id", id)]),
        value: 1.0,
        timestamp_ms,
        has_timestamp,
    };
    let with = |id: &str, at_ms, exemplars: Vec<Exemplar>| {
        let mut batch = batch_of(id, &[("m", &[(at_ms, 1.0)]), ("other", &[(at_ms, 1.0)])]);
        batch.series[0].exemplars = exemplars;
        batch
    };
    let first = exemplar("a", NOW_MS - 5, true);
    let report = writer
        .commit(vec![with(
            "1",
            NOW_MS,
            vec![first.clone(), exemplar("none", NOW_MS, false)],
        )])
        .await;
    assert_eq!((report.samples, report.files), (2, 1), "an exemplar is no sample");
    // The next scrape shows the same, one more, and one that is too long.
    let shown = vec![
        first.clone(),
        exemplar("none", NOW_MS + 15_000, false),
        exemplar("b", NOW_MS + 10, true),
        exemplar(&"x".repeat(121), NOW_MS, true),
    ];
    let report = writer.commit(vec![with("2", NOW_MS + 15_000, shown)]).await;
    assert_eq!(report.refused, [(Refusal::ExemplarLabelsTooLong, 1)].into());

    let whole_files = ReaderSettings::default();
    let ranges = ReaderSettings {
        whole_file_bytes: 0,
        ..ReaderSettings::default()
    };
    for settings in [whole_files, ranges] {
        let reader = Reader::new(&world.ports, settings);
        let named = |name: &str| vec![Matcher::equal("__name__", name)];
        let sets = [named("m"), named("other"), named("m")];
        let found = reader.exemplars("default", &sets, 0, i64::MAX).await.unwrap();
        let want = [
            first.clone(),
            exemplar("none", NOW_MS, false),
            exemplar("b", NOW_MS + 10, true),
        ];
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.metric_name(), &found[0].1[..]), (Some("m"), &want[..]));
        let found = reader.exemplars("default", &sets, NOW_MS, NOW_MS + 9).await.unwrap();
        assert_eq!(found[0].1, want[1..2]);
        assert!(
            reader
                .exemplars("default", &[named("n")], 0, i64::MAX)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            reader.select("default", &named("m"), 0, i64::MAX).await.unwrap()[0]
                .values
                .len(),
            2
        );
    }
}

//! Functions over long ranges are answered from rollups as they are from samples: random counters and gauges with
//! resets, gaps, staleness markers, duplicates and late samples, over days, with compaction in between.

use crate::world::{NOW_MS, world};
use parapet_model::{
    BatchSeries, Histogram, Labels, Matcher, MetricType, Sample, SampleBatch, Series, Value, stale_nan,
};
use parapet_ports::memory::MemoryPorts;
use parapet_promql::{
    Beside, FUNCTIONS_OF_RUNS, Options, QueryRange, QueryValue, evaluate, evaluate_beside, parse, selectors,
};
use parapet_store::day::{DAY_MS, Day};
use parapet_store::{
    Compaction, CompactionSettings, Reader, ReaderSettings, RetentionRule, SummedUp, Writer, WriterSettings,
};
use std::sync::Arc;

const DAYS: i64 = 4;
const STEP_MS: i64 = 60_000;
/// Midnight, so many days before now.
const START_MS: i64 = NOW_MS - NOW_MS % DAY_MS - (DAYS - 1) * DAY_MS;

/// A small generator of numbers: what is generated must not depend on anything but the seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// The samples of one series over all days; `kind` says what is odd about it.
fn samples(numbers: &mut Numbers, kind: u64) -> Vec<Sample> {
    let (mut at_ms, mut value, mut all) = (START_MS, 1_000.0, Vec::new());
    while at_ms < NOW_MS {
        let chance = numbers.next(2_000);
        #[allow(clippy::cast_precision_loss)]
        let more = numbers.next(50) as f64;
        match chance {
            0..4 => at_ms += STEP_MS * numbers.next(300) as i64,
            4..8 => all.push(Sample::float(at_ms, stale_nan())),
            8..12 => value = more,
            12 if kind == 1 => all.push(Sample::float(at_ms, f64::NAN)),
            13 if kind == 1 => all.push(Sample::float(at_ms, f64::INFINITY)),
            14..24 if kind == 2 => {
                let histogram = Histogram {
                    count: value,
                    sum: value,
                    ..Histogram::default()
                };
                all.push(Sample {
                    timestamp_ms: at_ms,
                    value: Value::Histogram(Arc::new(histogram)),
                });
            }
            _ => {
                value += if kind == 3 { more - 25.0 } else { more * 0.25 };
                all.push(Sample::float(at_ms, value));
            }
        }
        at_ms += STEP_MS;
    }
    all
}

/// Commits the samples in batches, some twice, some late, while compaction runs now and then.
async fn fill(world: &MemoryPorts, numbers: &mut Numbers, settings: &CompactionSettings) {
    let writer = Writer::new(&world.ports, WriterSettings::default());
    let compaction = Compaction::new(&world.ports, settings.clone());
    let series: Vec<(Labels, Vec<Sample>)> = (0..6u64)
        .map(|number| {
            let labels = Labels::from_pairs([("__name__", "c_total"), ("i", &number.to_string())]);
            (labels, samples(numbers, number))
        })
        .collect();
    let batch = |id: String, from_ms: i64, until_ms: i64| SampleBatch {
        id,
        tenant: "default".to_owned(),
        series: series
            .iter()
            .map(|(labels, samples)| BatchSeries {
                labels: labels.clone(),
                kind: MetricType::Counter,
                samples: samples
                    .iter()
                    .filter(|sample| (from_ms..until_ms).contains(&sample.timestamp_ms))
                    .cloned()
                    .collect(),
                exemplars: Vec::new(),
            })
            .filter(|series| !series.samples.is_empty())
            .collect(),
    };
    let (mut from_ms, mut late, mut number) = (START_MS, Vec::new(), 0);
    while from_ms < NOW_MS {
        let until_ms = from_ms + 60_000 * (10 + numbers.next(200) as i64);
        number += 1;
        world.clock.set_ms(until_ms);
        let next = batch(format!("b{number}"), from_ms, until_ms);
        match numbers.next(10) {
            0 => late.push(next),
            1 => {
                // The same samples in a batch of another name.
                writer
                    .commit(vec![next, batch(format!("r{number}"), from_ms, until_ms)])
                    .await;
            }
            _ => {
                writer.commit(vec![next]).await;
            }
        }
        if numbers.next(4) == 0 {
            if numbers.next(3) == 0 {
                writer.commit(std::mem::take(&mut late)).await;
            }
            compaction.compact("default", Day::of_ms(START_MS)).await.unwrap();
        }
        from_ms = until_ms;
    }
    world.clock.set_ms(NOW_MS);
    for _ in 0..3 {
        compaction.compact("default", Day::of_ms(START_MS)).await.unwrap();
    }
    writer.commit(late).await;
}

fn numbers_of(value: QueryValue) -> Vec<(Labels, i64, f64)> {
    let number = |value| match value {
        Value::Float(value) => value,
        Value::Histogram(histogram) => histogram.sum,
    };
    match value {
        QueryValue::Vector(samples) => samples
            .into_iter()
            .map(|sample| (sample.labels, sample.timestamp_ms, number(sample.value)))
            .collect(),
        QueryValue::Matrix(series) => series
            .into_iter()
            .flat_map(
                |Series {
                     labels,
                     timestamps,
                     values,
                     histograms,
                 }| {
                    let floats = timestamps.into_iter().zip(values);
                    let all = floats.chain(histograms.into_iter().map(|(at, histogram)| (at, histogram.sum)));
                    all.map(|(at, value)| (labels.clone(), at, value)).collect::<Vec<_>>()
                },
            )
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Asks one query both ways; gives how many samples stood in runs.
async fn ask(reader: &Reader, text: &str, range: QueryRange) -> u64 {
    let (expr, options) = (parse(text).unwrap(), Options::default());
    let selector = selectors(&expr, &range, &options).remove(0);
    let windows = selector.hints.windows.unwrap();
    let (start_ms, end_ms) = (selector.start_ms, selector.end_ms);
    let all = reader
        .select("default", &selector.matchers, start_ms, end_ms)
        .await
        .unwrap();
    let SummedUp { series, runs } = reader
        .select_runs("default", &selector.matchers, start_ms, end_ms, &windows)
        .await
        .unwrap();
    let summed_up = runs.iter().flatten().map(|run| run.samples).sum();
    let want = evaluate(&expr, &range, &options, &[all]).unwrap();
    let runs = [runs];
    let beside = Beside {
        runs: &runs,
        ..Beside::default()
    };
    let got = evaluate_beside(&expr, &range, &options, &[series], beside).unwrap();
    assert_eq!((&want.warnings, &want.infos), (&got.warnings, &got.infos), "{text}");
    let (want, got) = (numbers_of(want.value), numbers_of(got.value));
    assert_eq!(want.len(), got.len(), "{text} {range:?}");
    for (want, got) in want.iter().zip(&got) {
        assert_eq!((&want.0, want.1), (&got.0, got.1), "{text}");
        assert!(same(want.2, got.2), "{text} {range:?}: {want:?} {got:?}");
    }
    summed_up
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_answer_as_samples_do() {
    let mut summed_up = 0;
    for seed in 0..12 {
        let (world, mut numbers) = (world(), Numbers(seed));
        fill(&world, &mut numbers, &CompactionSettings::default()).await;
        // Files of every size are held in every way.
        let settings = ReaderSettings {
            whole_file_bytes: [0, 30_000, 4 << 20][numbers.next(3) as usize],
            whole_rollup_bytes: [0, 10_000][numbers.next(2) as usize],
            decoded_file_samples: 2_000,
            ..ReaderSettings::default()
        };
        let reader = Reader::new(&world.ports, settings);
        for function in FUNCTIONS_OF_RUNS {
            let hours = 2 + numbers.next(80);
            let start_ms = START_MS + numbers.next((DAYS * DAY_MS) as u64) as i64;
            let step_ms = 60_000 * (1 + numbers.next(300) as i64);
            let range = match numbers.next(2) {
                0 => QueryRange::instant(start_ms),
                _ => QueryRange {
                    start_ms,
                    end_ms: start_ms + 9 * step_ms,
                    step_ms,
                },
            };
            summed_up += ask(&reader, &format!("{function}(c_total[{hours}h])"), range).await;
        }
    }
    assert!(summed_up > 500_000, "{summed_up}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_over_is_read_from_its_rollup_until_it_changes() {
    let (world, mut numbers) = (world(), Numbers(7));
    fill(&world, &mut numbers, &CompactionSettings::default()).await;
    let compaction = Compaction::new(&world.ports, CompactionSettings::default());
    for _ in 0..4 {
        compaction.compact("default", Day::of_ms(START_MS)).await.unwrap();
    }
    let settings = ReaderSettings {
        whole_rollup_bytes: 0,
        ..ReaderSettings::default()
    };
    let reader = || Reader::new(&world.ports, settings.clone());
    let matchers = [Matcher::equal("__name__", "c_total"), Matcher::equal("i", "0")];
    let day = Day::of_ms(START_MS + DAY_MS);
    let runs = async || {
        let windows = parapet_model::Windows {
            function: "rate",
            first_end_ms: day.last_ms(),
            range_ms: DAY_MS,
            step_ms: 0,
            count: 1,
        };
        let read = reader()
            .select_runs("default", &matchers, day.start_ms(), day.last_ms(), &windows)
            .await
            .unwrap();
        (read.runs[0].len(), read.series[0].timestamps.len())
    };
    assert_eq!(runs().await, (1, 0), "one run for the day");
    let report = compaction.compact("default", Day::of_ms(START_MS)).await.unwrap();
    assert_eq!((report.merges, report.rollups), (0, 0), "made once");

    let late = SampleBatch {
        id: "late".to_owned(),
        tenant: "default".to_owned(),
        series: vec![BatchSeries {
            labels: Labels::from_pairs([("__name__", "c_total"), ("i", "0")]),
            kind: MetricType::Counter,
            samples: vec![Sample::float(day.start_ms() + 1, 5.0)],
            exemplars: Vec::new(),
        }],
    };
    Writer::new(&world.ports, WriterSettings::default())
        .commit(vec![late])
        .await;
    let (in_runs, samples) = runs().await;
    assert!(in_runs > 1 && samples > 0, "rows of files: {in_runs} {samples}");
    let mut made = 0;
    for _ in 0..3 {
        made += compaction
            .compact("default", Day::of_ms(START_MS))
            .await
            .unwrap()
            .rollups;
    }
    assert_eq!((made, runs().await), (1, (1, 0)), "made anew");
}

/// A day of one sample a minute for two series, past any merging.
async fn old_day(world: &MemoryPorts, settings: &CompactionSettings) -> Compaction {
    let writer = Writer::new(&world.ports, WriterSettings::default());
    world.clock.set_ms(START_MS + DAY_MS);
    for hour in 0..24i64 {
        let series = ["kept", "debug"].map(|job| BatchSeries {
            labels: Labels::from_pairs([("__name__", "c_total"), ("job", job)]),
            kind: MetricType::Counter,
            samples: (0..60)
                .map(|minute| {
                    let number = hour * 60 + minute;
                    #[allow(clippy::cast_precision_loss)]
                    Sample::float(START_MS + number * 60_000, (number * 10) as f64)
                })
                .collect(),
            exemplars: Vec::new(),
        });
        let batch = SampleBatch {
            id: format!("hour-{hour}"),
            tenant: "default".to_owned(),
            series: series.into(),
        };
        writer.commit(vec![batch]).await;
    }
    world.clock.set_ms(START_MS + DAY_MS + 3 * 3_600_000);
    let compaction = Compaction::new(&world.ports, settings.clone());
    for _ in 0..3 {
        compaction.compact("default", Day::of_ms(START_MS)).await.unwrap();
    }
    compaction
}

async fn value_at(reader: &Reader, text: &str, at_ms: i64) -> Vec<f64> {
    let (expr, range, options) = (parse(text).unwrap(), QueryRange::instant(at_ms), Options::default());
    let selector = selectors(&expr, &range, &options).remove(0);
    let (start_ms, end_ms) = (selector.start_ms, selector.end_ms);
    let read = match &selector.hints.windows {
        Some(windows) => reader
            .select_runs("default", &selector.matchers, start_ms, end_ms, windows)
            .await
            .unwrap(),
        None => reader
            .select("default", &selector.matchers, start_ms, end_ms)
            .await
            .unwrap()
            .into(),
    };
    let runs = [read.runs];
    let beside = Beside {
        runs: &runs,
        ..Beside::default()
    };
    let answer = evaluate_beside(&expr, &range, &options, &[read.series], beside).unwrap();
    numbers_of(answer.value)
        .into_iter()
        .map(|(_, _, value)| value)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rollups_are_what_is_left_of_a_day_past_its_retention() {
    let world = world();
    let settings = CompactionSettings::default();
    let compaction = old_day(&world, &settings).await;
    let reader = || Reader::new(&world.ports, ReaderSettings::default());
    let (noon, midnight) = (START_MS + DAY_MS / 2, START_MS + DAY_MS - 1);
    let before = value_at(&reader(), "increase(c_total[24h])", midnight).await;

    let days = |days: i64| START_MS + (days + 1) * DAY_MS + 1_000;
    world.clock.set_ms(days(29));
    compaction.retain("default").await.unwrap();
    assert_eq!(reader().status("default").await.unwrap().days, 1, "kept");
    world.clock.set_ms(days(31));
    let report = compaction.retain("default").await.unwrap();
    assert_eq!(
        (report.rollups, report.expired > 0),
        (2, true),
        "of five minutes and of an hour; the day's stood"
    );
    world.clock.set_ms(days(32));
    compaction.delete_due().await.unwrap();
    compaction.collect_orphans("default").await.unwrap();
    assert_eq!(reader().status("default").await.unwrap().days, 0);

    // The whole day as exact as before, a point and part of the day from five minutes.
    assert_eq!(value_at(&reader(), "increase(c_total[24h])", midnight).await, before);
    let point = value_at(&reader(), "c_total", noon).await;
    assert!(
        point.iter().all(|value| (7_150.0..=7_200.0).contains(value)),
        "{point:?}"
    );
    let half = value_at(&reader(), "increase(c_total[6h])", noon).await;
    assert!(half.iter().all(|value| (value - 3_600.0).abs() < 60.0), "{half:?}");
    assert_eq!(
        reader()
            .label_values("default", "job", &[], START_MS, midnight)
            .await
            .unwrap(),
        ["debug", "kept"]
    );

    // What comes for it now goes with the next run, and changes nothing.
    let limits = parapet_store::Limits {
        max_age_ms: i64::MAX,
        ..Default::default()
    };
    let writer = Writer::new(
        &world.ports,
        WriterSettings {
            limits,
            ..WriterSettings::default()
        },
    );
    writer.commit(vec![crate::world::batch("late", noon, 1.0)]).await;
    let report = compaction.retain("default").await.unwrap();
    assert_eq!((report.rollups, report.expired), (0, 1));
    assert_eq!(value_at(&reader(), "increase(c_total[24h])", midnight).await, before);

    // Then the hour, then nothing.
    world.clock.set_ms(days(91));
    compaction.retain("default").await.unwrap();
    let half = value_at(&reader(), "increase(c_total[6h])", noon).await;
    assert!(half.iter().all(|value| (value - 3_600.0).abs() < 700.0), "{half:?}");
    world.clock.set_ms(days(401));
    compaction.retain("default").await.unwrap();
    world.clock.set_ms(days(402));
    compaction.delete_due().await.unwrap();
    assert!(value_at(&reader(), "increase(c_total[24h])", midnight).await.is_empty());
    let left = futures::TryStreamExt::try_collect::<Vec<_>>(world.ports.objects.list(None))
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");
    assert!(
        parapet_store::Dataset::Metrics
            .all_days(world.table.as_ref(), "default")
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn some_series_are_kept_shorter_than_others() {
    let world = world();
    let settings = CompactionSettings {
        retention_rules: vec![
            RetentionRule {
                tenant: None,
                matchers: vec![Matcher::equal("job", "debug")],
                keep_ms: 3 * DAY_MS,
            },
            RetentionRule {
                tenant: Some("other".to_owned()),
                matchers: Vec::new(),
                keep_ms: DAY_MS,
            },
        ],
        ..CompactionSettings::default()
    };
    let compaction = old_day(&world, &settings).await;
    let reader = || Reader::new(&world.ports, ReaderSettings::default());
    let jobs = async || {
        reader()
            .label_values("default", "job", &[], START_MS, START_MS + DAY_MS - 1)
            .await
            .unwrap()
    };
    let samples = async || {
        reader()
            .status("default")
            .await
            .unwrap()
            .levels
            .values()
            .map(|level| level.samples)
            .sum()
    };
    compaction.retain("default").await.unwrap();
    assert_eq!(
        (jobs().await, samples().await),
        (vec!["debug".to_owned(), "kept".to_owned()], 2_880u64)
    );

    world.clock.set_ms(START_MS + 5 * DAY_MS);
    let report = compaction.retain("default").await.unwrap();
    assert!(report.merges > 0);
    assert_eq!((jobs().await, samples().await), (vec!["kept".to_owned()], 1_440u64));
    assert_eq!(compaction.retain("default").await.unwrap(), Default::default(), "once");
}

//! Drift from both kinds of source: the numbers are those of `parapet_drift`, and so SciPy's.

use crate::world::{Columns, MINUTE_MS, World, series_of, some, window};
use parapet_drift::{
    Bins, chi_squared, jensen_shannon, kolmogorov_smirnov, kolmogorov_smirnov_binned, population_stability_index,
};
use parapet_model::{BatchSeries, Histogram, MetricType, Sample, Span, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

type Found = BTreeMap<String, Option<f64>>;

fn of(found: &Found, name: &str, check: &str, feature: &str) -> f64 {
    let series = format!(r#"{name}{{check="{check}", feature="{feature}", model="fraud", version="3"}}"#);
    let value = found.get(&series).copied().flatten();
    value.unwrap_or_else(|| panic!("{series} is not in {found:#?}"))
}

fn of_window(found: &Found, name: &str, feature: &str, window: &str) -> f64 {
    let labels = format!(r#"check="features", feature="{feature}", model="fraud", version="3", window="{window}""#);
    found[&format!("{name}{{{labels}}}")].unwrap()
}

fn assert_counts(found: &Found, check: &str, feature: &str, reference: &[f64], current: &[f64]) {
    let chi = chi_squared(reference, current).unwrap();
    for (name, want) in [
        ("ml_drift_psi", population_stability_index(reference, current).unwrap()),
        ("ml_drift_js_distance", jensen_shannon(reference, current).unwrap()),
        ("ml_drift_chi_squared_statistic", chi.statistic),
        ("ml_drift_chi_squared_p_value", chi.p_value),
    ] {
        assert_eq!(of(found, name, check, feature), want, "{name} of {feature}");
    }
}

async fn with_model(ml: &str, model: &str) -> World {
    let world = World::new(ml);
    world.put("models/fraud/3/model.json", model.to_owned()).await;
    world
}

#[tokio::test]
async fn two_windows_of_parquet() {
    let ml = "drift:\n- model: fraud\n  every: 1m\n  exclude: [id]\n  reference: {parquet: datasets/train}\n  \
        current: {parquet: serving/fraud/, window: 1h}\n";
    let world = with_model(ml, "{}").await;
    // The very windows that SciPy was asked about: 5 % wider, and more values than an exact p-value takes.
    let (reference, current) = (window(1, 5_000, 1.0, 0.0), window(2, 5_000, 1.05, 0.0));
    let countries = |others: usize, size: usize| -> Vec<&str> {
        (0..size)
            .map(|row| if row % others == 0 { "FR" } else { "DE" })
            .collect()
    };
    let flags = |size: usize| -> Vec<bool> { (0..size).map(|row| row % 2 == 0).collect() };
    let table = |values: &[f64], countries: &[&str], missing: usize| {
        let mut amounts = some(values);
        amounts.extend(std::iter::repeat_n(None, missing));
        let size = amounts.len();
        let countries: Vec<&str> = countries.iter().copied().cycle().take(size).collect();
        Columns::new()
            .numbers("amount", &amounts)
            .texts("country", &countries)
            .flags("night", &flags(size))
            .numbers("id", &amounts)
            .parquet()
    };
    world
        .put(
            "datasets/train/part-0.parquet",
            table(&reference[..3_000], &countries(3, 3_000), 0),
        )
        .await;
    world
        .put(
            "datasets/train/part-1.parquet",
            table(&reference[3_000..], &countries(3, 2_000), 0),
        )
        .await;
    world.put("datasets/train/_SUCCESS", "").await;
    world
        .put(
            "serving/fraud/now.parquet",
            table(&current, &countries(5, 5_000), 1_250),
        )
        .await;
    let at_ms = world.settled_ms().await;
    world.tick(&world.exporter(), at_ms).await.unwrap();
    let found = world.at(at_ms).await;

    let bins = Bins::quantiles(&reference, 10).unwrap();
    assert_counts(
        &found,
        "features",
        "amount",
        &bins.count(&reference),
        &bins.count(&current),
    );
    let test = kolmogorov_smirnov(&reference, &current).unwrap();
    assert_eq!(
        of(&found, "ml_drift_ks_statistic", "features", "amount"),
        test.statistic
    );
    assert_eq!(of(&found, "ml_drift_ks_p_value", "features", "amount"), test.p_value);
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../../shared/drift/tests/golden.json")).unwrap();
    let golden = golden["kolmogorov_smirnov"].as_array().unwrap();
    let scipy = golden.iter().find(|case| case["factor"] == 1.05).unwrap();
    assert!((test.statistic - scipy["statistic"].as_f64().unwrap()).abs() < 1e-9);
    assert!((test.p_value - scipy["p_value"].as_f64().unwrap()).abs() < 1e-9);

    let french = |others, size| {
        countries(others, size)
            .iter()
            .filter(|country| **country == "FR")
            .count() as f64
    };
    let (of_reference, of_current) = (french(3, 3_000) + french(3, 2_000), french(5, 6_250));
    let counts = (
        [5_000.0 - of_reference, of_reference],
        [6_250.0 - of_current, of_current],
    );
    assert_counts(&found, "features", "country", &counts.0, &counts.1);
    assert!(of(&found, "ml_drift_psi", "features", "night") < 1e-12);
    assert_eq!(of_window(&found, "ml_feature_missing_ratio", "amount", "current"), 0.2);
    assert_eq!(
        of_window(&found, "ml_feature_missing_ratio", "amount", "reference"),
        0.0
    );
    assert_eq!(
        of_window(&found, "ml_drift_window_values", "amount", "current"),
        5_000.0
    );
    let greatest = reference.iter().copied().fold(0.0, f64::max);
    let least = reference.iter().copied().fold(1.0, f64::min);
    let outside = current
        .iter()
        .filter(|value| **value > greatest || **value < least)
        .count();
    assert!(outside > 100);
    assert_eq!(
        of(&found, "ml_feature_out_of_range_ratio", "features", "amount"),
        outside as f64 / 5_000.0
    );
    assert!(!found.keys().any(|series| series.contains(r#"feature="id""#)));
    assert!(
        found
            .iter()
            .all(|(series, value)| !series.starts_with("ml_exporter_errors") || *value == Some(0.0))
    );
}

const RECORDED: &str = r#"{"training": {"features": {
    "amount": {"bin_edges": [0, 0.25, 0.5, 0.75, 1], "counts": [250, 250, 250, 250], "missing_ratio": 0.125, "max": 0.9},
    "country": {"categories": {"DE": 600, "FR": 400}}}}}"#;

#[tokio::test]
async fn rows_of_a_window_against_what_was_recorded() {
    let ml = "drift:\n- model: fraud\n  every: 1m\n  \
        current: {parquet: serving/all.parquet, window: 10m, timestamp_column: ts}\n";
    let world = with_model(ml, RECORDED).await;
    let values = window(7, 1_000, 1.0, 0.0);
    // Rows of 25 minutes, of which the last ten count. The file itself is older than their last one, and in the window.
    let at_ms = world.settled_ms().await + 4 * MINUTE_MS;
    let end_ms = at_ms - MINUTE_MS;
    let times: Vec<i64> = (0..1_000).map(|row| end_ms - (1_000 - row) * 1_500).collect();
    let countries: Vec<&str> = (0..1_000).map(|row| if row % 4 == 0 { "IT" } else { "DE" }).collect();
    let table = Columns::new()
        .numbers("amount", &some(&values))
        .texts("country", &countries)
        .times("ts", &times);
    world.put("serving/all.parquet", table.parquet()).await;
    world.tick(&world.exporter(), at_ms).await.unwrap();
    let found = world.at(at_ms).await;
    let inside = &values[600..];
    let counts = Bins::with_bounds(vec![0.0, 0.25, 0.5, 0.75, 1.0])
        .unwrap()
        .count(inside);
    let recorded = [0.0, 250.0, 250.0, 250.0, 250.0, 0.0];
    assert_counts(&found, "features", "amount", &recorded, &counts);
    let test = kolmogorov_smirnov_binned(&recorded, &counts).unwrap();
    assert_eq!(of(&found, "ml_drift_ks_p_value", "features", "amount"), test.p_value);
    let above = inside.iter().filter(|value| **value > 0.9).count() as f64;
    assert_eq!(
        of(&found, "ml_feature_out_of_range_ratio", "features", "amount"),
        above / 400.0
    );
    assert_eq!(
        of_window(&found, "ml_feature_missing_ratio", "amount", "reference"),
        0.125
    );
    assert_counts(
        &found,
        "features",
        "country",
        &[600.0, 400.0, 0.0],
        &[300.0, 0.0, 100.0],
    );
    assert_eq!(of(&found, "ml_feature_out_of_range_ratio", "features", "country"), 0.25);
}

fn classic(at_ms: i64, feature: &str, instance: &str, buckets: &[(&str, f64)]) -> Vec<BatchSeries> {
    let series = buckets.iter().map(|(le, count)| BatchSeries {
        labels: series_of(
            "fraud_feature_bucket",
            &[("feature", feature), ("instance", instance), ("le", le)],
        ),
        kind: MetricType::Histogram,
        samples: vec![Sample::float(at_ms, *count)],
        exemplars: Vec::new(),
    });
    series.collect()
}

fn native(at_ms: i64, name: &str, counts: &[f64]) -> BatchSeries {
    let histogram = Histogram {
        schema: 0,
        zero_threshold: 0.001,
        count: counts.iter().sum(),
        sum: 1.0,
        positive_spans: vec![Span {
            offset: 1,
            length: u32::try_from(counts.len()).unwrap(),
        }],
        positive_buckets: counts.to_vec(),
        ..Histogram::default()
    };
    BatchSeries {
        labels: series_of(name, &[("job", "shop")]),
        kind: MetricType::Histogram,
        samples: vec![Sample {
            timestamp_ms: at_ms,
            value: Value::Histogram(Arc::new(histogram)),
        }],
        exemplars: Vec::new(),
    }
}

#[tokio::test]
async fn stored_histograms() {
    let ml = "drift:
- model: fraud
  name: live
  every: 1m
  reference: {query: 'sum by (feature, le) (fraud_feature_bucket offset 10m)'}
  current: {query: 'sum by (feature, le) (fraud_feature_bucket)'}
- model: fraud
  name: scores
  features: [score]
  every: 1m
  reference: {query: 'fraud_score offset 10m'}
  current: {query: fraud_score}
- model: fraud
  name: recorded
  every: 1m
  features: [amount]
  current: {query: 'sum by (feature, le) (increase(fraud_feature_bucket[20m]))'}
";
    let world = with_model(ml, RECORDED).await;
    let at_ms = world.settled_ms().await;
    let end_ms = at_ms - MINUTE_MS;
    world.set_clock(at_ms);
    let mut stored = Vec::new();
    for (when, a, b) in [
        (-10, [10.0, 30.0, 60.0], [1.0, 2.0, 40.0]),
        (0, [20.0, 90.0, 160.0], [2.0, 3.0, 45.0]),
    ] {
        for (instance, counts) in [("a", a), ("b", b)] {
            let buckets = [("0.25", counts[0]), ("0.75", counts[1]), ("+Inf", counts[2])];
            stored.extend(classic(end_ms + when * MINUTE_MS, "amount", instance, &buckets));
        }
        let scores = if when == 0 { [5.0, 0.0, 9.0] } else { [7.0, 7.0, 7.0] };
        stored.push(native(end_ms + when * MINUTE_MS, "fraud_score", &scores));
    }
    // A batch holds a series once.
    for (number, series) in stored.into_iter().enumerate() {
        world.store(&format!("stored-{number}"), vec![series]).await;
    }
    world.tick(&world.exporter(), at_ms).await.unwrap();
    let found = world.at(at_ms).await;
    assert_counts(&found, "live", "amount", &[11.0, 21.0, 68.0], &[22.0, 71.0, 112.0]);
    let test = kolmogorov_smirnov_binned(&[11.0, 21.0, 68.0], &[22.0, 71.0, 112.0]).unwrap();
    assert_eq!(of(&found, "ml_drift_ks_statistic", "live", "amount"), test.statistic);
    assert_counts(
        &found,
        "scores",
        "score",
        &[0.0, 7.0, 7.0, 7.0, 0.0],
        &[0.0, 5.0, 0.0, 9.0, 0.0],
    );
    // 0.25 and 0.75 are bounds of both; in between lies 0.5 of the recorded ones alone.
    let ratio = of(&found, "ml_drift_psi", "recorded", "amount");
    assert!(ratio > 0.0 && ratio.is_finite());
    let missing = found
        .keys()
        .filter(|series| series.starts_with("ml_feature_missing_ratio"))
        .count();
    assert_eq!(missing, 1, "of the recorded window alone it is known");
}

#[tokio::test]
async fn windows_are_compared_once_for_their_end() {
    let ml = "drift:\n- model: fraud\n  reference: {parquet: datasets/train.parquet}\n  current: {parquet: serving, window: 2d}\n";
    let world = with_model(ml, "{}").await;
    let table = |offset: f64| {
        Columns::new()
            .numbers("amount", &some(&window(1, 200, 1.0, offset)))
            .parquet()
    };
    world.put("datasets/train.parquet", table(0.0)).await;
    world.put("serving/a.parquet", table(0.0)).await;
    let exporter = world.exporter();
    let hour_ms = 60 * MINUTE_MS;
    // Both ticks see the windows that ended with the same hour.
    let first_ms = (world.settled_ms().await.div_euclid(hour_ms) + 1) * hour_ms + 2 * MINUTE_MS;
    world.tick(&exporter, first_ms).await.unwrap();
    world.put("serving/b.parquet", table(9.0)).await;
    let second_ms = first_ms + 50 * MINUTE_MS;
    world.tick(&exporter, second_ms).await.unwrap();
    let third_ms = first_ms + hour_ms;
    world.tick(&exporter, third_ms).await.unwrap();
    let mut psi = Vec::new();
    for at_ms in [first_ms, second_ms, third_ms] {
        psi.push(of(&world.at(at_ms).await, "ml_drift_psi", "features", "amount"));
    }
    assert_eq!((psi[0], psi[1]), (0.0, 0.0));
    assert!(psi[2] > 1.0, "{psi:?}");
}

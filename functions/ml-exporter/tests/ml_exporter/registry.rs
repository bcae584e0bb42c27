//! What is told of models, when they come, change and go.

use crate::world::{MINUTE_MS, World};
use parapet_ports::{Queue, QueueReader as _};

const MODEL: &str = r#"{"created": "2023-11-14T22:13:20Z", "stage": "Production", "framework": "sklearn", "run_id": "r1",
    "training": {"dataset": "oct", "path": "datasets/oct/", "rows": 900}, "evaluation": {"accuracy": 0.93, "f1": 0.88}}"#;

#[tokio::test]
async fn a_registry_is_told_of() {
    let world = World::new("");
    world.put("models/fraud/3/model.json", MODEL).await;
    world.put("models/fraud/3/weights.bin", vec![0; 1_000]).await;
    world.put("models/fraud/2/model.pkl", vec![0; 10]).await;
    world
        .put("models/fraud/model.json", r#"{"aliases": {"previous": 2}}"#)
        .await;
    world
        .put(
            "models/churn/version-7/meta.yaml",
            "version: 7\ncurrent_stage: Staging\ncreation_timestamp: 1700000000000\n",
        )
        .await;
    world
        .put(
            "models/churn/version-7/artifacts/MLmodel",
            "flavors: {python_function: {}, xgboost: {}}\nmodel_size_bytes: 77\n",
        )
        .await;
    world
        .put("models/churn/version-7/metrics.json", r#"{"test": {"auc": 0.7}}"#)
        .await;
    world.put("models/churn/aliases/champion", "7\n").await;
    world.put("datasets/oct/part-0.parquet", vec![0; 300]).await;
    world.put("datasets/oct/part-1.parquet", vec![0; 200]).await;
    let at_ms = world.settled_ms().await;
    world.tick(&world.exporter(), at_ms).await.unwrap();
    let found = world.at(at_ms).await;
    let size = (1_000 + MODEL.len()) as f64;
    for (series, value) in [
        (
            r#"ml_model_info{framework="sklearn", model="fraud", run_id="r1", stage="Production", version="3"}"#,
            1.0,
        ),
        (r#"ml_model_alias{alias="production", model="fraud", version="3"}"#, 1.0),
        (r#"ml_model_alias{alias="previous", model="fraud", version="2"}"#, 1.0),
        (r#"ml_model_alias{alias="champion", model="churn", version="7"}"#, 1.0),
        (r#"ml_model_alias{alias="staging", model="churn", version="7"}"#, 1.0),
        (
            r#"ml_model_info{framework="xgboost", model="churn", stage="Staging", version="7"}"#,
            1.0,
        ),
        (
            r#"ml_model_created_timestamp_seconds{model="fraud", version="3"}"#,
            1_700_000_000.0,
        ),
        (
            r#"ml_model_age_seconds{model="fraud", version="3"}"#,
            at_ms as f64 / 1e3 - 1.7e9,
        ),
        (r#"ml_model_size_bytes{model="fraud", version="3"}"#, size),
        (r#"ml_model_size_bytes{model="fraud", version="2"}"#, 10.0),
        (r#"ml_model_size_bytes{model="churn", version="7"}"#, 77.0),
        (
            r#"ml_model_evaluation{metric="accuracy", model="fraud", version="3"}"#,
            0.93,
        ),
        (r#"ml_model_evaluation{metric="f1", model="fraud", version="3"}"#, 0.88),
        (
            r#"ml_model_evaluation{metric="test.auc", model="churn", version="7"}"#,
            0.7,
        ),
        (r#"ml_dataset_rows{dataset="oct", model="fraud", version="3"}"#, 900.0),
        (
            r#"ml_dataset_size_bytes{dataset="oct", model="fraud", version="3"}"#,
            500.0,
        ),
        ("ml_exporter_models", 2.0),
        ("ml_exporter_versions", 3.0),
        (r#"ml_exporter_errors{reason="registry"}"#, 0.0),
    ] {
        assert_eq!(found.get(series), Some(&Some(value)), "{series} of {found:#?}");
    }
    // By the bucket's clock, where no file says when.
    let age = found[r#"ml_dataset_age_seconds{dataset="oct", model="fraud", version="3"}"#].unwrap();
    assert!((60.0..=180.0).contains(&age), "{age}");
    assert!(found[r#"ml_model_age_seconds{model="fraud", version="2"}"#].unwrap() <= 180.0);
}

#[tokio::test]
async fn what_vanishes_ends_once() {
    let world = World::new("");
    world
        .put(
            "models/fraud/2/model.json",
            r#"{"stage": "production", "evaluation": {"f1": 0.5}}"#,
        )
        .await;
    world
        .put("models/fraud/3/model.json", r#"{"evaluation": {"f1": 0.6}}"#)
        .await;
    let first_ms = world.settled_ms().await;
    world.tick(&world.exporter(), first_ms).await.unwrap();
    // A version goes, an alias moves; the process that sees it is another one.
    world.remove("models/fraud/2/model.json").await;
    world
        .put(
            "models/fraud/3/model.json",
            r#"{"stage": "production", "evaluation": {"accuracy": 0.6}}"#,
        )
        .await;
    let second_ms = first_ms + 3 * MINUTE_MS;
    let exporter = world.exporter();
    world.tick(&exporter, second_ms).await.unwrap();
    let found = world.at(second_ms).await;
    for ended in [
        r#"ml_model_size_bytes{model="fraud", version="2"}"#,
        r#"ml_model_info{model="fraud", stage="production", version="2"}"#,
        r#"ml_model_alias{alias="production", model="fraud", version="2"}"#,
        r#"ml_model_evaluation{metric="f1", model="fraud", version="2"}"#,
        r#"ml_model_evaluation{metric="f1", model="fraud", version="3"}"#,
    ] {
        assert_eq!(found.get(ended), Some(&None), "{ended} of {found:#?}");
    }
    assert_eq!(
        found[r#"ml_model_alias{alias="production", model="fraud", version="3"}"#],
        Some(1.0)
    );
    assert_eq!(found["ml_exporter_versions"], Some(1.0));
    // What has ended ends no more.
    let third_ms = second_ms + MINUTE_MS;
    world.tick(&exporter, third_ms).await.unwrap();
    let found = world.at(third_ms).await;
    assert!(found.values().all(Option::is_some), "{found:#?}");
}

#[tokio::test]
async fn samples_that_are_stored_late_end_late() {
    let world = World::new("");
    world.put("models/fraud/2/x", "x").await;
    world.put("models/fraud/3/x", "x").await;
    let exporter = world.exporter();
    let first_ms = world.settled_ms().await;
    world.set_clock(first_ms);
    exporter.handle_tick(first_ms).await.unwrap();
    world.remove("models/fraud/2/x").await;
    let second_ms = first_ms + MINUTE_MS;
    world.set_clock(second_ms);
    // Nothing is stored yet: this tick cannot know what there was.
    exporter.handle_tick(second_ms).await.unwrap();
    world.ingest().await;
    let gone = r#"ml_model_size_bytes{model="fraud", version="2"}"#;
    assert_eq!(world.at(second_ms).await.get(gone), None);
    world.tick(&exporter, second_ms + MINUTE_MS).await.unwrap();
    assert_eq!(world.at(second_ms + MINUTE_MS).await.get(gone), Some(&None));
}

#[tokio::test]
async fn twice_is_once() {
    let world = World::new("");
    world.put("models/fraud/3/model.json", MODEL).await;
    let at_ms = world.settled_ms().await;
    world.set_clock(at_ms);
    // Two processes, and one of them again.
    let exporter = world.exporter();
    exporter.handle_tick(at_ms).await.unwrap();
    world.exporter().handle_tick(at_ms).await.unwrap();
    exporter.handle_tick(at_ms).await.unwrap();
    let received = world.memory.queues.receive(Queue::Samples, 10, 0).await.unwrap();
    let bodies: Vec<&str> = received.iter().map(|received| received.message.body.as_str()).collect();
    assert_eq!(bodies.len(), 3);
    assert!(
        bodies.iter().all(|body| *body == bodies[0]),
        "the same samples under the same name"
    );
    let receipts = received.iter().map(|received| received.receipt.clone()).collect();
    world.memory.queues.release(Queue::Samples, receipts, 0).await.unwrap();
    world.ingest().await;
    let found = world.at(at_ms).await;
    assert!(found.len() > 15 && found.values().all(Option::is_some));
}

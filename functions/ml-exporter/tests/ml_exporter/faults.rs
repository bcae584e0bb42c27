//! Files that do not read, limits, and processes that fail.

use crate::world::{Columns, MINUTE_MS, World, some, window};
use parapet_ports::memory::mortal::{Effect, Fate, MortalQueues, Verdict};
use parapet_ports::{ConfigFiles, FixedConfig, Function as _, Kind, Queue, QueueReader as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const ML: &str =
    "drift:\n- model: fraud\n  every: 1m\n  reference: {parquet: datasets/train}\n  current: {parquet: serving}\n";

fn table(seed: u64, size: usize) -> Vec<u8> {
    Columns::new()
        .numbers("amount", &some(&window(seed, size, 1.0, 0.0)))
        .parquet()
}

fn errors(found: &BTreeMap<String, Option<f64>>) -> Vec<(String, f64)> {
    let errors = found.iter().filter_map(|(series, value)| {
        let reason = series
            .strip_prefix("ml_exporter_errors{reason=\"")?
            .strip_suffix("\"}")?;
        value
            .filter(|count| *count > 0.0)
            .map(|count| (reason.to_owned(), count))
    });
    errors.collect()
}

fn counted(reason: &str, count: f64) -> (String, f64) {
    (reason.to_owned(), count)
}

/// What is told in a minute of its own.
async fn told(world: &World, minute: i64) -> BTreeMap<String, Option<f64>> {
    let at_ms = world.settled_ms().await + minute * MINUTE_MS;
    world.tick(&world.exporter(), at_ms).await.unwrap();
    world.at(at_ms).await
}

const VALUES: &str =
    r#"ml_drift_window_values{check="features", feature="amount", model="fraud", version="3", window="current"}"#;
const PSI: &str = r#"ml_drift_psi{check="features", feature="amount", model="fraud", version="3"}"#;

#[tokio::test]
async fn the_rest_goes_on() {
    let world = World::new(ML);
    world
        .put("models/fraud/3/model.json", r#"{"stage": "production"}"#)
        .await;
    world.put("models/fraud/4/model.json", r#"{"stage": }"#).await;
    world.put("models/fraud/5/MLmodel", vec![0xFF, 0xFE]).await;
    world.put("models/fraud/6/metrics.json", "[]").await;
    world.put("datasets/train/a.parquet", table(1, 500)).await;
    world.put("serving/a.parquet", table(2, 300)).await;
    world.put("serving/b.parquet", "no table at all").await;
    world.put("serving/c.parquet", "").await;
    let whole = table(3, 500);
    world.put("serving/d.parquet", whole[..whole.len() / 2].to_vec()).await;
    let other = Columns::new().texts("amount", &["much", "more"]).parquet();
    world.put("serving/e.parquet", other).await;
    world.put("serving/f.parquet", table(4, 200)).await;
    let found = told(&world, 0).await;
    assert_eq!(errors(&found), [counted("parquet", 4.0), counted("registry", 3.0)]);
    assert_eq!(found[VALUES], Some(500.0));
    assert!(found[PSI].is_some());
    // Of a version whose file does not read there is what its folder says.
    assert!(found[r#"ml_model_size_bytes{model="fraud", version="4"}"#].is_some());
    assert_eq!(found["ml_exporter_versions"], Some(4.0));
}

#[tokio::test]
async fn limits_are_kept_and_counted() {
    let mut world = World::new(ML);
    world
        .put(
            "models/fraud/3/model.json",
            r#"{"stage": "production", "created": 1700000300}"#,
        )
        .await;
    world
        .put("models/fraud/2/model.json", r#"{"created": 1700000200}"#)
        .await;
    world
        .put(
            "models/fraud/1/model.json",
            format!(r#"{{"created": 1700000100, "x": "{}"}}"#, "x".repeat(500)),
        )
        .await;
    world.put("datasets/train/a.parquet", table(1, 500)).await;
    world.put("serving/a.parquet", table(2, 300)).await;
    world.settings.max_file_bytes = 300;
    assert_eq!(errors(&told(&world, 2).await), [counted("registry", 1.0)]);
    world.settings.max_file_bytes = 3_000;
    world.settings.max_versions = 2;
    let found = told(&world, 4).await;
    assert_eq!(errors(&found), [counted("limit", 1.0)]);
    assert_eq!(found["ml_exporter_versions"], Some(2.0));
    assert_eq!(
        found
            .get(r#"ml_model_size_bytes{model="fraud", version="1"}"#)
            .copied()
            .flatten(),
        None
    );
    world.settings.max_versions = 100;
    world.settings.max_read_bytes = 1_000;
    let found = told(&world, 6).await;
    assert_eq!(errors(&found), [counted("limit", 1.0)]);
    assert_eq!(found.get(PSI).copied().flatten(), None, "half a window is none");
    world.settings.max_read_bytes = 1 << 20;
    world.settings.file.max_row_group_rows = 50;
    let found = told(&world, 8).await;
    assert_eq!(
        (errors(&found), found[VALUES]),
        (vec![counted("parquet", 2.0)], Some(0.0))
    );
    world.settings.file.max_row_group_rows = 100;
    world.settings.max_values = 100;
    let found = told(&world, 10).await;
    assert_eq!(
        (errors(&found), found[VALUES]),
        (vec![], Some(300.0)),
        "thinned, and counted whole"
    );
}

#[tokio::test]
async fn what_cannot_be_compared_is_counted() {
    let checks = "drift:
- {model: fraud, name: recorded, every: 1m, current: {parquet: serving}}
- {model: nobody, current: {parquet: serving}}
- {model: fraud, version: '9', name: nine, current: {parquet: serving}}
- {model: fraud, name: empty, every: 1m, features: [amount], reference: {parquet: datasets/train}, current: {parquet: nothing}}
- {model: fraud, name: kinds, every: 1m, features: [amount], reference: {parquet: texts}, current: {parquet: serving}}
- {model: fraud, name: number, every: 1m, reference: {parquet: datasets/train}, current: {query: 'vector(1)'}}
- {model: fraud, name: missing, every: 1m, features: [amuont], reference: {parquet: datasets/train}, current: {parquet: serving}}
";
    let world = World::new(checks);
    world.put("models/fraud/3/model.json", "{}").await;
    world.put("datasets/train/a.parquet", table(1, 500)).await;
    world.put("serving/a.parquet", table(2, 300)).await;
    world
        .put("texts/a.parquet", Columns::new().texts("amount", &["much"]).parquet())
        .await;
    let found = told(&world, 0).await;
    assert_eq!(
        errors(&found),
        [counted("drift", 4.0), counted("parquet", 2.0), counted("query", 1.0)]
    );
    let empty = VALUES.replace(r#"check="features""#, r#"check="empty""#);
    assert_eq!(found[&empty], Some(0.0), "an empty window is told of");
}

#[tokio::test]
async fn faults_of_the_configuration_fail_the_tick() {
    let mut world = World::new("drift: 7\n");
    let error = world.exporter().handle_tick(0).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().starts_with("ml.yml:1:8: "), "{error}");
    world.ports.config = Arc::new(FixedConfig(Arc::new(ConfigFiles::default())));
    world.exporter().handle_tick(0).await.unwrap();
    let messages = world.memory.queues.receive(Queue::Samples, 10, 0).await.unwrap();
    assert!(messages.is_empty(), "without ml.yml nothing is told");
}

#[tokio::test]
async fn a_late_tick_is_left_to_others() {
    let world = World::new("");
    world.put("models/fraud/3/x", "x").await;
    let at_ms = world.settled_ms().await;
    world.set_clock(at_ms + 6 * MINUTE_MS);
    world.exporter().handle_tick(at_ms).await.unwrap();
    assert!(
        world
            .memory
            .queues
            .receive(Queue::Samples, 10, 0)
            .await
            .unwrap()
            .is_empty()
    );
    let answers = world.exporter().handle_batch(Queue::Samples, vec![]).await;
    assert!(answers.is_empty());
}

/// A queue that is away, until it is told to be there.
#[derive(Debug, Default)]
struct Away(AtomicBool);

impl Fate for Away {
    fn verdict(&self, effect: Effect<'_>) -> Verdict {
        let there = !matches!(effect, Effect::Queue) || self.0.load(Ordering::SeqCst);
        Verdict {
            happens: there,
            heard: there,
        }
    }
}

#[tokio::test]
async fn a_tick_that_fails_is_tried_again() {
    let mut world = World::new("");
    world.put("models/fraud/3/x", "x").await;
    let fate = Arc::new(Away::default());
    world.ports.queues = Arc::new(MortalQueues(world.memory.queues.clone(), fate.clone()));
    let exporter = world.exporter();
    let at_ms = world.settled_ms().await;
    world.set_clock(at_ms);
    exporter.handle_tick(at_ms).await.unwrap_err();
    fate.0.store(true, Ordering::SeqCst);
    world.tick(&exporter, at_ms).await.unwrap();
    assert_eq!(world.at(at_ms).await["ml_exporter_versions"], Some(1.0));
}

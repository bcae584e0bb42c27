//! Many alerts at once: everything is told, and what it costs is bounded by what is stated.

use crate::world::{START_MS, World, firing, resolved};
use parapet_notifier::{Settings, read_groups};
use parapet_ports::table::MAX_VALUE_BYTES;

const CONFIG: &str = "
route: {receiver: ops, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 4h}
receivers: [{name: ops, webhook_configs: [{url: 'http://hook.example/'}]}]
";

/// Alerts of one group, stated by the hundred over half a minute.
async fn storm(world: &mut World, alerts: usize) {
    let all: Vec<_> = (0..alerts)
        .map(|n| firing(&format!("host-{n:06}"), START_MS, START_MS))
        .collect();
    for part in all.chunks(alerts.div_ceil(25)) {
        for message in part.chunks(100) {
            world.post(message.to_vec()).await;
        }
        world.run_until(world.now_ms() + 1000).await;
    }
}

#[tokio::test]
async fn a_storm_in_one_group_is_told_whole() {
    let mut world = World::new(CONFIG);
    storm(&mut world, 10_000).await;
    world.run_until(START_MS + 35_000).await;
    let calls = world.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body["alerts"].as_array().unwrap().len(), 10_000);
    assert_eq!((calls[0].at_ms - START_MS) / 1000, 30);
    assert!(
        world
            .memory
            .table
            .items()
            .iter()
            .all(|item| item.value.len() < MAX_VALUE_BYTES)
    );
    // Each host is over but one.
    let over: Vec<_> = (1..10_000)
        .map(|n| resolved(&format!("host-{n:06}"), START_MS, START_MS + 60_000))
        .collect();
    world.run_until(START_MS + 61_000).await;
    for message in over.chunks(100) {
        world.post(message.to_vec()).await;
    }
    world.run_until(START_MS + 200_000).await;
    world
        .post(vec![firing("host-000000", START_MS, START_MS + 200_000)])
        .await;
    world.run_until(START_MS + 340_000).await;
    let call = world.calls().pop().unwrap();
    let told: Vec<bool> = call.body["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| alert["status"] == "firing")
        .collect();
    assert_eq!((told.len(), told.iter().filter(|fires| **fires).count()), (10_000, 1));
    assert_eq!(read_groups(&world.ports).await.unwrap()[0].alerts.len(), 1);
}

/// Bytes written to the table and the object store, and how many writes of each, for a storm of so many alerts.
async fn cost(alerts: usize) -> (usize, u64) {
    let settings = Settings {
        inline_limit_bytes: 30_000,
        ..Settings::default()
    };
    let mut world = World::with_settings(CONFIG, settings);
    storm(&mut world, alerts).await;
    world.run_until(START_MS + 40_000).await;
    assert_eq!(world.calls()[0].body["alerts"].as_array().unwrap().len(), alerts);
    let life = world.life.0.lock().unwrap();
    (life.bytes, life.effects)
}

#[tokio::test]
async fn the_cost_of_an_alert_does_not_grow_with_its_group() {
    let ((small_bytes, small_effects), (large_bytes, large_effects)) = (cost(1_000).await, cost(16_000).await);
    println!("1,000 alerts: {small_bytes} bytes in {small_effects} effects; 16,000: {large_bytes} in {large_effects}");
    assert!(
        large_bytes < small_bytes * 24,
        "{small_bytes} bytes became {large_bytes}"
    );
    assert!(
        large_effects < small_effects * 16,
        "{small_effects} effects became {large_effects}"
    );
}

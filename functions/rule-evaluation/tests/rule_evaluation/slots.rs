//! What is evaluated at which slot, and what an evaluation sees.

use crate::world::{INTERVAL_MS, Mischief, START_MS, World, files};
use parapet_ports::{ConfigFiles, Function as _, Queue};
use parapet_rule_evaluation::{RuleTask, read_rule_states};

const RULES: &str = "
groups:
- name: g
  interval: 15s
  rules:
  - {record: down, expr: up == 0}
  - {alert: Down, expr: down == 0, for: 30s}
";

fn always_down(_: i64) -> f64 {
    0.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_plans_each_slot_once_and_packs_what_is_due_together() {
    let mut rules = String::from("groups:\n");
    for number in 0..100 {
        rules += &format!("- {{name: g{number}, interval: 15s, rules: [{{record: r, expr: vector({number})}}]}}\n");
    }
    let mut world = World::new(&rules, Mischief::default());
    world.tick().await;
    let planned = world.memory.queues.drain(Queue::RuleTasks);
    // A hundred groups, fifteen places in the interval, four slots.
    assert!(planned.len() <= 60, "{}", planned.len());
    let mut evaluations = 0;
    for (visible_at_ms, message) in &planned {
        let task: RuleTask = serde_json::from_str(&message.body).unwrap();
        assert!(*visible_at_ms >= task.slot_ms && *visible_at_ms < task.slot_ms + 1000);
        evaluations += task.groups.len();
    }
    assert_eq!(evaluations, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_groups_end_their_series_and_alerts() {
    let mut world = World::new(RULES, Mischief::default());
    world.run_until(START_MS + 60_000, always_down).await;
    world.alerts.clear();
    world.reload(ConfigFiles {
        version: "2".into(),
        ..ConfigFiles::default()
    });
    world.tick().await;
    let ended: Vec<i64> = world.alerts.iter().map(|alert| alert.ends_at_ms).collect();
    assert_eq!(ended, [START_MS + 60_000]);
    let down = world.stored("down").await;
    assert!(parapet_model::is_stale_nan(*down[0].values.last().unwrap()));
    // Nothing is left to end.
    world.memory.clock.advance_ms(60_000);
    world.tick().await;
    assert_eq!(world.alerts.len(), 1);
    assert!(
        world
            .memory
            .table
            .items()
            .iter()
            .all(|item| !item.key.pk.starts_with("rule-"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_in_force_at_the_next_slot() {
    let mut world = World::new(RULES, Mischief::default());
    world.run_until(START_MS + 60_000, always_down).await;
    world.reload(files(&RULES.replace("record: down", "record: gone"), "2"));
    world.run_until(START_MS + 120_000, always_down).await;
    assert_eq!(world.stored("gone").await.len(), 1);
    let down = world.stored("down").await;
    assert!(
        parapet_model::is_stale_nan(*down[0].values.last().unwrap()),
        "a rule that is gone ends its series"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_group_recorded_before_is_seen() {
    let rules = "
groups:
- {name: writes, interval: 1m, rules: [{record: level, expr: up + 1}]}
- {name: reads, interval: 1m, rules: [{record: seen, expr: level}]}
";
    let world = World::new(rules, Mischief::default());
    world.store("up", 4.0).await;
    let evaluate = async |name: &str, slot_ms: i64| {
        let body = format!("{{\"slot_ms\":{slot_ms},\"groups\":[{{\"file\":\"r.yml\",\"name\":\"{name}\"}}]}}");
        let message = parapet_ports::Message {
            id: "1".into(),
            body,
            receive_count: 1,
        };
        let answers = world.process().handle_batch(Queue::RuleTasks, vec![message]).await;
        assert_eq!(answers, [parapet_ports::Disposition::Done]);
    };
    evaluate("writes", START_MS).await;
    // Its samples are still on the queue: the reader's task goes back, to be looked at in a second.
    world.memory.clock.advance_ms(1000);
    evaluate("reads", START_MS + 1000).await;
    let waiting = world.memory.queues.drain(Queue::RuleTasks);
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].0, world.now_ms() + 1000);
    world.ingest().await;
    world.memory.clock.advance_ms(1000);
    let answers = world
        .process()
        .handle_batch(Queue::RuleTasks, vec![waiting[0].1.clone()])
        .await;
    assert_eq!(answers, [parapet_ports::Disposition::Done]);
    assert!(world.memory.queues.drain(Queue::RuleTasks).is_empty());
    world.ingest().await;
    let seen = world.stored("seen").await;
    assert_eq!(
        (&seen[0].timestamps[..], &seen[0].values[..]),
        (&[START_MS + 1000][..], &[5.0][..])
    );
    // It does not wait for ever: samples that never arrive hold up nobody for more than ten seconds.
    evaluate("writes", START_MS + 60_000).await;
    world.memory.clock.set_ms(START_MS + 71_000);
    evaluate("reads", START_MS + 61_000).await;
    assert!(world.memory.queues.drain(Queue::RuleTasks).is_empty());
}

/// Rules stand still for two minutes while samples go on; then they go on too.
async fn interrupted(catch_up_ms: i64) -> World {
    let mut world = World::new(RULES, Mischief::default());
    world.settings.catch_up_ms = catch_up_ms;
    world.run_until(START_MS + 60_000, |_| 1.0).await;
    while world.now_ms() < START_MS + 180_000 {
        if world.now_ms() % INTERVAL_MS == 0 {
            world.store("up", 0.0).await;
        }
        world.memory.clock.advance_ms(1000);
    }
    world.run_until(START_MS + 240_000, always_down).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_slots_are_counted() {
    let world = interrupted(0).await;
    let states = read_rule_states(&world.memory.ports, "default").await.unwrap();
    assert_eq!(states[0].missed_slots, 8);
    let down = world.stored("down").await;
    assert_eq!(down[0].timestamps.len(), 4);
    let fired_ms = world.alerts[0].starts_at_ms;
    assert!(
        fired_ms >= START_MS + 210_000,
        "what was not evaluated counts for nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_slots_are_caught_up_where_that_is_wanted() {
    let world = interrupted(600_000).await;
    let states = read_rule_states(&world.memory.ports, "default").await.unwrap();
    assert_eq!(states[0].missed_slots, 0);
    let down = world.stored("down").await;
    assert_eq!(down[0].timestamps.len(), 12);
    assert!(
        down[0]
            .timestamps
            .windows(2)
            .all(|pair| pair[1] - pair[0] == INTERVAL_MS)
    );
    // It is known when the alert began to fire, and it is told when that is found out, not before.
    let told = &world.alerts[0];
    assert_eq!(told.starts_at_ms, down[0].timestamps[0] + 30_000);
    assert!(told.updated_at_ms >= START_MS + 180_000);
    assert!(told.ends_at_ms > told.updated_at_ms, "it fires on");
}

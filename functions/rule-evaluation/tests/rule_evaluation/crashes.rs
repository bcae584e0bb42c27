//! Deaths between any two effects, tasks that come twice and late: no alert is lost, none fires early, `for` is not
//! restarted.

use crate::world::{INTERVAL_MS, Mischief, START_MS, World};
use parapet_ports::{Disposition, Function as _, Message, Queue};
use std::collections::BTreeMap;

const RULES: &str = "
groups:
- name: recording
  interval: 15s
  rules:
  - {record: down, expr: up == 0}
  - {alert: Down, expr: down == 0, for: 30s, keep_firing_for: 20s}
- name: reading
  interval: 15s
  rules:
  - {alert: SeenDown, expr: down == 0, for: 30s}
";

const UP_AGAIN_MS: i64 = 75_000;

/// When each alert fired first and when it was over, as it was told; and what is stored of `ALERTS`.
#[derive(Debug, PartialEq)]
struct Story {
    told: BTreeMap<String, (i64, i64)>,
    stored: BTreeMap<String, Vec<i64>>,
}

/// Down from the start for 75 s, then up; two and a half minutes in all.
async fn run(mischief: Mischief) -> (Story, World) {
    run_in(World::new(RULES, mischief)).await
}

async fn run_in(mut world: World) -> (Story, World) {
    let mischief = world.mischief();
    let up_again_ms = START_MS + UP_AGAIN_MS;
    world
        .run_until(START_MS + 2 * UP_AGAIN_MS, |at_ms| {
            f64::from(u8::from(at_ms >= up_again_ms))
        })
        .await;
    let mut told: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for alert in &world.alerts {
        let name = alert.labels.get("alertname").unwrap().to_owned();
        let entry = told.entry(name).or_insert((alert.starts_at_ms, 0));
        assert_eq!(entry.0, alert.starts_at_ms, "{mischief:?}: the alert fires once");
        // The last statement holds.
        entry.1 = alert.ends_at_ms;
    }
    let mut stored = BTreeMap::new();
    for series in world.stored("ALERTS").await {
        let name = format!(
            "{} {}",
            series.labels.get("alertname").unwrap(),
            series.labels.get("alertstate").unwrap()
        );
        stored.insert(name, series.timestamps.clone());
    }
    (Story { told, stored }, world)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_at_any_effect_changes_nothing() {
    let (calm, world) = run(Mischief::default()).await;
    assert_eq!(calm.told.keys().collect::<Vec<_>>(), ["Down", "SeenDown"]);
    for (name, (from_ms, to_ms)) in &calm.told {
        let pending = &calm.stored[&format!("{name} pending")];
        assert_eq!(from_ms - pending[0], 30_000, "{name} fires after 30 s, not before");
        assert!(
            *to_ms > START_MS + UP_AGAIN_MS && *to_ms <= world.now_ms(),
            "{name} is over"
        );
    }
    assert_eq!(world.deaths, 0);
    let effects = world.effects();
    assert!(effects > 40, "only {effects} effects: the enumeration is broken");
    let mut deaths = 0;
    for happens in [false, true] {
        for effect in 1..=effects {
            let (story, world) = run(Mischief {
                death: Some((effect, happens)),
                ..Mischief::default()
            })
            .await;
            assert_eq!(story, calm, "death at effect {effect}, which happens: {happens}");
            assert_eq!(world.deaths, 1, "death at effect {effect}");
            deaths += 1;
        }
    }
    assert_eq!(deaths, effects * 2);
}

/// The same where every state is too large for the table, and lies in the bucket.
#[tokio::test(flavor = "multi_thread")]
async fn a_death_at_any_effect_changes_nothing_of_large_states() {
    let world = |death| {
        let mut world = World::new(
            RULES,
            Mischief {
                death,
                ..Mischief::default()
            },
        );
        world.settings.inline_limit_bytes = 0;
        world
    };
    let (calm, inline) = (run(Mischief::default()).await, run_in(world(None)).await);
    assert_eq!(inline.0, calm.0, "where a state lies changes nothing");
    let effects = inline.1.effects();
    assert!(
        effects > calm.1.effects() + 20,
        "only {effects} effects: nothing lies in the bucket"
    );
    for happens in [false, true] {
        for effect in 1..=effects {
            let (story, world) = run_in(world(Some((effect, happens)))).await;
            assert_eq!(story, calm.0, "death at effect {effect}, which happens: {happens}");
            // An object that is not removed is no reason to die.
            assert!(world.deaths <= 1, "death at effect {effect}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_comes_again_or_late_fires_nothing_early() {
    let (calm, world) = run(Mischief::default()).await;
    let tasks = world.tasks();
    assert!(tasks >= 20, "{tasks}");
    for task in 1..=tasks {
        for delay in [0, 20] {
            let (story, _) = run(Mischief {
                again: Some((task, delay)),
                ..Mischief::default()
            })
            .await;
            assert_eq!(story, calm, "task {task} once more after {delay} s");
        }
        // Late, but before the next: it is evaluated for the time it was meant for.
        let (story, _) = run(Mischief {
            late: Some((task, 7)),
            ..Mischief::default()
        })
        .await;
        assert_eq!(story, calm, "task {task} late by 7 s");
        // After the next one there is nothing left to do for it: an alert fires with the next slot at the latest.
        let (story, _) = run(Mischief {
            late: Some((task, 20)),
            ..Mischief::default()
        })
        .await;
        for (name, (from_ms, to_ms)) in &calm.told {
            let (story_from_ms, story_to_ms) = story.told[name];
            assert!(
                (*from_ms..=from_ms + INTERVAL_MS).contains(&story_from_ms),
                "task {task}: {name} fires"
            );
            assert!(
                (*to_ms..=to_ms + 2 * INTERVAL_MS).contains(&story_to_ms),
                "task {task}: {name} is over"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_rejected_alone() {
    let world = World::new(RULES, Mischief::default());
    let message = |body: &str| Message {
        id: "1".into(),
        body: body.into(),
        receive_count: 1,
    };
    let sound = format!("{{\"slot_ms\":{START_MS},\"groups\":[{{\"file\":\"r.yml\",\"name\":\"recording\"}}]}}");
    let answers = world
        .process()
        .handle_batch(Queue::RuleTasks, vec![message("{"), message(&sound)])
        .await;
    assert!(
        matches!(&answers[..], [Disposition::Reject { .. }, Disposition::Done]),
        "{answers:?}"
    );
}

//! The process dies at each of its effects in turn, before it or after it: no page is lost, and none is doubled but in
//! the moment between sending and recording, with the same key.

use crate::life::Death;
use crate::world::{START_MS, World, firing, resolved};
use parapet_notifier::Settings;
use std::collections::BTreeMap;

const CONFIG: &str = "
route: {receiver: ops, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 4h}
receivers:
- name: ops
  webhook_configs:
  - url: http://one.example/
  - url: http://two.example/
";

const MINUTE: i64 = 60_000;

/// Two alerts that fire and end at different times, stated as rule evaluation states them; long enough for every retry.
async fn story(death: Death, concurrency: usize, group_interval: &str) -> World {
    let config = CONFIG.replace("group_interval: 1m", &format!("group_interval: {group_interval}"));
    let settings = Settings {
        concurrency,
        ..Settings::default()
    };
    let mut world = World::with_settings(&config, settings);
    world.life.0.lock().unwrap().death = death;
    world.step_ms = 5000;
    while world.now_ms() < START_MS + 16 * MINUTE {
        let now = world.now_ms();
        let minute = (now - START_MS) / MINUTE;
        let mut alerts = Vec::new();
        alerts.push(if minute < 6 {
            firing("a", START_MS, now)
        } else {
            resolved("a", START_MS, START_MS + 6 * MINUTE)
        });
        if minute >= 2 {
            let from = START_MS + 2 * MINUTE;
            alerts.push(if minute < 9 {
                firing("b", from, now)
            } else {
                resolved("b", from, START_MS + 9 * MINUTE)
            });
        }
        if minute < 12 {
            world.post(alerts).await;
        }
        world.run_until(now + MINUTE).await;
    }
    world
}

#[tokio::test]
async fn nothing_is_lost_and_duplicates_are_known() {
    die_everywhere(1, "1m").await;
}

/// A delivery is held for longer than its group's interval: flushes come while a dead process seems to send.
#[tokio::test]
async fn no_flush_overtakes_a_delivery_that_is_held() {
    die_everywhere(1, "10s").await;
}

#[tokio::test]
async fn nothing_is_lost_with_deliveries_side_by_side() {
    die_everywhere(8, "1m").await;
}

async fn die_everywhere(concurrency: usize, group_interval: &str) {
    let calm = story(Death::default(), concurrency, group_interval).await;
    let effects = calm.life.0.lock().unwrap().effects;
    let told: Vec<String> = calm
        .calls()
        .iter()
        .filter(|call| call.url.contains("one"))
        .map(crate::world::Call::says)
        .collect();
    assert_eq!(
        told,
        ["a=firing", "a=firing b=firing", "a=resolved b=firing", "b=resolved"]
    );
    assert!(effects > 30, "{effects}");
    let (mut duplicates, mut deaths) = (0, 0);
    for effect in 1..=effects {
        for after in [false, true] {
            let world = story(
                Death {
                    effect: Some(effect),
                    after,
                },
                concurrency,
                group_interval,
            )
            .await;
            let what = world.life.0.lock().unwrap().last;
            let context = format!("death {} effect {effect}", if after { "after" } else { "before" });
            deaths += 1;
            for host in ["one", "two"] {
                let calls: Vec<_> = world
                    .calls()
                    .into_iter()
                    .filter(|call| call.url.contains(host))
                    .collect();
                let said: Vec<String> = calls.iter().map(crate::world::Call::says).collect();
                // Each alert is seen firing, then seen over, and nothing fires afterwards.
                for instance in ["a", "b"] {
                    let at = |state: &str| {
                        said.iter()
                            .rposition(|says| says.contains(&format!("{instance}={state}")))
                    };
                    let (fired, over) = (at("firing"), at("resolved"));
                    assert!(fired.is_some() && fired < over, "{context} {host}: {said:?}");
                }
                let mut by_key: BTreeMap<&str, usize> = BTreeMap::new();
                for call in &calls {
                    *by_key.entry(&call.dedup_key).or_default() += 1;
                }
                let doubled = by_key.values().filter(|count| **count > 1).count();
                // Only a death between the request and its record repeats it; side by side, several may be there.
                assert!(
                    doubled == 0 || (doubled == 1 && (what == "http" || concurrency > 1)),
                    "{context} ({what}) {host}: {said:?}"
                );
                assert!(by_key.values().all(|count| *count <= 2), "{context} {host}: {by_key:?}");
                // Two notifications of different keys never say the same in a row.
                for (one, next) in calls.iter().zip(calls.iter().skip(1)) {
                    let same = one.says() == next.says() && one.dedup_key != next.dedup_key;
                    assert!(!same, "{context} {host}: {said:?}");
                }
                duplicates += doubled;
            }
        }
    }
    println!("{deaths} deaths, {duplicates} duplicates, all of the same key");
    assert!(duplicates > 0, "the test never met the crash window");
}

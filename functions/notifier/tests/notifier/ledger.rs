//! The ledger: what it tells, and that it tells each decision once.

use crate::life::Death;
use crate::world::{START_MS, World, firing, resolved, status};
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, path::Path};
use parapet_ledger::{Event, Row, decode, stories};
use parapet_notifier::{Settings, read_ledger, set_silence};
use parapet_ports::{Error, Kind};
use parapet_routing::{Silence, SilenceMatcher};
use std::collections::{BTreeMap, BTreeSet};

const MINUTE: i64 = 60_000;

const CONFIG: &str = "
route: {receiver: ops, group_by: [alertname], group_wait: 10s, group_interval: 1m, repeat_interval: 4h}
receivers:
- name: ops
  webhook_configs:
  - url: http://one.example/?token=xyzzy
  - {url: 'http://two.example/', send_resolved: false}
inhibit_rules:
- {source_matchers: [instance=source], target_matchers: [instance=target]}
";

fn world() -> World {
    let settings = Settings {
        ledger_flush_ms: 2 * MINUTE,
        ..Settings::default()
    };
    World::with_settings(CONFIG, settings)
}

/// Every row that is in a file.
async fn filed(world: &World) -> Vec<Row> {
    let objects = &world.memory.ports.objects;
    let mut rows = Vec::new();
    let files: Vec<_> = objects.list(Some(&Path::from("ledger"))).try_collect().await.unwrap();
    for file in files {
        let name = file.location.to_string();
        assert!(name.starts_with("ledger/tenant=default/dt=2026-01-01/"), "{name}");
        rows.extend(decode(objects.get(&file.location).await.unwrap().bytes().await.unwrap()).unwrap());
    }
    rows
}

/// Rows wherever they are.
async fn rows(world: &World) -> Vec<Row> {
    read_ledger(&world.memory.ports, "default", 0, i64::MAX, &|_| true)
        .await
        .unwrap()
}

fn waiting(world: &World) -> usize {
    let items = world.memory.table.items();
    items
        .iter()
        .filter(|item| item.key.pk == "alert-ledger#default" || item.key.sk == "ledger-plan")
        .count()
}

/// Seconds, event, integration and sentence of what happened to one alert.
fn told(rows: &[Row], instance: &str) -> Vec<(i64, String)> {
    let of = |row: &&Row| row.labels.get("instance") == Some(instance);
    let stories = stories(rows.iter().filter(of).cloned().collect());
    assert_eq!(stories.len(), 1, "{instance}");
    let steps = stories[0].steps.iter();
    steps
        .map(|row| {
            let text = format!("{} {} {}", row.event.as_str(), row.integration, row.sentence());
            ((row.at_ms - START_MS) / 1000, text.replace("  ", " "))
        })
        .collect()
}

fn silence(instance: &str, until: i64) -> Silence {
    Silence {
        matcher_sets: vec![vec![SilenceMatcher {
            name: "instance".to_owned(),
            value: instance.to_owned(),
            is_regex: false,
            is_equal: true,
        }]],
        starts_at_ms: Some(START_MS),
        ends_at_ms: Some(START_MS + until),
        created_by: "anna".to_owned(),
        comment: "upgrade".to_owned(),
        ..Silence::default()
    }
}

/// Four alerts: told, silenced for three minutes, inhibited for two, over before anybody is told of it.
async fn run_story(world: &mut World) {
    world.step_ms = 1000;
    for minute in 0..9 {
        let now = world.now_ms();
        let mut alerts = Vec::new();
        for (instance, until) in [("told", 6), ("silenced", 7), ("target", 7), ("source", 2)] {
            alerts.push(match minute < until {
                true => firing(instance, START_MS, now),
                false => resolved(instance, START_MS, START_MS + until * MINUTE),
            });
        }
        world.post(alerts).await;
        world.run_until(now + MINUTE).await;
    }
    world.run_until(START_MS + 20 * MINUTE).await;
}

#[tokio::test]
async fn tells_who_was_told_and_who_was_not_and_why() {
    let mut world = world();
    let id = set_silence(&world.memory.ports, silence("silenced", 3 * MINUTE))
        .await
        .unwrap();
    world.answer(|request, at_ms| {
        let fails = request.url.contains("one") && at_ms < START_MS + 12_000;
        status(if fails { 503 } else { 200 })
    });
    run_story(&mut world).await;
    let rows = rows(&world).await;
    let lines = |instance: &str| told(&rows, instance);
    let told: Vec<(i64, String)> = lines("told");
    let begins = [
        "grouped takes route {}, in group {alertname=\"Down\"}; ops tells webhook/0, webhook/1",
        "notifying webhook/0 to be told: first notification",
        "notifying webhook/1 to be told: first notification",
    ];
    assert_eq!(
        told[..3].iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(),
        begins,
        "{told:#?}"
    );
    assert_eq!((told[0].0, told[1].0), (0, 10));
    assert!(
        told.iter()
            .any(|(_, text)| text.starts_with("failed webhook/0 try 1 failed:")
                && text.contains("503")
                && text.contains("; next try at")),
        "{told:#?}"
    );
    assert!(
        told.iter()
            .any(|(_, text)| text == "sent webhook/0 told, at try 3: status 200"
                || text == "sent webhook/0 told, at try 2: status 200"),
        "{told:#?}"
    );
    assert!(
        told.iter().any(|(_, text)| text == "sent webhook/1 told: status 200"),
        "{told:#?}"
    );
    assert!(
        told.iter().any(|(at, text)| *at == 360 && text == "resolved is over"),
        "{told:#?}"
    );
    // Nothing new is said once after each notification, not at each look.
    let unchanged = told
        .iter()
        .filter(|(_, text)| text.starts_with("deduplicated webhook/0 not told: nothing is new"))
        .count();
    let notified = told
        .iter()
        .filter(|(_, text)| text.starts_with("sent webhook/0"))
        .count();
    assert!(unchanged <= notified, "{told:#?}");

    let silenced = lines("silenced");
    let held: Vec<_> = silenced
        .iter()
        .filter(|(_, text)| text.starts_with("silenced") || text.starts_with("released"))
        .collect();
    assert_eq!(held.len(), 2, "{silenced:#?}");
    assert_eq!(
        held[0].1,
        format!("silenced held back: silence {id} \"upgrade\" by anna")
    );
    assert_eq!((held[0].0, held[1].0), (10, 190));
    assert!(
        silenced
            .iter()
            .any(|(_, text)| text == "notifying webhook/0 to be told: new alerts added"),
        "{silenced:#?}"
    );

    let target = lines("target");
    assert!(
        target.iter().any(|(at, text)| *at == 10
            && text.starts_with("inhibited held back: inhibited by {")
            && text.contains("instance=\"source\"")),
        "{target:#?}"
    );
    assert!(
        target.iter().any(|(_, text)| text.starts_with("released")),
        "{target:#?}"
    );
    // webhook/1 is not told of ends.
    assert!(
        target
            .iter()
            .any(|(_, text)| text == "deduplicated webhook/1 not told: it is over, and send_resolved is false"),
        "{target:#?}"
    );
    let all = serde_json::to_string(&rows).unwrap();
    assert!(
        all.contains("webhook/0") && !all.contains("xyzzy") && !all.contains(".example"),
        "a secret is told"
    );
}

#[tokio::test]
async fn waits_in_the_table_and_then_in_one_file() {
    let mut world = world();
    world.post(vec![firing("a", START_MS, START_MS)]).await;
    world.run_until(START_MS + MINUTE).await;
    let early = rows(&world).await;
    for item in world.memory.table.items() {
        if item.key.pk.starts_with("alert-ledger") {
            println!("an entry of {} bytes: {}", item.value.len(), &item.value[..60]);
        }
    }
    assert!(filed(&world).await.is_empty() && waiting(&world) > 0);
    world.run_until(START_MS + 4 * MINUTE).await;
    assert_eq!(waiting(&world), 0);
    let filed = filed(&world).await;
    for row in early {
        assert_eq!(filed.iter().filter(|one| **one == row).count(), 1, "{row:?}");
    }
    // Past the retention it is gone.
    world.memory.clock.advance_ms(366 * 24 * 60 * MINUTE);
    let hour = world.now_ms() / (60 * MINUTE) * 60 * MINUTE;
    use parapet_ports::Function as _;
    world.notifier.handle_tick(hour).await.unwrap();
    assert!(rows(&world).await.is_empty());
}

#[tokio::test]
async fn a_url_that_cannot_be_reached_is_not_told() {
    let mut world = world();
    world.answer(|request, _| {
        Err(Error::new(
            Kind::Unavailable,
            format!("error sending request for url ({})", request.url),
        ))
    });
    world.post(vec![firing("a", START_MS, START_MS)]).await;
    world.run_until(START_MS + 2 * MINUTE).await;
    let rows = rows(&world).await;
    assert!(rows.iter().any(|row| row.event == Event::Failed) && rows.iter().any(|row| row.event == Event::GivenUp));
    assert!(
        !serde_json::to_string(&rows).unwrap().contains("xyzzy"),
        "a secret is told"
    );
}

#[tokio::test]
async fn each_decision_is_told_once_wherever_the_process_dies() {
    async fn story(death: Death) -> World {
        let mut world = world();
        world.life.0.lock().unwrap().death = death;
        run_story(&mut world).await;
        world
    }
    let calm = story(Death::default()).await;
    let effects = calm.life.0.lock().unwrap().effects;
    let begins = |rows: &[Row]| -> BTreeSet<(String, String)> {
        let of = |row: &&Row| matches!(row.event, Event::Grouped | Event::Resolved);
        rows.iter()
            .filter(of)
            .map(|row| (row.event.as_str().to_owned(), row.fingerprint.clone()))
            .collect()
    };
    let expected = begins(&filed(&calm).await);
    assert_eq!(expected.len(), 8);
    for effect in 1..=effects {
        for after in [false, true] {
            let world = story(Death {
                effect: Some(effect),
                after,
            })
            .await;
            let context = format!("death {} effect {effect}", if after { "after" } else { "before" });
            let rows = filed(&world).await;
            assert_eq!(waiting(&world), 0, "{context}");
            let mut seen = BTreeMap::new();
            for row in &rows {
                *seen
                    .entry((
                        row.event,
                        &row.fingerprint,
                        &row.starts_at_ms,
                        &row.delivery,
                        row.attempt,
                    ))
                    .or_insert(0) += 1;
            }
            // Holds, releases and lulls may come again; what begins, ends, or is tried comes once.
            for ((event, fingerprint, _, delivery, attempt), count) in seen {
                let is_once = !matches!(
                    event,
                    Event::Silenced | Event::Inhibited | Event::Released | Event::Deduplicated
                );
                assert!(
                    !is_once || count == 1,
                    "{context}: {event:?} {fingerprint} {delivery} {attempt:?}: {count}"
                );
            }
            let ids: BTreeSet<&String> = rows.iter().map(|row| &row.id).collect();
            assert_eq!(ids.len(), rows.len(), "{context}");
            assert_eq!(begins(&rows), expected, "{context}");
            // Whoever was told, was told by the book.
            let sent: BTreeSet<&String> = rows
                .iter()
                .filter(|row| row.event == Event::Sent)
                .map(|row| &row.delivery)
                .collect();
            let calls = world.calls();
            let keys: BTreeSet<&String> = calls.iter().map(|call| &call.dedup_key).collect();
            assert_eq!(sent, keys, "{context}");
        }
    }
}

//! What Alertmanager has not: acknowledgements, the end of what is silenced, a notice before a silence ends.

use crate::world::{Call, START_MS, World, firing, resolved};
use parapet_ledger::{Row, stories};
use parapet_notifier::{Settings, acknowledge, end_acknowledgement, read_acknowledgements, read_ledger, set_silence};
use parapet_routing::{Acknowledgement, Group, Silence, SilenceMatcher};

const MINUTE: i64 = 60_000;

const OPS: &str = "
route: {receiver: ops, group_wait: 30s, group_interval: 1m, repeat_interval: 5m}
receivers: [{name: ops, webhook_configs: [{url: 'http://hook.example/'}]}]
";

/// States alerts each minute until a moment: those that fire, and those that were over.
async fn state(world: &mut World, instances: &[&str], over: &[&str], end_ms: i64) {
    while world.now_ms() < end_ms {
        let now = world.now_ms();
        let mut alerts: Vec<_> = instances
            .iter()
            .map(|instance| firing(instance, START_MS, now))
            .collect();
        alerts.extend(over.iter().map(|instance| resolved(instance, START_MS, now)));
        world.post(alerts).await;
        world.run_until((now + MINUTE).min(end_ms)).await;
    }
}

/// Seconds after the beginning, and what was said.
fn told(world: &World) -> Vec<(i64, String)> {
    let said = |call: &Call| ((call.at_ms - START_MS) / 1000, call.says());
    world.calls().iter().map(said).collect()
}

fn said(pairs: &[(i64, &str)]) -> Vec<(i64, String)> {
    pairs.iter().map(|(at, text)| (*at, (*text).to_owned())).collect()
}

async fn acknowledge_all(world: &World, ends_at_ms: Option<i64>) -> Vec<String> {
    let words = Acknowledgement {
        created_by: "alice".to_owned(),
        created_at_ms: world.now_ms(),
        ends_at_ms,
        ..Acknowledgement::default()
    };
    let made = acknowledge(&world.ports, &words, |_: &Group| true).await.unwrap();
    made.into_iter().map(|(id, _)| id).collect()
}

#[tokio::test]
async fn an_acknowledged_group_is_not_repeated_until_it_resolves() {
    let mut world = World::new(OPS);
    state(&mut world, &["a"], &[], START_MS + MINUTE).await;
    assert_eq!(acknowledge_all(&world, None).await.len(), 1);
    state(&mut world, &["a"], &[], START_MS + 20 * MINUTE).await;
    assert_eq!(told(&world), said(&[(30, "a=firing")]));
    // What is new is told.
    state(&mut world, &["a", "b"], &[], START_MS + 30 * MINUTE).await;
    let mut expected = vec![(30, "a=firing"), (20 * 60 + 30, "a=firing b=firing")];
    assert_eq!(told(&world), said(&expected));
    state(&mut world, &[], &["a", "b"], START_MS + 32 * MINUTE).await;
    expected.push((30 * 60 + 30, "a=resolved b=resolved"));
    assert_eq!(told(&world), said(&expected));
    assert!(read_acknowledgements(&world.ports).await.unwrap().is_empty());
    // Whatever fires next is another story: it is repeated.
    let begins = world.now_ms();
    while world.now_ms() < START_MS + 40 * MINUTE {
        let now = world.now_ms();
        world.post(vec![firing("a", begins, now)]).await;
        world.run_until(now + MINUTE).await;
    }
    expected.extend([(32 * 60 + 30, "a=firing"), (38 * 60 + 30, "a=firing")]);
    assert_eq!(told(&world), said(&expected));
}

#[tokio::test]
async fn an_acknowledgement_ends_by_its_time_or_by_hand() {
    let mut world = World::new(OPS);
    state(&mut world, &["a"], &[], START_MS + MINUTE).await;
    acknowledge_all(&world, Some(START_MS + 12 * MINUTE)).await;
    state(&mut world, &["a"], &[], START_MS + 13 * MINUTE).await;
    // The repetition that was due comes with the next flush.
    let mut expected = vec![(30, "a=firing"), (12 * 60 + 30, "a=firing")];
    assert_eq!(told(&world), said(&expected));
    let ids = acknowledge_all(&world, None).await;
    state(&mut world, &["a"], &[], START_MS + 30 * MINUTE).await;
    assert_eq!(told(&world), said(&expected));
    assert!(end_acknowledgement(&world.ports, &ids[0]).await.unwrap());
    assert!(!end_acknowledgement(&world.ports, &ids[0]).await.unwrap());
    assert!(!end_acknowledgement(&world.ports, "unknown").await.unwrap());
    state(&mut world, &["a"], &[], START_MS + 31 * MINUTE).await;
    expected.push((30 * 60 + 30, "a=firing"));
    assert_eq!(told(&world), said(&expected));
    // A group without alerts that fire cannot be acknowledged.
    state(&mut world, &[], &["a"], START_MS + 33 * MINUTE).await;
    assert!(acknowledge_all(&world, None).await.is_empty());
}

fn silence(label: &str, value: &str, starts_at_ms: i64, ends_at_ms: i64) -> Silence {
    Silence {
        matcher_sets: vec![vec![SilenceMatcher {
            name: label.to_owned(),
            value: value.to_owned(),
            is_regex: false,
            is_equal: true,
        }]],
        starts_at_ms: Some(starts_at_ms),
        ends_at_ms: Some(ends_at_ms),
        created_by: "alice".to_owned(),
        comment: "new disks".to_owned(),
        ..Silence::default()
    }
}

#[tokio::test]
async fn what_is_silenced_whole_is_told_to_be_over() {
    for resolves in [true, false] {
        let settings = Settings {
            resolve_on_silence: resolves,
            ..Settings::default()
        };
        let mut world = World::with_settings(OPS, settings);
        state(&mut world, &["a", "b"], &[], START_MS + 2 * MINUTE).await;
        let (begins, ends) = (world.now_ms(), START_MS + 10 * MINUTE);
        // One of the two: the group goes on.
        set_silence(&world.ports, silence("instance", "a", begins, ends))
            .await
            .unwrap();
        state(&mut world, &["a", "b"], &[], START_MS + 4 * MINUTE).await;
        let mut expected = vec![(30, "a=firing b=firing")];
        assert_eq!(told(&world), said(&expected));
        set_silence(&world.ports, silence("severity", "page", world.now_ms(), ends))
            .await
            .unwrap();
        state(&mut world, &["a", "b"], &[], START_MS + 9 * MINUTE).await;
        if resolves {
            expected.push((4 * 60 + 30, "a=resolved b=resolved"));
        }
        assert_eq!(told(&world), said(&expected), "{resolves}");
        // The silences end, and the alerts fire on.
        state(&mut world, &["a", "b"], &[], START_MS + 11 * MINUTE).await;
        expected.push((10 * 60 + 30, "a=firing b=firing"));
        assert_eq!(told(&world), said(&expected), "{resolves}");
        state(&mut world, &[], &["a", "b"], START_MS + 12 * MINUTE).await;
        expected.push((11 * 60 + 30, "a=resolved b=resolved"));
        assert_eq!(told(&world), said(&expected), "{resolves}");
    }
}

#[tokio::test]
async fn what_nobody_knew_of_is_not_told_to_be_over() {
    let settings = Settings {
        resolve_on_silence: true,
        ..Settings::default()
    };
    // Silenced before anyone was told; and an integration that hears of no ends.
    let mut world = World::with_settings(OPS, settings.clone());
    set_silence(
        &world.ports,
        silence("severity", "page", START_MS, START_MS + 5 * MINUTE),
    )
    .await
    .unwrap();
    state(&mut world, &["a"], &[], START_MS + 4 * MINUTE).await;
    assert!(told(&world).is_empty());
    let deaf = OPS.replace("url:", "send_resolved: false, url:");
    let mut world = World::with_settings(&deaf, settings);
    state(&mut world, &["a"], &[], START_MS + MINUTE).await;
    set_silence(
        &world.ports,
        silence("severity", "page", world.now_ms(), START_MS + 3 * MINUTE),
    )
    .await
    .unwrap();
    state(&mut world, &["a"], &[], START_MS + 5 * MINUTE).await;
    // Known to fire all the time: nothing is new when the silence ends.
    assert_eq!(told(&world), said(&[(30, "a=firing")]));
}

#[tokio::test]
async fn the_ledger_tells_of_acknowledgements_and_of_what_is_silenced() {
    let settings = Settings {
        resolve_on_silence: true,
        ..Settings::default()
    };
    let mut world = World::with_settings(OPS, settings);
    state(&mut world, &["a"], &[], START_MS + 2 * MINUTE).await;
    let words = |ends_at_ms| Acknowledgement {
        created_by: "alice".to_owned(),
        comment: "on it".to_owned(),
        created_at_ms: START_MS + 2 * MINUTE,
        ends_at_ms,
        ..Acknowledgement::default()
    };
    let until = Some(START_MS + 20 * MINUTE);
    let made = acknowledge(&world.ports, &words(until), |_| true).await.unwrap();
    state(&mut world, &["a"], &[], START_MS + 8 * MINUTE).await;
    let (begins, ends) = (world.now_ms(), START_MS + 20 * MINUTE);
    let id = set_silence(&world.ports, silence("instance", "a", begins, ends))
        .await
        .unwrap();
    state(&mut world, &["a"], &[], START_MS + 10 * MINUTE).await;
    let rows: Vec<Row> = read_ledger(&world.ports, "default", 0, i64::MAX, &|_| true)
        .await
        .unwrap();
    let stories = stories(rows);
    assert_eq!(stories.len(), 1);
    // It fires on: the end that the receiver was told is not the alert's.
    assert_eq!(stories[0].ended_at_ms, None);
    let steps = stories[0].steps.iter();
    let told: Vec<(i64, &str, String)> = steps
        .map(|row| ((row.at_ms - START_MS) / 1000, row.event.as_str(), row.sentence()))
        .collect();
    let expected = [
        (
            0,
            "grouped",
            "takes route {}, in group {}; ops tells webhook/0".to_owned(),
        ),
        (30, "notifying", "to be told: first notification".to_owned()),
        (30, "sent", "told: status 200".to_owned()),
        (
            90,
            "deduplicated",
            "not told: nothing is new since the last notification; next repeat after 2026-01-01T00:05:30.000Z"
                .to_owned(),
        ),
        (
            150,
            "acknowledged",
            "acknowledged \"on it\" by alice: not repeated; at the latest until 2026-01-01T00:20:00.000Z".to_owned(),
        ),
        (
            510,
            "silenced",
            format!("held back: silence {id} \"new disks\" by alice"),
        ),
        (510, "notifying", "to be told: all that fires is silenced".to_owned()),
        (510, "sent", "told: status 200".to_owned()),
    ];
    assert_eq!(told, expected);
    assert_eq!(stories[0].steps[4].cause, made[0].0);
}

#[tokio::test]
async fn nothing_is_said_of_a_next_repetition_that_does_not_come() {
    let mut world = World::new(OPS);
    // Acknowledged between the notification and the next look.
    state(&mut world, &["a"], &[], START_MS + MINUTE).await;
    acknowledge_all(&world, None).await;
    state(&mut world, &["a"], &[], START_MS + 3 * MINUTE).await;
    let rows: Vec<Row> = read_ledger(&world.ports, "default", 0, i64::MAX, &|_| true)
        .await
        .unwrap();
    let told: Vec<&Row> = rows
        .iter()
        .filter(|row| matches!(row.event.as_str(), "acknowledged" | "deduplicated"))
        .collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told.iter().all(|row| row.next_at_ms.is_none()), "{told:#?}");
}

#[tokio::test]
async fn a_silence_that_ends_soon_is_told_to_who_made_it() {
    let text = "
route:
  receiver: nobody
  routes: [{receiver: alice, group_wait: 0s, matchers: [alertname=ParapetSilenceEnding, created_by=alice]}]
receivers: [{name: nobody}, {name: alice, webhook_configs: [{url: 'http://hook.example/'}]}]
";
    let settings = Settings {
        silence_notice_ms: 15 * MINUTE,
        ..Settings::default()
    };
    let mut world = World::with_settings(text, settings);
    let mut long = silence("instance", "a", START_MS, START_MS + 60 * MINUTE);
    set_silence(&world.ports, long.clone()).await.unwrap();
    set_silence(&world.ports, silence("instance", "b", START_MS, START_MS + 10 * MINUTE))
        .await
        .unwrap();
    long.created_by = "bob".to_owned();
    set_silence(&world.ports, long).await.unwrap();
    world.run_until(START_MS + 90 * MINUTE).await;
    let calls = world.calls();
    let told: Vec<(i64, &str)> = calls
        .iter()
        .map(|call| ((call.at_ms - START_MS) / MINUTE, call.body["status"].as_str().unwrap()))
        .collect();
    // Once, though it is stated each minute; a silence of ten minutes has no notice; the end is told too.
    assert_eq!(told[0], (45, "firing"));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].1 == "resolved" && told[1].0 >= 60, "{told:?}");
    let alert = &calls[0].body["alerts"][0];
    assert_eq!(alert["labels"]["created_by"], "alice");
    let description = alert["annotations"]["description"].as_str().unwrap();
    assert!(
        description.starts_with("{instance=\"a\"} is silenced until 2026-01-01T01:00:00Z"),
        "{description}"
    );
}

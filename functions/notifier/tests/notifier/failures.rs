//! A notification that fails for good: a dead letter, an alert of its own, and there for whoever looks.

use crate::world::{START_MS, World, firing, status};
use parapet_notifier::{Settings, read_groups};
use parapet_ports::{Queue, QueueReader as _};

const MINUTE: i64 = 60_000;

/// States an alert each minute.
async fn keep_firing(world: &mut World, until_ms: i64) {
    while world.now_ms() < until_ms {
        let now = world.now_ms();
        world.post(vec![firing("a", START_MS, now)]).await;
        world.run_until(now + MINUTE).await;
    }
}

const BACKUP: &str = "
route:
  receiver: ops
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  routes: [{matchers: [alertname=ParapetNotificationFailed], receiver: backup}]
receivers:
- {name: ops, webhook_configs: [{url: 'http://bad.example/very-secret-token'}]}
- {name: backup, webhook_configs: [{url: 'http://backup.example/'}]}
";

fn raising() -> Settings {
    Settings {
        raise_failures: true,
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_notification_that_is_given_up_is_a_dead_letter_and_an_alert_of_its_own() {
    let mut world = World::with_settings(BACKUP, raising());
    world.answer(|request, at_ms| {
        let refused = request.url.contains("bad") && at_ms < START_MS + 10 * MINUTE;
        status(if refused { 404 } else { 200 })
    });
    keep_firing(&mut world, START_MS + 9 * MINUTE).await;
    let backup = |world: &World| -> Vec<_> {
        let calls = world.calls().into_iter();
        calls.filter(|call| call.url.contains("backup")).collect()
    };
    // Each try that was given up is a dead letter with its reason; the alert says so once, as long as that goes on.
    let dead = world.memory.queues.dead_letters(Queue::Deliveries, 100).await.unwrap();
    assert!(
        dead.len() > 5 && dead.iter().all(|(_, reason)| reason.contains("404")),
        "{dead:?}"
    );
    let told = backup(&world);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].at_ms - START_MS) / 1000, 20);
    let alert = &told[0].body["alerts"][0];
    let labels = serde_json::json!({
        "alertname": "ParapetNotificationFailed", "integration": "webhook/0", "receiver": "ops", "severity": "critical"
    });
    assert_eq!(alert["labels"], labels);
    assert_eq!(
        alert["annotations"]["summary"],
        "ops could not be notified through webhook/0"
    );
    let description = alert["annotations"]["description"].as_str().unwrap();
    assert!(
        description.contains("Down") && description.contains("404"),
        "{description}"
    );
    assert!(!told[0].body.to_string().contains("very-secret-token"));
    // Whoever looks sees it.
    let groups = read_groups(&world.ports).await.unwrap();
    let failed = groups.iter().find(|group| group.receiver == "ops").unwrap();
    assert!(failed.failures["webhook/0"].given_up, "{:?}", failed.failures);
    // The receiver is back: it is told, and the alert ends an hour after the last failure.
    keep_firing(&mut world, START_MS + 12 * MINUTE).await;
    assert!(
        world
            .calls()
            .iter()
            .any(|call| call.url.contains("bad") && call.says() == "a=firing")
    );
    world.run_until(START_MS + 75 * MINUTE).await;
    let told = backup(&world);
    assert_eq!((told.len(), &told[1].body["status"]), (2, &"resolved".into()));
    assert!(
        (69..72).contains(&((told[1].at_ms - START_MS) / MINUTE)),
        "{}",
        told[1].at_ms - START_MS
    );
}

#[tokio::test]
async fn an_alert_about_a_failure_that_fails_itself_raises_no_other() {
    let mut world = World::with_settings(BACKUP, raising());
    world.answer(|_, _| status(404));
    keep_firing(&mut world, START_MS + 9 * MINUTE).await;
    let groups = read_groups(&world.ports).await.unwrap();
    let mut receivers: Vec<&str> = groups.iter().map(|group| group.receiver.as_str()).collect();
    receivers.sort_unstable();
    assert_eq!(receivers, ["backup", "ops"]);
    let about: Vec<_> = groups.iter().filter(|group| group.receiver == "backup").collect();
    let named = about[0]
        .alerts
        .values()
        .map(|held| held.alert.labels.get("receiver").unwrap().to_owned());
    assert_eq!(named.collect::<Vec<_>>(), ["ops"]);
}

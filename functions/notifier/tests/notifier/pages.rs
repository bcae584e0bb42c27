//! From alerts to pages: what receivers see, and when.

use crate::world::{START_MS, World, firing, resolved, status};
use parapet_notifier::{Settings, read_groups};
use parapet_ports::{Error, Kind, Queue, QueueReader as _};

const ONE_WEBHOOK: &str = "
route:
  receiver: ops
  group_by: [alertname]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
receivers:
- name: ops
  webhook_configs:
  - url: http://hook.example/ops-token
";

const MINUTE: i64 = 60_000;

/// States an alert each minute until it is over, then says so for a quarter of an hour, as rule evaluation does.
async fn keep_firing(world: &mut World, instance: &str, from_ms: i64, until_ms: i64) {
    while world.now_ms() < until_ms {
        let now = world.now_ms();
        world.post(vec![firing(instance, from_ms, now)]).await;
        world.run_until(now + MINUTE).await;
    }
}

#[tokio::test]
async fn a_webhook_is_told_when_an_alert_fires_and_when_it_is_over() {
    let mut world = World::new(ONE_WEBHOOK);
    keep_firing(&mut world, "a", START_MS, START_MS + 4 * MINUTE).await;
    let over = world.now_ms();
    world.post(vec![resolved("a", START_MS, over)]).await;
    world.run_until(START_MS + 20 * MINUTE).await;
    let calls = world.calls();
    let told: Vec<(i64, String)> = calls
        .iter()
        .map(|call| ((call.at_ms - START_MS) / 1000, call.says()))
        .collect();
    assert_eq!(told, [(30, "a=firing".to_owned()), (330, "a=resolved".to_owned())]);
    assert_eq!(calls[0].url, "http://hook.example/ops-token");
    let body = &calls[0].body;
    assert_eq!(body["version"], "4");
    assert_eq!(body["groupKey"], "{}:{alertname=\"Down\"}");
    assert_eq!(body["status"], "firing");
    assert_eq!(body["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(calls[1].body["alerts"][0]["endsAt"], "2026-01-01T00:04:00Z");
    assert_ne!(calls[0].dedup_key, calls[1].dedup_key);
    // Nothing is left to do, and nobody is woken for it.
    assert!(read_groups(&world.ports).await.unwrap().is_empty());
    let left: Vec<String> = world.memory.table.items().into_iter().map(|item| item.key.pk).collect();
    assert!(!left.contains(&"alert-deadline".to_owned()), "{left:?}");
}

#[tokio::test]
async fn an_alert_whose_sender_dies_is_over_at_its_end() {
    let mut world = World::new(ONE_WEBHOOK);
    world.post(vec![firing("a", START_MS, START_MS)]).await;
    world.run_until(START_MS + 10 * MINUTE).await;
    let told: Vec<(i64, String)> = world
        .calls()
        .iter()
        .map(|call| ((call.at_ms - START_MS) / 1000, call.says()))
        .collect();
    assert_eq!(told, [(30, "a=firing".to_owned()), (330, "a=resolved".to_owned())]);
}

#[tokio::test]
async fn groups_join_wait_and_repeat() {
    let text = ONE_WEBHOOK.replace("repeat_interval: 4h", "repeat_interval: 12m");
    let mut world = World::new(&text);
    keep_firing(&mut world, "a", START_MS, START_MS + MINUTE).await;
    // Joins after the first notification: waits for the group's next flush. Stated with "a" from now on.
    while world.now_ms() < START_MS + 24 * MINUTE {
        let now = world.now_ms();
        world
            .post(vec![firing("a", START_MS, now), firing("b", START_MS + MINUTE, now)])
            .await;
        world.run_until(now + MINUTE).await;
    }
    let told: Vec<(i64, String)> = world
        .calls()
        .iter()
        .map(|call| ((call.at_ms - START_MS) / 1000, call.says()))
        .collect();
    let both = "a=firing b=firing".to_owned();
    assert_eq!(
        told,
        [(30, "a=firing".to_owned()), (330, both.clone()), (330 + 900, both)]
    );
}

#[tokio::test]
async fn an_alert_that_is_old_already_does_not_wait() {
    let mut world = World::new(ONE_WEBHOOK);
    world.post(vec![firing("a", START_MS - 10 * MINUTE, START_MS)]).await;
    world.run_until(START_MS + 1000).await;
    assert_eq!(world.calls().len(), 1);
}

#[tokio::test]
async fn repeated_and_reordered_statements_change_nothing() {
    let mut world = World::new(ONE_WEBHOOK);
    let statements: Vec<_> = (0..5)
        .map(|minute| firing("a", START_MS, START_MS + minute * MINUTE))
        .collect();
    let over = resolved("a", START_MS, START_MS + 5 * MINUTE);
    world.post(vec![statements[0].clone()]).await;
    world.run_until(START_MS + MINUTE).await;
    world.memory.clock.set_ms(START_MS + 5 * MINUTE);
    // The end first, then older statements, each twice.
    world.post(vec![over.clone()]).await;
    for late in statements.iter().rev() {
        world.post(vec![late.clone(), late.clone()]).await;
    }
    world.run_until(START_MS + 6 * MINUTE).await;
    // After the group is gone they come once more.
    for late in statements.iter().chain([&over]) {
        world.post(vec![late.clone()]).await;
    }
    world.run_until(START_MS + 30 * MINUTE).await;
    let told: Vec<String> = world.calls().iter().map(crate::world::Call::says).collect();
    assert_eq!(told, ["a=firing", "a=resolved"]);
}

#[tokio::test]
async fn fires_again_after_it_was_over() {
    let mut world = World::new(ONE_WEBHOOK);
    for round in 0..3 {
        let from = START_MS + round * 20 * MINUTE;
        world.run_until(from).await;
        keep_firing(&mut world, "a", from, from + 2 * MINUTE).await;
        world.post(vec![resolved("a", from, world.now_ms())]).await;
    }
    world.run_until(START_MS + 60 * MINUTE).await;
    let told: Vec<String> = world.calls().iter().map(crate::world::Call::says).collect();
    assert_eq!(told, ["a=firing", "a=resolved"].repeat(3));
    let mut keys: Vec<String> = world.calls().into_iter().map(|call| call.dedup_key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 6);
}

const TWO_WEBHOOKS: &str = "
route: {receiver: ops, group_by: [alertname], group_wait: 10s, group_interval: 2m, repeat_interval: 4h}
receivers:
- name: ops
  webhook_configs:
  - url: http://bad.example/very-secret-token
  - url: http://good.example/
";

#[tokio::test]
async fn a_failing_receiver_holds_up_no_other_and_is_told_when_it_is_back() {
    let mut world = World::new(TWO_WEBHOOKS);
    world.answer(|request, at_ms| {
        if request.url.contains("bad") && at_ms < START_MS + 5 * MINUTE {
            return Err(Error::new(
                Kind::Unavailable,
                format!("connection to {} refused", request.url),
            ));
        }
        status(200)
    });
    for _ in 0..3 {
        let now = world.now_ms();
        world.post(vec![firing("a", START_MS, now)]).await;
        world.run_until(now + MINUTE).await;
    }
    // Seen while it lasts, without the secret.
    let group = read_groups(&world.ports).await.unwrap().remove(0);
    let failure = &group.failures["webhook/0"];
    assert!(
        failure.attempts > 1 && failure.error.contains("bad.example"),
        "{failure:?}"
    );
    assert!(!failure.error.contains("very-secret-token"), "{failure:?}");
    for _ in 0..4 {
        let now = world.now_ms();
        world.post(vec![firing("a", START_MS, now)]).await;
        world.run_until(now + MINUTE).await;
    }
    let at = |host: &str| -> Vec<i64> {
        let calls = world.calls();
        calls
            .iter()
            .filter(|call| call.url.contains(host))
            .map(|call| (call.at_ms - START_MS) / 1000)
            .collect()
    };
    assert_eq!(at("good"), [10]);
    let bad = at("bad");
    assert!(bad.len() == 1 && (300..375).contains(&bad[0]), "{bad:?}");
    assert!(read_groups(&world.ports).await.unwrap()[0].failures.is_empty());
    // What was given up is in the dead-letter queue, with its reason.
    let dead = world.memory.queues.dead_letters(Queue::Deliveries, 10).await.unwrap();
    assert!(
        !dead.is_empty() && dead.iter().all(|(_, reason)| reason.contains("bad.example")),
        "{dead:?}"
    );
    assert!(
        dead.iter().all(|(_, reason)| !reason.contains("very-secret-token")),
        "{dead:?}"
    );
}

#[tokio::test]
async fn a_refusal_is_final_until_the_next_flush() {
    let mut world = World::new(TWO_WEBHOOKS);
    world.answer(|request, _| {
        if request.url.contains("bad") {
            status(404)
        } else {
            status(200)
        }
    });
    world.post(vec![firing("a", START_MS, START_MS)]).await;
    world.run_until(START_MS + MINUTE).await;
    let dead = world.memory.queues.dead_letters(Queue::Deliveries, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].1.contains("unexpected status code 404"), "{dead:?}");
    assert!(read_groups(&world.ports).await.unwrap()[0].failures["webhook/0"].given_up);
    world.answer(|_, _| status(200));
    world.run_until(START_MS + 3 * MINUTE).await;
    let told: Vec<i64> = world
        .calls()
        .iter()
        .map(|call| (call.at_ms - START_MS) / 1000)
        .collect();
    assert_eq!(told, [10, 130]);
}

#[tokio::test]
async fn retry_after_is_kept() {
    let mut world = World::new(ONE_WEBHOOK);
    world.answer(|_, at_ms| {
        let mut answer = status(if at_ms < START_MS + 2 * MINUTE { 429 } else { 200 })?;
        answer
            .headers
            .insert("retry-after", http::HeaderValue::from_static("100"));
        Ok(answer)
    });
    world.post(vec![firing("a", START_MS, START_MS)]).await;
    world.run_until(START_MS + 4 * MINUTE).await;
    let told: Vec<i64> = world
        .calls()
        .iter()
        .map(|call| (call.at_ms - START_MS) / 1000)
        .collect();
    assert_eq!(told, [130]);
}

#[tokio::test]
async fn far_deadlines_are_found_by_the_tick() {
    let text = ONE_WEBHOOK.replace("group_wait: 30s", "group_wait: 40m");
    let mut world = World::new(&text);
    let mut alert = firing("a", START_MS, START_MS);
    alert.ends_at_ms += 3_600_000;
    world.post(vec![alert]).await;
    world.run_until(START_MS + 45 * MINUTE).await;
    let told: Vec<i64> = world
        .calls()
        .iter()
        .map(|call| (call.at_ms - START_MS) / 1000)
        .collect();
    assert_eq!(told, [2400]);
}

#[tokio::test]
async fn large_groups_lie_in_the_object_store() {
    let settings = Settings {
        inline_limit_bytes: 2000,
        ledger_flush_ms: 0,
        ..Settings::default()
    };
    let mut world = World::with_settings(ONE_WEBHOOK, settings);
    let alerts: Vec<_> = (0..500)
        .map(|n| firing(&format!("host-{n:03}"), START_MS, START_MS))
        .collect();
    for part in alerts.chunks(50) {
        world.post(part.to_vec()).await;
    }
    world.run_until(START_MS + MINUTE).await;
    assert_eq!(world.calls()[0].body["alerts"].as_array().unwrap().len(), 500);
    assert!(world.memory.table.items().iter().all(|item| item.value.len() < 2000));
    assert_eq!(read_groups(&world.ports).await.unwrap()[0].alerts.len(), 500);
    // Bodies that nothing points to are gone: the group's and the settled delivery's are left. The ledger's are in its
    // file.
    use futures::TryStreamExt as _;
    let folder = object_store::path::Path::from("notifier");
    let bodies: Vec<_> = world
        .memory
        .ports
        .objects
        .list(Some(&folder))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
}

#[tokio::test]
async fn poison_is_rejected_and_holds_up_nobody() {
    use parapet_ports::{Disposition, Function as _, Message};
    let world = World::new(ONE_WEBHOOK);
    let message = |body: &str| Message {
        id: "1".into(),
        body: body.into(),
        receive_count: 1,
    };
    let good = serde_json::to_string(&[firing("a", START_MS, START_MS)]).unwrap();
    let answers = world
        .notifier
        .handle_batch(Queue::Alerts, vec![message("{"), message(&good), message("7")])
        .await;
    assert!(matches!(answers[0], Disposition::Reject { .. }));
    assert_eq!(answers[1], Disposition::Done);
    assert!(matches!(answers[2], Disposition::Reject { .. }));
    for queue in [Queue::Timers, Queue::Deliveries, Queue::Samples] {
        let answers = world.notifier.handle_batch(queue, vec![message("x")]).await;
        assert!(matches!(answers[0], Disposition::Reject { .. }), "{queue:?}");
    }
    assert_eq!(read_groups(&world.ports).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_reload_moves_alerts_and_tells_nobody_twice() {
    let mut world = World::new(ONE_WEBHOOK);
    world.run_until(START_MS + MINUTE).await;
    let from = world.now_ms();
    keep_firing(&mut world, "a", from, from + 2 * MINUTE).await;
    keep_firing(&mut world, "b", from + 2 * MINUTE, from + 4 * MINUTE).await;
    let before = world.calls().len();
    assert_eq!(before, 1);
    // "b" goes to another receiver from now on; "a" stays where it is, and its notification log with it.
    let text = "
route:
  receiver: ops
  group_by: [alertname]
  group_interval: 5m
  routes: [{matchers: [instance=b], receiver: other}]
receivers:
- {name: ops, webhook_configs: [{url: 'http://hook.example/'}]}
- {name: other, webhook_configs: [{url: 'http://other.example/'}]}
";
    world.reload(text, "2");
    for _ in 0..3 {
        let now = world.now_ms();
        world
            .post(vec![firing("a", from, now), firing("b", from + 2 * MINUTE, now)])
            .await;
        world.run_until(now + MINUTE).await;
    }
    let told: Vec<(String, String)> = world
        .calls()
        .iter()
        .skip(before)
        .map(|call| (call.url.clone(), call.says()))
        .collect();
    assert_eq!(told, [("http://other.example/".to_owned(), "b=firing".to_owned())]);
    // A configuration that does not read changes nothing.
    world.reload("route: nonsense", "3");
    let now = world.now_ms();
    world.post(vec![resolved("b", from + 2 * MINUTE, now)]).await;
    world.run_until(now + 6 * MINUTE).await;
    let last = world
        .calls()
        .into_iter()
        .rfind(|call| call.url.contains("other"))
        .unwrap();
    assert_eq!(last.says(), "b=resolved");
}

#[tokio::test]
async fn an_inhibited_alert_is_told_when_its_inhibitor_is_over() {
    let text = "
route: {receiver: ops, group_by: [instance], group_wait: 10s, group_interval: 1m}
receivers: [{name: ops, webhook_configs: [{url: 'http://hook.example/'}]}]
inhibit_rules: [{source_matchers: [instance=router], target_matchers: [instance=~\"host.*\"], equal: [alertname]}]
";
    let mut world = World::new(text);
    for minute in 0..6 {
        let now = world.now_ms();
        let router = if minute < 3 {
            firing("router", START_MS, now)
        } else {
            resolved("router", START_MS, now)
        };
        let mut alerts = vec![firing("host-1", START_MS, now), firing("host-2", START_MS, now)];
        if minute < 4 {
            alerts.push(router);
        }
        if minute >= 2 {
            alerts[1] = resolved("host-2", START_MS, START_MS + 2 * MINUTE);
        }
        world.post(alerts).await;
        world.run_until(now + MINUTE).await;
    }
    let told: Vec<String> = world.calls().iter().map(crate::world::Call::says).collect();
    // "host-2" came and went in silence.
    assert_eq!(
        told,
        ["router=firing", "router=resolved", "host-1=firing"].map(str::to_owned)
    );
}

#[tokio::test]
async fn a_route_is_quiet_outside_its_hours() {
    // The story begins on a Thursday at midnight, UTC.
    let text = "
route:
  receiver: ops
  routes: [{matchers: [severity=page], active_time_intervals: [office], group_wait: 10s, group_interval: 5m}]
receivers: [{name: ops, webhook_configs: [{url: 'http://hook.example/'}]}]
time_intervals: [{name: office, time_intervals: [{weekdays: ['monday:friday'], times: [{start_time: '00:30', end_time: '17:00'}]}]}]
";
    let mut world = World::new(text);
    keep_firing(&mut world, "a", START_MS, START_MS + 40 * MINUTE).await;
    let told: Vec<(i64, String)> = world
        .calls()
        .iter()
        .map(|call| ((call.at_ms - START_MS) / 1000, call.says()))
        .collect();
    assert_eq!(told, [(30 * 60 + 10, "a=firing".to_owned())]);
}

#[tokio::test]
async fn a_group_that_lost_its_timers_is_found() {
    let mut world = World::new(ONE_WEBHOOK);
    world.post(vec![firing("a", START_MS, START_MS)]).await;
    world.pump().await;
    // Every timer is gone: the tick finds the deadline.
    assert_eq!(world.memory.queues.drain(Queue::Timers).len(), 1);
    world.run_until(START_MS + 2 * MINUTE).await;
    assert_eq!(world.calls().len(), 1);
    // Timers and the index are gone: the next statement about the alert finds it.
    world.memory.queues.drain(Queue::Timers);
    for item in world
        .memory
        .table
        .items()
        .into_iter()
        .filter(|item| item.key.pk == "alert-deadline")
    {
        use parapet_ports::{Condition, Table as _};
        world.memory.table.delete(item.key, Condition::Any).await.unwrap();
    }
    world.post(vec![resolved("a", START_MS, START_MS + 3 * MINUTE)]).await;
    world.run_until(START_MS + 10 * MINUTE).await;
    assert_eq!(world.calls().len(), 1);
    world.post(vec![resolved("a", START_MS, START_MS + 10 * MINUTE)]).await;
    world.run_until(START_MS + 11 * MINUTE).await;
    assert_eq!(world.calls().last().unwrap().says(), "a=resolved");
}

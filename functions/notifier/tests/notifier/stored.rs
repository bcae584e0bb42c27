//! What is stored keeps its form: an upgrade must not forget a group.

use crate::world::{START_MS, World, firing, resolved};
use parapet_ports::{Condition, Key, Queue, Table as _};
use serde_json::{Value, json};

const CONFIG: &str = "
route: {receiver: ops, group_by: [alertname], group_wait: 10s, group_interval: 1m}
receivers: [{name: ops, webhook_configs: [{url: 'http://hook.example/'}]}]
inhibit_rules: [{source_matchers: [instance=a], target_matchers: [instance=none]}]
";

const GOLDEN: &str = include_str!("../golden/state.json");

/// Everything in the table, values as JSON where they are.
fn items(world: &World) -> Value {
    let mut items = world.memory.table.items();
    // What the ledger is told lives until it is in a file.
    items.retain(|item| item.key.pk != "alert-ledger#default");
    items.sort_by(|a, b| a.key.cmp(&b.key));
    let value = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
    let show = |item: parapet_ports::Item| json!({"pk": item.key.pk, "sk": item.key.sk, "expires_at": item.expires_at, "value": value(item.value)});
    items.into_iter().map(show).collect()
}

#[tokio::test]
async fn state_is_stored_as_ever() {
    let mut world = World::new(CONFIG);
    world.run_until(START_MS + 60_000).await;
    let from = world.now_ms();
    world
        .post(vec![firing("a", from, from), resolved("b", from, from + 1)])
        .await;
    world.run_until(from + 20_000).await;
    let got = items(&world);
    let want: Value = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!(got, want, "\n{}", serde_json::to_string_pretty(&got).unwrap());
    let timers = world.memory.queues.drain(Queue::Timers);
    let bodies: Vec<&str> = timers.iter().map(|(_, message)| message.body.as_str()).collect();
    assert_eq!(
        bodies,
        [r#"{"group":"2d21b7569a28cf04026b4b4d3ff693cc","deadline_ms":1767225730000}"#]
    );
}

#[tokio::test]
async fn stored_state_is_taken_up() {
    let mut world = World::new(CONFIG);
    let from = START_MS + 60_000;
    world.memory.clock.set_ms(from + 20_000);
    for item in serde_json::from_str::<Vec<Value>>(GOLDEN).unwrap() {
        let key = Key::new(item["pk"].as_str().unwrap(), item["sk"].as_str().unwrap());
        let value = item["value"]
            .as_str()
            .map_or_else(|| item["value"].to_string(), str::to_owned);
        world
            .memory
            .table
            .put(key, value, item["expires_at"].as_i64(), Condition::Absent)
            .await
            .unwrap();
    }
    world.post(vec![resolved("a", from, from + 30_000)]).await;
    world.run_until(from + 300_000).await;
    let told: Vec<String> = world.calls().iter().map(crate::world::Call::says).collect();
    assert_eq!(told, ["a=resolved"]);
}

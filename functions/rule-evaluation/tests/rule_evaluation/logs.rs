//! Rules over logs: from stored lines to recorded samples and alerts.

use crate::world::{Mischief, START_MS, World};
use parapet_log_parse::LogParse;
use parapet_logs::LogRecord;
use parapet_model::Labels;
use parapet_ports::{Disposition, Queue};
use parapet_store::logs::{LogBatch, RawLogs, send_logs};

const RULES: &str = r#"
groups:
- name: g
  type: logql
  interval: 15s
  rules:
  - record: app:errors:count1m
    expr: sum by (app) (count_over_time({app=~".+"} | detected_level="error" [1m]))
  - alert: Errors
    expr: sum by (app) (count_over_time({app="web"} | logfmt | level="error" [1m])) > 2
"#;

/// Stores a line of `web` a second before now, as a shipper and log-parse do.
async fn log(world: &World, line: &str) {
    let records = vec![LogRecord {
        timestamp_ns: (world.now_ms() - 1000) * 1_000_000,
        raw: line.as_bytes().to_vec().into(),
        stream: Labels::from_pairs([("app", "web")]),
        ..LogRecord::default()
    }];
    let lines = RawLogs {
        received_ns: world.now_ms() * 1_000_000,
        records,
        ..RawLogs::default()
    };
    send_logs(&world.memory.ports, vec![LogBatch::of("default", lines)])
        .await
        .unwrap();
    let drained = world.memory.queues.drain(Queue::Logs);
    let messages = drained.into_iter().map(|(_, message)| message).collect();
    let log_parse = LogParse::new(&world.memory.ports, parapet_log_parse::Settings::default());
    let answers = log_parse.handle_batch(messages).await;
    assert!(answers.iter().all(|answer| *answer == Disposition::Done), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_become_samples_and_alerts() {
    let mut world = World::new(RULES, Mischief::default());
    for number in 0..3 {
        log(&world, &format!("level=error msg=\"request {number} failed\"")).await;
    }
    log(&world, "level=info msg=fine").await;
    world.run_until(START_MS + 30_000, |_| 1.0).await;
    let recorded = world.stored("app:errors:count1m").await;
    assert_eq!(recorded[0].labels.get("app"), Some("web"));
    assert_eq!(recorded[0].values.first(), Some(&3.0));
    let alert = world.alerts.first().expect("an alert");
    assert_eq!(
        (alert.labels.get("alertname"), alert.labels.get("app")),
        (Some("Errors"), Some("web"))
    );
    // Once the lines are a minute old, it ends.
    world.run_until(START_MS + 120_000, |_| 1.0).await;
    let last = world.alerts.last().unwrap();
    assert!(last.ends_at_ms <= START_MS + 120_000, "{last:?}");
}

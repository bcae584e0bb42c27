//! A batch with lines of more days than one transaction holds, handled by processes with other pipelines each time: of
//! each line there is one record, and metrics count it once.

use super::death::{Event, Life, Work};
use super::world::{NOW_MS, NOW_NS, batch, lines, messages, world};
use futures::FutureExt as _;
use parapet_log_parse::{LogParse, Settings};
use parapet_model::Value;
use parapet_ports::{ConfigFiles, Disposition, FixedConfig, Message, Ports, SourceFile};
use parapet_store::day::DAY_MS;
use parapet_store::logs::{LogBatch, sums};
use std::sync::Arc;

const LINES: i64 = 12;

/// Lines with two times, which are of six days each, and in another order.
fn of_many_days() -> LogBatch {
    let line = |number: i64| {
        let at = |days: i64| NOW_NS - days % 6 * DAY_MS * 1_000_000 + number;
        format!(
            r#"{{"one":"{}","other":"{}","number":{number}}}"#,
            at(number),
            at(number * 5 + number / 6)
        )
    };
    let lines: Vec<String> = (0..LINES).map(line).collect();
    batch(
        "wide",
        &lines.iter().map(String::as_bytes).collect::<Vec<_>>(),
        &[("app", "a")],
    )
}

/// Ports with pipelines that take the time of lines from a field; from one that is not there, all lines are of one day.
fn with_time_of(ports: &Ports, field: &str) -> Ports {
    let text = format!(
        "pipelines:\n- name: own\n  stages:\n  - json\n  - timestamp: {{field: {field}, format: UnixNs}}\n  metrics:\n  \
         - {{name: seen_total, type: counter}}\n"
    );
    let config = ConfigFiles {
        pipelines: Some(SourceFile {
            path: "pipelines.yml".to_owned(),
            text,
        }),
        version: field.to_owned(),
        ..ConfigFiles::default()
    };
    Ports {
        config: Arc::new(FixedConfig(Arc::new(config))),
        ..ports.clone()
    }
}

async fn handle(ports: &Ports, messages: Vec<Message>) -> Vec<Disposition> {
    let mut settings = Settings::default();
    settings.writer.max_commit_days = 2;
    LogParse::new(ports, settings).handle_batch(messages).await
}

async fn expect_all(ports: &Ports, context: &str) {
    let mut want: Vec<String> = of_many_days()
        .lines
        .records
        .iter()
        .map(|record| record.line().into_owned())
        .collect();
    want.sort();
    assert_eq!(lines(ports).await, want, "{context}");
    let sums = sums::samples(ports.table.as_ref(), "default", NOW_MS).await.unwrap();
    let seen: Vec<_> = sums.iter().map(|series| series.samples[0].value.clone()).collect();
    #[allow(clippy::cast_precision_loss)]
    let count = Value::Float(LINES as f64);
    assert_eq!(seen, [count], "{context}");
}

/// One life by the pipelines of one field, met by an event, and all after it by those of others; false where it did not
/// get as far.
async fn live_through(fields: [&str; 3], at: usize, event: Event) -> bool {
    let [first, second, third] = fields;
    let context = format!("{event:?} at effect {at} of {fields:?}");
    let world = world("");
    let messages = messages(&world, vec![of_many_days()]).await;
    let work = (event == Event::IsOvertaken).then(|| {
        let (ports, messages) = (with_time_of(&world.ports, second), messages.clone());
        let work: Work = Box::new(move || {
            let (ports, messages) = (ports.clone(), messages.clone());
            async move {
                handle(&ports, messages).await;
            }
            .boxed()
        });
        work
    });
    let (ports, life) = Life::of(&with_time_of(&world.ports, first), at, event, work);
    let answers = handle(&ports, messages.clone()).await;
    if !life.was_met() {
        return false;
    }
    if answers == [Disposition::Done] {
        expect_all(&world.ports, &context).await;
    }
    for field in [second, third] {
        let answers = handle(&with_time_of(&world.ports, field), messages.clone()).await;
        assert_eq!(answers, [Disposition::Done], "{context}");
        expect_all(&world.ports, &context).await;
    }
    true
}

#[tokio::test]
async fn other_pipelines_after_a_death_lose_and_double_nothing() {
    for fields in [
        ["one", "other", "none"],
        ["other", "one", "none"],
        ["one", "none", "other"],
        ["none", "one", "other"],
    ] {
        for event in [Event::DiesBefore, Event::DiesAfter, Event::IsOvertaken] {
            let mut at = 0;
            while live_through(fields, at, event).await {
                at += 1;
            }
            assert!(at > 3, "only {at} effects of {fields:?}");
        }
    }
}

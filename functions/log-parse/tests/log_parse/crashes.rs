//! The function dies before or after each of its effects, or is overtaken there by another that does the same. No
//! acknowledged line is lost, none is doubled, and what metrics count of them is counted once.

use super::death::{Event, Life, Work};
use super::world::{NOW_MS, NOW_NS, batch, lines, messages, waiting, world};
use futures::FutureExt as _;
use parapet_compactor::Compactor;
use parapet_log_parse::{LogParse, Settings};
use parapet_ports::function::Function as _;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{Disposition, Message, Ports, Queue};
use parapet_store::day::DAY_MS;
use parapet_store::envelope;
use parapet_store::logs::{LogBatch, sums};

pub(crate) const PIPELINES: &str = r"
pipelines:
- name: own
  stages:
  - json
  - timestamp: {field: at, format: UnixNs, when: 'at:*'}
  metrics:
  - {name: requests_total, type: counter, labels: {code: code}}
  - {name: took, type: histogram, value: took, buckets: [1, 2]}
";

/// Lines of two days, one of them no JSON.
pub(crate) fn batches() -> Vec<LogBatch> {
    let line = |days: i64, code: u32| {
        let at = NOW_NS - days * DAY_MS * 1_000_000;
        format!(r#"{{"at":"{at}","code":{code},"took":{code}.5}}"#)
    };
    let of = |id: &str, lines: &[String]| {
        let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        batch(id, &lines, &[("app", "a")])
    };
    vec![
        of("a", &[line(0, 1), line(1, 2), "no JSON".to_owned()]),
        of("b", &[line(0, 2), line(0, 7)]),
    ]
}

pub(crate) fn want() -> Vec<String> {
    let lines = batches().into_iter().flat_map(|batch| batch.lines.records);
    let mut lines: Vec<String> = lines.map(|record| record.line().into_owned()).collect();
    lines.sort();
    lines
}

/// The totals, as text.
async fn totals(ports: &Ports) -> Vec<String> {
    let series = sums::samples(ports.table.as_ref(), "default", NOW_MS).await.unwrap();
    let text = |value: &parapet_model::Value| match value {
        parapet_model::Value::Float(value) => value.to_string(),
        parapet_model::Value::Histogram(_) => String::new(),
    };
    let mut totals: Vec<String> = series
        .iter()
        .map(|series| format!("{} {}", series.labels, text(&series.samples[0].value)))
        .collect();
    totals.sort();
    totals
}

fn want_totals() -> Vec<String> {
    let want = [
        "requests_total 1",
        r#"requests_total{code="1"} 1"#,
        r#"requests_total{code="2"} 2"#,
        r#"requests_total{code="7"} 1"#,
        r#"took_bucket{le="+Inf"} 4"#,
        r#"took_bucket{le="1"} 0"#,
        r#"took_bucket{le="2"} 1"#,
        "took_count 4",
        "took_sum 14",
    ];
    want.map(str::to_owned).to_vec()
}

/// A day for each transaction, so that a batch is committed in parts.
fn in_parts() -> Settings {
    let mut settings = Settings::default();
    settings.writer.max_commit_days = 1;
    settings
}

async fn handle(ports: &Ports, settings: &Settings, messages: Vec<Message>) -> Vec<Disposition> {
    LogParse::new(ports, settings.clone()).handle_batch(messages).await
}

async fn expect_all(world: &MemoryPorts, context: &str) {
    assert_eq!(lines(&world.ports).await, want(), "{context}");
    let found = sums::samples(world.ports.table.as_ref(), "default", NOW_MS)
        .await
        .unwrap();
    let count = found
        .iter()
        .find(|series| series.labels.metric_name() == Some("took_count"));
    assert_eq!(
        count.unwrap().samples[0].value,
        parapet_model::Value::Float(4.0),
        "{context}"
    );
}

/// One life with an event at an effect; false where the process did not get as far.
async fn live_through(settings: &Settings, at: usize, event: Event, overtaken: bool) -> bool {
    let context = format!("{event:?} at effect {at}");
    let world = world(PIPELINES);
    let messages = messages(&world, batches()).await;
    let work = overtaken.then(|| {
        let (ports, settings, messages) = (world.ports.clone(), settings.clone(), messages.clone());
        let work: Work = Box::new(move || {
            let (ports, settings, messages) = (ports.clone(), settings.clone(), messages.clone());
            async move {
                handle(&ports, &settings, messages).await;
            }
            .boxed()
        });
        work
    });
    let (ports, life) = Life::of(&world.ports, at, event, work);
    let answers = handle(&ports, settings, messages.clone()).await;
    if !life.was_met() {
        return false;
    }
    if answers.iter().all(|answer| *answer == Disposition::Done) {
        expect_all(&world, &context).await;
    }
    // Given again, once more than needed; the compactor comes between.
    let compactor = Compactor::new(&world.ports, parapet_compactor::Settings::default());
    compactor.handle_tick(NOW_MS).await.unwrap();
    for _ in 0..2 {
        let mut again = messages.clone();
        again.reverse();
        let answers = handle(&world.ports, settings, again).await;
        assert!(
            answers.iter().all(|answer| *answer == Disposition::Done),
            "{context}: {answers:?}"
        );
        expect_all(&world, &context).await;
    }
    true
}

async fn each_effect(event: Event, overtaken: bool) {
    for settings in [Settings::default(), in_parts()] {
        let mut at = 0;
        while live_through(&settings, at, event, overtaken).await {
            at += 1;
        }
        assert!(at > 5, "only {at} effects");
    }
}

#[tokio::test]
async fn it_dies_before_each_effect() {
    each_effect(Event::DiesBefore, false).await;
}

#[tokio::test]
async fn it_dies_after_each_effect() {
    each_effect(Event::DiesAfter, false).await;
}

#[tokio::test]
async fn two_handle_the_same_at_once() {
    each_effect(Event::IsOvertaken, true).await;
}

#[tokio::test]
async fn metrics_of_lines_become_samples_each_minute() {
    let world = world(PIPELINES);
    let messages = messages(&world, batches()).await;
    handle(&world.ports, &Settings::default(), messages.clone()).await;
    handle(&world.ports, &Settings::default(), messages).await;
    assert_eq!(totals(&world.ports).await, want_totals());
    let function = LogParse::new(&world.ports, Settings::default());
    function.handle_tick(NOW_MS).await.unwrap();
    let sent = world.queues.drain(Queue::Samples);
    let parcels = envelope::open::<Vec<parapet_model::BatchSeries>>(&sent[0].1.body).unwrap();
    let [parcel] = &parcels[..] else { panic!("{parcels:?}") };
    assert_eq!(parcel.id, format!("log-metrics-{NOW_MS}"));
    // What does not rise for a day is forgotten.
    world.clock.advance_ms(DAY_MS + 120_000);
    function.handle_tick(NOW_MS + DAY_MS + 60_000).await.unwrap();
    assert_eq!(totals(&world.ports).await, Vec::<String>::new());
}

#[tokio::test]
async fn lines_wait_where_pipelines_have_faults() {
    let world = world("pipelines:\n- name: own\n  stages:\n  - jsn\n");
    let messages = messages(&world, batches()).await;
    let answers = handle(&world.ports, &Settings::default(), messages).await;
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Disposition::Retry { reason } if reason.contains("jsn"))),
        "{answers:?}"
    );
    assert!(lines(&world.ports).await.is_empty());
}

#[tokio::test]
async fn a_bad_message_holds_up_no_other() {
    let world = world("");
    let mut all = messages(&world, batches()).await;
    let good = all.len();
    for body in [
        "nonsense",
        r#"{"v":9,"batches":[]}"#,
        r#"{"v":1,"batches":[{"id":"x","tenant":"a/b","body":""}]}"#,
        r#"{"v":1,"batches":[{"id":"x","tenant":"a","body":"AAAA"}]}"#,
        r#"{"object":"elsewhere/x","version":"","start":0}"#,
    ] {
        all.push(Message {
            id: body.to_owned(),
            body: body.to_owned(),
            receive_count: 1,
        });
    }
    let answers = handle(&world.ports, &Settings::default(), all).await;
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(
            matches!(answer, Disposition::Reject { .. }),
            number >= good,
            "{number}: {answer:?}"
        );
    }
    assert_eq!(lines(&world.ports).await.len(), 5);
}

#[tokio::test]
async fn a_batch_that_is_large_goes_through_the_bucket() {
    let world = world("");
    // Lines that do not compress, and are not UTF-8.
    let mut seed = 1_u64;
    let mut noise = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8 | 0x80
    };
    let all: Vec<Vec<u8>> = (0..30).map(|_| (0..60_000).map(|_| noise()).collect()).collect();
    let large = batch(
        "large",
        &all.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        &[("app", "a")],
    );
    let messages = messages(&world, vec![large]).await;
    assert!(messages[0].body.contains("claim"));
    let claims = || async {
        use futures::TryStreamExt as _;
        let found: Vec<_> = world
            .ports
            .objects
            .list(Some(&"claims".into()))
            .try_collect()
            .await
            .unwrap();
        found.len()
    };
    assert_eq!(claims().await, 1);
    assert_eq!(
        handle(&world.ports, &Settings::default(), messages.clone()).await,
        [Disposition::Done]
    );
    assert_eq!(claims().await, 0, "nobody needs it any more");
    assert_eq!(
        handle(&world.ports, &Settings::default(), messages).await,
        [Disposition::Done]
    );
    let (records, _) = super::world::search(&world.ports, &super::world::everything()).await;
    let found: Vec<Vec<u8>> = records.into_iter().map(|record| record.raw.to_vec()).collect();
    assert!(found == all);
    assert!(waiting(&world).is_empty());
}

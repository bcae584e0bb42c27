//! Ticks and tasks: twice, late, out of order, wrong.

use crate::world::{START_MS, World, job, of};
use parapet_ports::{Disposition, Message, Queue};
use parapet_scraper::ScrapeTask;
use std::collections::BTreeSet;

#[tokio::test]
async fn a_tick_twice_gives_the_same_tasks_never_early() {
    let hosts: Vec<String> = (0..45).map(|i| format!("h{i}:1")).collect();
    let world = World::new(&job(&hosts.iter().map(String::as_str).collect::<Vec<_>>(), ""));
    let first = world.tick(0).await;
    let shards: BTreeSet<u64> = first.iter().map(|(_, task)| task.shard).collect();
    assert!(shards.len() > 1);
    assert_eq!(first.len(), 4 * shards.len());
    for (visible_ms, task) in &first {
        assert!(
            (task.scheduled_ms()..task.scheduled_ms() + 1000).contains(visible_ms),
            "{task:?}"
        );
    }
    world.memory.clock.advance_ms(300);
    let second = world.tick_late(0).await;
    let tasks = |list: &[(i64, ScrapeTask)]| list.iter().map(|(_, task)| task.clone()).collect::<BTreeSet<_>>();
    assert_eq!(tasks(&first), tasks(&second));
    for (visible_ms, task) in &second {
        assert!(*visible_ms >= task.scheduled_ms());
    }
}

#[tokio::test]
async fn a_late_tick_leaves_out_what_is_over() {
    let world = World::new(&job(&["h:1"], ""));
    world.memory.clock.set_ms(START_MS + 31_000);
    let tasks = world.tick_late(0).await;
    let slots: Vec<_> = tasks.iter().map(|(_, task)| (task.slot_ms - START_MS) / 1000).collect();
    assert_eq!(slots, [30, 45]);
    assert_eq!(world.scraper.counters().snapshot().slots_skipped, 2);
}

#[tokio::test]
async fn samples_have_the_intended_time_however_late_the_task() {
    let world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "a 1\n");
    let task = World::task(0, 1, 0);
    world.memory.clock.set_ms(START_MS + 14_999);
    assert_eq!(world.run_now(task).await, Disposition::Done);
    assert_eq!(world.samples(&of("a")), [(0.0, "1".to_owned())]);
    // More than an interval late: skipped and counted.
    let task = World::task(1, 1, 0);
    world.memory.clock.set_ms(START_MS + 30_001);
    assert_eq!(world.run_now(task).await, Disposition::Done);
    assert_eq!(world.values(&of("up")).len(), 1);
    assert_eq!(world.scraper.counters().snapshot().tasks_late, 1);
}

#[tokio::test]
async fn a_task_twice_stores_one_batch() {
    let mut world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "a 1\n");
    world.scrape(0).await;
    world.scrape(1).await;
    let batches = world.batches();
    // The same process remembers.
    world.scrape(1).await;
    assert_eq!(world.scraper.counters().snapshot().tasks_duplicate, 1);
    // Another does not. No change: it sends the same id. Change: it sees in the table that the task is done.
    world.restart();
    world.scrape(1).await;
    assert_eq!(world.scraper.counters().snapshot().tasks_duplicate, 0);
    assert_eq!(world.batches(), batches);
    world.expose("h:1", "a 1\nb 1\n");
    world.scrape(2).await;
    world.restart();
    world.scrape(2).await;
    assert_eq!(world.scraper.counters().snapshot().tasks_duplicate, 1);
    assert_eq!(world.values(&of("b")), ["1"]);
    assert_eq!(world.values(&of("up")), ["1"; 3]);
}

#[tokio::test]
async fn state_is_written_only_when_something_changed() {
    let world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "a 1\n");
    world.scrape(0).await;
    let writes = world.writes();
    for slot in 1..5 {
        world.expose("h:1", &format!("a {slot}\n"));
        world.scrape(slot).await;
    }
    assert_eq!(world.writes(), writes);
    assert_eq!(world.objects("state").await.len(), 1);
    world.expose("h:1", "b 1\n");
    world.scrape(5).await;
    assert_eq!(world.writes(), writes + 1);
    // The set before is removed.
    assert_eq!(world.objects("state/series-sets").await.len(), 1);
}

#[tokio::test]
async fn what_is_no_task_is_rejected_and_holds_up_no_other() {
    let world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "a 1\n");
    let message = |body: String| Message {
        id: "m".into(),
        body,
        receive_count: 1,
    };
    let good = serde_json::to_string(&World::task(0, 1, 0)).unwrap();
    let bodies = [
        "rubbish".to_owned(),
        good.replace("\"shards\":1", "\"shards\":0"),
        good.replace("\"interval_ms\":15000", "\"interval_ms\":0"),
        good.replace("\"shard\":0", "\"shard\":1"),
        good.clone(),
        // A slot that is far ahead.
        serde_json::to_string(&World::task(9, 1, 0)).unwrap(),
    ];
    let answers = world
        .scraper
        .handle_batch(bodies.into_iter().map(message).collect())
        .await;
    let kinds: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Disposition::Done => 'd',
            Disposition::Retry { .. } => 't',
            Disposition::Reject { .. } => 'j',
        })
        .collect();
    assert_eq!(kinds, ['j', 'j', 'j', 'j', 'd', 't'], "{answers:?}");
    let function: &dyn parapet_ports::Function = &world.scraper;
    let answers = function.handle_batch(Queue::Alerts, vec![message(good)]).await;
    assert!(matches!(answers[0], Disposition::Reject { .. }));
    assert!(function.handle_tick(START_MS).await.is_ok());
}

#[tokio::test]
async fn long_and_short_intervals_keep_their_step() {
    let world = World::new(
        "scrape_configs:\n- job_name: long\n  scrape_interval: 2m\n  static_configs: [{targets: ['h:1']}]\n\
         - job_name: short\n  scrape_interval: 7s\n  scrape_timeout: 7s\n  static_configs: [{targets: ['h:1']}]\n",
    );
    world.expose("h:1", "a 1\n");
    for minute in 0..8 {
        world.minute(minute).await;
    }
    for (job, step) in [("long", 120.0), ("short", 7.0)] {
        let times: Vec<f64> = world
            .samples(&format!(r#"up{{instance="h:1", job="{job}"}}"#))
            .into_iter()
            .map(|(at, _)| at)
            .collect();
        assert!(
            times.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() < 1e-9),
            "{job} {times:?}"
        );
        assert!(times.len() as f64 >= 480.0 / step - 1.0);
    }
}

#[tokio::test]
async fn a_wrong_configuration_is_told_with_its_place() {
    let world = World::new("scrape_configs:\n- job_nam: x\n");
    let error = world.scraper.handle_tick(START_MS).await.unwrap_err();
    assert!(
        error.chain().contains("prometheus.yml:2:3: unknown field \"job_nam\""),
        "{}",
        error.chain()
    );
}

/// Ten thousand targets at the shortest usual interval: each in one task a slot, and the targets spread evenly.
#[tokio::test]
async fn ten_thousand_targets_are_spread_over_the_interval() {
    let hosts: Vec<String> = (0..10_000).map(|at| format!("h{at}:1")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let world = World::new(&job(&hosts, ""));
    let tasks = world.tick(0).await;
    let slot_ms = START_MS;
    let shards = tasks.iter().filter(|(_, task)| task.slot_ms == slot_ms).count();
    assert!((313..800).contains(&shards), "{shards}");
    assert_eq!(tasks.len(), 4 * shards, "each shard at each slot of the minute");
    // Each second of the minute has its share of targets, as far as the shards tell.
    let mut seconds = std::collections::BTreeMap::<i64, f64>::new();
    for (at, task) in &tasks {
        let share = 10_000.0 / task.shards as f64;
        *seconds.entry(task.scheduled_ms().div_euclid(1000)).or_default() += share;
        assert!(
            *at >= task.scheduled_ms() && *at < task.scheduled_ms() + 1_000,
            "visible on time"
        );
    }
    assert!(
        seconds.len() == 60 && seconds.values().all(|share| (550.0..800.0).contains(share)),
        "{seconds:?}"
    );
    // A target is of one shard alone: a few of them, so that the test stays short.
    let some = tasks.into_iter().filter(|(_, task)| task.slot_ms == slot_ms).take(32);
    for (at, task) in some {
        world.memory.clock.set_ms(at);
        assert_eq!(world.run_now(task).await, Disposition::Done);
    }
    let requests = world.targets.requests.lock().unwrap();
    let asked: BTreeSet<&str> = requests.iter().map(|request| request.url.as_str()).collect();
    assert_eq!(asked.len(), requests.len(), "a target twice in a slot");
    assert!((400..=1_024).contains(&asked.len()), "{}", asked.len());
}

//! A slow target delays nothing of the others.

use crate::faults::dying;
use crate::world::{Answer, TEXT, World, job, of};
use parapet_ports::{Disposition, Queue};
use parapet_scraper::{Health, ScrapeTask, Settings, read_targets};
use std::collections::BTreeSet;

fn up(host: &str) -> String {
    format!(r#"up{{instance="{host}", job="j"}}"#)
}

fn slow(wait_ms: i64, body: &str) -> Answer {
    Answer::After(wait_ms, Box::new(Answer::Text(TEXT, body.to_owned())))
}

/// One slow target among three; what does not come at once is slow.
fn world() -> World {
    let settings = Settings {
        slow_ms: 0,
        ..Settings::default()
    };
    let world = World::with_settings(&job(&["h:1", "g:1", "s:1"], ""), settings);
    world.expose("h:1", "a 1\nb 1\n");
    world.expose("g:1", "a 1\n");
    world.answer("s:1", slow(9_000, "a 1\n"));
    world
}

#[tokio::test]
async fn what_others_brought_is_sent_and_remembered_meanwhile() {
    let world = world();
    let exposed = Answer::Text(TEXT, "a 1\n".to_owned());
    world.answer("s:1", Answer::Gated(Box::new(exposed)));
    let task = World::task(0, 1, 0);
    world.memory.clock.set_ms(task.scheduled_ms());
    let known = async || read_targets(world.ports.table.as_ref()).await.unwrap();
    let meanwhile = async {
        for turn in 0.. {
            assert!(turn < 1_000_000, "the others wait for the slow target");
            if known().await.len() == 2 {
                break;
            }
            tokio::task::yield_now().await;
        }
        world.ingest().await;
        for host in ["h:1", "g:1"] {
            assert_eq!(world.values(&up(host)), ["1"], "{host}");
        }
        assert!(world.values(&up("s:1")).is_empty());
        assert!(known().await.values().all(|state| state.health == Health::Up));
        world.memory.clock.advance_ms(9_000);
        world.targets.gate.notify_one();
    };
    let (answer, ()) = tokio::join!(world.run_now(task.clone()), meanwhile);
    assert_eq!(answer, Disposition::Done);
    assert_eq!(world.samples(&up("s:1")), [(0.0, "1".to_owned())]);
    assert_eq!(
        world.values(r#"scrape_duration_seconds{instance="s:1", job="j"}"#),
        ["9"]
    );
    assert_eq!(world.scraper.counters().snapshot().scrapes_slow, 1);
    assert_eq!(known().await.len(), 3);
    // The task is done: a second run scrapes nothing.
    let requests = world.targets.requests.lock().unwrap().len();
    assert_eq!(world.run_now(task).await, Disposition::Done);
    assert_eq!(world.targets.requests.lock().unwrap().len(), requests);
}

#[tokio::test]
async fn a_death_between_waves_loses_and_doubles_nothing() {
    // Samples, state, samples, state.
    for effects in 0..5 {
        let mut world = world();
        world.scrape(0).await;
        world.expose("h:1", "a 1\n");
        world.answer("s:1", slow(9_000, "c 1\n"));
        let dying = dying(&world, effects);
        let healthy = std::mem::replace(&mut world.scraper, dying);
        let answer = world.run(World::task(1, 1, 0)).await;
        assert_eq!(answer == Disposition::Done, effects == 4, "{effects} effects");
        world.scraper = healthy;
        assert_eq!(world.receive(World::task(1, 1, 0), 2).await, Disposition::Done);
        world.scrape(2).await;
        assert_eq!(world.values(&of("b")), ["1", "stale"], "{effects} effects");
        for (series, want) in [("a", &["1", "stale"][..]), ("c", &["1", "1"])] {
            let series = format!(r#"{series}{{instance="s:1", job="j"}}"#);
            assert_eq!(world.values(&series), want, "{effects} effects");
        }
        for host in ["h:1", "g:1", "s:1"] {
            assert_eq!(world.values(&up(host)), ["1"; 3], "{host}, {effects} effects");
        }
    }
}

#[tokio::test]
async fn two_runs_at_once_agree_about_slow_targets() {
    let world = world();
    world.scrape(0).await;
    world.expose("h:1", "a 1\n");
    world.answer("s:1", slow(9_000, "c 1\n"));
    let task = World::task(1, 1, 0);
    world.memory.clock.set_ms(task.scheduled_ms());
    let (one, two) = tokio::join!(world.run_now(task.clone()), world.run_now(task));
    assert_eq!((one, two), (Disposition::Done, Disposition::Done));
    world.scrape(2).await;
    assert_eq!(world.values(&of("b")), ["1", "stale"]);
    assert_eq!(world.values(r#"a{instance="s:1", job="j"}"#), ["1", "stale"]);
    assert_eq!(world.values(&up("s:1")), ["1"; 3]);
}

/// Minutes in which every task begins at its time, whatever others still wait for.
async fn minutes(world: &World, minutes: std::ops::Range<i64>) -> Vec<ScrapeTask> {
    let mut last = Vec::new();
    for minute in minutes {
        last = world.tick(minute).await.into_iter().map(|(_, task)| task).collect();
        for task in &last {
            let now_ms = task.scheduled_ms();
            world.memory.clock.set_ms(now_ms);
            assert_eq!(world.run_now(task.clone()).await, Disposition::Done);
        }
    }
    last
}

#[tokio::test]
async fn targets_that_stay_slow_are_scraped_with_their_like_and_come_back() {
    let world = world();
    minutes(&world, 0..2).await;
    let tasks = minutes(&world, 2..3).await;
    let bodies: BTreeSet<String> = tasks.iter().map(|task| serde_json::to_string(task).unwrap()).collect();
    let is_slow = |body: &&String| body.contains(r#""lane":"slow""#);
    assert_eq!(bodies.iter().filter(is_slow).count(), 4, "{bodies:?}");
    assert_eq!(tasks.len(), 8);
    // Moving ended nothing and began nothing anew.
    for host in ["h:1", "g:1", "s:1"] {
        assert_eq!(world.values(&up(host)), ["1"; 12], "{host}");
        let added = format!(r#"scrape_series_added{{instance="{host}", job="j"}}"#);
        assert!(world.values(&added)[1..].iter().all(|added| added == "0"), "{host}");
    }
    world.expose("s:1", "a 1\n");
    minutes(&world, 3..4).await;
    let tasks = minutes(&world, 4..6).await;
    assert_eq!(tasks.len(), 4, "{tasks:?}");
    assert_eq!(world.values(&up("s:1")), ["1"; 24]);
    assert_eq!(world.memory.table.items().len(), 1);
    assert!(world.memory.queues.drain(Queue::ScrapeTasks).is_empty());
}

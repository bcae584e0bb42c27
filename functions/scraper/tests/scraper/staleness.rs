//! Staleness markers: what ended is said to have ended, once.

use crate::world::{Answer, World, job, of};
use parapet_scraper::Settings;

#[tokio::test]
async fn a_series_that_vanishes_is_marked_once() {
    let world = World::new(&job(&["h:1"], ""));
    for (slot, body) in [(0, "a 1\nb 1\n"), (1, "a 2\n"), (2, "a 3\n"), (3, "a 4\nb 4\n")] {
        world.expose("h:1", body);
        world.scrape(slot).await;
    }
    assert_eq!(world.values(&of("a")), ["1", "2", "3", "4"]);
    assert_eq!(
        world.samples(&of("b")),
        [(0.0, "1".into()), (15.0, "stale".into()), (45.0, "4".into())]
    );
    assert_eq!(world.values(&of("scrape_series_added")), ["2", "0", "0", "1"]);
}

#[tokio::test]
async fn a_failed_scrape_marks_everything_and_the_return_adds_nothing() {
    let world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "a 1\nb 1\n");
    world.scrape(0).await;
    for slot in 1..3 {
        world.answer("h:1", Answer::Status(500));
        world.scrape(slot).await;
    }
    world.expose("h:1", "a{ 1\n");
    world.scrape(3).await;
    world.expose("h:1", "a 1\nb 1\n");
    world.scrape(4).await;
    assert_eq!(
        world.samples(&of("a")),
        [(0.0, "1".into()), (15.0, "stale".into()), (60.0, "1".into())]
    );
    assert_eq!(world.values(&of("up")), ["1", "0", "0", "0", "1"]);
    assert_eq!(world.values(&of("scrape_series_added")), ["2", "0", "0", "0", "0"]);
}

#[tokio::test]
async fn markers_survive_a_restart() {
    let mut world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "a 1\nb 1\n");
    world.scrape(0).await;
    world.restart();
    world.expose("h:1", "a 1\n");
    world.scrape(4).await;
    assert_eq!(world.samples(&of("b")), [(0.0, "1".into()), (60.0, "stale".into())]);
}

#[tokio::test]
async fn series_with_timestamps_of_their_own_are_not_marked_unless_asked() {
    for (more, want) in [("", 1), ("  track_timestamps_staleness: true\n", 2)] {
        let world = World::new(&job(&["h:1"], more));
        world.expose("h:1", &format!("a 1 {}\nb 1\n", crate::world::START_MS - 1_000));
        world.scrape(0).await;
        world.expose("h:1", "c 1\n");
        world.scrape(1).await;
        assert_eq!(world.values(&of("a")).len(), want, "{more}");
        assert_eq!(world.values(&of("b")), ["1", "stale"]);
    }
}

#[tokio::test]
async fn a_target_that_leaves_the_configuration_is_marked_by_the_next_tick() {
    let world = World::new(&job(&["h:1", "g:1"], ""));
    world.expose("h:1", "a 1\n");
    world.expose("g:1", "a 1\n");
    world.minute(0).await;
    world.config.set(&job(&["g:1"], ""));
    world.minute(1).await;
    world.minute(2).await;
    let expected: Vec<(f64, String)> = [0.0, 15.0, 30.0, 45.0]
        .map(|at| (at, "1".to_owned()))
        .into_iter()
        .chain([(60.0, "stale".to_owned())])
        .collect();
    for name in ["a", "up"] {
        assert_eq!(world.samples(&of(name)), expected, "{name}");
    }
    assert_eq!(world.values(&of("scrape_duration_seconds")).last().unwrap(), "stale");
    assert_eq!(world.values(r#"up{instance="g:1", job="j"}"#), ["1"; 12]);
    // Nothing of it is left.
    assert_eq!(world.objects("state/series-sets").await.len(), 1);
    world.config.set("scrape_configs: []\n");
    world.minute(3).await;
    assert!(world.memory.table.items().is_empty());
    assert!(world.objects("state/series-sets").await.is_empty());
    assert_eq!(world.scraper.counters().snapshot().targets_gone, 2);
}

#[tokio::test]
async fn a_target_that_was_down_when_it_left_is_marked_too() {
    let world = World::new(&job(&["h:1"], ""));
    world.minute(0).await;
    world.config.set("scrape_configs: []\n");
    world.minute(1).await;
    assert_eq!(world.values(&of("up")), ["0", "0", "0", "0", "stale"]);
}

#[tokio::test]
async fn a_change_of_shards_or_interval_marks_nothing_that_goes_on() {
    let hosts: Vec<String> = (0..30).map(|i| format!("h{i}:1")).collect();
    let all: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let settings = Settings {
        targets_per_shard: 20,
        ..Settings::default()
    };
    let world = World::with_settings(&job(&all[..10], ""), settings);
    for host in &all {
        world.expose(host, "a 1\nb 1\n");
    }
    world.minute(0).await;
    // From one shard to some.
    world.config.set(&job(&all, ""));
    for host in &all {
        world.expose(host, "a 1\n");
    }
    world.minute(1).await;
    world.minute(2).await;
    // And to another interval.
    world.config.set(&job(&all, "").replace("15s", "30s"));
    world.minute(3).await;
    world.minute(4).await;
    for (index, host) in all.iter().enumerate() {
        let series = |name: &str| format!(r#"{name}{{instance="{host}", job="j"}}"#);
        assert!(!world.values(&series("a")).contains(&"stale".to_owned()), "{host}");
        assert!(!world.values(&series("up")).contains(&"stale".to_owned()), "{host}");
        // What vanished over the change is marked: the new shard knows what the old one saw.
        let stale = world
            .values(&series("b"))
            .iter()
            .filter(|value| *value == "stale")
            .count();
        assert_eq!(stale, usize::from(index < 10), "{host}");
    }
    // The items of the shards that are no more are gone.
    let items = world.memory.table.items();
    assert!(items.len() > 1);
    assert!(
        items.iter().all(|item| item.key.sk.starts_with("0000000030000/")),
        "{items:?}"
    );
    assert_eq!(world.objects("state/series-sets").await.len(), 30);
}

#[tokio::test]
async fn a_target_whose_url_changed_goes_on() {
    let world = World::new(&job(&["h:1"], ""));
    world.expose("h:1", "a 1\nb 1\n");
    world.minute(0).await;
    world.config.set(&job(&["h:1"], "  params: {x: ['y']}\n"));
    let url = "http://h:1/metrics?x=y".to_owned();
    let answer = Answer::Text(crate::world::TEXT, "a 1\n".into());
    world.targets.answers.lock().unwrap().insert(url, answer);
    world.minute(1).await;
    world.minute(2).await;
    assert_eq!(world.values(&of("a")), ["1"; 12]);
    assert_eq!(world.values(&of("up")), ["1"; 12]);
    assert_eq!(world.values(&of("b")), ["1", "1", "1", "1", "stale"]);
    assert_eq!(world.memory.table.items().len(), 1);
    let state = parapet_scraper::read_targets(world.ports.table.as_ref()).await.unwrap();
    assert_eq!(state.len(), 1);
    assert_eq!(world.objects("state/series-sets").await.len(), 1);
}

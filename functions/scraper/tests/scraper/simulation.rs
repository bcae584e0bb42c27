//! Many slots with deaths, duplicates, restarts and changes of configuration: in the end the store tells the truth.

use crate::faults::dying;
use crate::world::{Answer, START_MS, World, job};
use parapet_ports::Disposition;
use parapet_scraper::Settings;
use proptest::prelude::*;

/// More effects than a run has.
const NEVER: i64 = 5;

/// What happens around one slot.
#[derive(Clone, Debug)]
struct Slot {
    /// Which of the series `s0`, `s1`, `s2` the target exposes; `None` where it is down.
    exposed: Option<[bool; 3]>,
    /// Whether the second target is configured.
    second: bool,
    /// The first run dies after so many effects, or never.
    dies_after: i64,
    /// Runs after that.
    runs: usize,
    /// Two at once.
    together: bool,
    restart: bool,
    /// The second target answers late, after the first one is stored.
    late: bool,
}

fn slot() -> impl Strategy<Value = Slot> {
    (
        proptest::option::weighted(0.8, any::<[bool; 3]>()),
        any::<bool>(),
        0i64..=NEVER,
        1usize..3,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(exposed, second, dies_after, runs, together, restart, late)| Slot {
            exposed,
            second,
            dies_after,
            runs,
            together,
            restart,
            late,
        })
}

fn series(host: &str, name: &str) -> String {
    format!(r#"{name}{{instance="{host}", job="j"}}"#)
}

async fn simulate(slots: &[Slot]) {
    // What does not come at once is slow.
    let settings = Settings {
        slow_ms: 0,
        ..Settings::default()
    };
    let mut world = World::with_settings("", settings);
    for (n, slot) in slots.iter().enumerate() {
        let n = n as i64;
        let hosts: &[&str] = if slot.second { &["h:1", "g:1"] } else { &["h:1"] };
        world.config.set(&job(hosts, ""));
        for host in ["h:1", "g:1"] {
            match slot.exposed {
                Some(exposed) => {
                    let names = (0..3).filter(|i| exposed[*i]).map(|i| format!("s{i} {n}\n"));
                    world.expose(host, &names.collect::<String>());
                }
                None => world.answer(host, Answer::Status(500)),
            }
            if slot.late && host == "g:1" {
                world.delay(host, 5_000);
            }
        }
        if n % 4 == 0 {
            world.tick(n / 4).await;
        }
        let task = World::task(n, 1, 0);
        if slot.dies_after < NEVER {
            let dying = dying(&world, slot.dies_after);
            let healthy = std::mem::replace(&mut world.scraper, dying);
            world.run(task.clone()).await;
            world.scraper = healthy;
        }
        if slot.restart {
            world.restart();
        }
        for _ in 0..slot.runs {
            world.memory.clock.set_ms(task.scheduled_ms() + 100);
            if slot.together {
                let (one, two) = tokio::join!(world.run_now(task.clone()), world.run_now(task.clone()));
                assert_eq!((one, two), (Disposition::Done, Disposition::Done));
            } else {
                let receive_count = if slot.dies_after < NEVER { 2 } else { 1 };
                assert_eq!(world.receive(task.clone(), receive_count).await, Disposition::Done);
            }
        }
    }
    // The last tick marks a target that left, whatever died before.
    let minutes = slots.len() as i64 / 4 + 1;
    world.memory.clock.set_ms(START_MS + minutes * 60_000);
    world.tick_late(minutes).await;

    // Every slot has one `up`, of the right value.
    let ups = world.samples(&series("h:1", "up"));
    let want: Vec<(f64, String)> = slots
        .iter()
        .enumerate()
        .map(|(n, slot)| (n as f64 * 15.0, u8::from(slot.exposed.is_some()).to_string()))
        .collect();
    assert_eq!(ups, want);
    let last = slots.last().unwrap();
    for i in 0..3 {
        let name = format!("s{i}");
        let samples = world.samples(&series("h:1", &name));
        // A sample in each slot in which it was exposed.
        let values: Vec<&String> = samples.iter().map(|(_, v)| v).filter(|v| *v != "stale").collect();
        let want: Vec<String> = slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.exposed.is_some_and(|exposed| exposed[i]))
            .map(|(n, _)| n.to_string())
            .collect();
        assert_eq!(values, want.iter().collect::<Vec<_>>());
        // Between two samples that are more than a slot apart, and after the last, there is a marker.
        for pair in samples.windows(2) {
            assert!(
                pair[0].1 == "stale" || pair[1].0 - pair[0].0 == 15.0,
                "{name}: {samples:?}"
            );
        }
        let alive = last.exposed.is_some_and(|exposed| exposed[i]);
        if let Some((_, value)) = samples.last() {
            assert_eq!(value != "stale", alive, "{name}: {samples:?}");
        }
        if !last.second
            && let Some((_, value)) = world.samples(&series("g:1", &name)).last()
        {
            assert_eq!(value, "stale", "{name} of the target that left");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_tells_the_truth(slots in proptest::collection::vec(slot(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(simulate(&slots));
    }
}

//! Thousands of group lifetimes with deaths between any two effects, messages that come twice, late and out of order,
//! and receivers that are slow, refuse or are away: nothing is lost, and a page is doubled only where the process died
//! between sending and recording it, under the same dedup key.
//!
//! `PARAPET_SIMULATION_LIFETIMES` says how many, `PARAPET_SIMULATION_SEED` where to begin; both are printed.

use crate::chaos::{self, Chaos};
use crate::world::{Call, START_MS, World};
use parapet_model::{Alert, Labels};
use parapet_notifier::{Settings, read_groups};
use parapet_ports::Queues as _;
use parapet_ports::{Function as _, Outgoing, Queue};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Group lifetimes of one world.
const GROUPS: usize = 50;
const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

/// Until then everything goes wrong by chance.
const CHAOS_MS: i64 = 15 * MINUTE;
/// From then until this every instance fires, and everybody must learn it.
const CALM_MS: i64 = 24 * MINUTE;
/// Until then everybody must have learned that it is over.
const END_MS: i64 = 40 * MINUTE;
/// What fires for so long is never missed, whatever goes wrong.
const SEEN_WITHIN_MS: i64 = 10 * MINUTE;

const CONFIG: &str = "
route:
  receiver: ops
  group_by: [alertname, pace]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 4h
  routes:
  - {matchers: [pace=0], group_wait: 0s, group_interval: 10s}
  - {matchers: [pace=1], group_wait: 5s, group_interval: 30s}
  - {matchers: [pace=2], group_wait: 30s, group_interval: 2m}
receivers:
- name: ops
  webhook_configs:
  - url: http://one.example/
  - url: http://two.example/
";

#[allow(clippy::disallowed_methods)]
fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// One alert: when it fires.
struct Instance {
    labels: Labels,
    group: usize,
    episodes: Vec<(i64, i64)>,
}

impl Instance {
    /// Some episodes by chance while there is chaos, and a long one after.
    fn new(random: &mut StdRng, group: usize, number: usize) -> Self {
        let mut episodes = Vec::new();
        let mut at_ms = START_MS + random.random_range(0..300) * SECOND;
        while at_ms < START_MS + CHAOS_MS {
            let long = random.random_bool(0.3);
            let seconds = if long { 600..840 } else { 1..240 };
            let end_ms = (at_ms + random.random_range(seconds) * SECOND).min(START_MS + CHAOS_MS);
            episodes.push((at_ms, end_ms));
            at_ms = end_ms + random.random_range(1..400) * SECOND;
        }
        episodes.push((START_MS + CHAOS_MS + 20 * SECOND, START_MS + CALM_MS));
        let pace = (group % 4).to_string();
        let (alertname, instance) = (format!("g{group:02}"), number.to_string());
        Self {
            labels: Labels::from_pairs([("alertname", alertname), ("instance", instance), ("pace", pace)]),
            group,
            episodes,
        }
    }

    /// What rule evaluation says of it at a moment: what changed at once, the rest each minute.
    fn statement(&self, now_ms: i64) -> Option<Alert> {
        let (from_ms, to_ms) = *self.episodes.iter().rfind(|(from_ms, _)| *from_ms <= now_ms)?;
        let fires = now_ms < to_ms;
        let since_ms = now_ms - if fires { from_ms } else { to_ms };
        (since_ms % MINUTE == 0 && (fires || since_ms <= 5 * MINUTE)).then(|| Alert {
            labels: self.labels.clone(),
            annotations: Labels::empty(),
            starts_at_ms: from_ms,
            ends_at_ms: if fires { now_ms + 4 * MINUTE } else { to_ms },
            updated_at_ms: now_ms,
            generator_url: String::new(),
        })
    }
}

/// What came of a world.
#[derive(Debug, Default)]
struct Tally {
    lifetimes: usize,
    pages: usize,
    deaths: usize,
    windows: usize,
    duplicates: usize,
    restated: usize,
    episodes: usize,
}

async fn run(seed: u64) -> (World, Vec<Instance>) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut instances = Vec::new();
    for group in 0..GROUPS {
        let count = random.random_range(1..4);
        instances.extend((0..count).map(|number| Instance::new(&mut random, group, number)));
    }
    let settings = Settings {
        concurrency: random.random_range(1..8),
        // In some worlds nearly everything lies in the object store.
        inline_limit_bytes: if random.random_bool(0.2) { 600 } else { 300 * 1024 },
        ..Settings::default()
    };
    let mut world = World::with_settings(CONFIG, settings);
    world.life.0.lock().unwrap().chaos = Some(Chaos::new(random.random(), 0.01));
    let (clock, receivers) = (
        world.memory.clock.clone(),
        Mutex::new(StdRng::seed_from_u64(random.random())),
    );
    // Each receiver is away for some minutes.
    let away: BTreeMap<&str, i64> = ["one", "two"]
        .map(|host| (host, START_MS + random.random_range(0..CHAOS_MS)))
        .into();
    world.answer(move |request, at_ms| {
        if at_ms >= START_MS + CHAOS_MS {
            return crate::world::status(200);
        }
        let is_away = |(host, from_ms): (&&str, &i64)| {
            request.url.contains(*host) && (*from_ms..*from_ms + 2 * MINUTE).contains(&at_ms)
        };
        if away.iter().any(is_away) {
            return crate::world::status(503);
        }
        chaos::answer(&mut receivers.lock().unwrap(), request, |ms| clock.advance_ms(ms))
    });
    let mut said_ms = START_MS;
    while world.now_ms() < START_MS + END_MS {
        if world.now_ms() >= START_MS + CHAOS_MS {
            world.life.0.lock().unwrap().chaos.as_mut().unwrap().death = 0.0;
        }
        // A slow receiver may have taken whole seconds.
        while said_ms <= world.now_ms() {
            let mut alerts: Vec<Alert> = instances
                .iter()
                .filter_map(|instance| instance.statement(said_ms))
                .collect();
            while !alerts.is_empty() {
                let part = alerts.split_off(alerts.len().saturating_sub(random.random_range(1..40)));
                let messages = vec![Outgoing::now(serde_json::to_string(&part).unwrap())];
                let messages = world.life.0.lock().unwrap().chaos.as_mut().unwrap().shuffle(messages);
                world.memory.queues.send_batch(Queue::Alerts, messages).await.unwrap();
            }
            if said_ms % MINUTE == 0 {
                let _ = world.notifier.handle_tick(said_ms).await;
                world.restart();
            }
            said_ms += SECOND;
        }
        while world.pump_together().await {}
        world.memory.clock.advance_ms(SECOND);
    }
    (world, instances)
}

/// What a page says: each alert, whether it fires, and since when.
fn content(call: &Call) -> Vec<(String, String, String)> {
    let alerts = call.body["alerts"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    alerts
        .map(|alert| {
            (
                text(&alert["labels"]["instance"]),
                text(&alert["status"]),
                text(&alert["startsAt"]),
            )
        })
        .collect()
}

/// Looks at everything that one receiver was told of one group.
fn check(
    world: &World,
    seed: u64,
    (host, group): (&str, usize),
    calls: &[Call],
    instances: &[Instance],
    tally: &mut Tally,
) {
    let name = format!("g{group:02}");
    let calls: Vec<&Call> = calls
        .iter()
        .filter(|call| call.url.contains(host) && call.body["groupLabels"]["alertname"] == name.as_str())
        .collect();
    let told: Vec<String> = calls
        .iter()
        .map(|call| {
            format!(
                "{} {} {}",
                (call.at_ms - START_MS) / SECOND,
                call.dedup_key,
                call.says()
            )
        })
        .collect();
    let context = || format!("seed {seed}, {host}, {name}:\n{}", told.join("\n"));
    let life = world.life.0.lock().unwrap();
    let mut by_key: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in &calls {
        by_key.entry(&call.dedup_key).or_default().push(call);
    }
    for (key, calls) in &by_key {
        let windows = life.sends.windows.get(*key).copied().unwrap_or_default();
        assert!(
            calls.len() <= 1 + windows,
            "{key} came outside the crash window; {}",
            context()
        );
        let says = |call: &Call| call.says();
        assert!(
            calls.iter().all(|call| says(call) == says(calls[0])),
            "{key} says different things; {}",
            context()
        );
        tally.duplicates += calls.len() - 1;
    }
    for pair in calls.windows(2) {
        if content(pair[0]) == content(pair[1]) && pair[0].dedup_key != pair[1].dedup_key {
            // Right only where the receiver may have been told something else in between by a process that died.
            let of = |key: &str| {
                key.rsplit_once('/')
                    .map(|(group, flush)| (group.to_owned(), flush.parse().unwrap()))
            };
            let (first, second): ((String, i64), (String, i64)) =
                (of(&pair[0].dedup_key).unwrap(), of(&pair[1].dedup_key).unwrap());
            let between = |key: &String| {
                of(key).is_some_and(|(group, flush): (String, i64)| {
                    group == first.0 && flush > first.1 && flush < second.1
                })
            };
            assert!(
                life.sends.doubtful.iter().any(between),
                "told twice under two keys; {}",
                context()
            );
            tally.restated += 1;
        }
    }
    for instance in instances.iter().filter(|instance| instance.group == group) {
        let number = instance.labels.get("instance").unwrap();
        let says = |state: &str| {
            let state = format!("{number}={state}");
            calls
                .iter()
                .filter(move |call| call.says().split(' ').any(|said| said == state))
                .map(|call| call.at_ms)
        };
        for (from_ms, to_ms) in &instance.episodes {
            if to_ms - from_ms >= SEEN_WITHIN_MS || *to_ms == START_MS + CALM_MS {
                tally.episodes += 1;
                // It was told while it fired, or fired already as far as the receiver knew.
                let fired = says("firing").filter(|at_ms| at_ms < to_ms).max();
                let over = says("resolved").filter(|at_ms| at_ms < to_ms).max();
                let known = fired.is_some() && over.is_none_or(|over| over <= fired.unwrap());
                let seconds = |ms: &i64| (ms - START_MS) / SECOND;
                let (from, to) = (seconds(from_ms), seconds(to_ms));
                assert!(
                    known,
                    "{number} fired from {from} to {to} and nobody knew; {}",
                    context()
                );
            }
        }
        assert!(
            says("resolved").max() >= says("firing").max(),
            "{number} is over and nobody knows; {}",
            context()
        );
    }
    tally.pages += calls.len();
}

#[tokio::test]
async fn group_lifetimes_under_every_fault() {
    let lifetimes = variable("PARAPET_SIMULATION_LIFETIMES", 200);
    let first_seed = variable("PARAPET_SIMULATION_SEED", 1);
    let mut tally = Tally::default();
    for world in 0..lifetimes.div_ceil(GROUPS as u64) {
        let seed = first_seed + world;
        let (world, instances) = run(seed).await;
        let calls = world.calls();
        for group in 0..GROUPS {
            for host in ["one", "two"] {
                check(&world, seed, (host, group), &calls, &instances, &mut tally);
            }
        }
        tally.lifetimes += GROUPS;
        {
            let life = world.life.0.lock().unwrap();
            tally.deaths += life.chaos.as_ref().unwrap().deaths;
            tally.windows += life.sends.windows.values().sum::<usize>();
        }
        let left = read_groups(&world.ports).await.unwrap();
        assert!(left.is_empty(), "seed {seed}: {} groups are still awake", left.len());
    }
    let Tally {
        lifetimes,
        pages,
        deaths,
        windows,
        duplicates,
        restated,
        episodes,
    } = tally;
    #[allow(clippy::cast_precision_loss)]
    let per_million = duplicates as f64 * 1e6 / pages as f64;
    println!(
        "{lifetimes} group lifetimes from seed {first_seed}, {pages} pages, {deaths} deaths, {windows} of them between \
         sending and recording: {duplicates} duplicates ({per_million:.0} of a million pages), each under the key of the \
         first; {restated} pages told anew because a death left in doubt what was known; {episodes} long alerts, each \
         told in time; nothing lost"
    );
    assert!(
        windows > 0 && duplicates > 0,
        "no process died in the crash window: the simulation is blind"
    );
}

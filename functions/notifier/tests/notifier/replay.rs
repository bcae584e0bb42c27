//! A replay tells what the notifier does: the same alerts through both give the same pages at the same moments.
//!
//! Of a statement and a deadline of one moment the statement comes first, in both.

use crate::world::{START_MS, World};
use parapet_model::{Alert, Labels};
use parapet_notifier::{read_silences, set_silence};
use parapet_routing::{Replay, Silence, SilenceMatcher, parse};

const MINUTE: i64 = 60_000;

const CONFIG: &str = "
route:
  receiver: ops
  group_by: [alertname]
  group_wait: 20s
  group_interval: 3m
  repeat_interval: 10m
  routes:
  - {receiver: team-a, matchers: [team=a], continue: true, group_by: ['...'], group_wait: 0s}
  - {receiver: team-a, matchers: [team=a, severity=warning], mute_time_intervals: [early]}
  - {receiver: team-b, matchers: [team=b], active_time_intervals: [late], repeat_interval: 20m}
receivers:
- {name: ops, webhook_configs: [{url: 'http://ops.example/'}]}
- {name: team-a, webhook_configs: [{url: 'http://team-a.example/'}]}
- {name: team-b, webhook_configs: [{url: 'http://team-b.example/', send_resolved: false}]}
inhibit_rules:
- {source_matchers: [severity=page], target_matchers: [severity=warning], equal: [instance]}
time_intervals:
- {name: early, time_intervals: [{times: [{start_time: '00:10', end_time: '00:40'}]}]}
- {name: late, time_intervals: [{times: [{start_time: '00:30', end_time: '24:00'}]}]}
";

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// An alert and since when it fires or is over.
struct Source {
    labels: Labels,
    since_ms: i64,
    ended_ms: Option<i64>,
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for (number, team) in ["a", "b", "c"].into_iter().cycle().take(18).enumerate() {
        let severity = if number % 2 == 0 { "page" } else { "warning" };
        let pairs = [
            ("alertname", format!("A{}", number % 4)),
            ("instance", format!("i{}", number / 6)),
            ("severity", severity.to_owned()),
            ("team", team.to_owned()),
        ];
        sources.push(Source {
            labels: Labels::from_pairs(pairs),
            since_ms: 0,
            ended_ms: Some(0),
        });
    }
    sources
}

/// What rules would state at a moment: firing alerts, and those that ended in the last quarter of an hour.
fn statements(sources: &mut [Source], dice: &mut Dice, now_ms: i64) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for source in sources {
        if dice.roll(6) == 0 {
            match source.ended_ms {
                Some(_) => (source.since_ms, source.ended_ms) = (now_ms, None),
                None => source.ended_ms = Some(now_ms),
            }
        }
        if source.ended_ms.is_some_and(|ended_ms| now_ms - ended_ms > 15 * MINUTE) {
            continue;
        }
        alerts.push(Alert {
            labels: source.labels.clone(),
            starts_at_ms: source.since_ms,
            ends_at_ms: source.ended_ms.unwrap_or(now_ms + 4 * MINUTE),
            updated_at_ms: now_ms,
            ..Alert::default()
        });
    }
    alerts
}

async fn silence(world: &World, instance: &str, from: i64, until: i64) {
    let matcher = SilenceMatcher {
        name: "instance".to_owned(),
        value: instance.to_owned(),
        is_regex: false,
        is_equal: true,
    };
    let silence = Silence {
        matcher_sets: vec![vec![matcher]],
        starts_at_ms: Some(START_MS + from * MINUTE),
        ends_at_ms: Some(START_MS + until * MINUTE + 500),
        ..Silence::default()
    };
    set_silence(&world.memory.ports, silence).await.unwrap();
}

/// When, to which group, and about what.
type Said = (i64, String, Vec<String>);

#[tokio::test]
async fn a_replay_tells_what_the_notifier_does() {
    for seed in 1..=5 {
        let mut world = World::new(CONFIG);
        silence(&world, "i0", 15, 35).await;
        silence(&world, "i1", 0, 20).await;
        let silences = read_silences(&world.memory.ports).await.unwrap();
        let config = parse("alertmanager.yml", CONFIG).unwrap();
        let mut replay = Replay::new(&config, &silences);
        let (mut sources, mut dice) = (sources(), Dice(seed));
        for _ in 0..60 {
            let now_ms = world.now_ms();
            let alerts = statements(&mut sources, &mut dice, now_ms);
            replay.take(now_ms, &alerts);
            world.post(alerts).await;
            world.run_until(now_ms + MINUTE - world.step_ms).await;
            // Not by running: what is due at the minute waits for what is stated then.
            world.memory.clock.advance_ms(world.step_ms);
        }
        world.run_until(START_MS + 90 * MINUTE).await;
        let mut real: Vec<Said> = Vec::new();
        for call in world.calls() {
            let alerts = call.body["alerts"].as_array().unwrap().iter();
            let alerts = alerts.map(|alert| {
                format!(
                    "{}={}",
                    alert["fingerprint"].as_str().unwrap(),
                    alert["status"].as_str().unwrap()
                )
            });
            let group = format!(
                "{} {}",
                call.body["receiver"].as_str().unwrap(),
                call.body["groupKey"].as_str().unwrap()
            );
            real.push((call.at_ms - START_MS, group, alerts.collect()));
        }
        let replayed = replay.finish(START_MS + 90 * MINUTE);
        assert!(!replayed.held.is_empty());
        let mut told: Vec<Said> = Vec::new();
        for page in replayed.pages {
            let notification = page.notification;
            let alerts = notification.alerts.iter();
            let alerts = alerts.map(|alert| {
                let status = if alert.ended_at_ms.is_some() {
                    "resolved"
                } else {
                    "firing"
                };
                format!("{}={status}", alert.fingerprint)
            });
            let group = format!("{} {}", notification.receiver, notification.group_key);
            told.push((page.at_ms - START_MS, group, alerts.collect()));
        }
        real.sort();
        told.sort();
        assert!(told.len() > 40, "{}", told.len());
        for (real, told) in real.iter().zip(&told) {
            assert_eq!(real, told, "seed {seed}");
        }
        assert_eq!(real.len(), told.len(), "seed {seed}");
    }
}

use super::*;
use crate::state::{Health, SeriesSetRef, ShardState, TargetState};
use proptest::prelude::*;
use std::collections::BTreeSet;

const LIMITS: Limits = Limits {
    targets: 20,
    samples: 10_000,
};
const MINUTE_MS: i64 = 1_700_000_040_000;

fn config(jobs: &[(&str, usize)]) -> Config {
    let mut text = "scrape_configs:\n".to_owned();
    for (index, (interval, targets)) in jobs.iter().enumerate() {
        let list: Vec<String> = (0..*targets).map(|i| format!("h{i}:80")).collect();
        text.push_str(&format!(
            "- job_name: j{index}\n  scrape_interval: {interval}\n  static_configs:\n  - targets: {list:?}\n"
        ));
    }
    parapet_config::parse("p.yml", &text).unwrap()
}

fn targets(config: &Config) -> Vec<&Target> {
    config.jobs.iter().flat_map(|job| &job.targets).collect()
}

/// What a target costs in a test: series, slowness.
type Cost = (usize, u8);

/// The items that scrapes by a plan leave behind, where the n-th target costs the n-th cost.
fn items(config: &Config, plan: &Plan, costs: &[Cost]) -> BTreeMap<Home, ShardState> {
    let mut items: BTreeMap<Home, ShardState> = BTreeMap::new();
    for (target, (series, slowness)) in targets(config).into_iter().zip(costs.iter().cycle()) {
        let state = TargetState {
            job: String::new(),
            labels: target.labels.clone(),
            health: Health::Up,
            last_error: String::new(),
            changed_ms: 1,
            duration_ms: 0,
            series_set: Some(SeriesSetRef {
                name: String::new(),
                hash: 0,
                series: *series,
            }),
            live: true,
            metadata: None,
            extra_metrics: false,
            slowness: *slowness,
        };
        let home = plan.home(target.identity).unwrap();
        items
            .entry(home)
            .or_default()
            .targets
            .insert(Identity(target.identity), state);
    }
    items
}

fn measured(items: &BTreeMap<Home, ShardState>) -> Measured {
    Measured::of(items.iter().map(|(home, state)| (*home, state)))
}

/// The plan of a second minute, after every target was scraped and cost what it costs.
fn settled(config: &Config, costs: &[Cost]) -> (Plan, BTreeMap<Home, ShardState>) {
    let first = Plan::new(config, &LIMITS, &Measured::default());
    let plan = Plan::new(config, &LIMITS, &measured(&items(config, &first, costs)));
    let items = items(config, &plan, costs);
    (plan, items)
}

/// Each target is scraped by exactly one shard, that which the plan says; shards are as large as they may be.
fn check(config: &Config, plan: &Plan, costs: &[Cost]) {
    let mut seen = BTreeMap::new();
    let mut heads = BTreeSet::new();
    let cost_of: HashMap<u64, Cost> = targets(config)
        .into_iter()
        .map(|target| target.identity)
        .zip(costs.iter().copied().cycle())
        .collect();
    let hour = (0..60).flat_map(|minute| plan.tasks(MINUTE_MS + minute * 60_000));
    for task in hour.filter(|task| heads.insert(task.home())) {
        assert!(task.is_valid());
        let members = targets_of(config, &task);
        assert!(!members.is_empty(), "{task:?}");
        let cost: f64 = members
            .iter()
            .map(|(_, target)| 0.05 + cost_of[&target.identity].0 as f64 / 10_000.0)
            .sum();
        assert!(
            members.len() == 1 || cost <= 1.001,
            "{cost} for {} targets",
            members.len()
        );
        for (_, target) in members {
            assert_eq!(plan.home(target.identity), Some(task.home()));
            assert_eq!(seen.insert(target.identity, task.home()), None, "twice");
        }
    }
    assert_eq!(seen.len(), targets(config).len());
}

#[test]
fn every_slot_lies_in_one_minute_and_none_is_left_out() {
    let config = config(&[("15s", 50), ("7s", 3), ("1m", 5), ("90s", 45), ("1h", 2), ("1500ms", 1)]);
    let plan = Plan::new(&config, &LIMITS, &Measured::default());
    let (mut seen, hours) = (BTreeSet::new(), 3);
    for minute in 0..hours * 60 {
        for task in plan.tasks(MINUTE_MS + minute * 60_000) {
            assert!(task.is_valid());
            let in_minute = task.scheduled_ms() - MINUTE_MS - minute * 60_000;
            assert!((0..60_000).contains(&in_minute));
            assert!(seen.insert(task.clone()), "{task:?} twice");
        }
    }
    // Each shard that has targets is scraped once in each interval.
    let homes: BTreeSet<Home> = seen.iter().map(ScrapeTask::home).collect();
    for home in homes {
        let tasks = seen.iter().filter(|task| task.home() == home);
        let times: Vec<_> = tasks.map(ScrapeTask::scheduled_ms).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == home.interval_ms));
        assert!(times.len() as i64 >= hours * 3_600_000 / home.interval_ms - 1);
    }
    assert_eq!(plan.tasks(MINUTE_MS), plan.tasks(MINUTE_MS));
}

#[test]
fn a_large_target_is_alone_and_small_ones_share() {
    let config = config(&[("15s", 40)]);
    let mut costs = vec![(100, 0); 40];
    costs[7] = (1_000_000, 0);
    let (plan, _) = settled(&config, &costs);
    let large = plan.home(targets(&config)[7].identity).unwrap();
    let beside = plan.homes.values().filter(|home| **home == large).count();
    assert_eq!(beside, 1);
    assert!((3..16).contains(&plan.shards.len()), "{}", plan.shards.len());
}

#[test]
fn slow_targets_share_their_own_shards() {
    let config = config(&[("15s", 200)]);
    let costs: Vec<Cost> = (0..200).map(|at| (10, if at % 10 == 0 { 4 } else { 0 })).collect();
    let (plan, items) = settled(&config, &costs);
    check(&config, &plan, &costs);
    let slow: BTreeSet<Home> = targets(&config)
        .iter()
        .step_by(10)
        .map(|target| plan.home(target.identity).unwrap())
        .collect();
    assert!(slow.iter().all(|home| home.lane == Lane::Slow));
    assert!(slow.len() <= 2, "{slow:?}");
    // A task says where its targets' state is, until its own item knows them.
    let first = Plan::new(&config, &LIMITS, &Measured::default());
    let before = super::tests::items(&config, &first, &costs);
    let moved = Plan::new(&config, &LIMITS, &measured(&before));
    for shard in moved.shards.iter().filter(|shard| shard.home.lane == Lane::Slow) {
        assert!(!shard.from.is_empty() && shard.from.iter().all(|home| before.contains_key(home)));
    }
    let again = Plan::new(&config, &LIMITS, &measured(&items));
    assert!(again.shards.iter().all(|shard| shard.from.is_empty()));
}

#[test]
fn shards_that_shrink_are_one_again() {
    let many = config(&[("15s", 400)]);
    let (plan, items) = settled(&many, &[(1, 0)]);
    let few = config(&[("15s", 12)]);
    let smaller = Plan::new(&few, &LIMITS, &measured(&items));
    check(&few, &smaller, &[(1, 0)]);
    assert!(plan.shards.len() >= 20);
    assert!(smaller.shards.len() <= 3, "{}", smaller.shards.len());
}

#[test]
fn moments_are_spread_and_a_split_moves_one_half() {
    let home = |shards, shard| Home {
        interval_ms: 16_000,
        shards,
        shard,
        lane: Lane::Quick,
    };
    let offsets: BTreeSet<i64> = (0..16).map(|shard| home(16, shard).offset_ms()).collect();
    assert_eq!(offsets, (0..16).map(|at| at * 1_000).collect());
    for shard in 0..16 {
        let (whole, low, high) = (home(16, shard), home(32, shard), home(32, shard + 16));
        assert_eq!(low.offset_ms(), whole.offset_ms());
        assert_eq!(high.offset_ms(), whole.offset_ms() + 500);
    }
    assert_eq!(home(1, 0).offset_ms(), 0);
}

fn costs() -> impl Strategy<Value = Vec<Cost>> {
    let series = prop_oneof![8 => 0..500usize, 3 => 500..5_000usize, 1 => 5_000..60_000usize];
    let slowness = prop_oneof![6 => Just(0u8), 1 => 0..5u8];
    proptest::collection::vec((series, slowness), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_target_is_in_one_shard_within_its_limits(a in 0..300usize, b in 0..40usize, costs in costs()) {
        let config = config(&[("15s", a), ("30s", b)]);
        check(&config, &Plan::new(&config, &LIMITS, &Measured::default()), &[(0, 0)]);
        let (plan, items) = settled(&config, &costs);
        check(&config, &plan, &costs);
        // What is settled stays as it is.
        let again = Plan::new(&config, &LIMITS, &measured(&items));
        prop_assert_eq!(&again.homes, &plan.homes);
    }

    #[test]
    fn small_changes_move_little(count in 1..300usize, costs in costs(), shrink in 0.75..1.0f64) {
        let before = config(&[("15s", count)]);
        let first = Plan::new(&before, &LIMITS, &Measured::default());
        let costs: Vec<Cost> = costs.into_iter().map(|(series, _)| (series, 0)).collect();
        let plan = Plan::new(&before, &LIMITS, &measured(&items(&before, &first, &costs)));
        // Targets that bring up to a quarter less stay where they are.
        let less: Vec<Cost> = costs.iter().map(|(series, slow)| ((*series as f64 * shrink) as usize, *slow)).collect();
        let smaller = Plan::new(&before, &LIMITS, &measured(&items(&before, &plan, &less)));
        prop_assert!(smaller.shards.len() <= plan.shards.len());
        // One target more moves at most those that shared its shard.
        let known = items(&before, &plan, &costs);
        let after = config(&[("15s", count + 1)]);
        let larger = Plan::new(&after, &LIMITS, &measured(&known));
        let new = targets(&after).pop().unwrap().identity;
        for (identity, home) in &plan.homes {
            let moved = larger.home(*identity) != Some(*home);
            prop_assert!(!moved || home.takes(new), "{home:?}");
        }
    }
}

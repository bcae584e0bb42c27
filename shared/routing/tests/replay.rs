//! Stretches of time through the routes.

#![allow(clippy::unwrap_used)]

use parapet_model::{Alert, Labels};
use parapet_routing::{Config, HeldBy, Reason, Replay, Replayed, Silence, SilenceMatcher, parse};

const MINUTE: i64 = 60_000;

fn config(text: &str) -> Config {
    let receivers = "receivers:
- name: ops
  webhook_configs: [{url: http://example.com/ops}]
- name: quiet
  webhook_configs: [{url: http://example.com/quiet, send_resolved: false}]
";
    parse("alertmanager.yml", &format!("{text}{receivers}")).unwrap()
}

/// What a rule says of an alert that fires from one minute until before another, each minute.
fn statements(labels: &[(&str, &str)], from: i64, until: i64) -> Vec<(i64, Alert)> {
    let alert = |at: i64, ends_at_ms: i64| Alert {
        labels: Labels::from_pairs(labels.iter().copied()),
        starts_at_ms: from * MINUTE,
        ends_at_ms,
        updated_at_ms: at * MINUTE,
        ..Alert::default()
    };
    let firing = (from..until).map(|at| (at, alert(at, (at + 4) * MINUTE)));
    firing.chain([(until, alert(until, until * MINUTE))]).collect()
}

fn replay(config: &Config, silences: &[Silence], mut statements: Vec<(i64, Alert)>, until: i64) -> Replayed {
    statements.sort_by_key(|(at, _)| *at);
    let mut replay = Replay::new(config, silences);
    for (at, alert) in statements {
        replay.take(at * MINUTE, &[alert]);
    }
    replay.finish(until * MINUTE)
}

/// Seconds, receiver and reason of each page.
fn pages(replayed: &Replayed) -> Vec<(i64, &str, Reason)> {
    let page = replayed.pages.iter();
    page.map(|page| {
        (
            page.at_ms / 1000,
            page.notification.receiver.as_str(),
            page.notification.reason,
        )
    })
    .collect()
}

#[test]
fn fires_repeats_and_resolves() {
    let config = config(
        "route: {receiver: ops, group_wait: 30s, group_interval: 5m, repeat_interval: 20m, routes: [{receiver: quiet, matchers: [team=b]}]}\n",
    );
    let mut said = statements(&[("alertname", "A")], 10, 52);
    said.extend(statements(&[("alertname", "B"), ("team", "b")], 10, 20));
    let replayed = replay(&config, &[], said, 120);
    assert_eq!(
        pages(&replayed),
        [
            (630, "ops", Reason::FirstNotification),
            (630, "quiet", Reason::FirstNotification),
            // The first look at which more than 20 minutes are over.
            (2130, "ops", Reason::Repeat),
            (3330, "ops", Reason::AllResolved),
        ]
    );
    assert!(replayed.held.is_empty());
}

#[test]
fn a_silence_holds_from_its_start_to_its_end() {
    let config = config("route: {receiver: ops, group_wait: 30s, group_interval: 5m}\n");
    let matcher = SilenceMatcher {
        name: "alertname".to_owned(),
        value: "A".to_owned(),
        is_regex: false,
        is_equal: true,
    };
    let silence = Silence {
        id: "s".to_owned(),
        matcher_sets: vec![vec![matcher]],
        starts_at_ms: Some(5 * MINUTE),
        ends_at_ms: Some(30 * MINUTE),
        ..Silence::default()
    };
    let replayed = replay(&config, &[silence], statements(&[("alertname", "A")], 10, 60), 60);
    assert_eq!(pages(&replayed), [(1830, "ops", Reason::FirstNotification)]);
    // Told once, though five looks were silenced.
    let held: Vec<_> = replayed.held.iter().map(|held| (held.at_ms / 1000, &held.by)).collect();
    assert_eq!(held, [(630, &HeldBy::Silence("s".to_owned()))]);
}

#[test]
fn alerts_and_times_hold_others_back() {
    let config = config(
        "route: {receiver: ops, group_by: [alertname], group_wait: 30s, group_interval: 5m, routes: [{receiver: quiet, matchers: [team=b], mute_time_intervals: [early]}]}
inhibit_rules: [{source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [job]}]
time_intervals: [{name: early, time_intervals: [{times: [{start_time: '00:00', end_time: '00:20'}]}]}]
",
    );
    let critical = [("alertname", "Down"), ("job", "x"), ("severity", "critical")];
    let mut said = statements(&critical, 9, 22);
    said.extend(statements(
        &[("alertname", "Slow"), ("job", "x"), ("severity", "warning")],
        10,
        60,
    ));
    said.extend(statements(&[("alertname", "B"), ("team", "b")], 10, 60));
    let replayed = replay(&config, &[], said, 40);
    assert_eq!(
        pages(&replayed),
        [
            (570, "ops", Reason::FirstNotification),
            (1230, "quiet", Reason::FirstNotification),
            // The inhibiting alert is over at minute 22; it is looked at before the one that it held back.
            (1470, "ops", Reason::AllResolved),
            (1530, "ops", Reason::FirstNotification),
        ]
    );
    let mut held: Vec<_> = replayed.held.iter().map(|held| held.by.clone()).collect();
    held.sort();
    let source = Labels::from_pairs(critical);
    assert_eq!(
        held,
        [HeldBy::Inhibition(source), HeldBy::TimeInterval("early".to_owned())]
    );
}

#[test]
fn an_alert_whose_rule_fell_silent_is_over_by_itself() {
    let config = config("route: {receiver: ops, group_wait: 30s, group_interval: 5m}\n");
    let mut said = statements(&[("alertname", "A")], 10, 20);
    // The last word is not said: the alert ends four minutes after the one before.
    said.pop();
    assert_eq!(
        pages(&replay(&config, &[], said, 60)),
        [
            (630, "ops", Reason::FirstNotification),
            (1530, "ops", Reason::AllResolved)
        ]
    );
}

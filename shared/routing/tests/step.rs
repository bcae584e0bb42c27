//! The life of a group, step by step.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use parapet_model::{Alert, Labels};
use parapet_routing::{Config, Fingerprint, Group, Input, Notification, Outcome, Policy, Reason, parse, step};
use std::collections::{BTreeMap, BTreeSet};

const T: i64 = 1_700_000_000_000;
const MINUTE: i64 = 60_000;

fn config(integration: &str) -> Config {
    let text = format!(
        "route: {{receiver: r, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 1h}}\n\
         receivers:\n- name: r\n  webhook_configs: [{integration}]\n"
    );
    parse("a.yml", &text).unwrap()
}

fn group(config: &Config) -> (Policy, Group) {
    (
        Policy::of(config, &config.route),
        Group::new(&config.route, &Labels::from_pairs([("alertname", "A")])),
    )
}

fn alert(instance: &str, starts: i64, ends: i64, updated: i64) -> Alert {
    Alert {
        labels: Labels::from_pairs([("alertname", "A"), ("instance", instance)]),
        starts_at_ms: T + starts,
        ends_at_ms: T + ends,
        updated_at_ms: T + updated,
        ..Alert::default()
    }
}

fn flush() -> Input {
    Input::Flush { muted: BTreeSet::new() }
}

fn sent(group: &mut Group, at_ms: i64, notifications: &[Notification]) {
    for notification in notifications {
        group.note_outcome(at_ms, notification, Outcome::Sent);
    }
}

fn reasons(notifications: &[Notification]) -> Vec<Reason> {
    notifications.iter().map(|notification| notification.reason).collect()
}

#[test]
fn reasons_follow_each_other() {
    let config = config("{url: 'http://h/'}");
    let (policy, mut group) = group(&config);
    step(
        &policy,
        &mut group,
        T,
        Input::Alerts(vec![alert("a", 0, 1_000_000_000, 0)]),
    );
    let mut seen = Vec::new();
    for minute in 0..140 {
        let now = T + minute * MINUTE + 30_000;
        match minute {
            7 => drop(step(
                &policy,
                &mut group,
                now,
                Input::Alerts(vec![alert("b", 0, 1_000_000_000, 7 * MINUTE)]),
            )),
            12 => drop(step(
                &policy,
                &mut group,
                now,
                Input::Alerts(vec![alert("b", 0, 12 * MINUTE, 12 * MINUTE)]),
            )),
            130 => drop(step(
                &policy,
                &mut group,
                now,
                Input::Alerts(vec![alert("a", 0, 130 * MINUTE, 130 * MINUTE)]),
            )),
            _ => {}
        }
        let notifications = step(&policy, &mut group, now, flush());
        sent(&mut group, now, &notifications);
        seen.extend(reasons(&notifications).into_iter().map(|reason| (minute, reason)));
    }
    use Reason::{AllResolved, FirstNotification, NewAlerts, NewResolved, Repeat};
    // A repetition comes with the first flush after the interval, as in Alertmanager: 15 + 60 is not after, 80 is.
    assert_eq!(
        seen,
        [
            (0, FirstNotification),
            (10, NewAlerts),
            (15, NewResolved),
            (80, Repeat),
            (130, AllResolved)
        ]
    );
    assert!(group.is_idle() && group.next_flush_at_ms.is_none());
}

#[test]
fn without_send_resolved_the_end_is_silent_but_known() {
    let config = config("{url: 'http://h/', send_resolved: false}");
    let (policy, mut group) = group(&config);
    step(
        &policy,
        &mut group,
        T,
        Input::Alerts(vec![alert("a", 0, MINUTE, 0), alert("b", 0, 9 * MINUTE, 0)]),
    );
    let notifications = step(&policy, &mut group, T + 30_000, flush());
    assert_eq!(notifications[0].alerts.len(), 2);
    sent(&mut group, T + 30_000, &notifications);
    assert!(step(&policy, &mut group, T + 330_000, flush()).is_empty());
    assert!(step(&policy, &mut group, T + 630_000, flush()).is_empty());
    assert!(group.is_idle());
    assert!(group.log["webhook/0"].firing.is_empty());
}

#[test]
fn nothing_leaves_while_a_receiver_does_not_know() {
    let config = config("{url: 'http://one/'}, {url: 'http://two/'}");
    let (policy, mut group) = group(&config);
    step(&policy, &mut group, T, Input::Alerts(vec![alert("a", 0, MINUTE, 0)]));
    let first = step(&policy, &mut group, T + 30_000, flush());
    assert_eq!(first.len(), 2);
    sent(&mut group, T + 31_000, &first);
    let second = step(&policy, &mut group, T + 330_000, flush());
    assert_eq!(reasons(&second), [Reason::AllResolved; 2]);
    group.note_outcome(T + 331_000, &second[0], Outcome::Sent);
    let error = "no".to_owned();
    group.note_outcome(
        T + 332_000,
        &second[1],
        Outcome::Failed {
            attempts: 1,
            error: error.clone(),
        },
    );
    group.note_outcome(T + 340_000, &second[1], Outcome::GivenUp { attempts: 2, error });
    assert!(!group.alerts.is_empty() && group.failures["webhook/1"].given_up);
    // The next flush tells only who does not know yet.
    let third = step(&policy, &mut group, T + 630_000, flush());
    assert_eq!(third.len(), 1);
    assert_eq!(third[0].integration, "webhook/1");
    sent(&mut group, T + 631_000, &third);
    assert!(group.is_idle() && group.failures.is_empty());
}

#[test]
fn an_alert_that_fires_again_during_its_farewell_stays() {
    let config = config("{url: 'http://h/'}");
    let (policy, mut group) = group(&config);
    step(&policy, &mut group, T, Input::Alerts(vec![alert("a", 0, MINUTE, 0)]));
    let first = step(&policy, &mut group, T + 30_000, flush());
    sent(&mut group, T + 30_000, &first);
    let over = step(&policy, &mut group, T + 330_000, flush());
    step(
        &policy,
        &mut group,
        T + 331_000,
        Input::Alerts(vec![alert("a", 331_000, 10_000_000, 331_000)]),
    );
    sent(&mut group, T + 332_000, &over);
    let again = step(&policy, &mut group, T + 630_000, flush());
    assert_eq!(reasons(&again), [Reason::FirstNotification]);
    assert_eq!(again[0].alerts[0].starts_at_ms, T + 331_000);
}

#[test]
fn a_flush_waits_for_a_slow_receiver_and_no_longer() {
    let text = "route: {receiver: r, group_by: [alertname], group_wait: 0s, group_interval: 1s}\n\
                receivers: [{name: r, webhook_configs: [{url: 'http://h/'}]}]";
    let config = parse("a.yml", text).unwrap();
    let (policy, mut group) = group(&config);
    step(
        &policy,
        &mut group,
        T,
        Input::Alerts(vec![alert("a", 0, 10_000_000, 0)]),
    );
    let first = step(&policy, &mut group, T, flush());
    assert_eq!(first.len(), 1);
    for second in 1..10 {
        assert!(
            step(&policy, &mut group, T + second * 1000, flush()).is_empty(),
            "{second}"
        );
    }
    // After ten seconds it is given up, as in Alertmanager.
    let second = step(&policy, &mut group, T + 10_000, flush());
    assert_eq!(second.len(), 1);
    sent(&mut group, T + 15_000, &second);
    assert!(step(&policy, &mut group, T + 20_000, flush()).is_empty());
}

#[test]
fn a_late_success_of_an_overtaken_notification_counts() {
    let config = config("{url: 'http://h/'}");
    let (policy, mut group) = group(&config);
    step(
        &policy,
        &mut group,
        T,
        Input::Alerts(vec![alert("a", 0, 10_000_000, 0)]),
    );
    let first = step(&policy, &mut group, T + 30_000, flush());
    let more = Input::Alerts(vec![alert("b", 0, 10_000_000, 0)]);
    step(&policy, &mut group, T + 31_000, more);
    let second = step(&policy, &mut group, T + 330_000, flush());
    assert_ne!(first[0].flush_id, second[0].flush_id);
    sent(&mut group, T + 331_000, &first);
    assert_eq!(group.log["webhook/0"].flush_id, first[0].flush_id);
    sent(&mut group, T + 332_000, &second);
    sent(&mut group, T + 333_000, &first);
    assert_eq!(group.log["webhook/0"].flush_id, second[0].flush_id);
}

#[test]
fn max_alerts_truncates_what_is_shown_and_not_what_is_known() {
    let config = config("{url: 'http://h/', max_alerts: 2}");
    let (policy, mut group) = group(&config);
    let alerts = ["c", "a", "d", "b"]
        .map(|instance| alert(instance, 0, 10_000_000, 0))
        .to_vec();
    step(&policy, &mut group, T, Input::Alerts(alerts));
    let shown = step(&policy, &mut group, T + 30_000, flush());
    let instances: Vec<&str> = shown[0]
        .alerts
        .iter()
        .map(|alert| alert.labels.get("instance").unwrap())
        .collect();
    assert_eq!(
        (instances, shown[0].truncated_alerts, shown[0].firing.len()),
        (vec!["a", "b"], 2, 4)
    );
}

#[test]
fn muted_alerts_are_not_told_and_do_not_end_anything() {
    let config = config("{url: 'http://h/'}");
    let (policy, mut group) = group(&config);
    let a = alert("a", 0, 10_000_000, 0);
    step(&policy, &mut group, T, Input::Alerts(vec![a.clone()]));
    let first = step(&policy, &mut group, T + 30_000, flush());
    sent(&mut group, T + 30_000, &first);
    let muted = BTreeSet::from([Fingerprint::of(&a.labels)]);
    assert!(step(&policy, &mut group, T + 330_000, Input::Flush { muted }).is_empty());
    assert!(step(&policy, &mut group, T + 630_000, flush()).is_empty());
}

/// A small generator, so that a failure names its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn ms(&mut self, bound: i64) -> i64 {
        i64::try_from(self.below(bound.unsigned_abs())).unwrap()
    }
}

/// Whatever comes, in whatever order: a second time it changes nothing and sends nothing, a flush id never says two
/// things, and stored state reads back as it was.
#[test]
fn steps_bear_replay() {
    let config = config("{url: 'http://one/'}, {url: 'http://two/', send_resolved: false}");
    let mut notified = 0;
    for seed in 0..80 {
        let mut random = Random(seed);
        let (policy, mut group) = group(&config);
        let mut now = T;
        let mut open: Vec<Notification> = Vec::new();
        let mut ids = BTreeMap::new();
        for _ in 0..200 {
            now += random.ms(90_000);
            let replay = |group: &mut Group, input: Input| {
                let first = step(&policy, group, now, input.clone());
                let after = group.clone();
                let second = step(&policy, group, now, input);
                assert_eq!((&after, second.len()), (&*group, 0), "seed {seed}");
                first
            };
            match random.below(4) {
                0 => {
                    let instance = ["a", "b", "c"][usize::try_from(random.below(3)).unwrap()];
                    let updated = now - T - random.ms(120_000);
                    let ends = updated + if random.below(3) == 0 { 0 } else { random.ms(600_000) };
                    replay(
                        &mut group,
                        Input::Alerts(vec![alert(instance, updated - random.ms(600_000), ends, updated)]),
                    );
                }
                1 | 2 => {
                    let new = replay(&mut group, flush());
                    notified += new.len();
                    for notification in &new {
                        let id = (notification.integration.clone(), notification.flush_id);
                        let says = (notification.firing.clone(), notification.resolved.clone());
                        let before = ids.insert(id, says.clone());
                        assert!(
                            before.is_none_or(|before| before == says),
                            "seed {seed}: an id says two things"
                        );
                    }
                    open.extend(new);
                }
                _ if open.is_empty() => {}
                _ => {
                    let at = usize::try_from(random.below(open.len() as u64)).unwrap();
                    let notification = open.swap_remove(at);
                    let outcome = match random.below(3) {
                        0 => Outcome::GivenUp {
                            attempts: 1,
                            error: "no".into(),
                        },
                        _ => Outcome::Sent,
                    };
                    group.note_outcome(now, &notification, outcome.clone());
                    let after = group.clone();
                    group.note_outcome(now, &notification, outcome);
                    assert_eq!(after, group, "seed {seed}");
                }
            }
            assert_eq!(group.alerts.is_empty(), group.next_flush_at_ms.is_none(), "seed {seed}");
            let stored = serde_json::to_string(&group).unwrap();
            assert_eq!(serde_json::from_str::<Group>(&stored).unwrap(), group, "seed {seed}");
        }
    }
    println!("80 lives of 200 steps, {notified} notifications");
    assert!(notified > 2_000, "{notified}");
}

#[test]
fn what_is_not_known_to_have_arrived_keeps_its_name() {
    let config = config("{url: 'http://h/'}");
    let (policy, mut group) = group(&config);
    let long = 1_000_000_000;
    let firing = |instance, updated| Input::Alerts(vec![alert(instance, 0, long, updated)]);
    step(&policy, &mut group, T, firing("a", 0));
    let at = |flush: i64| T + 30_000 + flush * 5 * MINUTE;
    let first = step(&policy, &mut group, at(0), flush());
    // Held for longer than the interval: no flush speaks.
    group.hold(&first[0], at(1) + 1);
    assert!(step(&policy, &mut group, at(1), flush()).is_empty());
    assert_eq!(group.next_flush_at_ms, Some(at(1) + 1));
    // Nobody knows what became of it: the same again, under the same name.
    group.note_outcome(at(1), &first[0], Outcome::Unknown);
    let again = step(&policy, &mut group, at(1) + 1, flush());
    assert_eq!((again.len(), again[0].flush_id), (1, first[0].flush_id));
    // With another alert it is another page.
    step(&policy, &mut group, at(1) + 2, firing("b", 10));
    let error = String::new();
    group.note_outcome(at(2), &again[0], Outcome::GivenUp { attempts: 1, error });
    let more = step(&policy, &mut group, at(2) + 1, flush());
    assert!(more[0].flush_id > first[0].flush_id && more[0].alerts.len() == 2);
    // Over before it is known to have arrived: whoever may know that it fired is told that it is over.
    let over = |instance| Input::Alerts(vec![alert(instance, 0, 10 * MINUTE, 10 * MINUTE)]);
    step(&policy, &mut group, at(2) + 2, over("a"));
    step(&policy, &mut group, at(2) + 2, over("b"));
    let last = step(&policy, &mut group, at(3) + 2, flush());
    assert_eq!(reasons(&last), [Reason::AllResolved]);
    sent(&mut group, at(3) + 2, &last);
    assert!(group.attempts.is_empty() && group.is_idle());
}

#[test]
fn of_what_certainly_never_arrived_the_end_is_not_told() {
    let config = config("{url: 'http://h/'}");
    let (policy, mut group) = group(&config);
    step(&policy, &mut group, T, Input::Alerts(vec![alert("a", 0, MINUTE, 0)]));
    let first = step(&policy, &mut group, T + 30_000, flush());
    let error = String::new();
    group.note_outcome(T + 31_000, &first[0], Outcome::GivenUp { attempts: 1, error });
    assert!(step(&policy, &mut group, T + 330_000, flush()).is_empty());
    assert!(group.is_idle());
}

#[test]
fn a_flush_that_waited_follows_the_end_of_what_it_waited_for() {
    let text = "route: {receiver: r, group_by: [alertname], group_wait: 0s, group_interval: 1s}\n\
                receivers: [{name: r, webhook_configs: [{url: 'http://h/'}, {url: 'http://g/'}]}]";
    let config = parse("a.yml", text).unwrap();
    let (policy, mut group) = group(&config);
    let state = |group: &mut Group, name: &str, at: i64| {
        step(
            &policy,
            group,
            T + at,
            Input::Alerts(vec![alert(name, at, 10_000_000, at)]),
        )
    };
    state(&mut group, "a", 0);
    let first = step(&policy, &mut group, T, flush());
    assert_eq!(first.len(), 2);
    assert!(step(&policy, &mut group, T + 1_000, flush()).is_empty());
    assert_eq!(group.next_flush_at_ms, Some(T + 10_000), "until they are given up");
    state(&mut group, "b", 1_500);
    sent(&mut group, T + 2_000, &first[..1]);
    assert_eq!(group.next_flush_at_ms, Some(T + 10_000), "one is still tried");
    sent(&mut group, T + 3_000, &first[1..]);
    assert_eq!(group.next_flush_at_ms, Some(T + 3_000));
    sent(&mut group, T + 3_500, &first[1..]);
    assert_eq!(group.next_flush_at_ms, Some(T + 3_000), "told twice");
    assert_eq!(step(&policy, &mut group, T + 3_600, flush()).len(), 2);
    assert_eq!(group.next_flush_at_ms, Some(T + 4_000));
}

/// A try ends without a word; what there is to say changes and changes back before the receiver can be reached. It may hear
/// the same twice, and knows by the name that it is the same, unless it may have heard something else in between.
#[test]
fn what_may_have_arrived_keeps_its_name_though_something_else_was_tried_since() {
    let config = config("{url: 'http://h/'}");
    for heard_in_between in [false, true] {
        let (policy, mut group) = group(&config);
        let long = 1_000 * MINUTE;
        let away = || Outcome::GivenUp {
            attempts: 1,
            error: "away".into(),
        };
        let (a, b) = (alert("a", 0, long, 0), alert("b", MINUTE, long, MINUTE));
        let hidden = BTreeSet::from([Fingerprint::of(&b.labels)]);
        step(&policy, &mut group, T, Input::Alerts(vec![a]));
        let first = step(&policy, &mut group, T + 30_000, flush()).remove(0);
        group.note_outcome(T + 31_000, &first, Outcome::Unknown);
        group.note_outcome(T + 60_000, &first, away());
        step(&policy, &mut group, T + MINUTE, Input::Alerts(vec![b]));
        let second = step(&policy, &mut group, T + 330_000, flush()).remove(0);
        assert_ne!(second.flush_id, first.flush_id);
        if heard_in_between {
            group.note_outcome(T + 335_000, &second, Outcome::Unknown);
        }
        group.note_outcome(T + 340_000, &second, away());
        let third = step(&policy, &mut group, T + 630_000, Input::Flush { muted: hidden }).remove(0);
        assert_eq!(third.firing, first.firing);
        assert_eq!(third.flush_id == first.flush_id, !heard_in_between);
        assert_ne!(third.flush_id, second.flush_id);
    }
}

/// That it did arrive comes out after something else was tried in vain: then there is nothing to say again.
#[test]
fn what_is_known_to_have_arrived_late_is_not_said_again() {
    let config = config("{url: 'http://h/'}");
    let (policy, mut group) = group(&config);
    let long = 1_000 * MINUTE;
    let away = || Outcome::GivenUp {
        attempts: 1,
        error: "away".into(),
    };
    let b = alert("b", MINUTE, long, MINUTE);
    let hidden = BTreeSet::from([Fingerprint::of(&b.labels)]);
    step(&policy, &mut group, T, Input::Alerts(vec![alert("a", 0, long, 0)]));
    let first = step(&policy, &mut group, T + 30_000, flush()).remove(0);
    group.note_outcome(T + 31_000, &first, Outcome::Unknown);
    group.note_outcome(T + 60_000, &first, away());
    step(&policy, &mut group, T + MINUTE, Input::Alerts(vec![b]));
    let second = step(&policy, &mut group, T + 330_000, flush()).remove(0);
    group.note_outcome(T + 335_000, &first, Outcome::Sent);
    group.note_outcome(T + 340_000, &second, away());
    assert!(step(&policy, &mut group, T + 630_000, Input::Flush { muted: hidden }).is_empty());
}

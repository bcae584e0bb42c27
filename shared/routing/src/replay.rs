//! [`Replay`]: alerts of a stretch of time through the routes, as if they had come then.
//!
//! It holds no rules of its own: alerts find their groups by [`Route::matching`], groups live by [`step`], and what is
//! held back is held back by [`Silencer`], [`Inhibitor`] and [`Config::muted_by_time`]. Only what a notifier leaves to
//! queues and receivers is settled: a deadline is met to the millisecond, and every receiver takes what it is sent.

use crate::{
    Config, Fingerprint, Group, GroupAlert, Inhibitor, Input, Notification, Outcome, Policy, Route, Silence, Silencer,
    is_source, state_anew, step,
};
use parapet_model::{Alert, Labels};
use std::collections::{BTreeMap, BTreeSet};

/// A notification that would have been sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// To whom, why, and about what.
    pub notification: Notification,
}

/// Why an alert would have been held back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeldBy {
    /// The silence of this id.
    Silence(String),
    /// The firing alert of these labels.
    Inhibition(Labels),
    /// The time interval of this name: a mute one that holds, or active ones of which none does.
    TimeInterval(String),
}

/// An alert that would have been held back: told once for each reason, when that first held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// When it would have been notified, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The receiver that was not told.
    pub receiver: String,
    /// The key of the alert's group.
    pub group_key: String,
    /// The alert.
    pub labels: Labels,
    /// Why.
    pub by: HeldBy,
}

/// What came of a replay, each list in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// What would have been sent.
    pub pages: Vec<Page>,
    /// What would have been held back.
    pub held: Vec<Held>,
}

/// Receiver and group key: what tells groups apart.
type GroupName = (String, String);

#[derive(Debug)]
struct Placed<'a> {
    route: &'a Route,
    policy: Policy,
    group: Group,
    /// Why its alerts were held back, each since it began: so that it is told once.
    told: BTreeSet<(Fingerprint, i64, HeldBy)>,
}

/// Alerts in, in order of time; pages out.
///
/// ```
/// use parapet_model::{Alert, Labels};
/// use parapet_routing::{Replay, parse};
///
/// let text = "route: {receiver: ops, group_wait: 30s}\n\
///             receivers:\n- name: ops\n  webhook_configs:\n  - url: http://example.com/hook\n";
/// let config = parse("alertmanager.yml", text)?;
/// let mut replay = Replay::new(&config, &[]);
/// let alert = Alert {
///     labels: Labels::from_pairs([("alertname", "Down")]),
///     starts_at_ms: 1_000,
///     ends_at_ms: 500_000,
///     updated_at_ms: 1_000,
///     ..Alert::default()
/// };
/// replay.take(1_000, &[alert]);
/// let pages = replay.finish(60_000).pages;
/// assert_eq!((pages.len(), pages[0].at_ms), (1, 31_000));
/// # Ok::<(), parapet_routing::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Replay<'a> {
    config: &'a Config,
    silences: &'a [Silence],
    silencer: Silencer,
    /// Until when the silencer holds: a silence begins or ends then.
    silencer_until_ms: i64,
    groups: BTreeMap<GroupName, Placed<'a>>,
    deadlines: BTreeSet<(i64, GroupName)>,
    sources: BTreeMap<Fingerprint, GroupAlert>,
    replayed: Replayed,
}

impl<'a> Replay<'a> {
    /// A replay under a configuration. Silences hold from their start to their end, as they were left.
    #[must_use]
    pub fn new(config: &'a Config, silences: &'a [Silence]) -> Self {
        Self {
            config,
            silences,
            silencer: Silencer::default(),
            silencer_until_ms: i64::MIN,
            groups: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            sources: BTreeMap::new(),
            replayed: Replayed::default(),
        }
    }

    /// Takes statements about alerts at a moment, which is no earlier than the one before. Deadlines of that very
    /// moment come after them.
    pub fn take(&mut self, at_ms: i64, alerts: &[Alert]) {
        if alerts.is_empty() {
            return;
        }
        self.flush_until(at_ms.saturating_sub(1));
        for alert in alerts.iter().filter(|alert| !alert.labels.is_empty()) {
            if is_source(&self.config.inhibit_rules, &alert.labels) {
                let fingerprint = Fingerprint::of(&alert.labels);
                let known = self.sources.get(&fingerprint);
                let stated = state_anew(known, alert.clone(), self.config.resolve_timeout_ms, at_ms);
                self.sources.insert(fingerprint, stated);
            }
            for route in self.config.route.matching(&alert.labels) {
                self.put(route, at_ms, alert.clone());
            }
        }
    }

    /// Meets the deadlines up to a moment, that included, and tells what came of it all.
    #[must_use]
    pub fn finish(mut self, at_ms: i64) -> Replayed {
        self.flush_until(at_ms);
        self.replayed
    }

    fn put(&mut self, route: &'a Route, at_ms: i64, alert: Alert) {
        let group = Group::new(route, &alert.labels);
        let name = (group.receiver.clone(), group.key.clone());
        let placed = self.groups.entry(name.clone()).or_insert_with(|| Placed {
            route,
            policy: Policy::of(self.config, route),
            group,
            told: BTreeSet::new(),
        });
        let before = placed.group.next_flush_at_ms;
        step(&placed.policy, &mut placed.group, at_ms, Input::Alerts(vec![alert]));
        let after = placed.group.next_flush_at_ms;
        self.move_deadline(name, before, after);
    }

    fn move_deadline(&mut self, name: GroupName, before: Option<i64>, after: Option<i64>) {
        if before == after {
            return;
        }
        if let Some(before_ms) = before {
            self.deadlines.remove(&(before_ms, name.clone()));
        }
        if let Some(after_ms) = after {
            self.deadlines.insert((after_ms, name));
        }
    }

    fn flush_until(&mut self, until_ms: i64) {
        while let Some((at_ms, name)) = self.deadlines.pop_first() {
            if at_ms > until_ms {
                self.deadlines.insert((at_ms, name));
                return;
            }
            if at_ms >= self.silencer_until_ms {
                self.silencer = Silencer::new(self.silences, at_ms);
                let bounds = self
                    .silences
                    .iter()
                    .flat_map(|silence| [silence.starts_at_ms, silence.ends_at_ms]);
                let next = bounds.flatten().filter(|bound_ms| *bound_ms > at_ms).min();
                self.silencer_until_ms = next.unwrap_or(i64::MAX);
            }
            self.sources.retain(|_, source| source.alert.ends_at_ms > at_ms);
            if let Some(mut placed) = self.groups.remove(&name) {
                self.flush(&mut placed, at_ms);
                if let Some(next_ms) = placed.group.next_flush_at_ms {
                    self.deadlines.insert((next_ms, name.clone()));
                }
                self.groups.insert(name, placed);
            }
        }
    }

    fn flush(&mut self, placed: &mut Placed<'a>, at_ms: i64) {
        let firing = self.sources.values().map(|source| &source.alert.labels);
        let inhibitor = Inhibitor::new(&self.config.inhibit_rules, firing);
        let intervals = self.config.muted_by_time(placed.route, at_ms);
        let mut muted = BTreeSet::new();
        for (fingerprint, GroupAlert { alert, .. }) in &placed.group.alerts {
            let by_time = intervals.iter().map(|name| HeldBy::TimeInterval((*name).to_owned()));
            let silences = self.silencer.silenced_by(&alert.labels).into_iter();
            let by_silence = silences.map(|id| HeldBy::Silence(id.to_owned()));
            let source = inhibitor.inhibited_by(&alert.labels);
            let source = source.and_then(|fingerprint| self.sources.get(&fingerprint));
            let by_alert = source.map(|source| HeldBy::Inhibition(source.alert.labels.clone()));
            for by in by_time.chain(by_silence).chain(by_alert) {
                muted.insert(*fingerprint);
                if placed.told.insert((*fingerprint, alert.starts_at_ms, by.clone())) {
                    self.replayed.held.push(Held {
                        at_ms,
                        receiver: placed.group.receiver.clone(),
                        group_key: placed.group.key.clone(),
                        labels: alert.labels.clone(),
                        by,
                    });
                }
            }
        }
        for notification in step(&placed.policy, &mut placed.group, at_ms, Input::Flush { muted }) {
            placed.group.note_outcome(at_ms, &notification, Outcome::Sent);
            self.replayed.pages.push(Page { at_ms, notification });
        }
        let alerts = &placed.group.alerts;
        placed.told.retain(|(fingerprint, ..)| alerts.contains_key(fingerprint));
    }
}

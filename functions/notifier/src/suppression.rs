//! Which alerts are not notified now: silenced ones, inhibited ones, those of a route that is muted by time.

use crate::ledger::Cause;
use crate::read_silences;
use crate::store::{SOURCE_PK, read};
use parapet_ledger::Event;
use parapet_model::{Labels, quote};
use parapet_ports::{Error, Ports, SkRange};
use parapet_routing::{Config, Fingerprint, Group, GroupAlert, Inhibitor, Route, Silence, Silencer};
use std::collections::{BTreeMap, BTreeSet};

/// Why an alert is not notified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suppression {
    /// The silences that match it, by id.
    pub silenced_by: Vec<String>,
    /// The alert that inhibits it.
    pub inhibited_by: Option<Fingerprint>,
}

impl Suppression {
    /// Whether there is any reason.
    #[must_use]
    pub fn is_any(&self) -> bool {
        !self.silenced_by.is_empty() || self.inhibited_by.is_some()
    }
}

/// What suppresses alerts at one moment.
#[derive(Debug)]
pub struct Suppressor<'a> {
    config: &'a Config,
    silences: Vec<Silence>,
    silencer: Silencer,
    sources: Vec<Labels>,
}

impl<'a> Suppressor<'a> {
    /// Reads the silences and the firing sources of inhibition as they are now.
    ///
    /// # Errors
    /// Those of the ports.
    pub async fn read(ports: &Ports, config: &'a Config) -> Result<Self, Error> {
        let now_ms = ports.clock.now_ms();
        let silences = read_silences(ports).await?;
        let silencer = Silencer::new(&silences, now_ms);
        let mut sources = Vec::new();
        if !config.inhibit_rules.is_empty() {
            for item in ports.table.query(SOURCE_PK, SkRange::all()).await? {
                let (source, _): (GroupAlert, _) = read(ports, &item).await?;
                if source.alert.ends_at_ms > now_ms {
                    sources.push(source.alert.labels);
                }
            }
        }
        Ok(Self {
            config,
            silences,
            silencer,
            sources,
        })
    }

    /// Why each of some alerts is not notified, in their order.
    #[must_use]
    pub fn of<'l>(&self, alerts: impl IntoIterator<Item = &'l Labels>) -> Vec<Suppression> {
        let inhibitor = Inhibitor::new(&self.config.inhibit_rules, &self.sources);
        alerts
            .into_iter()
            .map(|labels| Suppression {
                silenced_by: self
                    .silencer
                    .silenced_by(labels)
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
                inhibited_by: inhibitor.inhibited_by(labels),
            })
            .collect()
    }
}

/// Why alerts of a group were not notified at a flush.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Muted {
    /// The time intervals that keep the whole route quiet.
    pub(crate) intervals: Vec<String>,
    /// Single alerts.
    pub(crate) alerts: BTreeMap<Fingerprint, Suppression>,
    /// The comments of the silences among them, by id.
    comments: BTreeMap<String, String>,
    /// The labels of the alerts that inhibit some of them.
    inhibitors: BTreeMap<Fingerprint, Labels>,
}

impl Muted {
    /// Looks at everything that may keep a group's alerts quiet at this moment.
    pub(crate) async fn of(ports: &Ports, config: &Config, route: &Route, group: &Group) -> Result<Self, Error> {
        let intervals = config.muted_by_time(route, ports.clock.now_ms());
        let suppressor = Suppressor::read(ports, config).await?;
        let found = suppressor.of(group.alerts.values().map(|held| &held.alert.labels));
        let alerts = group.alerts.keys().copied().zip(found);
        let alerts: BTreeMap<_, _> = alerts.filter(|(_, suppression)| suppression.is_any()).collect();
        let comment = |silence: &Silence| format!("{} by {}", quote(&silence.comment), silence.created_by);
        let of_any = |silence: &&Silence| alerts.values().any(|one| one.silenced_by.contains(&silence.id));
        let silences = suppressor.silences.iter().filter(of_any);
        let comments = silences.map(|silence| (silence.id.clone(), comment(silence))).collect();
        let sources = suppressor
            .sources
            .iter()
            .map(|labels| (Fingerprint::of(labels), labels.clone()));
        let is_any = |fingerprint: &Fingerprint| alerts.values().any(|one| one.inhibited_by == Some(*fingerprint));
        let inhibitors = sources.filter(|(fingerprint, _)| is_any(fingerprint)).collect();
        Ok(Self {
            intervals: intervals.into_iter().map(str::to_owned).collect(),
            alerts,
            comments,
            inhibitors,
        })
    }

    /// Whether an alert is held back.
    pub(crate) fn holds(&self, fingerprint: Fingerprint) -> bool {
        !self.intervals.is_empty() || self.alerts.contains_key(&fingerprint)
    }

    /// Everything that holds an alert back.
    pub(crate) fn causes(&self, fingerprint: Fingerprint) -> Vec<Cause> {
        let cause = |event, cause: String, detail: String| Cause { event, cause, detail };
        let intervals = self.intervals.iter();
        let mut causes: Vec<Cause> = intervals
            .map(|name| cause(Event::Muted, name.clone(), String::new()))
            .collect();
        let Some(suppression) = self.alerts.get(&fingerprint) else {
            return causes;
        };
        for id in &suppression.silenced_by {
            let comment = self.comments.get(id).cloned().unwrap_or_default();
            causes.push(cause(Event::Silenced, id.clone(), comment));
        }
        if let Some(source) = suppression.inhibited_by.and_then(|source| self.inhibitors.get(&source)) {
            causes.push(cause(Event::Inhibited, source.to_string(), String::new()));
        }
        causes
    }

    /// The alerts that are not to be notified.
    pub(crate) fn fingerprints(&self, group: &Group) -> BTreeSet<Fingerprint> {
        if self.intervals.is_empty() {
            self.alerts.keys().copied().collect()
        } else {
            group.alerts.keys().copied().collect()
        }
    }
}

//! Which alerts are not notified now: silenced ones, inhibited ones, those of a route that is muted by time.

use crate::read_silences;
use crate::store::{SOURCE_PK, read};
use parapet_model::Labels;
use parapet_ports::{Error, Ports, SkRange};
use parapet_routing::{Config, Fingerprint, Group, GroupAlert, Inhibitor, Route, Silencer};
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
        let silencer = Silencer::new(&read_silences(ports).await?, now_ms);
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
}

impl Muted {
    /// Looks at everything that may keep a group's alerts quiet at this moment.
    pub(crate) async fn of(ports: &Ports, config: &Config, route: &Route, group: &Group) -> Result<Self, Error> {
        let intervals = config.muted_by_time(route, ports.clock.now_ms());
        let suppressor = Suppressor::read(ports, config).await?;
        let found = suppressor.of(group.alerts.values().map(|held| &held.alert.labels));
        let alerts = group.alerts.keys().copied().zip(found);
        Ok(Self {
            intervals: intervals.into_iter().map(str::to_owned).collect(),
            alerts: alerts.filter(|(_, suppression)| suppression.is_any()).collect(),
        })
    }

    /// The alerts that fire, where there are any and each of them is silenced.
    pub(crate) fn all_silenced(&self, group: &Group, now_ms: i64) -> Option<BTreeSet<Fingerprint>> {
        let firing = group.alerts.iter().filter(|(_, held)| held.alert.ends_at_ms > now_ms);
        let firing: BTreeSet<Fingerprint> = firing.map(|(fingerprint, _)| *fingerprint).collect();
        let is_silenced = |fingerprint: &Fingerprint| {
            let suppression = self.alerts.get(fingerprint);
            suppression.is_some_and(|suppression| !suppression.silenced_by.is_empty())
        };
        let all = !firing.is_empty() && self.intervals.is_empty() && firing.iter().all(is_silenced);
        all.then_some(firing)
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

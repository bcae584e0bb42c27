//! Which alerts are not notified now: silenced ones, inhibited ones, those of a route that is muted by time.

use crate::configuration::Current;
use crate::ledger::Cause;
use crate::read_silences;
use crate::store::{SOURCE_PK, read};
use futures::lock::Mutex;
use parapet_ledger::Event;
use parapet_model::{Labels, quote};
use parapet_ports::{Error, Ports, SkRange};
use parapet_routing::{Config, Fingerprint, Group, GroupAlert, Inhibitor, Route, Silence, Silencer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
pub struct Suppressor {
    silences: Vec<Silence>,
    sources: Vec<Labels>,
    silencer: Silencer,
    inhibitor: Inhibitor,
}

impl Suppressor {
    /// Reads the silences and the firing sources of inhibition as they are now.
    ///
    /// # Errors
    /// Those of the ports.
    pub async fn read(ports: &Ports, config: &Config) -> Result<Self, Error> {
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
        let inhibitor = Inhibitor::new(&config.inhibit_rules, &sources);
        Ok(Self {
            silences,
            sources,
            silencer,
            inhibitor,
        })
    }

    /// Why each of some alerts is not notified, in their order.
    #[must_use]
    pub fn of<'l>(&self, alerts: impl IntoIterator<Item = &'l Labels>) -> Vec<Suppression> {
        let silenced_by = |labels| {
            self.silencer
                .silenced_by(labels)
                .into_iter()
                .map(str::to_owned)
                .collect()
        };
        alerts
            .into_iter()
            .map(|labels| Suppression {
                silenced_by: silenced_by(labels),
                inhibited_by: self.inhibitor.inhibited_by(labels),
            })
            .collect()
    }
}

/// One reading for all flushes that wait for one: in a storm of groups each would read every source anew.
///
/// **Invariant:** a flush never uses what was read before it had read its group: a source is stored before the group
/// that holds its target.
#[derive(Debug, Default)]
pub(crate) struct SharedSuppressor {
    asked: AtomicU64,
    /// How many had asked when it was read, under which configuration, and what was found.
    last: Mutex<Option<(u64, String, Arc<Suppressor>)>>,
}

impl SharedSuppressor {
    /// What suppresses alerts at a moment after this call.
    pub(crate) async fn read(&self, ports: &Ports, current: &Current) -> Result<Arc<Suppressor>, Error> {
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst);
        // Whoever is as far asks as well, and is served by the same reading.
        tokio::task::yield_now().await;
        let mut last = self.last.lock().await;
        if let Some((asked, version, suppressor)) = &*last
            && ticket < *asked
            && *version == current.version
        {
            return Ok(suppressor.clone());
        }
        let asked = self.asked.load(Ordering::SeqCst);
        let suppressor = Arc::new(Suppressor::read(ports, &current.config).await?);
        *last = Some((asked, current.version.clone(), suppressor.clone()));
        Ok(suppressor)
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
    pub(crate) fn of(suppressor: &Suppressor, config: &Config, route: &Route, group: &Group, now_ms: i64) -> Self {
        let intervals = config.muted_by_time(route, now_ms);
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
        Self {
            intervals: intervals.into_iter().map(str::to_owned).collect(),
            alerts,
            comments,
            inhibitors,
        }
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

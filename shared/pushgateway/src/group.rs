//! A group, what pushes make of it, and whether groups fit together.

use crate::family::{Family, suffixes};
use crate::{Grouping, Refused};
use parapet_model::MetricType;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

pub(crate) const PUSH_TIME: &str = "push_time_seconds";
pub(crate) const PUSH_FAILURE_TIME: &str = "push_failure_time_seconds";

/// The metrics that share the labels of a group (JSON by `serde` where they are stored).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub(crate) grouping: Grouping,
    /// When a push was last taken, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pushed_ms: Option<i64>,
    /// When a push was last refused, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed_ms: Option<i64>,
    /// By name.
    pub(crate) families: BTreeMap<String, Family>,
}

impl Group {
    /// A group without metrics.
    #[must_use]
    pub fn new(grouping: Grouping) -> Self {
        Self {
            grouping,
            pushed_ms: None,
            failed_ms: None,
            families: BTreeMap::new(),
        }
    }

    /// Its labels.
    #[must_use]
    pub fn grouping(&self) -> &Grouping {
        &self.grouping
    }

    /// Takes a push at `now_ms`: `replace` takes all other families away (PUT), otherwise those of the same names
    /// (POST).
    pub fn push(&mut self, families: BTreeMap<String, Family>, replace: bool, now_ms: i64) {
        if replace {
            self.families.clear();
        }
        for (name, mut family) in families {
            // These two are the gateway's own.
            if name == PUSH_TIME || name == PUSH_FAILURE_TIME {
                continue;
            }
            family.sanitize(&self.grouping);
            family.pushed_ms = now_ms;
            self.families.insert(name, family);
        }
        self.pushed_ms = Some(now_ms);
    }

    /// Takes note of a push that was refused.
    pub fn fail(&mut self, now_ms: i64) {
        self.failed_ms = Some(now_ms);
    }

    /// Whether the last push was taken.
    pub(crate) fn last_push_successful(&self) -> bool {
        self.failed_ms.unwrap_or(0) <= self.pushed_ms.unwrap_or(0)
    }

    /// The two families that every group has beside what was pushed.
    pub(crate) fn times(&self) -> [(&'static str, Family); 2] {
        let gauge = |help: &str, at_ms: Option<i64>| {
            let family = Family::new(MetricType::Gauge, Some(help.to_owned()));
            let mut family = family.with(at_ms.unwrap_or_default() as f64 / 1000.0);
            family.sanitize(&self.grouping);
            family.pushed_ms = at_ms.or(self.pushed_ms).or(self.failed_ms).unwrap_or_default();
            family
        };
        [
            (
                PUSH_TIME,
                gauge(
                    "Last Unix time when changing this group in the Pushgateway succeeded.",
                    self.pushed_ms,
                ),
            ),
            (
                PUSH_FAILURE_TIME,
                gauge(
                    "Last Unix time when changing this group in the Pushgateway failed.",
                    self.failed_ms,
                ),
            ),
        ]
    }
}

/// Whether a group, as a push left it, can be exposed together with the others: one kind for each name, no sample twice,
/// no name that another family's parts have.
///
/// # Errors
/// The first reason why not.
pub fn check<'g>(group: &'g Group, others: impl IntoIterator<Item = &'g Group> + Clone) -> Result<(), Refused> {
    for (name, family) in &group.families {
        let mut seen = HashSet::new();
        let twice = family
            .samples
            .iter()
            .find(|one| !seen.insert((&one.suffix, &one.labels)));
        let elsewhere = || {
            let same = others.clone().into_iter().filter_map(|other| other.families.get(name));
            let mut samples = same.flat_map(|other| &other.samples);
            samples.find(|one| seen.contains(&(&one.suffix, &one.labels)))
        };
        if let Some(sample) = twice.or_else(elsewhere) {
            return Err(Refused(format!(
                "collected metric {name:?} {:?} was collected before with the same name and label values",
                sample.labels
            )));
        }
        for other in others.clone().into_iter().filter_map(|other| other.families.get(name)) {
            if other.kind != family.kind {
                let kind = other.kind.to_uppercase();
                return Err(Refused(format!("collected metric {name:?} is not a {kind}")));
            }
        }
        let all = || others.clone().into_iter().chain([group]).flat_map(|one| &one.families);
        for (other_name, other) in all() {
            let parts = |whole: &str, kind: MetricType, part: &str| {
                part.strip_prefix(whole)
                    .is_some_and(|rest| suffixes(kind).contains(&rest))
            };
            if parts(other_name, other.kind(), name) {
                let kind = &other.kind;
                return Err(Refused(format!(
                    "collected metric named {name:?} collides with previously collected {kind} named {other_name:?}"
                )));
            }
            if parts(name, family.kind(), other_name) {
                let kind = &family.kind;
                return Err(Refused(format!(
                    "collected {kind} named {name:?} collides with previously collected metric named {other_name:?}"
                )));
            }
        }
    }
    Ok(())
}

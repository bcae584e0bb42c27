//! The route tree.

use crate::Matchers;
use parapet_model::Labels;
use std::collections::{BTreeMap, BTreeSet};

/// How alerts of a route are grouped and when they are sent. Children inherit what they do not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteOptions {
    /// The receiver's name.
    pub receiver: String,
    /// The labels whose values make a group.
    pub group_by: BTreeSet<String>,
    /// Every distinct label set is a group of its own (`group_by: ['...']`).
    pub group_by_all: bool,
    /// From a group's first alert to its first notification, milliseconds.
    pub group_wait_ms: i64,
    /// Between two looks at a group, milliseconds.
    pub group_interval_ms: i64,
    /// Before a notification is sent again although nothing changed, milliseconds.
    pub repeat_interval_ms: i64,
    /// Names of times at which nothing is sent. Not inherited.
    pub mute_time_intervals: Vec<String>,
    /// Names of times outside which nothing is sent; empty for always. Not inherited.
    pub active_time_intervals: Vec<String>,
    /// Labels of the route for templates; values are templates.
    pub labels: BTreeMap<String, String>,
}

/// `dispatch.DefaultRouteOpts` of Alertmanager.
impl Default for RouteOptions {
    fn default() -> Self {
        Self {
            receiver: String::new(),
            group_by: BTreeSet::new(),
            group_by_all: false,
            group_wait_ms: 30_000,
            group_interval_ms: 5 * 60_000,
            repeat_interval_ms: 4 * 3_600_000,
            mute_time_intervals: Vec::new(),
            active_time_intervals: Vec::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Unique in the tree: the key with the child's index after each step.
    pub id: String,
    /// The matchers from the root to here; begins every group key. Two routes may share it.
    pub key: String,
    /// What an alert must pass.
    pub matchers: Matchers,
    /// What applies to alerts that end here.
    pub options: RouteOptions,
    /// Whether the siblings after this one are tried although this one matched (`continue`).
    pub proceed: bool,
    /// Children, tried in order.
    pub routes: Vec<Route>,
}

impl Route {
    /// The routes that an alert takes: depth first, the deepest that match, stopping at the first child that matches
    /// without `continue` (`dispatch.Route.Match`). Never empty for a root without matchers.
    #[must_use]
    pub fn matching(&self, labels: &Labels) -> Vec<&Self> {
        let mut found = Vec::new();
        self.collect_matching(labels, &mut found);
        found
    }

    fn collect_matching<'a>(&'a self, labels: &Labels, found: &mut Vec<&'a Self>) -> bool {
        if !self.matchers.matches(labels) {
            return false;
        }
        let before = found.len();
        for child in &self.routes {
            if child.collect_matching(labels, found) && !child.proceed {
                break;
            }
        }
        if found.len() == before {
            found.push(self);
        }
        true
    }

    /// Every route, parents before children.
    #[must_use]
    pub fn walk(&self) -> Vec<&Self> {
        let mut all = vec![self];
        for child in &self.routes {
            all.extend(child.walk());
        }
        all
    }

    /// The labels of the group that an alert falls into.
    #[must_use]
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        if self.options.group_by_all {
            return labels.clone();
        }
        labels.without(|name| !self.options.group_by.contains(name))
    }
}

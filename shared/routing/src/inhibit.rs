//! Alerts that keep others quiet.

use crate::{Fingerprint, Matchers};
use parapet_model::Labels;
use std::collections::{BTreeSet, HashMap};

/// While an alert that matches `source` fires, alerts that match `target` and have the same values of `equal` are not
/// notified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InhibitRule {
    /// Its name; may be empty.
    pub name: String,
    /// What keeps quiet.
    pub source: Matchers,
    /// What is kept quiet.
    pub target: Matchers,
    /// Labels of equal values; an absent label counts as the empty value.
    pub equal: BTreeSet<String>,
}

impl InhibitRule {
    fn equal_values(&self, labels: &Labels) -> Vec<String> {
        let values = self.equal.iter().map(|name| labels.get(name).unwrap_or_default());
        values.map(str::to_owned).collect()
    }
}

/// The sources of one rule, by their values of its equal labels.
type Sources = HashMap<Vec<String>, Vec<Labels>>;

/// The rules with the alerts that fire at one moment.
#[derive(Clone, Debug)]
pub struct Inhibitor {
    rules: Vec<(InhibitRule, Sources)>,
}

impl Inhibitor {
    /// `firing` are the labels of alerts that fire; those that are no source of any rule do not matter.
    pub fn new<'a>(rules: &[InhibitRule], firing: impl IntoIterator<Item = &'a Labels>) -> Self {
        let mut rules: Vec<_> = rules.iter().map(|rule| (rule.clone(), Sources::new())).collect();
        for labels in firing {
            for (rule, sources) in rules.iter_mut().filter(|(rule, _)| rule.source.matches(labels)) {
                let alike = sources.entry(rule.equal_values(labels)).or_default();
                alike.push(labels.clone());
            }
        }
        Self { rules }
    }

    /// The alert that keeps an alert of these labels quiet, if any (`inhibit.Inhibitor.Mutes`). An alert that matches
    /// both sides of a rule is not kept quiet by another one that does: else two could silence each other.
    ///
    /// In one point it keeps to Alertmanager's documentation and not to its code: of several sources with the same
    /// values each counts, while Alertmanager's index remembers one, and forgets the others when that one ends.
    #[must_use]
    pub fn inhibited_by(&self, labels: &Labels) -> Option<Fingerprint> {
        self.rules
            .iter()
            .filter(|(rule, _)| rule.target.matches(labels))
            .find_map(|(rule, sources)| {
                let both_sides = rule.source.matches(labels);
                let sources = sources.get(&rule.equal_values(labels))?;
                let source = sources
                    .iter()
                    .find(|source| !(both_sides && rule.target.matches(source)))?;
                Some(Fingerprint::of(source))
            })
    }
}

/// Whether an alert of these labels can keep others quiet.
#[must_use]
pub fn is_source(rules: &[InhibitRule], labels: &Labels) -> bool {
    rules.iter().any(|rule| rule.source.matches(labels))
}

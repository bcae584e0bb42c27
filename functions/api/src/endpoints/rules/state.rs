//! Rule groups with what their last evaluation left.

use crate::error::ApiError;
use crate::handler::Api;
use parapet_rule_evaluation::{StoredState, read_rule_states};
use parapet_rules::{ActiveAlert, AlertState, Health, Rule, RuleGroup, RuleState};
use parapet_store::tenant;
use std::collections::HashMap;
use std::sync::Arc;

/// The groups of a tenant. Only the default tenant has any: rules are evaluated over its samples.
#[derive(Debug)]
pub(super) struct Groups {
    /// By file and name.
    groups: Arc<Vec<RuleGroup>>,
    states: HashMap<String, StoredState>,
    interval_ms: i64,
}

/// A group, and its state after the first evaluation.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupView<'a> {
    pub(super) group: &'a RuleGroup,
    pub(super) interval_ms: i64,
    state: Option<&'a StoredState>,
}

/// A rule, and its state after the first evaluation.
#[derive(Clone, Copy, Debug)]
pub(super) struct RuleView<'a> {
    pub(super) rule: &'a Rule,
    state: Option<&'a RuleState>,
}

impl Groups {
    pub(super) async fn read(api: &Api, tenant: &str) -> Result<Self, ApiError> {
        if tenant != tenant::DEFAULT {
            return Ok(Self {
                groups: Arc::default(),
                states: HashMap::new(),
                interval_ms: 0,
            });
        }
        let states = read_rule_states(&api.ports, tenant).await?;
        Ok(Self {
            groups: api.configuration.rule_groups(&api.ports).await?,
            states: states
                .into_iter()
                .map(|state| (format!("{};{}", state.file, state.group), state))
                .collect(),
            interval_ms: api.configuration.current(&api.ports).await?.evaluation_interval_ms,
        })
    }

    pub(super) fn views(&self) -> impl Iterator<Item = GroupView<'_>> {
        self.groups.iter().map(|group| GroupView {
            group,
            interval_ms: group.interval_ms.unwrap_or(self.interval_ms),
            state: self.states.get(&group.key()),
        })
    }
}

impl<'a> GroupView<'a> {
    pub(super) fn rules(&self) -> impl Iterator<Item = RuleView<'a>> + use<'a> {
        let states: &[RuleState] = self.state.map_or(&[], |state| &state.state.rules);
        self.group.rules.iter().enumerate().map(move |(number, rule)| {
            let identity = rule.identity();
            let is_same = |state: &&RuleState| state.identity == identity;
            // Rules may be alike: the place tells them apart, unless the configuration has changed since.
            let state = states
                .get(number)
                .filter(is_same)
                .or_else(|| states.iter().find(is_same));
            RuleView { rule, state }
        })
    }

    pub(super) fn evaluation_seconds(&self) -> f64 {
        self.state.map_or(0.0, |state| state.state.evaluation_seconds)
    }

    pub(super) fn last_evaluation_ms(&self) -> Option<i64> {
        self.state?.state.last_slot_ms
    }
}

impl<'a> RuleView<'a> {
    pub(super) fn alert_state(&self) -> AlertState {
        self.state.map(RuleState::alert_state).unwrap_or_default()
    }

    /// The alerts that are not resolved.
    pub(super) fn active_alerts(&self) -> impl Iterator<Item = &'a ActiveAlert> + use<'a> {
        let alerts = self.state.into_iter().flat_map(|state| &state.alerts);
        alerts.filter(|alert| alert.resolved_at_ms.is_none())
    }

    pub(super) fn health(&self) -> Health {
        self.state.map(|state| state.health).unwrap_or_default()
    }

    pub(super) fn last_error(&self) -> Option<&'a str> {
        self.state?.last_error.as_deref()
    }

    pub(super) fn evaluation_seconds(&self) -> f64 {
        self.state.map_or(0.0, |state| state.evaluation_seconds)
    }

    pub(super) fn evaluated_at_ms(&self) -> Option<i64> {
        self.state?.evaluated_at_ms
    }
}

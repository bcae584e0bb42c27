//! [`step`]: one evaluation of a group (`Group.Eval` of Prometheus).

mod alerting;
mod recorded;
mod recording;

use crate::expr::RuleExpr;
use crate::group::{Rule, RuleGroup};
use crate::state::{AlertState, GroupState, Health, RuleState};
use parapet_model::{Alert, BatchSeries, Labels};
use parapet_promql::{Answer, QueryValue, VectorSample};
use recorded::Recorded;

/// How long a resolved alert is kept and sent again, so that its end is not lost with one message
/// (`resolvedRetention` of Prometheus).
pub const RESOLVED_RETENTION_MS: i64 = 15 * 60_000;

/// What an evaluation is told beside the group.
#[derive(Clone, Debug)]
pub struct Context {
    /// `external_labels`: for templates, and added to the alerts sent.
    pub external_labels: Labels,
    /// The address of this system's web interface, for templates and links.
    pub external_url: String,
    /// The global `evaluation_interval`, milliseconds.
    pub default_interval_ms: i64,
    /// The global `rule_query_offset`, milliseconds.
    pub default_query_offset_ms: i64,
    /// How often an alert that goes on firing is sent again, milliseconds.
    pub resend_delay_ms: i64,
    /// An interruption of evaluations up to this long, milliseconds, leaves `for` as it is; after a longer one
    /// [`Context::outage_tolerance_ms`] and [`Context::for_grace_period_ms`] hold.
    pub interruption_ms: i64,
    /// After an outage longer than this, milliseconds, pending alerts begin anew (`rules.alert.for-outage-tolerance`).
    pub outage_tolerance_ms: i64,
    /// After an outage an alert waits at least this long before it fires, milliseconds; one with a shorter `for`
    /// begins anew (`rules.alert.for-grace-period`).
    pub for_grace_period_ms: i64,
    /// Whether the evaluation makes up for one that was missed: then nothing is sent, for a later one will.
    pub is_catching_up: bool,
    /// Answers seconds of a steady clock, to time evaluations; answers 0 unless set.
    pub stopwatch: fn() -> f64,
}

impl Default for Context {
    /// Prometheus' defaults.
    fn default() -> Self {
        Self {
            external_labels: Labels::empty(),
            external_url: String::new(),
            default_interval_ms: 60_000,
            default_query_offset_ms: 0,
            resend_delay_ms: 60_000,
            interruption_ms: 300_000,
            outage_tolerance_ms: 3_600_000,
            for_grace_period_ms: 600_000,
            is_catching_up: false,
            stopwatch: || 0.0,
        }
    }
}

/// An instant query that a rule asks.
#[derive(Clone, Copy, Debug)]
pub struct RuleQuery<'a> {
    /// The expression.
    pub expr: &'a RuleExpr,
    /// The time, milliseconds.
    pub at_ms: i64,
    /// What this evaluation has recorded so far: the answer must take it for stored.
    pub recorded: &'a [BatchSeries],
}

/// Answers a rule's queries.
pub type Query<'a> = dyn FnMut(RuleQuery<'_>) -> Result<Answer, String> + 'a;

/// What an evaluation leads to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepOutcome {
    /// The state for the next evaluation.
    pub state: GroupState,
    /// To be stored: recorded series, `ALERTS`, `ALERTS_FOR_STATE`, staleness markers. Each series once, one sample.
    pub samples: Vec<BatchSeries>,
    /// To be sent: alerts that began or ceased to fire, and those to be sent again.
    pub alerts: Vec<Alert>,
}

/// What the evaluation of each rule shares.
struct Evaluation<'a, 'q> {
    group: &'a RuleGroup,
    context: &'a Context,
    at_ms: i64,
    /// The time that queries are asked for and samples stand at.
    query_at_ms: i64,
    interval_ms: i64,
    /// Milliseconds since the last evaluation; 0 when it is the first or nothing is missing.
    outage_ms: i64,
    query: &'a mut Query<'q>,
    recorded: Recorded,
    alerts: Vec<Alert>,
}

impl Evaluation<'_, '_> {
    /// Asks a query and takes a scalar for a vector of one sample without labels (`EngineQueryFunc` of Prometheus).
    fn ask(&mut self, expr: &RuleExpr) -> Result<Vec<VectorSample>, String> {
        ask(self.query, expr, self.query_at_ms, self.recorded.series())
    }
}

fn ask(
    query: &mut Query<'_>,
    expr: &RuleExpr,
    at_ms: i64,
    recorded: &[BatchSeries],
) -> Result<Vec<VectorSample>, String> {
    match query(RuleQuery { expr, at_ms, recorded })?.value {
        QueryValue::Vector(samples) => Ok(samples),
        QueryValue::Scalar { timestamp_ms, value } => Ok(vec![VectorSample {
            labels: Labels::empty(),
            timestamp_ms,
            value: parapet_model::Value::Float(value),
        }]),
        QueryValue::String { .. } | QueryValue::Matrix(_) => Err("rule result is not a vector or scalar".to_owned()),
    }
}

/// Evaluates a group at `at_ms`. A rule that fails keeps its state, says why in it, and hinders no other.
pub fn step(group: &RuleGroup, state: GroupState, at_ms: i64, context: &Context, query: &mut Query<'_>) -> StepOutcome {
    let began = (context.stopwatch)();
    let interval_ms = group.interval_ms.unwrap_or(context.default_interval_ms);
    let query_offset_ms = group.query_offset_ms.unwrap_or(context.default_query_offset_ms);
    let gap_ms = state.last_slot_ms.map_or(0, |last| at_ms.saturating_sub(last));
    let mut evaluation = Evaluation {
        group,
        context,
        at_ms,
        query_at_ms: at_ms.saturating_sub(query_offset_ms),
        interval_ms,
        outage_ms: if gap_ms > context.interruption_ms.max(2 * interval_ms) {
            gap_ms
        } else {
            0
        },
        query,
        recorded: Recorded::default(),
        alerts: Vec::new(),
    };
    let mut previous: Vec<Option<RuleState>> = state.rules.into_iter().map(Some).collect();
    let mut rules = Vec::with_capacity(group.rules.len());
    for rule in &group.rules {
        let identity = rule.identity();
        // Rules alike in name and labels are matched in order.
        let found = previous
            .iter_mut()
            .find(|state| state.as_ref().is_some_and(|state| state.identity == identity));
        let state = found.and_then(Option::take).unwrap_or_else(|| RuleState {
            identity,
            ..RuleState::default()
        });
        rules.push(evaluation.rule(rule, state));
    }
    // What is left are rules that are no more.
    for state in previous.into_iter().flatten() {
        evaluation.retire(state);
    }
    StepOutcome {
        state: GroupState {
            last_slot_ms: Some(at_ms),
            evaluation_seconds: (context.stopwatch)() - began,
            rules,
        },
        samples: evaluation.recorded.into_series(),
        alerts: evaluation.alerts,
    }
}

/// Ends a group that is no longer configured: staleness markers for its series, resolved notices for its alerts.
/// `group` needs no rules.
#[must_use]
pub fn retire(group: &RuleGroup, state: GroupState, at_ms: i64, context: &Context) -> StepOutcome {
    let empty = RuleGroup {
        rules: Vec::new(),
        ..group.clone()
    };
    step(&empty, state, at_ms, context, &mut |_| {
        Err("a group without rules asks nothing".to_owned())
    })
}

impl Evaluation<'_, '_> {
    fn rule(&mut self, rule: &Rule, mut state: RuleState) -> RuleState {
        let began = (self.context.stopwatch)();
        let result = match &rule.alerting {
            Some(alerting) => self.alerting_rule(rule, alerting, &mut state),
            None => self.recording_rule(rule),
        };
        match result {
            Err(message) => (state.health, state.last_error) = (Health::Err, Some(message)),
            Ok(series) => {
                (state.health, state.last_error) = (Health::Ok, None);
                if rule.is_alerting() {
                    self.send(rule, &mut state);
                }
                let mut written = Vec::with_capacity(series.len());
                for series in series {
                    let labels = series.labels.clone();
                    match self.recorded.write(series) {
                        Ok(()) => written.push(labels),
                        Err(message) => (state.health, state.last_error) = (Health::Err, Some(message)),
                    }
                }
                written.sort_unstable();
                for vanished in state
                    .series
                    .iter()
                    .filter(|labels| written.binary_search(labels).is_err())
                {
                    self.recorded.mark_stale(vanished, self.query_at_ms);
                }
                state.series = written;
            }
        }
        state.evaluated_at_ms = Some(self.at_ms);
        state.evaluation_seconds = (self.context.stopwatch)() - began;
        state
    }

    /// Ends a rule that is no longer configured.
    fn retire(&mut self, state: RuleState) {
        for series in &state.series {
            self.recorded.mark_stale(series, self.query_at_ms);
        }
        for mut alert in state.alerts {
            // A resolved one is told once more: its last notice may not have been sent.
            if alert.state == AlertState::Firing {
                alert.state = AlertState::Inactive;
                alert.resolved_at_ms = Some(self.at_ms);
            }
            if alert.resolved_at_ms.is_some() {
                let message = self.message(&alert, "");
                self.alerts.push(message);
            }
        }
    }
}

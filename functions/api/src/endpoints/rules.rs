//! `rules` and `alerts`: the rules of the configuration with the state that their evaluation keeps.

mod filter;
mod state;

use crate::error::ApiError;
use crate::handler::Api;
use crate::json::{Object, format_alert_value, write_array};
use crate::params::format_rfc3339;
use crate::request::Call;
use crate::respond::success;
use axum::extract::State;
use axum::response::Response;
use filter::{Filter, Page};
use parapet_model::Labels;
use parapet_rules::{ActiveAlert, Rule, RuleGroup};
use state::{GroupView, Groups, RuleView};
use std::sync::Arc;

/// `/api/v1/rules`
pub(crate) async fn rules(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let filter = Filter::of(&call.form)?;
    let page = Page::of(&call.form)?;
    let groups = Groups::read(&api, &call.tenant).await?;
    let chosen = groups
        .views()
        .filter(|view| filter.takes_group(view.group))
        .map(|view| {
            let rules: Vec<RuleView<'_>> = view.rules().filter(|rule| filter.takes_rule(rule.rule)).collect();
            (view, rules)
        })
        // A group without a rule that was asked for is not shown.
        .filter(|(_, rules)| !rules.is_empty());
    let all = groups.views().map(|view| filter::token(view.group));
    let (shown, next) = page.cut(all, chosen, |(view, _)| filter::token(view.group))?;
    Ok(success(|out| {
        Object::write(out, |object| {
            object.array("groups", shown, |out, (view, rules)| {
                write_group(out, &view, rules, filter.with_alerts);
            });
            if let Some(next) = next {
                object.string("groupNextToken", &next);
            }
        });
    }))
}

fn write_group(out: &mut Vec<u8>, view: &GroupView<'_>, rules: Vec<RuleView<'_>>, with_alerts: bool) {
    let RuleGroup { name, file, limit, .. } = view.group;
    Object::write(out, |object| {
        object.string("name", name);
        object.string("file", file);
        object.array("rules", rules, |out, rule| write_rule(out, &rule, with_alerts));
        object.number("interval", seconds(view.interval_ms));
        object.integer("limit", i128::try_from(*limit).unwrap_or(i128::MAX));
        object.number("evaluationTime", view.evaluation_seconds());
        object.string("lastEvaluation", &format_rfc3339(view.last_evaluation_ms()));
    });
}

fn write_rule(out: &mut Vec<u8>, view: &RuleView<'_>, with_alerts: bool) {
    let Rule {
        name,
        expr,
        labels,
        alerting,
        ..
    } = view.rule;
    Object::write(out, |object| {
        if alerting.is_some() {
            object.string("state", view.alert_state().as_str());
        }
        object.string("name", name);
        object.string("query", &expr.to_string());
        if let Some(alerting) = alerting {
            object.number("duration", seconds(alerting.for_ms));
            object.number("keepFiringFor", seconds(alerting.keep_firing_for_ms));
        }
        object.labels("labels", labels);
        if let Some(alerting) = alerting {
            object.labels("annotations", &Labels::from_pairs(alerting.annotations.iter().cloned()));
            if with_alerts {
                object.array("alerts", view.active_alerts(), write_alert);
            } else {
                object.field("alerts").extend_from_slice(b"null");
            }
        }
        object.string("health", view.health().as_str());
        if let Some(error) = view.last_error() {
            object.string("lastError", error);
        }
        object.number("evaluationTime", view.evaluation_seconds());
        object.string("lastEvaluation", &format_rfc3339(view.evaluated_at_ms()));
        object.string("type", if alerting.is_some() { "alerting" } else { "recording" });
    });
}

fn write_alert(out: &mut Vec<u8>, alert: &ActiveAlert) {
    Object::write(out, |object| {
        object.labels("labels", &alert.labels);
        object.labels("annotations", &alert.annotations);
        object.string("state", alert.state.as_str());
        object.string("activeAt", &format_rfc3339(Some(alert.active_at_ms)));
        if alert.keep_firing_since_ms.is_some() {
            object.string("keepFiringSince", &format_rfc3339(alert.keep_firing_since_ms));
        }
        object.string("value", &format_alert_value(alert.value));
    });
}

#[allow(clippy::cast_precision_loss)] // durations of a configuration
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// `/api/v1/alerts`
pub(crate) async fn alerts(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let groups = Groups::read(&api, &call.tenant).await?;
    Ok(success(|out| {
        Object::write(out, |object| {
            let views: Vec<GroupView<'_>> = groups.views().collect();
            let rules = views.iter().flat_map(GroupView::rules);
            let alerts: Vec<&ActiveAlert> = rules.flat_map(|rule| rule.active_alerts()).collect();
            write_array(object.field("alerts"), alerts, write_alert);
        });
    }))
}

//! `/api/v2/alerts`.

use super::filter::{Filter, status};
use super::model::{ShownAlert, parse_time};
use super::{Answer, Failure, Query, body, configuration, json, ok};
use crate::handler::Api;
use axum::extract::{Request, State};
use http::StatusCode;
use parapet_model::{Alert, Labels};
use parapet_notifier::{Suppressor, read_groups};
use parapet_routing::{Config, Fingerprint, Grammar, GroupAlert};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An alert as it is posted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(rename = "generatorURL", default)]
    generator_url: Option<String>,
}

pub(super) async fn list(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let filter = Filter::of(&Query::of(&request), api.settings.grammar)?;
    let config = configuration(&api).await?;
    let now_ms = api.ports.clock.now_ms();
    // An alert that lives on several routes is the same in each; the last statement holds.
    let mut alerts: BTreeMap<Fingerprint, GroupAlert> = BTreeMap::new();
    for group in read_groups(&api.ports).await? {
        for (fingerprint, held) in group.alerts {
            let later = |known: &GroupAlert| known.alert.updated_at_ms < held.alert.updated_at_ms;
            if held.alert.ends_at_ms >= now_ms && alerts.get(&fingerprint).is_none_or(later) {
                alerts.insert(fingerprint, held);
            }
        }
    }
    let suppressor = Suppressor::read(&api.ports, &config).await?;
    let found = suppressor.of(alerts.values().map(|held| &held.alert.labels));
    let mut shown = Vec::new();
    for ((fingerprint, held), suppression) in alerts.iter().zip(found) {
        let receivers = receivers(&config, &held.alert.labels);
        let wanted = receivers.iter().any(|name| filter.wants_receiver(&config, name))
            && filter.wants_labels(&held.alert.labels)
            && filter.wants_state(&suppression);
        if wanted {
            let status = status(&suppression, &[]);
            shown.push(ShownAlert::of(fingerprint.to_string(), held, receivers, status));
        }
    }
    ok(&shown)
}

/// The receivers that an alert goes to, in order of their routes.
pub(super) fn receivers(config: &Config, labels: &Labels) -> Vec<String> {
    let routes = config.route.matching(labels);
    routes.iter().map(|route| route.options.receiver.clone()).collect()
}

pub(super) async fn post(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let posted: Vec<Posted> = body(&api, request, "alerts").await?;
    configuration(&api).await?;
    let now_ms = api.ports.clock.now_ms();
    let (mut alerts, mut faults) = (Vec::new(), Vec::new());
    for alert in posted {
        match read(alert, now_ms, api.settings.grammar) {
            Ok(alert) => alerts.push(alert),
            Err(fault) => faults.push(fault),
        }
    }
    // Answered when the queue holds them: nothing that was acknowledged is lost.
    parapet_store::alerts::send(&api.ports, &alerts).await?;
    if faults.is_empty() {
        Ok(json(StatusCode::OK, &serde_json::json!({})))
    } else {
        Err(Failure::bad(faults.join("\n")))
    }
}

/// An alert as the notifier takes it (`alert.Alert.Validate` of Alertmanager).
fn read(posted: Posted, now_ms: i64, grammar: Grammar) -> Result<Alert, String> {
    let (starts, ends) = (
        parse_time(posted.starts_at.as_deref().unwrap_or_default())?,
        parse_time(posted.ends_at.as_deref().unwrap_or_default())?,
    );
    let starts_at_ms = starts.or(ends).unwrap_or(now_ms);
    if ends.is_some_and(|ends| ends < starts_at_ms) {
        return Err("start time must be before end time".to_owned());
    }
    let labels = posted.labels.into_iter().filter(|(_, value)| !value.is_empty());
    let labels = Labels::from_pairs(labels);
    if labels.is_empty() {
        return Err("at least one label pair required".to_owned());
    }
    if let Some((name, _)) = labels.iter().find(|(name, _)| !grammar.is_label_name(name)) {
        let name = parapet_model::quote(name);
        return Err(format!("invalid label set: invalid name {name}"));
    }
    Ok(Alert {
        labels,
        annotations: Labels::from_pairs(posted.annotations.unwrap_or_default()),
        starts_at_ms,
        ends_at_ms: ends.unwrap_or_default(),
        updated_at_ms: now_ms,
        generator_url: posted.generator_url.unwrap_or_default(),
    })
}

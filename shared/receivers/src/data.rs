//! What payloads and templates show of a notification.

use crate::exchange::Context;
use crate::go_time;
use crate::template::Engine;
use parapet_model::Labels;
use parapet_routing::{Notification, NotifiedAlert};
use serde::Serialize;
use std::collections::BTreeMap;

/// `template.Data` of Alertmanager, in the order in which it stands in JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Data {
    pub(crate) receiver: String,
    pub(crate) status: &'static str,
    pub(crate) alerts: Vec<AlertData>,
    pub(crate) notification_reason: &'static str,
    #[serde(rename = "groupLabels")]
    pub(crate) group_labels: Labels,
    #[serde(rename = "commonLabels")]
    pub(crate) common_labels: Labels,
    #[serde(rename = "commonAnnotations")]
    pub(crate) common_annotations: Labels,
    #[serde(rename = "routeLabels")]
    pub(crate) route_labels: BTreeMap<String, String>,
    #[serde(rename = "externalURL")]
    pub(crate) external_url: String,
    #[serde(skip)]
    pub(crate) route_labels_rendered: bool,
}

/// `template.Alert` of Alertmanager.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertData {
    pub(crate) status: &'static str,
    pub(crate) labels: Labels,
    pub(crate) annotations: Labels,
    pub(crate) starts_at: String,
    pub(crate) ends_at: String,
    #[serde(rename = "generatorURL")]
    pub(crate) generator_url: String,
    pub(crate) fingerprint: String,
    #[serde(skip)]
    pub(crate) starts_at_ms: i64,
    #[serde(skip)]
    pub(crate) ended_at_ms: Option<i64>,
}

impl Data {
    pub(crate) fn of(notification: &Notification, context: &Context<'_>) -> Self {
        let alerts = &notification.alerts;
        let mut data = Self {
            receiver: quote_meta(&notification.receiver),
            status: status(alerts.iter().any(|alert| alert.ended_at_ms.is_none())),
            alerts: alerts.iter().map(AlertData::of).collect(),
            notification_reason: notification.reason.as_str(),
            group_labels: notification.group_labels.clone(),
            common_labels: common(alerts.iter().map(|alert| &alert.labels)),
            common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
            route_labels: notification.route_labels.clone(),
            external_url: context.external_url.to_owned(),
            route_labels_rendered: false,
        };
        data.render_route_labels(notification.flush_id, context);
        data
    }

    /// Expands the route's labels before anything else sees them. One that does not expand is left out, as
    /// Alertmanager does: a broken label must not hold up a page.
    fn render_route_labels(&mut self, now_ms: i64, context: &Context<'_>) {
        if !self.route_labels.is_empty() {
            let engine = Engine::new(context.templates, self, now_ms);
            let expand =
                |(name, text): (&String, &String)| engine.text("labels", text).ok().map(|value| (name.clone(), value));
            self.route_labels = self.route_labels.iter().filter_map(expand).collect();
        }
        self.route_labels_rendered = true;
    }
}

impl AlertData {
    fn of(alert: &NotifiedAlert) -> Self {
        Self {
            status: status(alert.ended_at_ms.is_none()),
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            starts_at: go_time::format(alert.starts_at_ms),
            ends_at: alert
                .ended_at_ms
                .map_or_else(|| go_time::ZERO.to_owned(), go_time::format),
            generator_url: alert.generator_url.clone(),
            fingerprint: alert.fingerprint.to_string(),
            starts_at_ms: alert.starts_at_ms,
            ended_at_ms: alert.ended_at_ms,
        }
    }
}

fn status(firing: bool) -> &'static str {
    if firing { "firing" } else { "resolved" }
}

/// The pairs that every label set has.
fn common<'a>(mut sets: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = sets.next() else {
        return Labels::empty();
    };
    let mut common: Vec<(&str, &str)> = first.iter().collect();
    for labels in sets {
        common.retain(|(name, value)| labels.get(name) == Some(value));
    }
    Labels::from_sorted(common)
}

/// `regexp.QuoteMeta` of Go: receiver names stand in links that filter by regular expression.
fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

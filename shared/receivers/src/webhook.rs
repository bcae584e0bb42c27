//! The generic webhook: a JSON document of version "4".

use crate::data::Data;
use crate::request::{Context, RenderError};
use crate::{go_json, template};
use parapet_routing::config::Webhook;
use parapet_routing::{Notification, Secret};
use serde::Serialize;

/// `webhook.Message` of Alertmanager.
#[derive(Debug, Serialize)]
struct Message<'a> {
    #[serde(flatten)]
    data: &'a Data,
    version: &'static str,
    #[serde(rename = "groupKey")]
    group_key: &'a str,
    #[serde(rename = "truncatedAlerts")]
    truncated_alerts: u64,
}

pub(crate) fn render(
    notification: &Notification,
    settings: &Webhook,
    context: &Context<'_>,
) -> Result<(Secret, Vec<u8>), RenderError> {
    let data = Data::of(notification, context.external_url);
    let message = Message {
        data: &data,
        version: "4",
        group_key: &notification.group_key,
        truncated_alerts: notification.truncated_alerts,
    };
    let body = go_json::encode(&message)?;
    let url = if settings.url.expose().contains("{{") {
        let url = template::Engine::new(&data, notification.flush_id)?.text("url", settings.url.expose())?;
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(RenderError::Url);
        }
        Secret::new(url)
    } else {
        settings.url.clone()
    };
    Ok((url, body))
}

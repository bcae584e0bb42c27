//! The generic webhook: a JSON document of version "4".

use crate::data::Data;
use crate::exchange::{Draft, Exchange, RenderError};
use parapet_routing::config::Webhook;
use serde::Serialize;

/// The header that makes a repeated delivery known as one.
const DEDUP_KEY_HEADER: &str = "X-Parapet-Dedup-Key";

/// `webhook.Message` of Alertmanager.
#[derive(Debug, Serialize)]
pub(crate) struct Message<'a> {
    #[serde(flatten)]
    data: &'a Data,
    version: &'static str,
    #[serde(rename = "groupKey")]
    group_key: &'a str,
    #[serde(rename = "truncatedAlerts")]
    truncated_alerts: u64,
}

impl<'a> Message<'a> {
    pub(crate) fn of(exchange: &Exchange<'a>, data: &'a Data, version: &'static str) -> Self {
        Self {
            data,
            version,
            group_key: &exchange.notification.group_key,
            truncated_alerts: exchange.notification.truncated_alerts,
        }
    }
}

pub(crate) fn draft(settings: &Webhook, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let url = exchange.text("url", &exchange.secret(&settings.url)?)?;
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return Err(RenderError::Invalid("url is not a URL after templating".to_owned()));
    }
    let draft = match &settings.payload {
        Some(payload) => Draft::json("POST", url, &exchange.engine.value("payload", payload)?)?,
        None => Draft::json("POST", url, &Message::of(exchange, exchange.data, "4"))?,
    };
    Ok(draft.header(DEDUP_KEY_HEADER, exchange.context.dedup_key))
}

//! VictorOps (Splunk On-Call): an incident by its REST endpoint.

use crate::exchange::{Draft, Exchange, RenderError};
use crate::truncate::characters;
use parapet_routing::config::VictorOps;
use std::collections::BTreeMap;

const MAX_STATE_MESSAGE_CHARS: usize = 20_480;

pub(crate) fn draft(settings: &VictorOps, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let key = exchange.secret(&settings.api_key)?;
    let mut url = exchange.secret(&settings.api_url.0)?;
    if !url.ends_with('/') {
        url.push('/');
    }
    url = format!("{url}{key}/{}", exchange.text("routing_key", &settings.routing_key)?);
    let kind = exchange.text("message_type", &settings.message_type)?;
    let kind = match (exchange.firing(), kind.as_str()) {
        (false, _) => "RECOVERY".to_owned(),
        (true, "INFO" | "WARNING" | "CRITICAL") => kind,
        (true, _) => "CRITICAL".to_owned(),
    };
    let state = exchange.text("state_message", &settings.state_message)?;
    let mut message = BTreeMap::from([
        ("message_type", kind),
        ("entity_id", exchange.key_hash()),
        (
            "entity_display_name",
            exchange.text("entity_display_name", &settings.entity_display_name)?,
        ),
        ("state_message", characters(state, MAX_STATE_MESSAGE_CHARS)),
        (
            "monitoring_tool",
            exchange.text("monitoring_tool", &settings.monitoring_tool)?,
        ),
    ]);
    for (name, text) in &settings.custom_fields {
        message.insert(name, exchange.text("custom_fields", text)?);
    }
    Draft::json("POST", url, &message)
}

//! incident.io: the webhook's document, version "1".

use crate::answer::{Answer, Verdict, with_details};
use crate::exchange::{Draft, Exchange, RenderError};
use crate::webhook::Message;
use parapet_routing::config::IncidentIo;
use serde::Deserialize;

/// The largest document that incident.io takes.
const MAX_PAYLOAD_BYTES: usize = 512 * 1024;

pub(crate) fn draft(settings: &IncidentIo, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let url = exchange.secret(&settings.url.0)?;
    let draft = Draft::json("POST", url.clone(), &Message::of(exchange, exchange.data, "1"))?;
    if draft.body.len() <= MAX_PAYLOAD_BYTES {
        return Ok(draft);
    }
    // One alert makes the incident; the rest is of use, but not needed.
    let mut data = exchange.data.clone();
    data.alerts.truncate(1);
    Draft::json("POST", url, &Message::of(exchange, &data, "1"))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    message: String,
    error: String,
    errors: Vec<String>,
}

pub(crate) fn verdict(exchange: &Exchange<'_>, answer: &Answer) -> Verdict {
    let details = serde_json::from_slice::<Fault>(&answer.body).map(|fault| {
        let parts = [fault.message, fault.error, fault.errors.join(", ")];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(": ")
    });
    with_details(answer, &details.unwrap_or_default(), exchange.context.now_ms)
}

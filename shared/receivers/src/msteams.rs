//! Microsoft Teams, incoming webhook: a message card.

use crate::exchange::{Draft, Exchange, RenderError};
use parapet_routing::config::MsTeams;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Card {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    summary: String,
    text: String,
    #[serde(rename = "themeColor")]
    theme_color: &'static str,
}

pub(crate) fn draft(settings: &MsTeams, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let card = Card {
        context: "http://schema.org/extensions",
        kind: "MessageCard",
        title: exchange.text("title", &settings.title)?,
        summary: exchange.text("summary", &settings.summary)?,
        text: exchange.text("text", &settings.text)?,
        theme_color: if exchange.firing() { "8C1A1A" } else { "2DC72D" },
    };
    Draft::json("POST", exchange.secret(&settings.webhook_url.0)?, &card)
}

//! Microsoft Teams, workflow: an adaptive card.

use crate::exchange::{Draft, Exchange, RenderError};
use parapet_routing::config::MsTeamsV2;
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Serialize)]
struct Message {
    #[serde(rename = "type")]
    kind: &'static str,
    attachments: [Attachment; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    content_type: &'static str,
    content_url: Value,
    content: Content,
}

#[derive(Debug, Serialize)]
struct Content {
    #[serde(rename = "$schema")]
    schema: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: &'static str,
    body: [Block; 2],
    msteams: Width,
}

#[derive(Debug, Default, Serialize)]
struct Block {
    #[serde(rename = "type")]
    kind: &'static str,
    text: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    weight: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    size: &'static str,
    wrap: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    style: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    color: &'static str,
}

#[derive(Debug, Serialize)]
struct Width {
    width: &'static str,
}

pub(crate) fn draft(settings: &MsTeamsV2, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let title = Block {
        kind: "TextBlock",
        text: exchange.text("title", &settings.title)?,
        weight: "Bolder",
        size: "Medium",
        wrap: true,
        style: "heading",
        color: if exchange.firing() { "Attention" } else { "Good" },
    };
    let text = Block {
        kind: "TextBlock",
        text: exchange.text("text", &settings.text)?,
        wrap: true,
        ..Block::default()
    };
    let content = Content {
        schema: "http://adaptivecards.io/schemas/adaptive-card.json",
        kind: "AdaptiveCard",
        version: "1.2",
        body: [title, text],
        msteams: Width { width: "full" },
    };
    let attachment = Attachment {
        content_type: "application/vnd.microsoft.card.adaptive",
        content_url: Value::Null,
        content,
    };
    let message = Message {
        kind: "message",
        attachments: [attachment],
    };
    Draft::json("POST", exchange.secret(&settings.webhook_url.0)?, &message)
}

//! Discord: one embed.

use crate::exchange::{Draft, Exchange, RenderError};
use crate::truncate::characters;
use parapet_routing::config::Discord;
use serde::Serialize;

const MAX_TITLE_CHARS: usize = 256;
const MAX_DESCRIPTION_CHARS: usize = 4096;
const MAX_CONTENT_CHARS: usize = 2000;
const RED: u32 = 0x0099_2D22;
const GREEN: u32 = 0x002E_CC71;

#[derive(Debug, Serialize)]
struct Message {
    content: String,
    embeds: [Embed; 1],
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    avatar_url: String,
}

#[derive(Debug, Serialize)]
struct Embed {
    title: String,
    description: String,
    color: u32,
}

pub(crate) fn draft(settings: &Discord, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let embed = Embed {
        title: characters(exchange.text("title", &settings.title)?, MAX_TITLE_CHARS),
        description: characters(exchange.text("message", &settings.message)?, MAX_DESCRIPTION_CHARS),
        color: if exchange.firing() { RED } else { GREEN },
    };
    let message = Message {
        content: characters(exchange.text("content", &settings.content)?, MAX_CONTENT_CHARS),
        embeds: [embed],
        username: settings.username.clone(),
        avatar_url: settings.avatar_url.clone(),
    };
    Draft::json("POST", exchange.secret(&settings.webhook_url.0)?, &message)
}

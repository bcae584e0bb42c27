//! Webex: a message in a room.

use crate::exchange::{Draft, Exchange, RenderError};
use crate::truncate::bytes;
use parapet_routing::config::Webex;
use serde::Serialize;

const MAX_MESSAGE_BYTES: usize = 7439;

#[derive(Debug, Serialize)]
struct Message {
    markdown: String,
    #[serde(rename = "roomId", skip_serializing_if = "String::is_empty")]
    room_id: String,
}

pub(crate) fn draft(settings: &Webex, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let message = Message {
        markdown: bytes(exchange.text("message", &settings.message)?, MAX_MESSAGE_BYTES),
        room_id: exchange.text("room_id", &settings.room_id)?,
    };
    Draft::json("POST", exchange.secret(&settings.api_url.0)?, &message)
}

//! Rocket.Chat: `chat.postMessage` with one attachment.

use crate::answer::{Answer, Verdict};
use crate::exchange::{Draft, Exchange, RenderError};
use crate::truncate::characters;
use parapet_routing::config::RocketChat;
use serde::Serialize;

const MAX_TITLE_CHARS: usize = 1024;

#[derive(Debug, Serialize)]
struct Message {
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    avatar: String,
    attachments: [Attachment; 1],
}

#[derive(Debug, Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
}

#[derive(Debug, Serialize)]
struct Field {
    short: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
}

#[derive(Debug, Serialize)]
struct Action {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    is_webview: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    msg: String,
    msg_in_chat_window: bool,
}

pub(crate) fn draft(settings: &RocketChat, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let (mut fields, mut actions) = (Vec::new(), Vec::new());
    for field in &settings.fields {
        fields.push(Field {
            short: field.short.unwrap_or(settings.short_fields),
            title: exchange.text("fields.title", &field.title)?,
            value: exchange.text("fields.value", &field.value)?,
        });
    }
    for action in &settings.actions {
        actions.push(Action {
            kind: "button",
            text: exchange.text("actions.text", &action.text)?,
            url: exchange.text("actions.url", &action.url)?,
            is_webview: false,
            msg: exchange.text("actions.msg", &action.msg)?,
            msg_in_chat_window: false,
        });
    }
    let attachment = Attachment {
        title: characters(exchange.text("title", &settings.title)?, MAX_TITLE_CHARS),
        title_link: exchange.text("title_link", &settings.title_link)?,
        text: exchange.text("text", &settings.text)?,
        image_url: exchange.text("image_url", &settings.image_url)?,
        thumb_url: exchange.text("thumb_url", &settings.thumb_url)?,
        color: exchange.text("color", &settings.color)?,
        fields,
        actions,
    };
    let message = Message {
        channel: exchange.text("channel", &settings.channel)?,
        emoji: exchange.text("emoji", &settings.emoji)?,
        avatar: exchange.text("icon_url", &settings.icon_url)?,
        attachments: [attachment],
    };
    let url = exchange.secret(&settings.api_url.0)?;
    let url = format!("{}/api/v1/chat.postMessage", url.trim_end_matches('/'));
    let (token, id) = (exchange.secret(&settings.token)?, exchange.secret(&settings.token_id)?);
    Ok(Draft::json("POST", url, &message)?
        .header("X-Auth-Token", token)
        .header("X-User-Id", id))
}

/// Rocket.Chat answers some errors with status 200.
pub(crate) fn verdict(exchange: &Exchange<'_>, answer: &Answer) -> Verdict {
    let verdict = exchange.generic(answer);
    if verdict != Verdict::Sent {
        return verdict;
    }
    match serde_json::from_slice::<serde_json::Value>(&answer.body) {
        Ok(body) if body["success"] == true => Verdict::Sent,
        Ok(body) => Verdict::Permanent {
            error: format!(
                "error response from Rocketchat: {}",
                body["error"].as_str().unwrap_or_default()
            ),
        },
        Err(_) => Verdict::Retry {
            error: "could not read the JSON response".to_owned(),
            after_ms: None,
        },
    }
}

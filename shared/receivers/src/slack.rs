//! Slack: one attachment, sent to an incoming webhook or to the API.

use crate::data::Data;
use crate::go_json;
use crate::request::{Context, RenderError};
use crate::template::Engine;
use parapet_routing::config::Slack;
use parapet_routing::{Notification, Secret};
use serde::Serialize;

/// Slack's limit for a title, in characters.
const MAX_TITLE_CHARS: usize = 1024;

/// What is Markdown unless the configuration says otherwise.
const DEFAULT_MARKDOWN: [&str; 3] = ["fallback", "pretext", "text"];

#[derive(Debug, Serialize)]
struct Request {
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    link_names: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    attachments: [Attachment; 1],
}

#[derive(Debug, Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    text: String,
    fallback: String,
    callback_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    footer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    mrkdwn_in: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Field {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    short: bool,
}

#[derive(Debug, Serialize)]
struct Action {
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    style: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<Confirmation>,
}

#[derive(Debug, Serialize)]
struct Confirmation {
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ok_text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dismiss_text: String,
}

pub(crate) fn render(
    notification: &Notification,
    settings: &Slack,
    context: &Context<'_>,
) -> Result<(Secret, Vec<u8>), RenderError> {
    let data = Data::of(notification, context.external_url);
    let engine = Engine::new(&data, notification.flush_id)?;
    let mut fields = Vec::with_capacity(settings.fields.len());
    for field in &settings.fields {
        fields.push(Field {
            title: engine.text("fields.title", &field.title)?,
            value: engine.text("fields.value", &field.value)?,
            short: field.short.unwrap_or(settings.short_fields),
        });
    }
    let mut actions = Vec::with_capacity(settings.actions.len());
    for action in &settings.actions {
        let confirm = match &action.confirm {
            None => None,
            Some(confirm) => Some(Confirmation {
                text: engine.text("confirm.text", &confirm.text)?,
                title: engine.text("confirm.title", &confirm.title)?,
                ok_text: engine.text("confirm.ok_text", &confirm.ok_text)?,
                dismiss_text: engine.text("confirm.dismiss_text", &confirm.dismiss_text)?,
            }),
        };
        actions.push(Action {
            kind: engine.text("actions.type", &action.kind)?,
            text: engine.text("actions.text", &action.text)?,
            url: engine.text("actions.url", &action.url)?,
            style: engine.text("actions.style", &action.style)?,
            name: engine.text("actions.name", &action.name)?,
            value: engine.text("actions.value", &action.value)?,
            confirm,
        });
    }
    let mrkdwn_in = if settings.mrkdwn_in.is_empty() {
        DEFAULT_MARKDOWN.map(str::to_owned).to_vec()
    } else {
        settings.mrkdwn_in.clone()
    };
    let attachment = Attachment {
        title: truncate(engine.text("title", &settings.title)?),
        title_link: engine.text("title_link", &settings.title_link)?,
        pretext: engine.text("pretext", &settings.pretext)?,
        text: engine.text("text", &settings.text)?,
        fallback: engine.text("fallback", &settings.fallback)?,
        callback_id: engine.text("callback_id", &settings.callback_id)?,
        fields,
        actions,
        image_url: engine.text("image_url", &settings.image_url)?,
        thumb_url: engine.text("thumb_url", &settings.thumb_url)?,
        footer: engine.text("footer", &settings.footer)?,
        color: engine.text("color", &settings.color)?,
        mrkdwn_in,
    };
    let request = Request {
        channel: engine.text("channel", &settings.channel)?,
        username: engine.text("username", &settings.username)?,
        icon_emoji: engine.text("icon_emoji", &settings.icon_emoji)?,
        icon_url: engine.text("icon_url", &settings.icon_url)?,
        link_names: settings.link_names,
        text: engine.text("message_text", &settings.message_text)?,
        attachments: [attachment],
    };
    Ok((settings.api_url.clone(), go_json::encode(&request)?))
}

/// At most [`MAX_TITLE_CHARS`] characters, an ellipsis for the rest.
fn truncate(title: String) -> String {
    match title.char_indices().nth(MAX_TITLE_CHARS) {
        None => title,
        Some(_) => title.chars().take(MAX_TITLE_CHARS - 1).chain(['…']).collect(),
    }
}

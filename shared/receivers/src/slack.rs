//! Slack: one attachment, sent to an incoming webhook or to the API.

use crate::answer::{Answer, Verdict, permanent, shown};
use crate::exchange::{Draft, Exchange, RenderError};
use crate::truncate::characters;
use parapet_routing::config::Slack;
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
    #[serde(skip_serializing_if = "String::is_empty")]
    ts: String,
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

/// Where a message is edited.
const UPDATE_URL: &str = "https://slack.com/api/chat.update";

/// What is remembered of a message that may be edited later.
const CHANNEL: &str = "channelId";
const TIMESTAMP: &str = "threadTs";

pub(crate) fn draft(settings: &Slack, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let engine = &exchange.engine;
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
        title: characters(engine.text("title", &settings.title)?, MAX_TITLE_CHARS),
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
    let mut request = Request {
        channel: engine.text("channel", &settings.channel)?,
        username: engine.text("username", &settings.username)?,
        icon_emoji: engine.text("icon_emoji", &settings.icon_emoji)?,
        icon_url: engine.text("icon_url", &settings.icon_url)?,
        link_names: settings.link_names,
        text: engine.text("message_text", &settings.message_text)?,
        attachments: [attachment],
        ts: String::new(),
    };
    let known = &exchange.notification.receiver_data;
    if settings.update_message
        && let (Some(channel), Some(timestamp)) = (known.get(CHANNEL), known.get(TIMESTAMP))
    {
        request.channel.clone_from(channel);
        request.ts.clone_from(timestamp);
        return Draft::json("POST", UPDATE_URL, &request);
    }
    Draft::json("POST", exchange.secret(&settings.api_url.0)?, &request)
}

/// Slack answers errors with status 200: as plain text to incoming webhooks, as JSON in its API.
pub(crate) fn verdict(exchange: &Exchange<'_>, answer: &Answer) -> Verdict {
    let verdict = exchange.generic(answer);
    if verdict != Verdict::Sent {
        return verdict;
    }
    let shown = shown(&answer.body);
    if !answer
        .content_type
        .as_deref()
        .is_some_and(|kind| kind.starts_with("application/json"))
    {
        return if answer.body == b"ok" {
            Verdict::Sent
        } else {
            permanent(format!("received an error response from Slack: {shown}"))
        };
    }
    match serde_json::from_slice::<serde_json::Value>(&answer.body) {
        Ok(body) if body["ok"] == true => Verdict::Sent,
        Ok(body) => {
            let error = body["error"].as_str().unwrap_or_default();
            permanent(format!("error response from Slack: {error}"))
        }
        Err(_) => Verdict::Retry {
            error: format!("could not read JSON response: {shown}"),
            after_ms: None,
        },
    }
}

/// What an answer says of the message, for when it is edited.
pub(crate) fn remember(answer: &Answer) -> Vec<(String, String)> {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match (body["channel"].as_str(), body["ts"].as_str()) {
        (Some(channel), Some(timestamp)) if !channel.is_empty() && !timestamp.is_empty() => {
            vec![
                (CHANNEL.to_owned(), channel.to_owned()),
                (TIMESTAMP.to_owned(), timestamp.to_owned()),
            ]
        }
        _ => Vec::new(),
    }
}

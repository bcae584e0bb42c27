//! Mattermost: an incoming webhook with attachments.

use crate::exchange::{Draft, Exchange, RenderError};
use crate::truncate::characters;
use parapet_routing::config::{Mattermost, MattermostAttachment};
use serde::Serialize;

const MAX_TEXT_CHARS: usize = 16_383;

#[derive(Debug, Serialize)]
struct Message {
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    attachments: Vec<Attachment>,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    props: Option<Props>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
}

#[derive(Debug, Serialize)]
struct Props {
    #[serde(skip_serializing_if = "String::is_empty")]
    card: String,
}

#[derive(Debug, Serialize)]
struct Priority {
    priority: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    requested_ack: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    persistent_notifications: bool,
}

#[derive(Debug, Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    fallback: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author_icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    footer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    footer_icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
}

#[derive(Debug, Serialize)]
struct Field {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    short: Option<bool>,
}

pub(crate) fn draft(settings: &Mattermost, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let url = exchange.secret(&settings.webhook_url.0)?;
    let mut text = String::new();
    let mut attachments = Vec::new();
    if settings.attachments.is_empty() {
        attachments.push(attachment(&own_attachment(settings), exchange)?);
    } else {
        text = exchange.text("text", &settings.text)?;
        for written in &settings.attachments {
            attachments.push(attachment(written, exchange)?);
        }
    }
    let props = match settings.props.as_ref().filter(|props| !props.card.is_empty()) {
        Some(props) => Some(Props {
            card: exchange.text("props.card", &props.card)?,
        }),
        None => None,
    };
    let message = Message {
        text: characters(text, MAX_TEXT_CHARS),
        channel: exchange.text("channel", &settings.channel)?,
        username: exchange.text("username", &settings.username)?,
        icon_url: exchange.text("icon_url", &settings.icon_url)?,
        icon_emoji: exchange.text("icon_emoji", &settings.icon_emoji)?,
        attachments,
        kind: exchange.text("type", &settings.kind)?,
        props,
        priority: priority(settings, exchange)?,
    };
    Draft::json("POST", url, &message)
}

/// Without a list of attachments, the settings themselves are one.
fn own_attachment(settings: &Mattermost) -> MattermostAttachment {
    MattermostAttachment {
        fallback: settings.fallback.clone(),
        color: settings.color.clone(),
        pretext: settings.pretext.clone(),
        text: settings.text.clone(),
        author_name: settings.author_name.clone(),
        author_link: settings.author_link.clone(),
        author_icon: settings.author_icon.clone(),
        title: settings.title.clone(),
        title_link: settings.title_link.clone(),
        fields: settings.fields.clone(),
        thumb_url: settings.thumb_url.clone(),
        footer: settings.footer.clone(),
        footer_icon: settings.footer_icon.clone(),
        image_url: settings.image_url.clone(),
    }
}

fn attachment(written: &MattermostAttachment, exchange: &Exchange<'_>) -> Result<Attachment, RenderError> {
    let mut fields = Vec::new();
    for field in &written.fields {
        fields.push(Field {
            title: exchange.text("fields.title", &field.value.title)?,
            value: exchange.text("fields.value", &field.value.value)?,
            short: field.value.short,
        });
    }
    Ok(Attachment {
        fallback: exchange.text("fallback", &written.fallback)?,
        color: exchange.text("color", &written.color)?,
        pretext: exchange.text("pretext", &written.pretext)?,
        text: exchange.text("text", &written.text)?,
        author_name: exchange.text("author_name", &written.author_name)?,
        author_link: exchange.text("author_link", &written.author_link)?,
        author_icon: exchange.text("author_icon", &written.author_icon)?,
        title: exchange.text("title", &written.title)?,
        title_link: exchange.text("title_link", &written.title_link)?,
        fields,
        thumb_url: exchange.text("thumb_url", &written.thumb_url)?,
        footer: exchange.text("footer", &written.footer)?,
        footer_icon: exchange.text("footer_icon", &written.footer_icon)?,
        image_url: exchange.text("image_url", &written.image_url)?,
    })
}

/// What Mattermost does not take together is left out: an acknowledgement of what is not important, persistence of
/// what is not urgent.
fn priority(settings: &Mattermost, exchange: &Exchange<'_>) -> Result<Option<Priority>, RenderError> {
    let Some(written) = settings
        .priority
        .as_ref()
        .filter(|priority| !priority.priority.is_empty())
    else {
        return Ok(None);
    };
    let priority = match exchange
        .text("priority.priority", &written.priority)?
        .to_lowercase()
        .as_str()
    {
        "urgent" => "urgent",
        "important" => "important",
        _ => "standard",
    };
    Ok(Some(Priority {
        priority,
        requested_ack: written.requested_ack && priority != "standard",
        persistent_notifications: written.persistent_notifications && priority == "urgent",
    }))
}

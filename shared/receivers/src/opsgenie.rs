//! Opsgenie: an alert created, updated, closed.

use crate::answer::Verdict;
use crate::exchange::{Draft, Exchange, RenderError, Want};
use crate::truncate::characters;
use parapet_routing::config::{OpsGenie, Responder};
use serde::Serialize;
use std::collections::BTreeMap;

const MAX_MESSAGE_CHARS: usize = 130;

#[derive(Debug, Serialize)]
struct Create {
    alias: String,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    details: BTreeMap<String, String>,
    source: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    responders: Vec<Recipient>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    priority: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    entity: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Recipient {
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Serialize)]
struct Close {
    source: String,
}

#[derive(Debug, Serialize)]
struct UpdateMessage {
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

#[derive(Debug, Serialize)]
struct UpdateDescription {
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
}

/// One request after the other; the first that fails ends it.
pub(crate) fn want(settings: &OpsGenie, exchange: &Exchange<'_>) -> Result<Want, RenderError> {
    for answer in exchange.answers {
        match exchange.generic(answer) {
            Verdict::Sent => {}
            failed => return Ok(Want::Done(failed)),
        }
    }
    let mut drafts = drafts(settings, exchange)?;
    if exchange.answers.len() >= drafts.len() {
        return Ok(Want::Done(Verdict::Sent));
    }
    let key = exchange.text("api_key", &exchange.secret(&settings.api_key)?)?;
    let draft = drafts.swap_remove(exchange.answers.len());
    Ok(Want::Call(draft.header("Authorization", format!("GenieKey {key}"))))
}

fn drafts(settings: &OpsGenie, exchange: &Exchange<'_>) -> Result<Vec<Draft>, RenderError> {
    let mut base = exchange.secret(&settings.api_url.0)?;
    if !base.ends_with('/') {
        base.push('/');
    }
    let alias = exchange.key_hash();
    let of_alias = |action: &str| format!("{base}v2/alerts/{alias}/{action}?identifierType=alias");
    let source = exchange.text("source", &settings.source)?;
    if !exchange.firing() {
        return Ok(vec![Draft::json("POST", of_alias("close"), &Close { source })?]);
    }
    let mut details: BTreeMap<String, String> = exchange
        .data
        .common_labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, text) in &settings.details {
        details.insert(name.clone(), exchange.text("details", text)?);
    }
    let mut responders = Vec::new();
    for responder in &settings.responders {
        add_responder(responder, exchange, &mut responders)?;
    }
    let message = characters(exchange.text("message", &settings.message)?, MAX_MESSAGE_CHARS);
    let create = Create {
        alias: alias.clone(),
        message: message.clone(),
        description: exchange.text("description", &settings.description)?,
        details,
        source,
        responders,
        tags: split(&exchange.text("tags", &settings.tags)?),
        note: exchange.text("note", &settings.note)?,
        priority: exchange.text("priority", &settings.priority)?,
        entity: exchange.text("entity", &settings.entity)?,
        actions: split(&exchange.text("actions", &settings.actions)?),
    };
    let mut drafts = vec![Draft::json("POST", format!("{base}v2/alerts"), &create)?];
    if settings.update_alerts {
        drafts.push(Draft::json("PUT", of_alias("message"), &UpdateMessage { message })?);
        let description = create.description;
        drafts.push(Draft::json(
            "PUT",
            of_alias("description"),
            &UpdateDescription { description },
        )?);
    }
    Ok(drafts)
}

/// Adds whom a responder stands for: nobody where all of it came out empty, each team of `teams`.
fn add_responder(responder: &Responder, exchange: &Exchange<'_>, all: &mut Vec<Recipient>) -> Result<(), RenderError> {
    let recipient = Recipient {
        id: exchange.text("responders.id", &responder.id)?,
        name: exchange.text("responders.name", &responder.name)?,
        username: exchange.text("responders.username", &responder.username)?,
        kind: exchange.text("responders.type", &responder.kind)?,
    };
    if recipient == Recipient::default() {
        return Ok(());
    }
    if recipient.kind != "teams" {
        all.push(recipient);
        return Ok(());
    }
    for team in split(&recipient.name) {
        let name = exchange.text("responders.name", &team)?;
        all.push(Recipient {
            name,
            kind: "team".to_owned(),
            ..Recipient::default()
        });
    }
    Ok(())
}

/// The parts between commas that are not empty.
fn split(text: &str) -> Vec<String> {
    text.trim()
        .split(',')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

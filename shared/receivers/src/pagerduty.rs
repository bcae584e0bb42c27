//! PagerDuty: Events API version 2, or version 1 where the configuration has a service key.

use crate::answer::{Answer, Verdict, with_details};
use crate::exchange::{Draft, Exchange, RenderError};
use crate::truncate::characters;
use parapet_routing::config::PagerDuty;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

const V1_URL: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";
const MAX_SUMMARY_CHARS: usize = 1024;
const MAX_EVENT_BYTES: usize = 512_000;

type Details = BTreeMap<String, Value>;

#[derive(Debug, Default, Serialize)]
struct Event {
    #[serde(skip_serializing_if = "String::is_empty")]
    routing_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    service_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dedup_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    incident_key: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    event_type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    event_action: &'static str,
    payload: Option<Payload>,
    #[serde(skip_serializing_if = "String::is_empty")]
    client: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    client_url: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    details: Details,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
}

#[derive(Debug, Serialize)]
struct Payload {
    summary: String,
    source: String,
    severity: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    class: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    component: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    custom_details: Details,
}

#[derive(Debug, Serialize)]
struct Image {
    src: String,
    alt: String,
    href: String,
}

#[derive(Debug, Serialize)]
struct Link {
    href: String,
    text: String,
}

pub(crate) fn draft(settings: &PagerDuty, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let (url, mut event) = if settings.service_key.is_empty() {
        (exchange.secret(&settings.url.0)?, version_2(settings, exchange)?)
    } else {
        (V1_URL.to_owned(), version_1(settings, exchange)?)
    };
    let draft = Draft::json("POST", url.clone(), &event)?;
    if draft.body.len() <= MAX_EVENT_BYTES {
        return Ok(draft);
    }
    let removed = "Custom details have been removed because the original event exceeds the maximum size of 512KB";
    let details = Details::from([("error".to_owned(), Value::from(removed))]);
    match &mut event.payload {
        Some(payload) => payload.custom_details = details,
        None => event.details = details,
    }
    Draft::json("POST", url, &event)
}

fn details(settings: &PagerDuty, exchange: &Exchange<'_>) -> Result<Details, RenderError> {
    let mut rendered = Details::new();
    for (name, value) in &settings.details {
        rendered.insert(name.clone(), exchange.engine.value("details", value)?);
    }
    Ok(rendered)
}

fn event_type(exchange: &Exchange<'_>) -> &'static str {
    if exchange.firing() { "trigger" } else { "resolve" }
}

fn summary(settings: &PagerDuty, exchange: &Exchange<'_>) -> Result<String, RenderError> {
    Ok(characters(
        exchange.text("description", &settings.description)?,
        MAX_SUMMARY_CHARS,
    ))
}

fn version_1(settings: &PagerDuty, exchange: &Exchange<'_>) -> Result<Event, RenderError> {
    let key = exchange.secret(&settings.service_key)?;
    let mut event = Event {
        service_key: exchange.text("service_key", &key)?,
        event_type: event_type(exchange),
        incident_key: exchange.key_hash(),
        description: summary(settings, exchange)?,
        details: details(settings, exchange)?,
        ..Event::default()
    };
    if exchange.firing() {
        event.client = exchange.text("client", &settings.client)?;
        event.client_url = exchange.text("client_url", &settings.client_url)?;
    }
    if event.service_key.is_empty() {
        return Err(RenderError::Invalid("service key cannot be empty".to_owned()));
    }
    Ok(event)
}

fn version_2(settings: &PagerDuty, exchange: &Exchange<'_>) -> Result<Event, RenderError> {
    let severity = if settings.severity.is_empty() {
        "error"
    } else {
        &settings.severity
    };
    let payload = Payload {
        summary: summary(settings, exchange)?,
        source: exchange.text("source", &settings.source)?,
        severity: exchange.text("severity", severity)?,
        class: exchange.text("class", &settings.class)?,
        component: exchange.text("component", &settings.component)?,
        group: exchange.text("group", &settings.group)?,
        custom_details: details(settings, exchange)?,
    };
    let (mut images, mut links) = (Vec::new(), Vec::new());
    for image in &settings.images {
        let src = exchange.text("images.src", &image.src)?;
        let alt = exchange.text("images.alt", &image.alt)?;
        let href = exchange.text("images.href", &image.href)?;
        if !src.is_empty() {
            images.push(Image { src, alt, href });
        }
    }
    for link in &settings.links {
        let href = exchange.text("links.href", &link.href)?;
        let text = exchange.text("links.text", &link.text)?;
        if !href.is_empty() {
            links.push(Link { href, text });
        }
    }
    let key = exchange.secret(&settings.routing_key)?;
    let event = Event {
        routing_key: exchange.text("routing_key", &key)?,
        dedup_key: exchange.key_hash(),
        event_action: event_type(exchange),
        payload: Some(payload),
        client: exchange.text("client", &settings.client)?,
        client_url: exchange.text("client_url", &settings.client_url)?,
        images,
        links,
        ..Event::default()
    };
    if event.routing_key.is_empty() {
        return Err(RenderError::Invalid("routing key cannot be empty".to_owned()));
    }
    Ok(event)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fault {
    message: String,
    errors: Vec<String>,
}

/// Version 1 says that it is asked too often with 403, version 2 with 429.
pub(crate) fn verdict(settings: &PagerDuty, exchange: &Exchange<'_>, answer: &Answer) -> Verdict {
    let details = match serde_json::from_slice::<Fault>(&answer.body) {
        Ok(fault) if answer.status == 400 => format!("{}: {}", fault.message, fault.errors.join(",")),
        _ => String::new(),
    };
    match with_details(answer, &details, exchange.context.now_ms) {
        Verdict::Permanent { error } if answer.status == 403 && !settings.service_key.is_empty() => {
            Verdict::Retry { error, after_ms: None }
        }
        verdict => verdict,
    }
}

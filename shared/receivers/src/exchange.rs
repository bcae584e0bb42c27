//! The conversation with one receiver: what to send next, given what was answered so far.

use crate::answer::{Answer, Verdict, generic, permanent};
use crate::aws::{self, AwsCredentials};
use crate::data::Data;
use crate::mail::Mail;
use crate::template::{Engine, Templates};
use crate::{
    discord, email, go_json, incidentio, jira, mattermost, msteams, msteamsv2, oauth2, opsgenie, pagerduty, pushover,
    rocketchat, ses, slack, sns, telegram, victorops, webex, webhook, wechat,
};
use base64::Engine as _;
use parapet_http_client::{Connection, Reference, Secret, SecretSource, Transport};
use parapet_routing::{Integration, IntegrationKind, Notification};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// An HTTP request, ready to be sent. Its `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `POST` as a rule.
    pub method: &'static str,
    /// Where to; receivers put tokens in it.
    pub url: Secret,
    /// Headers in order.
    pub headers: Vec<(String, Secret)>,
    /// The body.
    pub body: Vec<u8>,
    /// For the whole exchange, milliseconds; 0 for the caller's default.
    pub timeout_ms: i64,
    /// The way it takes.
    pub connection: Connection,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this request and come back with its answer beside the former ones.
    Call(Box<Request>),
    /// Send this message by SMTP; that is all.
    Mail(Box<Mail>),
    /// Nothing more: this is what became of the notification.
    Done(Verdict),
}

/// What a request needs besides the notification.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Where people reach this server; the base of links in payloads. Without a slash at its end.
    pub external_url: &'a str,
    /// The identity of this delivery: the same for each repetition of it.
    pub dedup_key: &'a str,
    /// The templates that the configuration names, and the default ones.
    pub templates: &'a Templates,
    /// Secrets that the configuration does not hold itself, as far as they were asked for.
    pub secrets: &'a BTreeMap<Reference, Secret>,
    /// The process' own credentials for AWS, if it has any.
    pub aws: Option<&'a AwsCredentials>,
    /// Now, milliseconds since the Unix epoch: for signatures and for `Retry-After` dates; no payload depends on it.
    pub now_ms: i64,
}

/// A notification that cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A template does not parse or does not execute.
    #[error("template of {field}: {message}")]
    Template {
        /// The field of the integration.
        field: &'static str,
        /// What the template engine said.
        message: String,
    },
    /// What came out of the templates cannot be sent.
    #[error("{0}")]
    Invalid(String),
    /// A value that is no JSON.
    #[error("payload is not JSON")]
    Json(#[from] serde_json::Error),
    /// A secret is needed that the caller has not read yet: read it, and ask again.
    #[error("the secret {0} has not been read")]
    Secret(Reference),
}

/// One conversation at one point.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) notification: &'a Notification,
    pub(crate) context: &'a Context<'a>,
    pub(crate) data: &'a Data,
    pub(crate) engine: Engine<'a>,
    /// What was answered to the requests so far, in order.
    pub(crate) answers: &'a [Answer],
}

/// A request without what `http_config` adds.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) method: &'static str,
    pub(crate) url: Secret,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) body: Vec<u8>,
}

/// What a receiver wants next.
#[derive(Debug)]
pub(crate) enum Want {
    Call(Draft),
    Mail(Box<Mail>),
    Done(Verdict),
}

impl Draft {
    pub(crate) fn json<T: Serialize>(
        method: &'static str,
        url: impl Into<String>,
        body: &T,
    ) -> Result<Self, RenderError> {
        Ok(Self {
            method,
            url: Secret::new(url),
            content_type: "application/json",
            headers: Vec::new(),
            body: go_json::encode(body)?,
        })
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), Secret::new(value)));
        self
    }
}

impl<'a> Exchange<'a> {
    /// A secret's text; surrounding white space of a file does not belong to it.
    pub(crate) fn secret(&self, source: &SecretSource) -> Result<String, RenderError> {
        match source {
            SecretSource::Text(secret) => Ok(secret.expose().to_owned()),
            SecretSource::Kept(reference) => match self.context.secrets.get(reference) {
                Some(secret) => Ok(secret.expose().trim().to_owned()),
                None => Err(RenderError::Secret(reference.clone())),
            },
        }
    }

    /// The way of a configuration, its secrets read.
    pub(crate) fn connection(&self, transport: &Transport) -> Result<Connection, RenderError> {
        Connection::of(transport, |source| self.secret(source).map(Secret::new))
    }

    pub(crate) fn text(&self, field: &'static str, text: &str) -> Result<String, RenderError> {
        self.engine.text(field, text)
    }

    /// Whether any alert fires.
    pub(crate) fn firing(&self) -> bool {
        self.data.status == "firing"
    }

    /// The group's identity where a receiver wants a short one: SHA-256 of its key in hexadecimal digits.
    pub(crate) fn key_hash(&self) -> String {
        hex(&Sha256::digest(self.notification.group_key.as_bytes()))
    }

    /// One request and one answer.
    pub(crate) fn once(
        &self,
        draft: impl FnOnce() -> Result<Draft, RenderError>,
        verdict: impl FnOnce(&Answer) -> Verdict,
    ) -> Result<Want, RenderError> {
        match self.answers.first() {
            None => draft().map(Want::Call),
            Some(answer) => Ok(Want::Done(verdict(answer))),
        }
    }

    /// The verdict that a status code alone gives.
    pub(crate) fn generic(&self, answer: &Answer) -> Verdict {
        generic(answer, self.context.now_ms)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// What to do next to deliver a notification through an integration, `answers` being what was answered to the
/// requests that this function asked for before. The same input gives the same bytes, so that a delivery that begins
/// anew after a crash is a true repetition.
///
/// # Errors
/// [`RenderError::Secret`] asks for a secret; no retry helps against the others.
pub fn next(
    notification: &Notification,
    integration: &Integration,
    context: &Context<'_>,
    answers: &[Answer],
) -> Result<Step, RenderError> {
    let data = Data::of(notification, context);
    let engine = Engine::new(context.templates, &data, notification.flush_id);
    let mut exchange = Exchange {
        notification,
        context,
        data: &data,
        engine,
        answers,
    };
    let mut token = None;
    if let Some(settings) = &integration.http.oauth2 {
        match answers.split_first() {
            None => {
                return oauth2::request(settings, &exchange, integration.timeout_ms).map(|r| Step::Call(Box::new(r)));
            }
            Some((answer, rest)) => match oauth2::token(answer, context.now_ms) {
                Ok(found) => (token, exchange.answers) = (Some(found), rest),
                Err(verdict) => return Ok(Step::Done(verdict)),
            },
        }
    }
    let draft = match want(&integration.kind, &exchange)? {
        Want::Call(draft) => draft,
        Want::Mail(mail) => return Ok(Step::Mail(mail)),
        Want::Done(verdict) => return Ok(Step::Done(verdict)),
    };
    let mut headers = vec![(
        "User-Agent".to_owned(),
        Secret::new(concat!("Parapet/", env!("CARGO_PKG_VERSION"))),
    )];
    if !draft.content_type.is_empty() {
        headers.push(("Content-Type".to_owned(), Secret::new(draft.content_type)));
    }
    headers.extend(draft.headers);
    let client = &integration.http;
    for (name, value) in &client.headers {
        headers.push((name.clone(), Secret::new(exchange.secret(value)?)));
    }
    if let Some((scheme, credentials)) = &client.authorization {
        let value = format!("{scheme} {}", exchange.secret(credentials)?);
        headers.push(("Authorization".to_owned(), Secret::new(value)));
    }
    if let Some((user, password)) = &client.basic_auth {
        let pair = format!("{}:{}", exchange.secret(user)?, exchange.secret(password)?);
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        headers.push(("Authorization".to_owned(), Secret::new(format!("Basic {pair}"))));
    }
    if let Some(token) = token {
        headers.push(("Authorization".to_owned(), token));
    }
    Ok(Step::Call(Box::new(Request {
        method: draft.method,
        url: draft.url,
        headers,
        body: draft.body,
        timeout_ms: integration.timeout_ms,
        connection: exchange.connection(&client.transport)?,
    })))
}

/// What to keep of the answers of a delivery that succeeded, for the next one of the same group: Slack's name of the
/// message that is to be edited.
#[must_use]
pub fn remember(integration: &Integration, answers: &[Answer]) -> BTreeMap<String, String> {
    match (&integration.kind, answers.last()) {
        (IntegrationKind::Slack(settings), Some(answer)) if settings.update_message => {
            slack::remember(answer).into_iter().collect()
        }
        _ => BTreeMap::new(),
    }
}

fn want(kind: &IntegrationKind, exchange: &Exchange<'_>) -> Result<Want, RenderError> {
    let generic = |answer: &Answer| exchange.generic(answer);
    let aws = |answer: &Answer| aws::verdict(answer, exchange.context.now_ms);
    match kind {
        IntegrationKind::Webhook(settings) => exchange.once(|| webhook::draft(settings, exchange), generic),
        IntegrationKind::Email(settings) => match settings.ses_region() {
            Some(region) => exchange.once(|| ses::draft(settings, region, exchange), aws),
            None => email::mail(settings, exchange).map(|mail| Want::Mail(Box::new(mail))),
        },
        IntegrationKind::PagerDuty(settings) => exchange.once(
            || pagerduty::draft(settings, exchange),
            |answer| pagerduty::verdict(settings, exchange, answer),
        ),
        IntegrationKind::OpsGenie(settings) => opsgenie::want(settings, exchange),
        IntegrationKind::WeChat(settings) => wechat::want(settings, exchange),
        IntegrationKind::Slack(settings) => exchange.once(
            || slack::draft(settings, exchange),
            |answer| slack::verdict(exchange, answer),
        ),
        IntegrationKind::VictorOps(settings) => exchange.once(|| victorops::draft(settings, exchange), generic),
        IntegrationKind::Pushover(settings) => exchange.once(|| pushover::draft(settings, exchange), generic),
        IntegrationKind::Sns(settings) => exchange.once(|| sns::draft(settings, exchange), aws),
        IntegrationKind::Telegram(settings) => exchange.once(
            || telegram::draft(settings, exchange),
            |answer| telegram::verdict(exchange, answer),
        ),
        IntegrationKind::Discord(settings) => exchange.once(|| discord::draft(settings, exchange), generic),
        IntegrationKind::Webex(settings) => exchange.once(|| webex::draft(settings, exchange), generic),
        IntegrationKind::MsTeams(settings) => exchange.once(|| msteams::draft(settings, exchange), generic),
        IntegrationKind::MsTeamsV2(settings) => exchange.once(|| msteamsv2::draft(settings, exchange), generic),
        IntegrationKind::Jira(settings) => jira::want(settings, exchange),
        IntegrationKind::IncidentIo(settings) => exchange.once(
            || incidentio::draft(settings, exchange),
            |answer| incidentio::verdict(exchange, answer),
        ),
        IntegrationKind::RocketChat(settings) => exchange.once(
            || rocketchat::draft(settings, exchange),
            |answer| rocketchat::verdict(exchange, answer),
        ),
        IntegrationKind::Mattermost(settings) => exchange.once(|| mattermost::draft(settings, exchange), generic),
    }
}

/// A verdict that nothing follows.
pub(crate) fn done(verdict: Verdict) -> Result<Want, RenderError> {
    Ok(Want::Done(verdict))
}

/// A receiver that answered what it does not document.
pub(crate) fn nonsense(what: &str) -> Verdict {
    permanent(format!("unexpected answer: {what}"))
}

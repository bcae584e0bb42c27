//! `alertmanager.yml`, read and checked.

mod fault;
mod raw;
mod secret;
mod validate;

use crate::{ConfigError, InhibitRule, Route, TimeInterval};
use std::collections::BTreeMap;

pub use secret::Secret;

/// A configuration that can be used as it is: defaults filled in, every reference resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long an alert without an end keeps firing after it was last heard of, milliseconds.
    pub resolve_timeout_ms: i64,
    /// The route tree.
    pub route: Route,
    /// Which alerts keep which others quiet.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Recurring times that routes name.
    pub time_intervals: BTreeMap<String, Vec<TimeInterval>>,
    /// Who is notified, in the order of the file.
    pub receivers: Vec<Receiver>,
}

impl Config {
    /// The receiver of that name.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name == name)
    }

    /// The time intervals that keep a route quiet at a moment: those of `mute_time_intervals` that it falls into, or
    /// every one of `active_time_intervals` where it falls into none of them. Empty while the route may speak.
    #[must_use]
    pub fn muted_by_time<'a>(&self, route: &'a Route, at_ms: i64) -> Vec<&'a str> {
        let contains = |name: &&'a String| {
            let intervals = self.time_intervals.get(name.as_str());
            intervals.is_some_and(|intervals| intervals.iter().any(|interval| interval.contains(at_ms)))
        };
        let active = &route.options.active_time_intervals;
        if !active.is_empty() && !active.iter().any(|name| contains(&name)) {
            return active.iter().map(String::as_str).collect();
        }
        route
            .options
            .mute_time_intervals
            .iter()
            .filter(contains)
            .map(String::as_str)
            .collect()
    }
}

/// A receiver: a name and any number of integrations, each notified on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Its name, unique.
    pub name: String,
    /// Labels for queries, `name` included.
    pub labels: BTreeMap<String, String>,
    /// What to notify through.
    pub integrations: Vec<Integration>,
}

impl Receiver {
    /// The integration of that key.
    #[must_use]
    pub fn integration(&self, key: &str) -> Option<&Integration> {
        self.integrations.iter().find(|integration| integration.key == key)
    }
}

/// One way of notifying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// Kind and index within the kind, as Alertmanager's notification log has it: `webhook/0`.
    pub key: String,
    /// Whether alerts that ended are sent.
    pub send_resolved: bool,
    /// How the HTTP request is authenticated.
    pub http: HttpClient,
    /// For one request, milliseconds; 0 for the caller's default.
    pub timeout_ms: i64,
    /// What is sent, and where.
    pub kind: IntegrationKind,
}

/// The settings of one kind of integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntegrationKind {
    /// `webhook_configs`.
    Webhook(Webhook),
    /// `slack_configs`.
    Slack(Box<Slack>),
}

/// The part of `http_config` that is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpClient {
    /// The whole `Authorization` header, where one is configured: a scheme and credentials.
    pub authorization: Option<(String, Secret)>,
    /// `basic_auth`: user name and password.
    pub basic_auth: Option<(String, Secret)>,
    /// `http_headers`: further headers.
    pub headers: Vec<(String, Secret)>,
}

/// A JSON document posted to a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where to; may be a template.
    pub url: Secret,
    /// At most so many alerts in one document; 0 for all.
    pub max_alerts: u64,
}

/// A Slack message with one attachment. Texts are templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slack {
    /// Where to.
    pub api_url: Secret,
    /// Channel or user; empty for the webhook's own.
    pub channel: String,
    /// Name of the sender.
    pub username: String,
    /// Colour of the bar beside the attachment.
    pub color: String,
    /// First line.
    pub title: String,
    /// Link of the first line.
    pub title_link: String,
    /// Text above the attachment.
    pub pretext: String,
    /// Text of the attachment.
    pub text: String,
    /// Text of the message itself.
    pub message_text: String,
    /// Table below the text.
    pub fields: Vec<SlackField>,
    /// Whether fields stand beside each other unless they say otherwise.
    pub short_fields: bool,
    /// Last line.
    pub footer: String,
    /// Plain text for clients without attachments.
    pub fallback: String,
    /// Identity for interactive messages.
    pub callback_id: String,
    /// Emoji as the sender's picture.
    pub icon_emoji: String,
    /// The sender's picture.
    pub icon_url: String,
    /// Picture in the attachment.
    pub image_url: String,
    /// Small picture in the attachment.
    pub thumb_url: String,
    /// Whether `@name` and `#channel` become links.
    pub link_names: bool,
    /// Which parts are Markdown; empty for Alertmanager's default.
    pub mrkdwn_in: Vec<String>,
    /// Buttons.
    pub actions: Vec<SlackAction>,
}

/// One cell of the table in a Slack attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackField {
    /// Heading.
    pub title: String,
    /// Text.
    pub value: String,
    /// Whether it may stand beside another; the integration's `short_fields` where absent.
    pub short: Option<bool>,
}

/// One button of a Slack attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackAction {
    /// `button` as a rule.
    pub kind: String,
    /// What is written on it.
    pub text: String,
    /// Link; empty for a message action.
    pub url: String,
    /// `primary`, `danger` or empty.
    pub style: String,
    /// Name of a message action.
    pub name: String,
    /// Value of a message action.
    pub value: String,
    /// Asks before it acts.
    pub confirm: Option<SlackConfirmation>,
}

/// What a button asks before it acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackConfirmation {
    /// The question.
    pub text: String,
    /// Its title.
    pub title: String,
    /// Label of the consenting button.
    pub ok_text: String,
    /// Label of the other button.
    pub dismiss_text: String,
}

/// Reads `alertmanager.yml`; `path` is only for messages.
///
/// # Errors
/// [`ConfigError`] for text that is no YAML, a field that is unknown (with the name that was probably meant), a value
/// that does not fit, a reference to nothing, and whatever Alertmanager itself refuses. A valid field of Alertmanager
/// that this version does not carry out is refused by name, never ignored.
pub fn parse(path: &str, text: &str) -> Result<Config, ConfigError> {
    let raw: Option<raw::Config> =
        serde_saphyr::from_str(text).map_err(|error| fault::from_yaml(path, error.without_snippet()))?;
    validate::validate(path, raw.unwrap_or_default())
}

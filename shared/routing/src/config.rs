//! `alertmanager.yml`, read and checked.

mod fault;
mod http;
mod mask;
mod raw;
mod receiver;
mod validate;

use crate::{ConfigError, Grammar, InhibitRule, Route, TimeInterval};
use std::collections::BTreeMap;

pub use mask::masked;
pub use parapet_http_client::{HttpClient, OAuth2, Reference, Secret, SecretSource, Tls, Transport};
pub use raw::{Duration, GoDuration, HostPort, Url};
pub use receiver::*;

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
    /// Where templates are: patterns of paths, relative ones from where the process runs.
    pub templates: Vec<String>,
    /// Who is notified, in the order of the file.
    pub receivers: Vec<Receiver>,
    /// How matchers are read, and which names labels may have.
    pub grammar: Grammar,
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
    /// How the receiver is reached.
    pub http: HttpClient,
    /// For one request, milliseconds; 0 for the caller's default.
    pub timeout_ms: i64,
    /// What is sent, and where.
    pub kind: IntegrationKind,
}

/// Reads `alertmanager.yml`; `path` is only for messages.
///
/// # Errors
/// [`ConfigError`] for text that is no YAML, a field that is unknown (with the name that was probably meant), a value
/// that does not fit, a reference to nothing, and whatever Alertmanager itself refuses. A valid field of Alertmanager
/// that this version does not carry out is refused by name, never ignored.
pub fn parse(path: &str, text: &str) -> Result<Config, ConfigError> {
    parse_as(Grammar::default(), path, text)
}

/// As [`parse`], with one of the grammars for matchers.
///
/// # Errors
/// Those of [`parse`].
pub fn parse_as(grammar: Grammar, path: &str, text: &str) -> Result<Config, ConfigError> {
    let raw: Option<raw::Config> =
        serde_saphyr::from_str(text).map_err(|error| fault::from_yaml(path, error.without_snippet()))?;
    validate::validate(grammar, path, raw.unwrap_or_default())
}

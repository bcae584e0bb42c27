//! `pagerduty_configs`.

use super::{Finished, Written, template};
use crate::config::SecretSource;
use crate::config::http::HttpConfig;
use crate::config::raw::{GoDuration, Url};
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// An event for PagerDuty: version 2 with a routing key, version 1 with a service key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PagerDuty {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub service_key: SecretSource,
    service_key_file: String,
    pub routing_key: SecretSource,
    routing_key_file: String,
    pub url: Url,
    pub client: String,
    pub client_url: String,
    pub description: String,
    pub details: BTreeMap<String, Value>,
    pub images: Vec<PagerDutyImage>,
    pub links: Vec<PagerDutyLink>,
    pub source: String,
    pub severity: String,
    pub class: String,
    pub component: String,
    pub group: String,
    timeout: GoDuration,
}

/// A link beside an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PagerDutyLink {
    pub href: String,
    pub text: String,
}

/// A picture beside an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PagerDutyImage {
    pub src: String,
    pub alt: String,
    pub href: String,
}

impl Default for PagerDuty {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            service_key: SecretSource::default(),
            service_key_file: String::new(),
            routing_key: SecretSource::default(),
            routing_key_file: String::new(),
            url: Url::default(),
            client: template("pagerduty.default.client"),
            client_url: template("pagerduty.default.clientURL"),
            description: "{{ template \"pagerduty.default.description\" .}}".to_owned(),
            details: BTreeMap::new(),
            images: Vec::new(),
            links: Vec::new(),
            source: String::new(),
            severity: String::new(),
            class: String::new(),
            component: String::new(),
            group: String::new(),
            timeout: GoDuration(0),
        }
    }
}

/// What an incident shows of its alerts unless the configuration says otherwise.
const DEFAULT_DETAILS: [(&str, &str); 4] = [
    ("firing", "{{ .Alerts.Firing | toJson }}"),
    ("resolved", "{{ .Alerts.Resolved | toJson }}"),
    ("num_firing", "{{ .Alerts.Firing | len }}"),
    ("num_resolved", "{{ .Alerts.Resolved | len }}"),
];

impl Written for PagerDuty {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        let routing = scope.one_of("routing_key", self.routing_key, &self.routing_key_file)?;
        let service = scope.one_of("service_key", self.service_key, &self.service_key_file)?;
        if routing.is_none() && service.is_none() {
            return scope.fail("missing service or routing key in PagerDuty config; write routing_key: KEY");
        }
        self.routing_key = routing.unwrap_or_default();
        self.service_key = service.unwrap_or_default();
        if self.source.is_empty() {
            self.source.clone_from(&self.client);
        }
        for (name, text) in DEFAULT_DETAILS {
            self.details.entry(name.to_owned()).or_insert_with(|| Value::from(text));
        }
        self.url = self
            .url
            .or(&scope.global.pagerduty_url, "https://events.pagerduty.com/v2/enqueue");
        let http = self.http_config.take();
        let (send_resolved, timeout_ms) = (self.send_resolved, self.timeout.0);
        scope.done(self, send_resolved, http, timeout_ms)
    }
}

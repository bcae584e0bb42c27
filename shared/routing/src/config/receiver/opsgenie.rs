//! `opsgenie_configs`.

use super::{Finished, Written, template};
use crate::config::SecretSource;
use crate::config::http::HttpConfig;
use crate::config::raw::Url;
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// An alert of Opsgenie, created and closed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpsGenie {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub api_key: SecretSource,
    api_key_file: String,
    pub api_url: Url,
    pub message: String,
    pub description: String,
    pub source: String,
    pub details: BTreeMap<String, String>,
    pub entity: String,
    #[serde(rename = "responders")]
    written_responders: Vec<Spanned<Responder>>,
    #[serde(skip)]
    pub responders: Vec<Responder>,
    pub actions: String,
    pub tags: String,
    pub note: String,
    pub priority: String,
    pub update_alerts: bool,
}

/// Whom an alert is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Responder {
    pub id: String,
    pub name: String,
    pub username: String,
    #[serde(rename = "type")]
    pub kind: String,
}

impl Default for OpsGenie {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            api_key: SecretSource::default(),
            api_key_file: String::new(),
            api_url: Url::default(),
            message: template("opsgenie.default.message"),
            description: template("opsgenie.default.description"),
            source: template("opsgenie.default.source"),
            details: BTreeMap::new(),
            entity: String::new(),
            written_responders: Vec::new(),
            responders: Vec::new(),
            actions: String::new(),
            tags: String::new(),
            note: String::new(),
            priority: String::new(),
            update_alerts: false,
        }
    }
}

impl Written for OpsGenie {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        let own = scope.one_of("api_key", self.api_key, &self.api_key_file)?;
        let global = &scope.global.opsgenie_api_key;
        let key = own.or_else(|| scope.global_secret(global, &scope.global.opsgenie_api_key_file));
        let Some(key) = key else {
            return scope.fail("no global OpsGenie API Key set either inline or in a file; write api_key: KEY");
        };
        self.api_key = key;
        self.api_url = self
            .api_url
            .or(&scope.global.opsgenie_api_url, "https://api.opsgenie.com/");
        for responder in std::mem::take(&mut self.written_responders) {
            let (place, responder) = (scope.at(responder.referenced), responder.value);
            if responder.id.is_empty() && responder.name.is_empty() && responder.username.is_empty() {
                let message =
                    "opsGenieConfig responder has to have at least one of id, username or name specified; write one";
                return place.fail(message);
            }
            let kinds = ["team", "teams", "user", "escalation", "schedule"];
            if !responder.kind.contains("{{") && !kinds.contains(&responder.kind.to_lowercase().as_str()) {
                let message = "opsGenieConfig responder type does not match valid options \
                               ^(team|teams|user|escalation|schedule)$; write such as type: team";
                return place.fail(message);
            }
            self.responders.push(responder);
        }
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}

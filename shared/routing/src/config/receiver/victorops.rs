//! `victorops_configs`.

use super::{Finished, Written, template};
use crate::config::SecretSource;
use crate::config::http::HttpConfig;
use crate::config::raw::Url;
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;
use std::collections::BTreeMap;

/// An incident of VictorOps (Splunk On-Call).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VictorOps {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub api_key: SecretSource,
    api_key_file: String,
    pub api_url: Url,
    pub routing_key: String,
    pub message_type: String,
    pub state_message: String,
    pub entity_display_name: String,
    pub monitoring_tool: String,
    pub custom_fields: BTreeMap<String, String>,
}

impl Default for VictorOps {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            api_key: SecretSource::default(),
            api_key_file: String::new(),
            api_url: Url::default(),
            routing_key: String::new(),
            message_type: "CRITICAL".to_owned(),
            state_message: template("victorops.default.state_message"),
            entity_display_name: template("victorops.default.entity_display_name"),
            monitoring_tool: template("victorops.default.monitoring_tool"),
            custom_fields: BTreeMap::new(),
        }
    }
}

/// Fields that every message has.
const RESERVED: [&str; 7] = [
    "routing_key",
    "message_type",
    "state_message",
    "entity_display_name",
    "monitoring_tool",
    "entity_id",
    "entity_state",
];

impl Written for VictorOps {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        if self.routing_key.is_empty() {
            return scope.fail("missing Routing key in VictorOps config; write routing_key: KEY");
        }
        let own = scope.one_of("api_key", self.api_key, &self.api_key_file)?;
        if let Some(name) = RESERVED.iter().find(|name| self.custom_fields.contains_key(**name)) {
            return scope.fail(format!(
                "victorOps config contains custom field {name} which cannot be used as it conflicts with the \
                 fixed/static fields; rename it"
            ));
        }
        let global = &scope.global.victorops_api_key;
        let Some(key) = own.or_else(|| scope.global_secret(global, &scope.global.victorops_api_key_file)) else {
            return scope.fail("no global VictorOps API Key set; write api_key: KEY");
        };
        self.api_key = key;
        let default = "https://alert.victorops.com/integrations/generic/20131114/alert/";
        self.api_url = self.api_url.or(&scope.global.victorops_api_url, default);
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}

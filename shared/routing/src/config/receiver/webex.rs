//! `webex_configs`.

use super::{Finished, Written, template};
use crate::config::http::HttpConfig;
use crate::config::raw::Url;
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;

/// A message to a room of Webex.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webex {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub api_url: Url,
    pub message: String,
    pub room_id: String,
}

impl Default for Webex {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            api_url: Url::default(),
            message: template("webex.default.message"),
            room_id: String::new(),
        }
    }
}

impl Written for Webex {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        if self.room_id.is_empty() {
            return scope.fail("missing room_id on webex_config; write room_id: ID");
        }
        if !self.http_config.as_ref().is_some_and(HttpConfig::has_authorization) {
            return scope.fail("missing webex_configs.http_config.authorization; write it with the bot's token");
        }
        self.api_url = self
            .api_url
            .or(&scope.global.webex_api_url, "https://webexapis.com/v1/messages");
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}

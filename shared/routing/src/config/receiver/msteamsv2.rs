//! `msteamsv2_configs`.

use super::{Finished, Written, template};
use crate::config::http::HttpConfig;
use crate::config::raw::Url;
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;

/// An adaptive card, posted to a workflow of Microsoft Teams.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MsTeamsV2 {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub webhook_url: Url,
    webhook_url_file: String,
    pub title: String,
    pub text: String,
}

impl Default for MsTeamsV2 {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            webhook_url: Url::default(),
            webhook_url_file: String::new(),
            title: template("msteamsv2.default.title"),
            text: template("msteamsv2.default.text"),
        }
    }
}

impl Written for MsTeamsV2 {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        self.webhook_url.0 = scope.exactly_one_of("webhook_url", self.webhook_url.0, &self.webhook_url_file)?;
        let mut http = self.http_config.take();
        if let Some(own) = http.as_mut().filter(|own| own.proxy_url.is_none()) {
            // Of all kinds, this one alone takes the global proxy into an http_config of its own.
            own.proxy_url = scope
                .global
                .http_config
                .as_ref()
                .and_then(|global| global.proxy_url.clone());
        }
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}

//! `msteams_configs`.

use super::{Finished, Written, template};
use crate::config::http::HttpConfig;
use crate::config::raw::Url;
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;

/// A message card, posted to an incoming webhook of Microsoft Teams.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MsTeams {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub webhook_url: Url,
    webhook_url_file: String,
    pub title: String,
    pub summary: String,
    pub text: String,
}

impl Default for MsTeams {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            webhook_url: Url::default(),
            webhook_url_file: String::new(),
            title: template("msteams.default.title"),
            summary: template("msteams.default.summary"),
            text: template("msteams.default.text"),
        }
    }
}

impl Written for MsTeams {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        self.webhook_url.0 = scope.exactly_one_of("webhook_url", self.webhook_url.0, &self.webhook_url_file)?;
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}

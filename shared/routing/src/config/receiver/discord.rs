//! `discord_configs`.

use super::{Finished, Written, template};
use crate::config::http::HttpConfig;
use crate::config::raw::Url;
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;

/// An embed, posted to a Discord webhook.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Discord {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub webhook_url: Url,
    webhook_url_file: String,
    pub content: String,
    pub title: String,
    pub message: String,
    pub username: String,
    pub avatar_url: String,
}

impl Default for Discord {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            webhook_url: Url::default(),
            webhook_url_file: String::new(),
            content: String::new(),
            title: template("discord.default.title"),
            message: template("discord.default.message"),
            username: String::new(),
            avatar_url: String::new(),
        }
    }
}

impl Written for Discord {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        self.webhook_url.0 = scope.exactly_one_of("webhook_url", self.webhook_url.0, &self.webhook_url_file)?;
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}

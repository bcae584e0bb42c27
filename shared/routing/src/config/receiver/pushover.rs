//! `pushover_configs`.

use super::{Finished, Written, template};
use crate::config::SecretSource;
use crate::config::http::HttpConfig;
use crate::config::raw::GoDuration;
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;

/// A push message to phones.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pushover {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub user_key: SecretSource,
    user_key_file: String,
    pub token: SecretSource,
    token_file: String,
    pub title: String,
    pub message: String,
    pub url: String,
    pub url_title: String,
    pub device: String,
    pub sound: String,
    pub priority: String,
    pub retry: GoDuration,
    pub expire: GoDuration,
    pub ttl: GoDuration,
    pub html: bool,
    pub monospace: bool,
}

impl Default for Pushover {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            user_key: SecretSource::default(),
            user_key_file: String::new(),
            token: SecretSource::default(),
            token_file: String::new(),
            title: template("pushover.default.title"),
            message: template("pushover.default.message"),
            url: template("pushover.default.url"),
            url_title: String::new(),
            device: String::new(),
            sound: String::new(),
            priority: "{{ if eq .Status \"firing\" }}2{{ else }}0{{ end }}".to_owned(),
            retry: GoDuration(60_000),
            expire: GoDuration(3_600_000),
            ttl: GoDuration(0),
            html: false,
            monospace: false,
        }
    }
}

impl Written for Pushover {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        self.user_key = scope.exactly_one_of("user_key", self.user_key, &self.user_key_file)?;
        self.token = scope.exactly_one_of("token", self.token, &self.token_file)?;
        if self.html && self.monospace {
            return scope.fail("at most one of monospace & html must be configured; remove one");
        }
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}

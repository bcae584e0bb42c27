//! `telegram_configs`.

use super::{Finished, Written, template};
use crate::config::SecretSource;
use crate::config::http::HttpConfig;
use crate::config::raw::Url;
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;

/// A message of a Telegram bot.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telegram {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub api_url: Url,
    pub bot_token: SecretSource,
    bot_token_file: String,
    #[serde(rename = "chat_id")]
    written_chat_id: i64,
    chat_id_file: String,
    /// The chat's number.
    #[serde(skip)]
    pub chat_id: SecretSource,
    pub message_thread_id: i64,
    pub message: String,
    pub disable_notifications: bool,
    pub parse_mode: String,
}

impl Default for Telegram {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            api_url: Url::default(),
            bot_token: SecretSource::default(),
            bot_token_file: String::new(),
            written_chat_id: 0,
            chat_id_file: String::new(),
            chat_id: SecretSource::default(),
            message_thread_id: 0,
            message: template("telegram.default.message"),
            disable_notifications: false,
            parse_mode: "HTML".to_owned(),
        }
    }
}

impl Written for Telegram {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        let own = scope.one_of("bot_token", self.bot_token, &self.bot_token_file)?;
        let id = match self.written_chat_id {
            0 => SecretSource::default(),
            id => SecretSource::new(id.to_string()),
        };
        let Some(id) = scope.one_of("chat_id", id, &self.chat_id_file)? else {
            return scope.fail("missing chat_id or chat_id_file on telegram_config; write chat_id: NUMBER");
        };
        self.chat_id = id;
        if !["", "Markdown", "MarkdownV2", "HTML"].contains(&self.parse_mode.as_str()) {
            let message = "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string";
            return scope.fail(message);
        }
        let global = &scope.global.telegram_bot_token;
        let Some(token) = own.or_else(|| scope.global_secret(global, &scope.global.telegram_bot_token_file)) else {
            return scope.fail("missing bot_token or bot_token_file on telegram_config; write bot_token: TOKEN");
        };
        self.bot_token = token;
        self.api_url = self
            .api_url
            .or(&scope.global.telegram_api_url, "https://api.telegram.org");
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}

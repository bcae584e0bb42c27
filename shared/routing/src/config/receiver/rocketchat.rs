//! `rocketchat_configs`.

use super::{Finished, Written, template};
use crate::config::SecretSource;
use crate::config::http::HttpConfig;
use crate::config::raw::Url;
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;

/// A message of Rocket.Chat with one attachment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RocketChat {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub api_url: Url,
    pub token_id: SecretSource,
    token_id_file: String,
    pub token: SecretSource,
    token_file: String,
    pub channel: String,
    pub color: String,
    pub title: String,
    pub title_link: String,
    pub text: String,
    pub fields: Vec<RocketChatField>,
    pub short_fields: bool,
    pub emoji: String,
    pub icon_url: String,
    pub image_url: String,
    pub thumb_url: String,
    link_names: bool,
    pub actions: Vec<RocketChatAction>,
}

/// One cell of the attachment's table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RocketChatField {
    pub short: Option<bool>,
    pub title: String,
    pub value: String,
}

/// A button. As in Alertmanager, only its text, link and message are sent. Names are those that Alertmanager's YAML
/// reader makes of its own fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RocketChatAction {
    #[serde(rename = "type")]
    kind: String,
    pub text: String,
    pub url: String,
    #[serde(rename = "imageurl")]
    image_url: String,
    #[serde(rename = "iswebview")]
    is_webview: bool,
    #[serde(rename = "webviewheightratio")]
    webview_height_ratio: String,
    pub msg: String,
    #[serde(rename = "msginchatwindow")]
    msg_in_chat_window: bool,
    #[serde(rename = "msgprocessingtype")]
    msg_processing_type: String,
}

impl Default for RocketChat {
    fn default() -> Self {
        Self {
            send_resolved: false,
            http_config: None,
            api_url: Url::default(),
            token_id: SecretSource::default(),
            token_id_file: String::new(),
            token: SecretSource::default(),
            token_file: String::new(),
            channel: String::new(),
            color: "{{ if eq .Status \"firing\" }}red{{ else }}green{{ end }}".to_owned(),
            title: template("rocketchat.default.title"),
            title_link: template("rocketchat.default.titlelink"),
            text: template("rocketchat.default.text"),
            fields: Vec::new(),
            short_fields: false,
            emoji: template("rocketchat.default.emoji"),
            icon_url: template("rocketchat.default.iconurl"),
            image_url: String::new(),
            thumb_url: String::new(),
            link_names: false,
            actions: Vec::new(),
        }
    }
}

impl Written for RocketChat {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        let global = scope.global;
        let own = scope.one_of("token", self.token, &self.token_file)?;
        let own_id = scope.one_of("token_id", self.token_id, &self.token_id_file)?;
        let id = own_id.or_else(|| scope.global_secret(&global.rocketchat_token_id, &global.rocketchat_token_id_file));
        let Some(id) = id else {
            return scope.fail("no global Rocketchat TokenID set either inline or in a file; write token_id: ID");
        };
        let token = own.or_else(|| scope.global_secret(&global.rocketchat_token, &global.rocketchat_token_file));
        let Some(token) = token else {
            return scope.fail("no global Rocketchat Token set either inline or in a file; write token: TOKEN");
        };
        (self.token_id, self.token) = (id, token);
        self.api_url = self.api_url.or(&global.rocketchat_api_url, "https://open.rocket.chat/");
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}

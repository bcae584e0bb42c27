//! `wechat_configs`.

use super::{Finished, Written, template};
use crate::config::SecretSource;
use crate::config::http::HttpConfig;
use crate::config::raw::Url;
use crate::config::validate::{Checked, Scope};
use parapet_model::quote;
use serde::Deserialize;

/// A message of an enterprise's WeChat application.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WeChat {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub api_secret: SecretSource,
    api_secret_file: String,
    pub corp_id: String,
    pub message: String,
    pub api_url: Url,
    pub to_user: String,
    pub to_party: String,
    pub to_tag: String,
    pub agent_id: String,
    pub message_type: String,
}

impl Default for WeChat {
    fn default() -> Self {
        Self {
            send_resolved: false,
            http_config: None,
            api_secret: SecretSource::default(),
            api_secret_file: String::new(),
            corp_id: String::new(),
            message: template("wechat.default.message"),
            api_url: Url::default(),
            to_user: template("wechat.default.to_user"),
            to_party: template("wechat.default.to_party"),
            to_tag: template("wechat.default.to_tag"),
            agent_id: template("wechat.default.agent_id"),
            message_type: String::new(),
        }
    }
}

impl Written for WeChat {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        if self.message_type.is_empty() {
            "text".clone_into(&mut self.message_type);
        }
        if !["text", "markdown"].contains(&self.message_type.as_str()) {
            let kind = quote(&self.message_type);
            return scope.fail(format!(
                "weChat message type {kind} does not match valid options ^(text|markdown)$; write message_type: text"
            ));
        }
        let own = scope.one_of("api_secret", self.api_secret, &self.api_secret_file)?;
        let global = &scope.global.wechat_api_secret;
        let Some(secret) = own.or_else(|| scope.global_secret(global, &scope.global.wechat_api_secret_file)) else {
            return scope.fail("no global Wechat Api Secret set either inline or in a file; write api_secret: SECRET");
        };
        self.api_secret = secret;
        if self.corp_id.is_empty() {
            self.corp_id = scope.global.wechat_api_corp_id.clone().unwrap_or_default();
        }
        if self.corp_id.is_empty() {
            return scope.fail("no global Wechat CorpID set; write corp_id: ID");
        }
        self.api_url = self
            .api_url
            .or(&scope.global.wechat_api_url, "https://qyapi.weixin.qq.com/cgi-bin/");
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}

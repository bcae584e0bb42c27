//! `mattermost_configs`.

use super::{Finished, Written, template};
use crate::config::http::HttpConfig;
use crate::config::raw::Url;
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;
use serde_saphyr::Spanned;

/// A message with attachments, posted to an incoming webhook of Mattermost.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mattermost {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub webhook_url: Url,
    webhook_url_file: String,
    pub channel: String,
    pub username: String,
    pub text: String,
    pub fallback: String,
    pub color: String,
    pub pretext: String,
    pub author_name: String,
    pub author_link: String,
    pub author_icon: String,
    pub title: String,
    pub title_link: String,
    pub fields: Vec<Spanned<MattermostField>>,
    pub thumb_url: String,
    pub footer: String,
    pub footer_icon: String,
    pub image_url: String,
    pub icon_url: String,
    pub icon_emoji: String,
    pub attachments: Vec<MattermostAttachment>,
    #[serde(rename = "type")]
    pub kind: String,
    pub props: Option<MattermostProps>,
    pub priority: Option<MattermostPriority>,
}

/// One attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MattermostAttachment {
    pub fallback: String,
    pub color: String,
    pub pretext: String,
    pub text: String,
    pub author_name: String,
    pub author_link: String,
    pub author_icon: String,
    pub title: String,
    pub title_link: String,
    pub fields: Vec<Spanned<MattermostField>>,
    pub thumb_url: String,
    pub footer: String,
    pub footer_icon: String,
    pub image_url: String,
}

/// One cell of an attachment's table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MattermostField {
    pub title: String,
    pub value: String,
    pub short: Option<bool>,
}

/// What stands beside a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MattermostProps {
    pub card: String,
}

/// How urgent a message is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MattermostPriority {
    pub priority: String,
    pub requested_ack: bool,
    pub persistent_notifications: bool,
}

impl Default for Mattermost {
    fn default() -> Self {
        let MattermostAttachment {
            pretext,
            author_name,
            author_link,
            author_icon,
            fields,
            thumb_url,
            footer,
            footer_icon,
            image_url,
            ..
        } = MattermostAttachment::default();
        Self {
            send_resolved: true,
            http_config: None,
            webhook_url: Url::default(),
            webhook_url_file: String::new(),
            channel: String::new(),
            username: template("mattermost.default.username"),
            text: template("mattermost.default.text"),
            fallback: template("mattermost.default.fallback"),
            color: template("mattermost.default.color"),
            pretext,
            author_name,
            author_link,
            author_icon,
            title: template("mattermost.default.title"),
            title_link: template("mattermost.default.titlelink"),
            fields,
            thumb_url,
            footer,
            footer_icon,
            image_url,
            icon_url: String::new(),
            icon_emoji: String::new(),
            attachments: Vec::new(),
            kind: String::new(),
            props: None,
            priority: None,
        }
    }
}

impl Written for Mattermost {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        let inner = self.attachments.iter().flat_map(|attachment| &attachment.fields);
        for field in self.fields.iter().chain(inner) {
            for (name, text) in [("title", &field.value.title), ("value", &field.value.value)] {
                if text.is_empty() {
                    let message = format!("missing {name} in Mattermost field configuration; write {name}: TEXT");
                    return scope.at(field.referenced).fail(message);
                }
            }
        }
        let own = scope.one_of("webhook_url", self.webhook_url.0, &self.webhook_url_file)?;
        let (url, file) = (
            &scope.global.mattermost_webhook_url,
            &scope.global.mattermost_webhook_url_file,
        );
        let Some(url) = own.or_else(|| scope.global_url(url, file)) else {
            return scope.fail("missing webhook_url or webhook_url_file on mattermost_config; write webhook_url: URL");
        };
        self.webhook_url = Url(url);
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}

//! `slack_configs`.

use super::{Finished, Written, template};
use crate::config::SecretSource;
use crate::config::http::HttpConfig;
use crate::config::raw::{Global, GoDuration, Url};
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;
use serde_saphyr::Spanned;

const DEFAULT_APP_URL: &str = "https://slack.com/api/chat.postMessage";

/// A Slack message with one attachment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slack {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub api_url: Url,
    api_url_file: String,
    app_token: SecretSource,
    app_token_file: String,
    app_url: Url,
    pub channel: String,
    pub username: String,
    pub color: String,
    pub title: String,
    pub title_link: String,
    pub pretext: String,
    pub text: String,
    pub message_text: String,
    #[serde(rename = "fields")]
    written_fields: Vec<Spanned<SlackField>>,
    #[serde(skip)]
    pub fields: Vec<SlackField>,
    pub short_fields: bool,
    pub footer: String,
    pub fallback: String,
    pub callback_id: String,
    pub icon_emoji: String,
    pub icon_url: String,
    pub image_url: String,
    pub thumb_url: String,
    pub link_names: bool,
    pub mrkdwn_in: Vec<String>,
    #[serde(rename = "actions")]
    written_actions: Vec<Spanned<SlackAction>>,
    #[serde(skip)]
    pub actions: Vec<SlackAction>,
    /// Whether the first message of a group is edited instead of writing another.
    pub update_message: bool,
    timeout: GoDuration,
}

/// One cell of the table in a Slack attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlackField {
    pub title: String,
    pub value: String,
    /// Whether it may stand beside another; the integration's `short_fields` where absent.
    pub short: Option<bool>,
}

/// One button of a Slack attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlackAction {
    #[serde(rename = "type")]
    pub kind: String,
    pub text: String,
    pub url: String,
    pub style: String,
    pub name: String,
    pub value: String,
    pub confirm: Option<SlackConfirmation>,
}

/// What a button asks before it acts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlackConfirmation {
    pub text: String,
    pub title: String,
    pub ok_text: String,
    pub dismiss_text: String,
}

impl Default for Slack {
    fn default() -> Self {
        Self {
            send_resolved: false,
            http_config: None,
            api_url: Url::default(),
            api_url_file: String::new(),
            app_token: SecretSource::default(),
            app_token_file: String::new(),
            app_url: Url::default(),
            channel: String::new(),
            username: template("slack.default.username"),
            color: template("slack.default.color"),
            title: template("slack.default.title"),
            title_link: template("slack.default.titlelink"),
            pretext: template("slack.default.pretext"),
            text: template("slack.default.text"),
            message_text: String::new(),
            written_fields: Vec::new(),
            fields: Vec::new(),
            short_fields: false,
            footer: template("slack.default.footer"),
            fallback: template("slack.default.fallback"),
            callback_id: template("slack.default.callbackid"),
            icon_emoji: template("slack.default.iconemoji"),
            icon_url: template("slack.default.iconurl"),
            image_url: String::new(),
            thumb_url: String::new(),
            link_names: false,
            mrkdwn_in: Vec::new(),
            written_actions: Vec::new(),
            actions: Vec::new(),
            update_message: false,
            timeout: GoDuration(0),
        }
    }
}

/// Where messages of a Slack application go.
fn global_app_url(global: &Global) -> Url {
    Url::default().or(&global.slack_app_url, DEFAULT_APP_URL)
}

impl Scope<'_> {
    /// What Alertmanager asks of `global` as far as Slack goes.
    pub(in crate::config) fn slack_global(&self) -> Checked<()> {
        let global = self.global;
        let token = self.global_secret(&global.slack_app_token, &global.slack_app_token_file);
        let url = self.global_url(&global.slack_api_url, &global.slack_api_url_file);
        // The API's own address beside a token is an old way of giving tokens per receiver.
        match (token, url) {
            (Some(_), Some(url)) if url != global_app_url(global).0 => self.fail(
                "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file must be \
                 configured; remove one",
            ),
            _ => Ok(()),
        }
    }
}

impl Written for Slack {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        let global = scope.global;
        let own_url = scope.one_of("api_url", self.api_url.0, &self.api_url_file)?;
        let own_token = scope.one_of("app_token", std::mem::take(&mut self.app_token), &self.app_token_file)?;
        if own_url.is_some() && own_token.is_some() {
            let message =
                "at most one of api_url/api_url_file & app_token/app_token_file must be configured; remove one";
            return scope.fail(message);
        }
        if self.update_message && own_url.as_ref().and_then(SecretSource::text) != Some(DEFAULT_APP_URL) {
            return scope.fail(format!(
                "update_message can only be used with bot tokens. api_url must be set to {DEFAULT_APP_URL}"
            ));
        }
        let own_authorization = self.http_config.as_ref().is_some_and(HttpConfig::has_authorization);
        let token = match own_token {
            Some(token) => Some(token),
            None if own_authorization || own_url.is_some() => None,
            None => scope.global_secret(&global.slack_app_token, &global.slack_app_token_file),
        };
        let (url, file) = (&global.slack_api_url, &global.slack_api_url_file);
        self.api_url.0 = match (&token, own_url.or_else(|| scope.global_url(url, file))) {
            (Some(_), _) => self.app_url.clone().or(&global.slack_app_url, DEFAULT_APP_URL).0,
            (None, Some(url)) => url,
            (None, None) => {
                let message = "no Slack API URL nor App token set either inline or in a file; \
                               write api_url here or slack_api_url under global";
                return scope.fail(message);
            }
        };
        for field in std::mem::take(&mut self.written_fields) {
            for (name, text) in [("title", &field.value.title), ("value", &field.value.value)] {
                if text.is_empty() {
                    let message = format!("missing {name} in Slack field configuration; write {name}: TEXT");
                    return scope.at(field.referenced).fail(message);
                }
            }
            self.fields.push(field.value);
        }
        for action in std::mem::take(&mut self.written_actions) {
            self.actions
                .push(finish_action(action.value, &scope.at(action.referenced))?);
        }
        let http = self.http_config.take();
        let (send_resolved, timeout_ms) = (self.send_resolved, self.timeout.0);
        let mut finished = scope.done(self, send_resolved, http, timeout_ms)?;
        if let Some(token) = token {
            if finished.http.authorization.is_some() {
                return scope.fail("http authorization can't be set when using Slack App tokens; remove either");
            }
            finished.http.authorization = Some(("Bearer".to_owned(), token));
        }
        Ok(finished)
    }
}

fn finish_action(mut action: SlackAction, scope: &Scope<'_>) -> Checked<SlackAction> {
    if action.kind.is_empty() {
        return scope.fail("missing type in Slack action configuration; write type: button");
    }
    if action.text.is_empty() {
        return scope.fail("missing text in Slack action configuration; write text: TEXT");
    }
    if action.url.is_empty() && action.name.is_empty() {
        return scope.fail("missing name or url in Slack action configuration; write url: URL");
    }
    if action.confirm.as_ref().is_some_and(|confirm| confirm.text.is_empty()) {
        return scope.fail("missing text in Slack confirmation configuration; write text: TEXT");
    }
    if !action.url.is_empty() {
        // A link has no message action beside it.
        action.name.clear();
        action.value.clear();
        action.confirm = None;
    }
    Ok(action)
}

//! `slack_configs`.

use super::{Checked, Checker};
use crate::config::{Integration, IntegrationKind, Secret, Slack, SlackAction, SlackConfirmation, SlackField, raw};
use serde_saphyr::Spanned;

const DEFAULT_APP_URL: &str = "https://slack.com/api/chat.postMessage";

/// Where messages of a Slack application go.
fn global_app_url(global: &raw::Global) -> Secret {
    global
        .slack_app_url
        .as_ref()
        .map_or_else(|| Secret::new(DEFAULT_APP_URL), |url| url.0.clone())
}

impl Checker<'_> {
    /// What Alertmanager asks of `global` as far as Slack goes.
    pub(super) fn slack_global(&self, global: &raw::Global) -> Checked<()> {
        match (&global.slack_app_token, &global.slack_api_url) {
            // The API's own address beside a token is an old way of giving tokens per receiver.
            (Some(token), Some(url)) if url.0 != global_app_url(global) => {
                let message = "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file \
                               must be configured; remove one";
                self.fail(token.referenced, message)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn slack(
        &self,
        index: usize,
        raw: Spanned<Option<Box<raw::Slack>>>,
        global: &raw::Global,
        global_http: &raw::HttpConfig,
    ) -> Checked<Integration> {
        let place = raw.referenced;
        let raw = raw.value.unwrap_or_default();
        let written_token = raw.app_token.as_ref().filter(|token| !token.value.expose().is_empty());
        if let (Some(token), true) = (written_token, raw.api_url.is_some()) {
            let message = "at most one of api_url & app_token must be configured; remove one";
            return self.fail(token.referenced, message);
        }
        let own_authorization = raw
            .http_config
            .as_ref()
            .is_some_and(|http| http.authorization.is_some());
        let app_token = match written_token {
            Some(token) => Some(token.value.clone()),
            None if own_authorization || raw.api_url.is_some() => None,
            None => global.slack_app_token.as_ref().map(|token| token.value.clone()),
        };
        if let (Some(_), true) = (&app_token, own_authorization) {
            return self.fail(
                place,
                "http authorization can't be set when using Slack App tokens; remove either",
            );
        }
        let app_url = raw
            .app_url
            .as_ref()
            .map_or_else(|| global_app_url(global), |url| url.0.clone());
        let api_url = match (&app_token, raw.api_url.as_ref().or(global.slack_api_url.as_ref())) {
            (Some(_), _) => app_url,
            (None, Some(url)) => url.0.clone(),
            (None, None) => {
                let message = "no Slack API URL nor App token set either inline or in a file; \
                               write api_url here or slack_api_url under global";
                return self.fail(place, message);
            }
        };
        let mut fields = Vec::new();
        for field in raw.fields.unwrap_or_default() {
            if field.value.title.is_empty() {
                return self.fail(
                    field.referenced,
                    "missing title in Slack field configuration; write title: TEXT",
                );
            }
            if field.value.value.is_empty() {
                return self.fail(
                    field.referenced,
                    "missing value in Slack field configuration; write value: TEXT",
                );
            }
            let raw::SlackField { title, value, short } = field.value;
            fields.push(SlackField { title, value, short });
        }
        let actions = raw.actions.unwrap_or_default().into_iter();
        let actions = actions
            .map(|action| self.slack_action(action))
            .collect::<Checked<_>>()?;
        let template = |written: Option<String>, part: &str| {
            written.unwrap_or_else(|| format!("{{{{ template \"slack.default.{part}\" . }}}}"))
        };
        let mut http = self.http(raw.http_config.as_ref().unwrap_or(global_http))?;
        if let Some(token) = &app_token {
            http.authorization = Some(("Bearer".to_owned(), token.clone()));
        }
        Ok(Integration {
            key: format!("slack/{index}"),
            send_resolved: raw.send_resolved.unwrap_or(false),
            http,
            timeout_ms: raw.timeout.map_or(0, |timeout| timeout.0),
            kind: IntegrationKind::Slack(Box::new(Slack {
                api_url,
                channel: raw.channel,
                username: template(raw.username, "username"),
                color: template(raw.color, "color"),
                title: template(raw.title, "title"),
                title_link: template(raw.title_link, "titlelink"),
                pretext: template(raw.pretext, "pretext"),
                text: template(raw.text, "text"),
                message_text: raw.message_text,
                fields,
                short_fields: raw.short_fields,
                footer: template(raw.footer, "footer"),
                fallback: template(raw.fallback, "fallback"),
                callback_id: template(raw.callback_id, "callbackid"),
                icon_emoji: template(raw.icon_emoji, "iconemoji"),
                icon_url: template(raw.icon_url, "iconurl"),
                image_url: raw.image_url,
                thumb_url: raw.thumb_url,
                link_names: raw.link_names,
                mrkdwn_in: raw.mrkdwn_in.unwrap_or_default(),
                actions,
            })),
        })
    }

    fn slack_action(&self, action: Spanned<raw::SlackAction>) -> Checked<SlackAction> {
        let (place, raw) = (action.referenced, action.value);
        if raw.kind.is_empty() {
            return self.fail(place, "missing type in Slack action configuration; write type: button");
        }
        if raw.text.is_empty() {
            return self.fail(place, "missing text in Slack action configuration; write text: TEXT");
        }
        if raw.url.is_empty() && raw.name.is_empty() {
            return self.fail(
                place,
                "missing name or url in Slack action configuration; write url: URL",
            );
        }
        if raw.confirm.as_ref().is_some_and(|confirm| confirm.text.is_empty()) {
            return self.fail(
                place,
                "missing text in Slack confirmation configuration; write text: TEXT",
            );
        }
        let link = !raw.url.is_empty();
        let confirm = raw.confirm.filter(|_| !link).map(|confirm| SlackConfirmation {
            text: confirm.text,
            title: confirm.title,
            ok_text: confirm.ok_text,
            dismiss_text: confirm.dismiss_text,
        });
        Ok(SlackAction {
            kind: raw.kind,
            text: raw.text,
            url: raw.url,
            style: raw.style,
            // A link has no message action beside it.
            name: if link { String::new() } else { raw.name },
            value: if link { String::new() } else { raw.value },
            confirm,
        })
    }
}

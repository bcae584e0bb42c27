//! Receivers: every kind of integration that Alertmanager 0.34 has, one file each.
//!
//! A file holds the settings as they are written, with Alertmanager's defaults, and what makes them good: then every
//! secret is in the field without `_file`, and what `global` gives is filled in. What a field means is said in
//! Alertmanager's configuration reference, under the same name.
#![allow(missing_docs)]

use super::http::HttpConfig;
use super::raw::Pairs;
use super::validate::{Checked, Scope};
use super::{Integration, Receiver};
use parapet_http_client::HttpClient;
use parapet_model::quote;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

mod discord;
mod email;
mod incidentio;
mod jira;
mod mattermost;
mod msteams;
mod msteamsv2;
mod opsgenie;
mod pagerduty;
mod pushover;
mod rocketchat;
mod slack;
mod sns;
mod telegram;
mod victorops;
mod webex;
mod webhook;
mod wechat;

pub use discord::Discord;
pub use email::{Email, Threading};
pub use incidentio::IncidentIo;
pub use jira::{Jira, JiraField};
pub use mattermost::{Mattermost, MattermostAttachment, MattermostField, MattermostPriority, MattermostProps};
pub use msteams::MsTeams;
pub use msteamsv2::MsTeamsV2;
pub use opsgenie::{OpsGenie, Responder};
pub use pagerduty::{PagerDuty, PagerDutyImage, PagerDutyLink};
pub use pushover::Pushover;
pub use rocketchat::{RocketChat, RocketChatAction, RocketChatField};
pub use slack::{Slack, SlackAction, SlackConfirmation, SlackField};
pub use sns::{SigV4, Sns};
pub use telegram::Telegram;
pub use victorops::VictorOps;
pub use webex::Webex;
pub use webhook::Webhook;
pub use wechat::WeChat;

/// An integration as it is written; `null` and `{}` are the same.
type List<T> = Option<Vec<Spanned<Option<Box<T>>>>>;

/// The kinds, in the order in which Alertmanager builds them: receivers list, number and notify them so.
macro_rules! kinds {
    ($($variant:ident $settings:ident $field:ident $key:literal,)*) => {
        /// The settings of one kind of integration.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum IntegrationKind {
            $($variant(Box<$settings>),)*
        }

        impl IntegrationKind {
            /// Its name in keys, metrics and logs: `webhook`.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $key,)*
                }
            }
        }

        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct RawReceiver {
            name: String,
            labels: Option<Pairs<String>>,
            $($field: List<$settings>,)*
        }

        fn integrations(raw: RawReceiver, scope: &Scope<'_>) -> Checked<Vec<Integration>> {
            let mut all = Vec::new();
            $(
                for (index, written) in raw.$field.into_iter().flatten().enumerate() {
                    let scope = scope.at(written.referenced);
                    let Some(settings) = written.value else {
                        return scope.fail(concat!("missing ", $key, " config; write its settings"));
                    };
                    let finished = settings.finish(&scope)?;
                    all.push(Integration {
                        key: format!("{}/{index}", $key),
                        send_resolved: finished.send_resolved,
                        http: finished.http,
                        timeout_ms: finished.timeout_ms,
                        kind: IntegrationKind::$variant(Box::new(finished.settings)),
                    });
                }
            )*
            Ok(all)
        }
    };
}

kinds! {
    Webhook Webhook webhook_configs "webhook",
    Email Email email_configs "email",
    PagerDuty PagerDuty pagerduty_configs "pagerduty",
    OpsGenie OpsGenie opsgenie_configs "opsgenie",
    WeChat WeChat wechat_configs "wechat",
    Slack Slack slack_configs "slack",
    VictorOps VictorOps victorops_configs "victorops",
    Pushover Pushover pushover_configs "pushover",
    Sns Sns sns_configs "sns",
    Telegram Telegram telegram_configs "telegram",
    Discord Discord discord_configs "discord",
    Webex Webex webex_configs "webex",
    MsTeams MsTeams msteams_configs "msteams",
    MsTeamsV2 MsTeamsV2 msteamsv2_configs "msteamsv2",
    Jira Jira jira_configs "jira",
    IncidentIo IncidentIo incidentio_configs "incidentio",
    RocketChat RocketChat rocketchat_configs "rocketchat",
    Mattermost Mattermost mattermost_configs "mattermost",
}

/// Settings that are good, with what every integration has.
struct Finished<S> {
    send_resolved: bool,
    http: HttpClient,
    timeout_ms: i64,
    settings: S,
}

/// Settings as they are written.
trait Written: Sized {
    fn finish(self, scope: &Scope<'_>) -> Checked<Finished<Self>>;
}

impl Scope<'_> {
    /// The integration's own `http_config`, or the global one.
    fn client(&self, own: Option<HttpConfig>) -> Checked<HttpClient> {
        self.http(own.or_else(|| self.global.http_config.clone()).unwrap_or_default())
    }

    fn done<S>(
        &self,
        settings: S,
        send_resolved: bool,
        http: Option<HttpConfig>,
        timeout_ms: i64,
    ) -> Checked<Finished<S>> {
        let http = self.client(http)?;
        Ok(Finished {
            send_resolved,
            http,
            timeout_ms,
            settings,
        })
    }

    /// Reads a receiver.
    pub(super) fn receiver(&self, raw: RawReceiver) -> Checked<Receiver> {
        if raw.name.is_empty() {
            return self.fail("missing name in receiver; write name: NAME");
        }
        let name = raw.name.clone();
        let mut labels = BTreeMap::from([("name".to_owned(), name.clone())]);
        for (label, value) in raw.labels.as_ref().map(|pairs| pairs.0.clone()).unwrap_or_default() {
            if label.value == "name" && value != name {
                let (want, got) = (quote(&name), quote(&value));
                let message =
                    format!("receiver label \"name\" must match receiver name {want}, got {got}; remove the label");
                return self.at(label.referenced).fail(message);
            }
            labels.insert(label.value, value);
        }
        let integrations = integrations(raw, self)?;
        Ok(Receiver {
            name,
            labels,
            integrations,
        })
    }
}

/// `{{ template "NAME" . }}`: how Alertmanager's defaults refer to its templates.
fn template(name: &str) -> String {
    format!("{{{{ template \"{name}\" . }}}}")
}

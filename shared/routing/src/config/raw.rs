//! The file as it is written. Unknown fields are refused by `deny_unknown_fields`; [`super::fault`] tells those that
//! Alertmanager knows from those that nobody knows.

use super::SecretSource;
use super::http::{HttpConfig, TlsConfig};
use super::receiver::RawReceiver;
use parapet_model::parse_duration_ms;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_saphyr::Spanned;
use std::marker::PhantomData;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    pub(super) global: Option<Spanned<Option<Global>>>,
    pub(super) route: Option<Spanned<Route>>,
    pub(super) receivers: Option<Vec<Spanned<RawReceiver>>>,
    pub(super) templates: Option<Vec<String>>,
    pub(super) inhibit_rules: Option<Vec<InhibitRule>>,
    pub(super) mute_time_intervals: Option<Vec<Spanned<NamedIntervals>>>,
    pub(super) time_intervals: Option<Vec<Spanned<NamedIntervals>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Global {
    pub(super) resolve_timeout: Option<Duration>,
    pub(super) http_config: Option<HttpConfig>,
    pub(super) jira_api_url: Option<Url>,
    pub(super) smtp_from: Option<String>,
    pub(super) smtp_hello: Option<String>,
    pub(super) smtp_smarthost: Option<HostPort>,
    pub(super) smtp_auth_username: Option<String>,
    pub(super) smtp_auth_password: Option<SecretSource>,
    pub(super) smtp_auth_password_file: Option<String>,
    pub(super) smtp_auth_secret: Option<SecretSource>,
    pub(super) smtp_auth_secret_file: Option<String>,
    pub(super) smtp_auth_identity: Option<String>,
    pub(super) smtp_require_tls: Option<bool>,
    pub(super) smtp_tls_config: Option<Spanned<TlsConfig>>,
    pub(super) smtp_force_implicit_tls: Option<bool>,
    pub(super) slack_api_url: Option<Url>,
    pub(super) slack_api_url_file: Option<String>,
    pub(super) slack_app_token: Option<SecretSource>,
    pub(super) slack_app_token_file: Option<String>,
    pub(super) slack_app_url: Option<Url>,
    pub(super) pagerduty_url: Option<Url>,
    pub(super) opsgenie_api_url: Option<Url>,
    pub(super) opsgenie_api_key: Option<SecretSource>,
    pub(super) opsgenie_api_key_file: Option<String>,
    pub(super) wechat_api_url: Option<Url>,
    pub(super) wechat_api_secret: Option<SecretSource>,
    pub(super) wechat_api_secret_file: Option<String>,
    pub(super) wechat_api_corp_id: Option<String>,
    pub(super) victorops_api_url: Option<Url>,
    pub(super) victorops_api_key: Option<SecretSource>,
    pub(super) victorops_api_key_file: Option<String>,
    pub(super) telegram_api_url: Option<Url>,
    pub(super) telegram_bot_token: Option<SecretSource>,
    pub(super) telegram_bot_token_file: Option<String>,
    pub(super) webex_api_url: Option<Url>,
    pub(super) rocketchat_api_url: Option<Url>,
    pub(super) rocketchat_token: Option<SecretSource>,
    pub(super) rocketchat_token_file: Option<String>,
    pub(super) rocketchat_token_id: Option<SecretSource>,
    pub(super) rocketchat_token_id_file: Option<String>,
    pub(super) mattermost_webhook_url: Option<Url>,
    pub(super) mattermost_webhook_url_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Route {
    pub(super) receiver: Option<Spanned<String>>,
    pub(super) group_by: Option<Vec<Spanned<String>>>,
    #[serde(rename = "match")]
    pub(super) equal: Option<Pairs<Option<String>>>,
    pub(super) match_re: Option<Pairs<Option<String>>>,
    pub(super) matchers: Option<Vec<Spanned<String>>>,
    #[serde(rename = "continue")]
    pub(super) proceed: Option<Spanned<bool>>,
    pub(super) routes: Option<Vec<Spanned<Route>>>,
    pub(super) group_wait: Option<Duration>,
    pub(super) group_interval: Option<Spanned<Duration>>,
    pub(super) repeat_interval: Option<Spanned<Duration>>,
    pub(super) labels: Option<Pairs<String>>,
    pub(super) mute_time_intervals: Option<Vec<Spanned<String>>>,
    pub(super) active_time_intervals: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NamedIntervals {
    pub(super) name: Option<String>,
    pub(super) time_intervals: Option<Vec<crate::TimeInterval>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct InhibitRule {
    pub(super) name: String,
    pub(super) source_match: Option<Pairs<Option<String>>>,
    pub(super) source_match_re: Option<Pairs<Option<String>>>,
    pub(super) source_matchers: Option<Vec<Spanned<String>>>,
    pub(super) target_match: Option<Pairs<Option<String>>>,
    pub(super) target_match_re: Option<Pairs<Option<String>>>,
    pub(super) target_matchers: Option<Vec<Spanned<String>>>,
    pub(super) equal: Option<Vec<Spanned<String>>>,
}

/// A mapping in the order of the file, each key with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pairs<V>(pub(super) Vec<(Spanned<String>, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Collect<V> {
            type Value = Pairs<V>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping such as {name: value}")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect(PhantomData))
    }
}

/// A Prometheus duration, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duration(pub i64);

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration_ms(&text)
            .map(Self)
            .map_err(|error| D::Error::custom(format!("{error}; write one such as 30s, 5m or 1h30m")))
    }
}

/// A duration where Alertmanager takes Go's own form (`1.5s`, `1m30s`), milliseconds. What both forms share is read,
/// fractions of seconds included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoDuration(pub i64);

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_duration_ms(&text)
            .ok()
            .or_else(|| {
                let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
                // In range by the check; what is cut off is below a millisecond.
                #[allow(clippy::cast_possible_truncation)]
                (0.0..1e9).contains(&seconds).then_some((seconds * 1000.0) as i64)
            })
            .map(Self)
            .ok_or_else(|| {
                D::Error::custom(format!(
                    "not a valid duration: {text:?}; write one such as 30s, 1.5s or 5m"
                ))
            })
    }
}

/// An `http` or `https` URL; it counts as a secret, since receivers put tokens in paths.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Url(pub SecretSource);

impl Url {
    /// This one, or the global one where none is written, or the one that Alertmanager knows.
    #[must_use]
    pub(super) fn or(self, global: &Option<Self>, default: &str) -> Self {
        if !self.0.is_empty() {
            return self;
        }
        global
            .clone()
            .filter(|url| !url.0.is_empty())
            .unwrap_or_else(|| Self(SecretSource::new(default)))
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = SecretSource::deserialize(deserializer)?;
        if let Some(text) = source.text() {
            check_url(text).map_err(D::Error::custom)?;
        }
        Ok(Self(source))
    }
}

/// What stands for a secret in a configuration that was read back from an Alertmanager.
const MASKED: &str = "<secret>";

/// Whether a text is a URL that can be requested. The message never holds the text: it may hold a token.
pub(super) fn check_url(text: &str) -> Result<(), String> {
    if text == MASKED {
        return Ok(());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("not a URL; write http://HOST/PATH or https://HOST/PATH".to_owned());
    };
    if scheme != "http" && scheme != "https" {
        return Err("unsupported scheme for URL; write http:// or https://".to_owned());
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.starts_with(':') {
        return Err("missing host for URL; write http://HOST/PATH".to_owned());
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("URL with a space in it; write %20".to_owned());
    }
    Ok(())
}

/// `HOST:PORT`; `[HOST]:PORT` for an IPv6 address.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address.
    pub host: String,
    /// Number or name.
    pub port: String,
}

impl HostPort {
    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.port.is_empty()
    }
}

impl<'de> Deserialize<'de> for HostPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        let wrong = |what: &str| D::Error::custom(format!("address {text}: {what}; write HOST:PORT"));
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("missing port in address"))?;
        if port.is_empty() {
            return Err(wrong("port cannot be empty"));
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err(wrong("too many colons in address"));
        }
        Ok(Self {
            host: bare.unwrap_or(host).to_owned(),
            port: port.to_owned(),
        })
    }
}

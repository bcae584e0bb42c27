//! The file as it is written. Unknown fields are refused by `deny_unknown_fields`; [`super::fault`] tells those that
//! Alertmanager knows from those that nobody knows.

use super::Secret;
use crate::{Matchers, parse_matchers};
use parapet_model::parse_duration_ms;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_saphyr::Spanned;
use std::marker::PhantomData;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    pub(super) global: Option<Global>,
    pub(super) route: Option<Spanned<Route>>,
    pub(super) receivers: Option<Vec<Spanned<Receiver>>>,
    pub(super) templates: Option<Vec<Spanned<String>>>,
    pub(super) inhibit_rules: Option<Vec<InhibitRule>>,
    pub(super) mute_time_intervals: Option<Vec<Spanned<NamedIntervals>>>,
    pub(super) time_intervals: Option<Vec<Spanned<NamedIntervals>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Global {
    pub(super) resolve_timeout: Option<Duration>,
    pub(super) http_config: Option<HttpConfig>,
    pub(super) slack_api_url: Option<Url>,
    pub(super) slack_app_token: Option<Spanned<Secret>>,
    pub(super) slack_app_url: Option<Url>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Route {
    pub(super) receiver: Option<Spanned<String>>,
    pub(super) group_by: Option<Vec<Spanned<String>>>,
    #[serde(rename = "match")]
    pub(super) equal: Option<Pairs<Option<String>>>,
    pub(super) match_re: Option<Pairs<Option<String>>>,
    pub(super) matchers: Option<Vec<MatcherList>>,
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
    pub(super) source_matchers: Option<Vec<MatcherList>>,
    pub(super) target_match: Option<Pairs<Option<String>>>,
    pub(super) target_match_re: Option<Pairs<Option<String>>>,
    pub(super) target_matchers: Option<Vec<MatcherList>>,
    pub(super) equal: Option<Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Receiver {
    pub(super) name: String,
    pub(super) labels: Option<Pairs<String>>,
    pub(super) webhook_configs: Option<Vec<Spanned<Option<Webhook>>>>,
    pub(super) slack_configs: Option<Vec<Spanned<Option<Box<Slack>>>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Webhook {
    pub(super) send_resolved: Option<bool>,
    pub(super) http_config: Option<HttpConfig>,
    pub(super) url: Option<Spanned<Secret>>,
    pub(super) max_alerts: u64,
    pub(super) timeout: Option<GoDuration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Slack {
    pub(super) send_resolved: Option<bool>,
    pub(super) http_config: Option<HttpConfig>,
    pub(super) api_url: Option<Url>,
    pub(super) app_token: Option<Spanned<Secret>>,
    pub(super) app_url: Option<Url>,
    pub(super) channel: String,
    pub(super) username: Option<String>,
    pub(super) color: Option<String>,
    pub(super) title: Option<String>,
    pub(super) title_link: Option<String>,
    pub(super) pretext: Option<String>,
    pub(super) text: Option<String>,
    pub(super) message_text: String,
    pub(super) fields: Option<Vec<Spanned<SlackField>>>,
    pub(super) short_fields: bool,
    pub(super) footer: Option<String>,
    pub(super) fallback: Option<String>,
    pub(super) callback_id: Option<String>,
    pub(super) icon_emoji: Option<String>,
    pub(super) icon_url: Option<String>,
    pub(super) image_url: String,
    pub(super) thumb_url: String,
    pub(super) link_names: bool,
    pub(super) mrkdwn_in: Option<Vec<String>>,
    pub(super) actions: Option<Vec<Spanned<SlackAction>>>,
    pub(super) timeout: Option<GoDuration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SlackField {
    pub(super) title: String,
    pub(super) value: String,
    pub(super) short: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SlackAction {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: String,
    pub(super) url: String,
    pub(super) style: String,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) confirm: Option<SlackConfirmation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SlackConfirmation {
    pub(super) text: String,
    pub(super) title: String,
    pub(super) ok_text: String,
    pub(super) dismiss_text: String,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpConfig {
    pub(super) authorization: Option<Spanned<Authorization>>,
    pub(super) basic_auth: Option<Spanned<BasicAuth>>,
    pub(super) bearer_token: Option<Spanned<Secret>>,
    pub(super) http_headers: Option<Pairs<HeaderValues>>,
    pub(super) follow_redirects: Option<Spanned<bool>>,
    pub(super) enable_http2: Option<Spanned<bool>>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Authorization {
    #[serde(rename = "type")]
    pub(super) scheme: Option<String>,
    pub(super) credentials: Secret,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BasicAuth {
    pub(super) username: String,
    pub(super) password: Secret,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HeaderValues {
    pub(super) values: Vec<Secret>,
}

/// A mapping in the order of the file, each key with its place.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone, Copy)]
pub(super) struct Duration(pub(super) i64);

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
#[derive(Debug, Clone, Copy)]
pub(super) struct GoDuration(pub(super) i64);

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
#[derive(Debug, Clone)]
pub(super) struct Url(pub(super) Secret);

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secret = Secret::deserialize(deserializer)?;
        super::validate::check_url(secret.expose()).map_err(D::Error::custom)?;
        Ok(Self(secret))
    }
}

/// One entry of `matchers`: any number of matchers.
#[derive(Debug, Clone)]
pub(super) struct MatcherList(pub(super) Matchers);

impl<'de> Deserialize<'de> for MatcherList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_matchers(&text)
            .map(Self)
            .map_err(|error| D::Error::custom(format!("{error}; write matchers such as severity=\"page\"")))
    }
}

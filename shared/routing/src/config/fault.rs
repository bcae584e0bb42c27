//! From what the YAML reader says to what a person can act on.

use crate::ConfigError;
use serde_saphyr::{Error as Yaml, Location};

/// Fields that Alertmanager 0.34 has and this version does not carry out. They are refused by name: a page that is
/// configured and never sent is worse than a start that fails.
const UNSUPPORTED: &[&str] = &[
    // Top level.
    "tracing",
    "event_recorder",
    // Global.
    "smtp_from",
    "smtp_hello",
    "smtp_smarthost",
    "smtp_auth_username",
    "smtp_auth_password",
    "smtp_auth_password_file",
    "smtp_auth_secret",
    "smtp_auth_secret_file",
    "smtp_auth_identity",
    "smtp_require_tls",
    "smtp_tls_config",
    "smtp_force_implicit_tls",
    "slack_api_url_file",
    "slack_app_token_file",
    "jira_api_url",
    "pagerduty_url",
    "opsgenie_api_url",
    "opsgenie_api_key",
    "opsgenie_api_key_file",
    "wechat_api_url",
    "wechat_api_secret",
    "wechat_api_secret_file",
    "wechat_api_corp_id",
    "victorops_api_url",
    "victorops_api_key",
    "victorops_api_key_file",
    "telegram_api_url",
    "telegram_bot_token",
    "telegram_bot_token_file",
    "webex_api_url",
    "rocketchat_api_url",
    "rocketchat_token",
    "rocketchat_token_file",
    "rocketchat_token_id",
    "rocketchat_token_id_file",
    "mattermost_webhook_url",
    "mattermost_webhook_url_file",
    // Receivers.
    "discord_configs",
    "email_configs",
    "incidentio_configs",
    "pagerduty_configs",
    "opsgenie_configs",
    "wechat_configs",
    "pushover_configs",
    "victorops_configs",
    "sns_configs",
    "telegram_configs",
    "webex_configs",
    "msteams_configs",
    "msteamsv2_configs",
    "jira_configs",
    "rocketchat_configs",
    "mattermost_configs",
    // Integrations.
    "url_file",
    "payload",
    "api_url_file",
    "app_token_file",
    "update_message",
    // HTTP client.
    "credentials_file",
    "credentials_ref",
    "username_file",
    "username_ref",
    "password_file",
    "password_ref",
    "bearer_token_file",
    "oauth2",
    "tls_config",
    "proxy_url",
    "no_proxy",
    "proxy_from_environment",
    "proxy_connect_header",
    "secrets",
    "files",
];

/// Turns the reader's error into ours.
pub(super) fn from_yaml(path: &str, error: &Yaml) -> ConfigError {
    let location = error.location();
    let (message, unsupported) = match error {
        Yaml::SerdeUnknownField { field, .. } if UNSUPPORTED.contains(&field.as_str()) => {
            (format!("{field} is not supported yet; remove it"), true)
        }
        Yaml::SerdeUnknownField { field, expected, .. } => (unknown_field(field, expected), false),
        Yaml::SerdeMissingField { field, .. } => (format!("{field} is missing; add it"), false),
        Yaml::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a key");
            (format!("{key} stands twice in one mapping; remove one"), false)
        }
        Yaml::SerdeInvalidType {
            unexpected, expected, ..
        } => (format!("found {unexpected}; write {expected}"), false),
        Yaml::Message { msg, .. } => (msg.clone(), false),
        Yaml::AliasError { error, .. } => return from_yaml(path, error),
        // The reader's own words, without its drawing of the place.
        other => (plain(other), false),
    };
    at(path, location, message, unsupported)
}

/// An error at a place.
pub(super) fn at(path: &str, location: Option<Location>, message: String, unsupported: bool) -> ConfigError {
    let (line, column) = location.map_or((0, 0), |place| (place.line(), place.column()));
    ConfigError {
        path: path.to_owned(),
        line,
        column,
        message,
        unsupported,
    }
}

fn plain(error: &Yaml) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    // "… at line 3, column 5": the place is printed in front already.
    first.split(" at line ").next().unwrap_or(first).trim().to_owned()
}

fn unknown_field(field: &str, expected: &[&str]) -> String {
    let nearest = expected
        .iter()
        .map(|name| (distance(field, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4);
    match nearest {
        Some((_, name)) => format!("unknown field {field}; did you mean {name}?"),
        None if expected.is_empty() => format!("unknown field {field}; remove it"),
        None => format!("unknown field {field}; possible are {}", expected.join(", ")),
    }
}

/// Levenshtein distance, in bytes, of short names.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (&a.as_bytes()[..a.len().min(64)], &b.as_bytes()[..b.len().min(64)]);
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_distance() {
        for (a, b, want) in [
            ("", "", 0),
            ("a", "", 1),
            ("group_wiat", "group_wait", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), want, "{a} {b}");
        }
    }
}

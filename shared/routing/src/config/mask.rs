//! A configuration fit to be shown: the same without its secrets.

use serde_json::Value;

/// What stands for a secret, as in Alertmanager.
const MASK: &str = "<secret>";

/// Fields that hold a secret wherever they stand.
const SECRETS: [&str; 24] = [
    "alert_source_token",
    "api_key",
    "api_secret",
    "app_token",
    "auth_password",
    "auth_secret",
    "bearer_token",
    "bot_token",
    "client_secret",
    "credentials",
    "key",
    "mattermost_webhook_url",
    "opsgenie_api_key",
    "password",
    "rocketchat_token",
    "rocketchat_token_id",
    "secret_key",
    "service_key",
    "slack_api_url",
    "slack_app_token",
    "smtp_auth_password",
    "smtp_auth_secret",
    "telegram_bot_token",
    "token",
];

/// Further ones of those, and fields that hold a secret in one list only: the list and the field.
const MORE: [(&str, &str); 12] = [
    ("", "victorops_api_key"),
    ("", "wechat_api_secret"),
    ("", "webhook_url"),
    ("pagerduty_configs", "routing_key"),
    ("pushover_configs", "user_key"),
    ("rocketchat_configs", "token_id"),
    ("slack_configs", "api_url"),
    ("webhook_configs", "url"),
    ("http_headers", "secrets"),
    ("http_config", "proxy_url"),
    ("global", "proxy_url"),
    ("oauth2", "proxy_url"),
];

/// The configuration with every secret as `<secret>`, as YAML. Comments and order of fields are not kept.
///
/// # Errors
/// A text that is no YAML.
pub fn masked(text: &str) -> Result<String, String> {
    let mut value: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    mask("", &mut value);
    serde_saphyr::to_string(&value).map_err(|error| error.to_string())
}

fn mask(parent: &str, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let named = |(list, field): &(&str, &str)| *field == name && (list.is_empty() || *list == parent);
                if SECRETS.contains(&name.as_str()) || MORE.iter().any(named) {
                    hide(value);
                } else {
                    // A header's name is no field: what is below it belongs to the headers.
                    mask(if parent == "http_headers" { parent } else { name }, value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(parent, item)),
        _ => {}
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::String(text) if !text.is_empty() => MASK.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Number(_) => *value = Value::from(MASK),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn shows_no_secret() {
        let text = "global: {slack_api_url: 'http://s3cr3t/'}\nroute: {receiver: r, routes: [{matchers: [key=token]}]}\n\
                    receivers:\n- name: r\n  webhook_configs:\n  - url: http://h/s3cr3t\n    http_config:\n      \
                    basic_auth: {username: u, password: s3cr3t}\n      http_headers: {X: {secrets: [s3cr3t]}}\n  \
                    pagerduty_configs: [{routing_key: s3cr3t}]\n";
        let shown = super::masked(text).unwrap();
        assert!(!shown.contains("s3cr3t"), "{shown}");
        // What is shown reads again, as amtool does.
        let again = crate::parse("a.yml", &shown).unwrap();
        assert_eq!(again.route.routes[0].matchers.to_string(), "{key=\"token\"}");
    }
}

//! Telegram: `sendMessage` of the bot API.

use crate::answer::{Answer, Verdict};
use crate::exchange::{Draft, Exchange, RenderError};
use crate::truncate::characters;
use parapet_routing::config::Telegram;
use std::collections::BTreeMap;

const MAX_MESSAGE_CHARS: usize = 4096;

/// What is sent in place of HTML that is too long: cut HTML is refused.
const TOO_LONG: &str = "Alertmanager notification could not be sent: message length exceeds Telegram limits.\n\t\t\t\
                        Please check the template used for producing the message content.";

pub(crate) fn draft(settings: &Telegram, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let text = if settings.parse_mode == "HTML" {
        let text = exchange.engine.html("message", &settings.message)?;
        if text.chars().nth(MAX_MESSAGE_CHARS).is_some() {
            TOO_LONG.to_owned()
        } else {
            text
        }
    } else {
        characters(exchange.text("message", &settings.message)?, MAX_MESSAGE_CHARS)
    };
    let chat_id = exchange.secret(&settings.chat_id)?;
    if chat_id.parse::<i64>().is_err() {
        return Err(RenderError::Invalid("chat_id is not a number".to_owned()));
    }
    let mut parameters = BTreeMap::from([
        ("chat_id", chat_id),
        ("text", text),
        ("disable_web_page_preview", "true".to_owned()),
    ]);
    if settings.disable_notifications {
        parameters.insert("disable_notification", "true".to_owned());
    }
    if !settings.parse_mode.is_empty() {
        parameters.insert("parse_mode", settings.parse_mode.clone());
    }
    if settings.message_thread_id != 0 {
        parameters.insert("message_thread_id", settings.message_thread_id.to_string());
    }
    let (url, token) = (
        exchange.secret(&settings.api_url.0)?,
        exchange.secret(&settings.bot_token)?,
    );
    Draft::json("POST", format!("{url}/bot{token}/sendMessage"), &parameters)
}

/// Telegram says how long to wait in the body. As in Alertmanager, every other error is tried again.
pub(crate) fn verdict(exchange: &Exchange<'_>, answer: &Answer) -> Verdict {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match exchange.generic(answer) {
        Verdict::Sent => Verdict::Sent,
        Verdict::Retry { error, after_ms } => Verdict::Retry {
            error,
            after_ms: body["parameters"]["retry_after"]
                .as_i64()
                .map(|seconds| seconds.saturating_mul(1000))
                .or(after_ms),
        },
        Verdict::Permanent { error } => Verdict::Retry { error, after_ms: None },
    }
}

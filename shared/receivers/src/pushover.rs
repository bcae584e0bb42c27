//! Pushover: everything in the query.

use crate::exchange::{Draft, Exchange, RenderError};
use crate::truncate::characters;
use parapet_http_client::query::encode;
use parapet_routing::Secret;
use parapet_routing::config::Pushover;

const API_URL: &str = "https://api.pushover.net/1/messages.json";
const MAX_TITLE_CHARS: usize = 250;
const MAX_MESSAGE_CHARS: usize = 1024;
const MAX_URL_CHARS: usize = 512;

pub(crate) fn draft(settings: &Pushover, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let (token, user) = (exchange.secret(&settings.token)?, exchange.secret(&settings.user_key)?);
    let message = if settings.html {
        exchange.engine.html("message", &settings.message)?
    } else {
        exchange.text("message", &settings.message)?
    };
    let message = characters(message, MAX_MESSAGE_CHARS);
    // Pushover refuses empty messages.
    let message = match message.trim() {
        "" => "(no details)".to_owned(),
        message => message.to_owned(),
    };
    let mut parameters = vec![
        ("token", exchange.text("token", &token)?),
        ("user", exchange.text("user_key", &user)?),
        (
            "title",
            characters(exchange.text("title", &settings.title)?, MAX_TITLE_CHARS),
        ),
        ("message", message),
        ("url", characters(exchange.text("url", &settings.url)?, MAX_URL_CHARS)),
        ("url_title", exchange.text("url_title", &settings.url_title)?),
        ("priority", exchange.text("priority", &settings.priority)?),
        ("retry", (settings.retry.0 / 1000).to_string()),
        ("expire", (settings.expire.0 / 1000).to_string()),
        ("device", exchange.text("device", &settings.device)?),
        ("sound", exchange.text("sound", &settings.sound)?),
    ];
    for (name, set) in [("html", settings.html), ("monospace", settings.monospace)] {
        if set {
            parameters.push((name, "1".to_owned()));
        }
    }
    if settings.ttl.0 >= 1000 {
        parameters.push(("ttl", (settings.ttl.0 / 1000).to_string()));
    }
    Ok(Draft {
        method: "POST",
        url: Secret::new(format!("{API_URL}?{}", encode(parameters))),
        content_type: "text/plain",
        headers: Vec::new(),
        body: Vec::new(),
    })
}

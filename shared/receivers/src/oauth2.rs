//! OAuth 2.0, client credentials: a token before the request.

use crate::answer::{Answer, Verdict, generic, permanent};
use crate::connection::Connection;
use crate::exchange::{Exchange, RenderError, Request};
use crate::query::encode;
use base64::Engine as _;
use parapet_routing::Secret;
use parapet_routing::config::OAuth2;

/// The request for a token (RFC 6749, section 4.4; credentials as Basic authentication, section 2.3.1).
pub(crate) fn request(settings: &OAuth2, exchange: &Exchange<'_>, timeout_ms: i64) -> Result<Request, RenderError> {
    let secret = exchange.secret(&settings.client_secret)?;
    let mut parameters = vec![("grant_type", "client_credentials".to_owned())];
    if !settings.scopes.is_empty() {
        parameters.push(("scope", settings.scopes.join(" ")));
    }
    parameters.extend(
        settings
            .endpoint_params
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone())),
    );
    let pair = format!(
        "{}:{}",
        crate::query::escape(&settings.client_id),
        crate::query::escape(&secret)
    );
    let pair = base64::engine::general_purpose::STANDARD.encode(pair);
    Ok(Request {
        method: "POST",
        url: Secret::new(settings.token_url.clone()),
        headers: vec![
            (
                "Content-Type".to_owned(),
                Secret::new("application/x-www-form-urlencoded"),
            ),
            ("Authorization".to_owned(), Secret::new(format!("Basic {pair}"))),
        ],
        body: encode(parameters).into_bytes(),
        timeout_ms,
        connection: Connection::of(&settings.transport, exchange)?,
    })
}

/// The `Authorization` header that an answer gives.
pub(crate) fn token(answer: &Answer, now_ms: i64) -> Result<Secret, Verdict> {
    match generic(answer, now_ms) {
        Verdict::Sent => {}
        Verdict::Retry { error, after_ms } => {
            return Err(Verdict::Retry {
                error: format!("oauth2: cannot fetch token: {error}"),
                after_ms,
            });
        }
        Verdict::Permanent { error } => return Err(permanent(format!("oauth2: cannot fetch token: {error}"))),
    }
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer["access_token"].as_str() {
        Some(token) => Ok(Secret::new(format!("Bearer {token}"))),
        None => Err(permanent("oauth2: the answer holds no access_token".to_owned())),
    }
}

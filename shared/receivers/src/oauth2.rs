//! OAuth 2.0, client credentials: a token before the request.

use crate::answer::{Answer, Verdict, generic, permanent};
use crate::exchange::{Exchange, RenderError, Request};
use parapet_http_client::{OAuth2, Secret, Token};

/// The request for a token.
pub(crate) fn request(settings: &OAuth2, exchange: &Exchange<'_>, timeout_ms: i64) -> Result<Request, RenderError> {
    let request = settings.request(&exchange.secret(&settings.client_secret)?);
    Ok(Request {
        method: "POST",
        url: Secret::new(settings.token_url.clone()),
        headers: request.headers,
        body: request.body.into_bytes(),
        timeout_ms,
        connection: exchange.connection(&settings.transport)?,
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
    match Token::read(&answer.body) {
        Some(token) => Ok(token.authorization),
        None => Err(permanent("oauth2: the answer holds no access_token".to_owned())),
    }
}

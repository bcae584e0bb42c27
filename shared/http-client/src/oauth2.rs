//! OAuth 2.0, client credentials: a token before the request.

use crate::query::{encode, escape};
use crate::{OAuth2, Secret};
use base64::Engine as _;

/// The request for a token, a POST to `token_url` (RFC 6749, section 4.4; credentials as Basic authentication, section
/// 2.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// Headers in order.
    pub headers: Vec<(String, Secret)>,
    /// The form.
    pub body: String,
}

/// What the answer to a request for a token gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The value of the `Authorization` header.
    pub authorization: Secret,
    /// For how long it may be used, milliseconds; `None` where the answer does not say.
    pub lifetime_ms: Option<i64>,
}

impl OAuth2 {
    /// The request for a token, with the client's secret.
    #[must_use]
    pub fn request(&self, client_secret: &str) -> TokenRequest {
        let mut parameters = vec![("grant_type", "client_credentials".to_owned())];
        if !self.scopes.is_empty() {
            parameters.push(("scope", self.scopes.join(" ")));
        }
        let further = self.endpoint_params.iter();
        parameters.extend(further.map(|(name, value)| (name.as_str(), value.clone())));
        let pair = format!("{}:{}", escape(&self.client_id), escape(client_secret));
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        TokenRequest {
            headers: vec![
                (
                    "Content-Type".to_owned(),
                    Secret::new("application/x-www-form-urlencoded"),
                ),
                ("Authorization".to_owned(), Secret::new(format!("Basic {pair}"))),
            ],
            body: encode(parameters),
        }
    }
}

impl Token {
    /// Reads the body of an answer; `None` where it holds no token.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
        let token = answer["access_token"].as_str()?;
        // Some servers write the number as a text.
        let seconds = &answer["expires_in"];
        let seconds = seconds.as_i64().or_else(|| seconds.as_str()?.parse().ok());
        Some(Self {
            authorization: Secret::new(format!("Bearer {token}")),
            lifetime_ms: seconds.map(|seconds| seconds.saturating_mul(1000)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_with_their_lifetime() {
        let read = |body: &str| {
            Token::read(body.as_bytes()).map(|token| (token.authorization.expose().to_owned(), token.lifetime_ms))
        };
        let bearer = "Bearer t".to_owned();
        assert_eq!(
            read(r#"{"access_token":"t","expires_in":60}"#),
            Some((bearer.clone(), Some(60_000)))
        );
        assert_eq!(
            read(r#"{"access_token":"t","expires_in":"60"}"#),
            Some((bearer.clone(), Some(60_000)))
        );
        assert_eq!(read(r#"{"access_token":"t"}"#), Some((bearer, None)));
        assert_eq!(read(r#"{"error":"no"}"#), None);
        assert_eq!(read("<html>"), None);
    }
}

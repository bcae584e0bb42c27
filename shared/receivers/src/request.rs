//! From a notification to the request that delivers it.

use crate::{slack, webhook};
use base64::Engine as _;
use parapet_routing::config::HttpClient;
use parapet_routing::{Integration, IntegrationKind, Notification, Secret};

/// The header that makes a repeated delivery known as one.
const DEDUP_KEY_HEADER: &str = "X-Parapet-Dedup-Key";

/// An HTTP request, ready to be sent. Its `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `POST` as a rule.
    pub method: &'static str,
    /// Where to; receivers put tokens in it.
    pub url: Secret,
    /// Headers in order.
    pub headers: Vec<(String, Secret)>,
    /// The body.
    pub body: Vec<u8>,
    /// For the whole exchange, milliseconds; 0 for the caller's default.
    pub timeout_ms: i64,
}

/// What a request needs besides the notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// Where people reach this server; the base of links in payloads. Without a slash at its end.
    pub external_url: &'a str,
    /// The identity of this delivery: the same for each repetition of it.
    pub dedup_key: &'a str,
}

/// A notification that cannot be rendered: trying again gives the same.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A template does not parse or does not execute.
    #[error("template of {field}: {message}")]
    Template {
        /// The field of the integration.
        field: &'static str,
        /// What the template engine said.
        message: String,
    },
    /// A templated URL came out as none.
    #[error("url is not a URL after templating")]
    Url,
    /// A value that is no JSON.
    #[error("payload is not JSON")]
    Json(#[from] serde_json::Error),
}

/// Renders the request for an integration.
///
/// # Errors
/// [`RenderError`]; no retry helps.
pub fn render(
    notification: &Notification,
    integration: &Integration,
    context: &Context<'_>,
) -> Result<Request, RenderError> {
    let (url, body) = match &integration.kind {
        IntegrationKind::Webhook(settings) => webhook::render(notification, settings, context)?,
        IntegrationKind::Slack(settings) => slack::render(notification, settings, context)?,
    };
    let mut headers = vec![
        (
            "User-Agent".to_owned(),
            Secret::new(concat!("Parapet/", env!("CARGO_PKG_VERSION"))),
        ),
        ("Content-Type".to_owned(), Secret::new("application/json")),
    ];
    if matches!(integration.kind, IntegrationKind::Webhook(_)) {
        headers.push((DEDUP_KEY_HEADER.to_owned(), Secret::new(context.dedup_key)));
    }
    headers.extend(client_headers(&integration.http));
    Ok(Request {
        method: "POST",
        url,
        headers,
        body,
        timeout_ms: integration.timeout_ms,
    })
}

/// The headers that `http_config` asks for.
fn client_headers(client: &HttpClient) -> Vec<(String, Secret)> {
    let mut headers = client.headers.clone();
    if let Some((scheme, credentials)) = &client.authorization {
        let value = format!("{scheme} {}", credentials.expose());
        headers.push(("Authorization".to_owned(), Secret::new(value)));
    }
    if let Some((user, password)) = &client.basic_auth {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.expose()));
        headers.push(("Authorization".to_owned(), Secret::new(format!("Basic {pair}"))));
    }
    headers
}

//! Cross-origin headers, as Prometheus sets them on its API.

use crate::handler::Api;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use parapet_model::{MatchOp, Matcher, MatcherError};
use std::sync::Arc;

/// Which pages' scripts may read answers, by their origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Option<Matcher>);

impl Origins {
    /// Those that match a regular expression, anchored at both ends (`--web.cors.origin`); `.*` for any.
    ///
    /// # Errors
    /// [`MatcherError`] where it is no regular expression.
    pub fn matching(pattern: &str) -> Result<Self, MatcherError> {
        match pattern {
            ".*" => Ok(Self::default()),
            _ => Matcher::new("origin", MatchOp::Regex, pattern).map(|matcher| Self(Some(matcher))),
        }
    }

    /// The value of `Access-Control-Allow-Origin` for an origin.
    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match &self.0 {
            None => Some(HeaderValue::from_static("*")),
            Some(matcher) => matcher.matches(origin.to_str().ok()?).then(|| origin.clone()),
        }
    }
}

/// Adds the headers, and answers preflight requests.
pub(crate) async fn layer(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return response };
    for (name, value) in [
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Accept, Authorization, Content-Type, Origin",
        ),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(allowed) = api.settings.cors_origins.allow(&origin) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    }
    response
}

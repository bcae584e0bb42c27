//! The page at `/`: what this is, a query box, and links to the API.

use axum::response::{Html, IntoResponse};
use http::header;

/// `/`
pub(crate) async fn page() -> impl IntoResponse {
    // The page loads nothing from elsewhere, and its script is its own.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";
    (
        [(header::CONTENT_SECURITY_POLICY, policy)],
        Html(include_str!("page.html")),
    )
}

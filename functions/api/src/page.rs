//! The page for people: queries with tables and graphs, alerts, targets. Where links in notifications lead.

use axum::response::{Html, IntoResponse};
use http::header;

/// Prometheus' own addresses of such pages: `/graph?g0.expr=…` stands in every alert's `generatorURL`.
pub(crate) const PATHS: [&str; 5] = ["/", "/graph", "/query", "/alerts", "/targets"];

/// All of it in one answer: style and script stand in the page.
const PAGE: &str = concat!(
    include_str!("page/page.html"),
    include_str!("page/page.css"),
    include_str!("page/body.html"),
    include_str!("page/page.js"),
    "</script>\n</body>\n</html>\n"
);

/// Any of [`PATHS`]; which view is shown is the script's affair.
pub(crate) async fn page() -> impl IntoResponse {
    // The page loads nothing from elsewhere, and its script is its own.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE))
}

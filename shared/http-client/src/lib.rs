//! How HTTP requests are authenticated and which way they take, for scrapes, discovery and notifications alike: what
//! Prometheus' and Alertmanager's `http_config` say (`HTTPClientConfig` of their common library), with secrets that are
//! kept elsewhere.
//!
//! It reads no YAML, sends nothing and reads no secret: [`HttpClient`] is what a configuration says, [`Connection`] the
//! same with its secrets read, [`OAuth2::request`] and [`Token::read`] the two ends of a token's way, [`aws::sign`] the
//! signature that AWS asks for.
//!
//! ```
//! use parapet_http_client::{Connection, Secret, SecretSource, Transport};
//! let read = |source: &SecretSource| source.text().map(Secret::new).ok_or("kept elsewhere");
//! let connection = Connection::of(&Transport::default(), read)?;
//! assert!(connection.follow_redirects && connection.enable_http2);
//! # Ok::<(), &str>(())
//! ```
//!
//! Contract: no `Debug` or `Display` shows a secret.
#![warn(missing_docs)]

pub mod aws;
mod client;
mod connection;
mod oauth2;
pub mod query;
mod secret;

pub use client::{HttpClient, OAuth2, Tls, Transport, is_header_name};
pub use connection::{Connection, EnvironmentProxies};
pub use oauth2::{Token, TokenRequest};
pub use secret::{Reference, Secret, SecretSource};

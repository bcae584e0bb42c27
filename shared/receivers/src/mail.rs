//! A message on its way to an SMTP server.

use parapet_http_client::Connection;
use parapet_routing::Secret;

/// A message, and how its server is reached. Its `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The server's name or address.
    pub host: String,
    /// Its port: a number.
    pub port: String,
    /// The name that it is greeted with.
    pub hello: String,
    /// Whether the connection begins with TLS.
    pub implicit_tls: bool,
    /// Whether it has to be upgraded to TLS before anything is said.
    pub require_tls: bool,
    /// What is trusted, and who is presented.
    pub connection: Connection,
    /// Who logs in, where there is a user name.
    pub credentials: Option<MailCredentials>,
    /// The sender's address.
    pub from: String,
    /// The receivers' addresses.
    pub to: Vec<String>,
    /// Headers and body, lines ending in CR LF.
    pub message: Vec<u8>,
}

/// Who logs in; the fields are `auth_…` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailCredentials {
    /// `auth_identity`, for PLAIN.
    pub identity: String,
    /// `auth_username`.
    pub username: String,
    /// `auth_password`, for PLAIN and LOGIN; empty where there is none.
    pub password: Secret,
    /// `auth_secret`, for CRAM-MD5; empty where there is none.
    pub secret: Secret,
}

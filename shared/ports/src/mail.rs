//! One message out by SMTP.

use crate::{Error, HttpOptions};
use std::time::Duration;

/// A message, and how its server is reached. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct MailRequest {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The name that it is greeted with.
    pub hello: String,
    /// Whether the connection begins with TLS.
    pub implicit_tls: bool,
    /// Whether it has to be upgraded to TLS before anything is said.
    pub require_tls: bool,
    /// The name that the server's certificate has to have; empty for `host`.
    pub server_name: String,
    /// What is trusted, and who is presented.
    pub options: HttpOptions,
    /// Who logs in, where the server asks for it.
    pub credentials: Option<MailCredentials>,
    /// The sender's address.
    pub from: String,
    /// The receivers' addresses.
    pub to: Vec<String>,
    /// Headers and body, lines ending in CR LF.
    pub message: Vec<u8>,
    /// For the whole exchange.
    pub timeout: Duration,
}

/// Who logs in at a mail server.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MailCredentials {
    /// On whose behalf, in PLAIN; empty for `username`'s own.
    pub identity: String,
    /// The user.
    pub username: String,
    /// The password of PLAIN and LOGIN; empty where there is none.
    pub password: String,
    /// The secret of CRAM-MD5; empty where there is none.
    pub secret: String,
}

impl std::fmt::Debug for MailCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

impl std::fmt::Debug for MailRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailRequest")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// A client of SMTP servers.
///
/// It logs in by the first mechanism of the server's list for which there is a password (CRAM-MD5, PLAIN, LOGIN), as
/// Alertmanager does, and not at all where the server has no list. What the server or the network refuses is
/// [`crate::Kind::Unavailable`], an address or a certificate that is none [`crate::Kind::Invalid`]; either message is
/// fit for a person.
#[async_trait::async_trait]
pub trait Mailer: Send + Sync + std::fmt::Debug {
    /// Sends the message; done when the server has taken it.
    async fn send(&self, mail: MailRequest) -> Result<(), Error>;
}

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
    /// User name and password.
    pub credentials: Option<(String, String)>,
    /// The sender's address.
    pub from: String,
    /// The receivers' addresses.
    pub to: Vec<String>,
    /// Headers and body, lines ending in CR LF.
    pub message: Vec<u8>,
    /// For the whole exchange.
    pub timeout: Duration,
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
/// What may pass by itself (a refused connection, an answer 4yz) is [`crate::Kind::Unavailable`], what will not (an
/// answer 5yz, a certificate that is none) is [`crate::Kind::Invalid`]; either message is fit for a person.
#[async_trait::async_trait]
pub trait Mailer: Send + Sync + std::fmt::Debug {
    /// Sends the message; done when the server has taken it.
    async fn send(&self, mail: MailRequest) -> Result<(), Error>;
}

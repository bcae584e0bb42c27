//! What a notifier needs beside the ports that every function has.

use parapet_ports::{Error, Kind, MailRequest, Mailer, NoSecrets, Secrets, Vars};
use parapet_receivers::AwsCredentials;
use parapet_routing::{Reference, Secret};
use std::sync::Arc;

/// Mail, secrets, and who signs requests to AWS.
#[derive(Clone, Debug)]
pub struct Outlets {
    /// For `email_configs`.
    pub mailer: Arc<dyn Mailer>,
    /// For `*_file` and `secret://`.
    pub secrets: Arc<dyn Secrets>,
    /// For `sns_configs` without a key of their own.
    pub aws: Option<AwsCredentials>,
}

/// A host without mail.
#[derive(Clone, Copy, Debug)]
struct NoMail;

#[async_trait::async_trait]
impl Mailer for NoMail {
    async fn send(&self, _: MailRequest) -> Result<(), Error> {
        Err(Error::new(Kind::Invalid, "mail cannot be sent here"))
    }
}

/// None of it.
impl Default for Outlets {
    fn default() -> Self {
        Self {
            mailer: Arc::new(NoMail),
            secrets: Arc::new(NoSecrets),
            aws: None,
        }
    }
}

impl Outlets {
    /// The secret that a reference stands for.
    pub(crate) async fn secret(&self, reference: &Reference) -> Result<Secret, Error> {
        let text = match reference {
            Reference::File(path) => self.secrets.file(path).await?,
            Reference::Store(name) => self.secrets.named(name).await?,
        };
        Ok(Secret::new(text))
    }

    /// The credentials that the process' variables hold, as AWS' own tools and Lambda name them.
    #[must_use]
    pub fn aws_from_vars(vars: &dyn Vars) -> Option<AwsCredentials> {
        let get = |name: &str| vars.get(name).filter(|value| !value.is_empty());
        Some(AwsCredentials {
            access_key: get("AWS_ACCESS_KEY_ID")?,
            secret_key: Secret::new(get("AWS_SECRET_ACCESS_KEY")?),
            session_token: get("AWS_SESSION_TOKEN").map(Secret::new),
            region: get("AWS_REGION")
                .or_else(|| get("AWS_DEFAULT_REGION"))
                .unwrap_or_default(),
        })
    }
}

//! What a notifier needs beside the ports that every function has.

use parapet_ports::{Error, Kind, MailRequest, Mailer, NoSecrets, Secrets, Vars};
use parapet_receivers::AwsCredentials;
use parapet_routing::{Reference, Secret};
use std::collections::BTreeMap;
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
    /// The secret that a reference stands for. `secret://NAME#FIELD` is a field of one that is a JSON object, as the
    /// console of Secrets Manager makes them.
    pub(crate) async fn secret(&self, reference: &Reference) -> Result<Secret, Error> {
        let name = match reference {
            Reference::File(path) => return self.secrets.file(path).await.map(Secret::new),
            Reference::Store(name) => name,
        };
        let Some((whole, field)) = name.split_once('#') else {
            return self.secrets.named(name).await.map(Secret::new);
        };
        let text = self.secrets.named(whole).await?;
        // What JSON says of a text that is none could show a part of it.
        let object: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        match object.get(field) {
            Some(serde_json::Value::String(text)) => Ok(Secret::new(text)),
            Some(other) => Ok(Secret::new(other.to_string())),
            None => {
                self.secrets.forget(whole);
                let message = format!("{reference}: the secret is no JSON object with the field {field}");
                Err(Error::new(Kind::Invalid, message))
            }
        }
    }

    /// Reads the named ones of these secrets anew, past what is kept of them; whether one is another than it was.
    pub(crate) async fn renew(&self, secrets: &mut BTreeMap<Reference, Secret>) -> bool {
        let mut changed = false;
        for (reference, secret) in secrets {
            let Reference::Store(name) = reference else { continue };
            self.secrets.forget(name.split('#').next().unwrap_or_default());
            match self.secret(reference).await {
                Ok(now) if now != *secret => {
                    *secret = now;
                    changed = true;
                }
                _ => {}
            }
        }
        changed
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
            endpoint_url: get("AWS_ENDPOINT_URL"),
        })
    }
}

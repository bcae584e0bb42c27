//! Secrets that a configuration refers to without holding them.

use crate::{Error, Kind};

/// Where secrets are read from, each time one is needed.
#[async_trait::async_trait]
pub trait Secrets: Send + Sync + std::fmt::Debug {
    /// The text of a file that the configuration names (`*_file`).
    async fn file(&self, path: &str) -> Result<String, Error>;

    /// The secret of a name (`secret://NAME`).
    async fn named(&self, name: &str) -> Result<String, Error>;

    /// What was kept of a name may be old: the next [`Self::named`] reads it anew. Nothing to do where nothing is kept.
    fn forget(&self, name: &str) {
        let _ = name;
    }
}

/// No secrets at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

#[async_trait::async_trait]
impl Secrets for NoSecrets {
    async fn file(&self, path: &str) -> Result<String, Error> {
        Err(Error::new(Kind::Invalid, format!("{path} cannot be read here")))
    }

    async fn named(&self, name: &str) -> Result<String, Error> {
        Err(Error::new(
            Kind::Invalid,
            format!("secret://{name} cannot be read here"),
        ))
    }
}

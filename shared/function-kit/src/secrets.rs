//! [`Secrets`] of the machine and of the bucket.

use object_store::{ObjectStoreExt as _, path::Path};
use parapet_ports::{Error, Kind, Objects, Secrets, Vars};
use std::path::PathBuf;

/// Files of the machine; names from files of one directory, or from the process' variables.
///
/// `secret://NAME` is the file `NAME` in the directory that `PARAPET_SECRETS_DIR` names, else the variable
/// `PARAPET_SECRET_` with the name in capitals, everything but letters and digits as `_`.
#[derive(Clone, Copy, Debug)]
pub struct MachineSecrets<V>(pub V);

#[async_trait::async_trait]
impl<V: Vars + std::fmt::Debug> Secrets for MachineSecrets<V> {
    async fn file(&self, path: &str) -> Result<String, Error> {
        tokio::fs::read_to_string(path)
            .await
            .map_err(|error| Error::new(Kind::Unavailable, format!("cannot read {path}")).with_source(error))
    }

    async fn named(&self, name: &str) -> Result<String, Error> {
        if let Some(directory) = self.0.get("PARAPET_SECRETS_DIR") {
            let is_plain = !name.split('/').any(|part| part.is_empty() || part.starts_with('.'));
            if is_plain {
                return self.file(&PathBuf::from(directory).join(name).to_string_lossy()).await;
            }
        }
        let variable = variable(name);
        self.0.get(&variable).ok_or_else(|| {
            let message =
                format!("secret://{name} is unknown; set {variable}, or PARAPET_SECRETS_DIR to a directory of secrets");
            Error::new(Kind::Unavailable, message)
        })
    }
}

/// Objects of the bucket beside the configuration; names from the process' variables.
#[derive(Clone, Debug)]
pub struct BucketSecrets<V> {
    /// Where the objects are.
    pub objects: Objects,
    /// Where names are looked up.
    pub vars: V,
}

#[async_trait::async_trait]
impl<V: Vars + std::fmt::Debug> Secrets for BucketSecrets<V> {
    async fn file(&self, path: &str) -> Result<String, Error> {
        let bytes = self.objects.get(&Path::from(path)).await?.bytes().await?;
        String::from_utf8(bytes.to_vec())
            .map_err(|error| Error::new(Kind::Invalid, format!("{path} is not UTF-8")).with_source(error))
    }

    async fn named(&self, name: &str) -> Result<String, Error> {
        let variable = variable(name);
        self.vars
            .get(&variable)
            .ok_or_else(|| Error::new(Kind::Unavailable, format!("secret://{name} is unknown; set {variable}")))
    }
}

fn variable(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    format!("PARAPET_SECRET_{}", name.chars().map(plain).collect::<String>())
}

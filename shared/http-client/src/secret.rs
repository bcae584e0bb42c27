//! Values that no log may show, and where they are kept.

use serde::Deserialize;
use serde::de::Deserializer;
use std::fmt;

/// A secret: a token, a password, a URL that holds either. It prints as `<secret>`; only [`Secret::expose`] shows it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret itself, for the request that needs it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// Where a secret is kept that the configuration does not hold itself. It is read when it is needed, so that a
/// rotated one is in use at once, as in Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A file (`*_file`), relative to the configuration's directory unless it begins with `/`.
    File(String),
    /// A name in a secret store: what stands after `secret://`.
    Store(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Store(name) => write!(f, "{STORE_SCHEME}{name}"),
        }
    }
}

/// How a reference to a secret store begins.
const STORE_SCHEME: &str = "secret://";

/// A secret as the configuration has it: the text, or where the text is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The secret itself.
    Text(Secret),
    /// Kept elsewhere.
    Kept(Reference),
}

impl Default for SecretSource {
    fn default() -> Self {
        Self::Text(Secret::default())
    }
}

impl SecretSource {
    /// What a text of the configuration stands for: `secret://NAME` for a name in the secret store, else itself.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        match text.strip_prefix(STORE_SCHEME) {
            Some(name) => Self::Kept(Reference::Store(name.to_owned())),
            None => Self::Text(Secret(text)),
        }
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Text(Secret(text)) if text.is_empty())
    }

    /// The secret, where the configuration holds it itself.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(secret) => Some(secret.expose()),
            Self::Kept(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = Self::new(String::deserialize(deserializer)?);
        match &source {
            Self::Kept(Reference::Store(name)) if name.trim_matches(['/', '#']).is_empty() => Err(
                serde::de::Error::custom(format!("{STORE_SCHEME} names no secret; write {STORE_SCHEME}NAME")),
            ),
            _ => Ok(source),
        }
    }
}

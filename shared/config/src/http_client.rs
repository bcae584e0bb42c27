//! How requests to a target authenticate.

use crate::error::Fault;
use crate::fields::Fields;
use std::ops::Range;

/// What the `Authorization` header of a scrape holds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Authorization {
    /// `basic_auth`.
    Basic {
        /// The user's name.
        username: String,
        /// The password.
        password: String,
    },
    /// `authorization`: `<kind> <credentials>`.
    Credentials {
        /// `Bearer`, unless said otherwise.
        kind: String,
        /// The secret.
        credentials: String,
    },
}

/// Secrets are never printed.
impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Basic { username, .. } => write!(f, "Basic({username}, <secret>)"),
            Self::Credentials { kind, .. } => write!(f, "Credentials({kind}, <secret>)"),
        }
    }
}

/// The fields of Prometheus' HTTP client that are read here.
pub(crate) const SUPPORTED: [&str; 5] = [
    "basic_auth",
    "authorization",
    "bearer_token",
    "follow_redirects",
    "enable_http2",
];

/// The fields that are known and refused.
pub(crate) const UNSUPPORTED: [&str; 8] = [
    "bearer_token_file",
    "oauth2",
    "tls_config",
    "proxy_url",
    "no_proxy",
    "proxy_from_environment",
    "proxy_connect_header",
    "http_headers",
];

/// Reads the fields of a section that authenticate; notes where the secrets stand.
pub(crate) fn read_authorization(
    fields: &Fields<'_>,
    secrets: &mut Vec<Range<usize>>,
) -> Result<Option<Authorization>, Fault> {
    let secret = |fields: &Fields<'_>, name: &str, secrets: &mut Vec<Range<usize>>| match fields.get(name) {
        Some(node) => {
            secrets.push(node.bytes.clone());
            node.text().map(str::to_owned)
        }
        None => Ok(String::new()),
    };
    let basic = match fields.get("basic_auth") {
        None => None,
        Some(node) => {
            let files = ["username_file", "username_ref", "password_file", "password_ref"];
            let basic = Fields::read(node, "basic_auth", &["username", "password"], &files)?;
            Some(Authorization::Basic {
                username: basic.text("username")?.unwrap_or_default().to_owned(),
                password: secret(&basic, "password", secrets)?,
            })
        }
    };
    let credentials = match fields.get("authorization") {
        None => None,
        Some(node) => {
            let files = ["credentials_file", "credentials_ref"];
            let section = Fields::read(node, "authorization", &["type", "credentials"], &files)?;
            let kind = section.text("type")?.unwrap_or_default().trim();
            if kind.eq_ignore_ascii_case("basic") {
                return Err(Fault::new(
                    section.position("type"),
                    "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
                ));
            }
            Some(Authorization::Credentials {
                kind: if kind.is_empty() { "Bearer" } else { kind }.to_owned(),
                credentials: secret(&section, "credentials", secrets)?,
            })
        }
    };
    let bearer = match secret(fields, "bearer_token", secrets)? {
        token if token.is_empty() => None,
        credentials => Some(Authorization::Credentials {
            kind: "Bearer".to_owned(),
            credentials,
        }),
    };
    if bearer.is_some() && credentials.is_some() {
        return Err(Fault::new(
            fields.position("bearer_token"),
            "authorization is not compatible with bearer_token & bearer_token_file; keep authorization",
        ));
    }
    if bearer.is_some() && basic.is_some() {
        return Err(Fault::new(
            fields.position("bearer_token"),
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
        ));
    }
    if basic.is_some() && credentials.is_some() {
        return Err(Fault::new(
            fields.position("authorization"),
            "at most one of basic_auth, oauth2 & authorization must be configured",
        ));
    }
    // Redirects and HTTP/2 have defaults that fit; the other choice is not to be had yet.
    if fields.boolean("follow_redirects")? == Some(false) {
        return Err(Fault::new(
            fields.position("follow_redirects"),
            "follow_redirects: false is not supported yet; remove it",
        ));
    }
    fields.boolean("enable_http2")?;
    Ok(basic.or(credentials).or(bearer))
}

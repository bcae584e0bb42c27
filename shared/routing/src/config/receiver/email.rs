//! `email_configs`.

use super::{Finished, Written, template};
use crate::config::SecretSource;
use crate::config::http::TlsConfig;
use crate::config::raw::HostPort;
use crate::config::validate::{Checked, Scope};
use parapet_http_client::{HttpClient, Tls};
use parapet_model::quote;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// A message by SMTP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Email {
    send_resolved: bool,
    pub to: String,
    pub from: String,
    pub hello: String,
    pub smarthost: HostPort,
    pub auth_username: String,
    pub auth_password: SecretSource,
    auth_password_file: String,
    pub auth_secret: SecretSource,
    auth_secret_file: String,
    pub auth_identity: String,
    /// Names in the canonical form of MIME headers, `Subject`, `To` and `From` among them.
    pub headers: BTreeMap<String, String>,
    pub html: String,
    pub text: String,
    #[serde(rename = "require_tls")]
    written_require_tls: Option<bool>,
    tls_config: Option<Spanned<TlsConfig>>,
    #[serde(rename = "force_implicit_tls")]
    written_implicit_tls: Option<bool>,
    pub threading: Threading,
    /// Whether the connection has to be upgraded before anything is said.
    #[serde(skip)]
    pub require_tls: bool,
    /// Whether the connection begins with TLS.
    #[serde(skip)]
    pub implicit_tls: bool,
    #[serde(skip)]
    pub tls: Tls,
}

/// Whether messages of one group are shown as one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Threading {
    pub enabled: bool,
    pub thread_by_date: String,
}

impl Default for Email {
    fn default() -> Self {
        Self {
            send_resolved: false,
            to: String::new(),
            from: String::new(),
            hello: String::new(),
            smarthost: HostPort::default(),
            auth_username: String::new(),
            auth_password: SecretSource::default(),
            auth_password_file: String::new(),
            auth_secret: SecretSource::default(),
            auth_secret_file: String::new(),
            auth_identity: String::new(),
            headers: BTreeMap::new(),
            html: template("email.default.html"),
            text: String::new(),
            written_require_tls: None,
            tls_config: None,
            written_implicit_tls: None,
            threading: Threading::default(),
            require_tls: true,
            implicit_tls: false,
            tls: Tls::default(),
        }
    }
}

impl Written for Email {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        let global = scope.global;
        if self.to.is_empty() {
            return scope.fail("missing to address in email config; write to: ADDRESS");
        }
        self.email_headers(scope)?;
        if self.smarthost.is_empty() {
            self.smarthost = global.smtp_smarthost.clone().unwrap_or_default();
        }
        if self.smarthost.is_empty() {
            return scope.fail("no global SMTP smarthost set; write smarthost: HOST:PORT");
        }
        let or_global = |own: &mut String, global: &Option<String>| {
            if own.is_empty() {
                *own = global.clone().unwrap_or_default();
            }
        };
        or_global(&mut self.from, &global.smtp_from);
        if self.from.is_empty() {
            return scope.fail("no global SMTP from set; write from: ADDRESS");
        }
        or_global(&mut self.hello, &global.smtp_hello);
        if self.hello.is_empty() && global.smtp_hello.is_none() {
            "localhost".clone_into(&mut self.hello);
        }
        or_global(&mut self.auth_username, &global.smtp_auth_username);
        or_global(&mut self.auth_identity, &global.smtp_auth_identity);
        // Where a message gives both, the file holds, as in Alertmanager.
        let password = scope.file_or(self.auth_password, &self.auth_password_file);
        let password =
            password.or_else(|| scope.global_secret(&global.smtp_auth_password, &global.smtp_auth_password_file));
        let secret = scope.file_or(self.auth_secret, &self.auth_secret_file);
        let secret = secret.or_else(|| scope.global_secret(&global.smtp_auth_secret, &global.smtp_auth_secret_file));
        self.auth_password = password.unwrap_or_default();
        self.auth_secret = secret.unwrap_or_default();
        self.require_tls = self.written_require_tls.or(global.smtp_require_tls).unwrap_or(true);
        let implicit = self.written_implicit_tls.or(global.smtp_force_implicit_tls);
        self.implicit_tls = implicit.unwrap_or(self.smarthost.port == "465");
        let tls_config = self.tls_config.take().or_else(|| global.smtp_tls_config.clone());
        let tls_place = tls_config.as_ref().map_or(scope.place, |written| written.referenced);
        self.tls = scope.tls(tls_config)?;
        if self.tls.max_version == "TLS12" {
            return scope
                .at(tls_place)
                .unsupported("max_version in the tls_config of email");
        }
        for (name, value) in [
            ("Subject", template("email.default.subject")),
            ("To", self.to.clone()),
            ("From", self.from.clone()),
        ] {
            self.headers.entry(name.to_owned()).or_insert(value);
        }
        let send_resolved = self.send_resolved;
        let mut finished = scope.done(self, send_resolved, None, 0)?;
        // The global `http_config` is for receivers that are reached by HTTP; SES is in place of SMTP.
        finished.http = HttpClient::default();
        Ok(finished)
    }
}

impl Email {
    /// The region whose SES takes the message by its API, signed with the process' own role: that of a smarthost such
    /// as `email-smtp.eu-west-1.amazonaws.com` with nobody named to log in as. SES' SMTP interface itself takes nothing
    /// without a login, so that nothing else can be meant.
    #[must_use]
    pub fn ses_region(&self) -> Option<&str> {
        if !self.auth_username.is_empty() {
            return None;
        }
        let host = self.smarthost.host.strip_suffix(".cn").unwrap_or(&self.smarthost.host);
        let host = host.strip_suffix(".amazonaws.com")?;
        let region = host.strip_prefix("email-smtp.")?;
        (!region.is_empty() && !region.contains('.')).then_some(region)
    }

    fn email_headers(&mut self, scope: &Scope<'_>) -> Checked<()> {
        let mut headers = BTreeMap::new();
        for (name, value) in std::mem::take(&mut self.headers) {
            let name = canonical(&name);
            if name.bytes().any(|b| !(b.is_ascii_graphic() && b != b':')) || name.is_empty() {
                return scope.fail(format!("{} is not the name of a header in email config", quote(&name)));
            }
            if headers.insert(name.clone(), value).is_some() {
                let name = quote(&name);
                return scope.fail(format!("duplicate header {name} in email config; remove one"));
            }
        }
        if self.threading.enabled {
            for name in ["References", "In-Reply-To"] {
                if headers.contains_key(name) {
                    return scope.fail(format!(
                        "conflicting configuration: threading.enabled conflicts with custom {name} header; remove one"
                    ));
                }
            }
            if !["none", "daily"].contains(&self.threading.thread_by_date.as_str()) {
                return scope.fail("threading.thread_by_date must be either 'none' or 'daily'");
            }
        }
        self.headers = headers;
        Ok(())
    }
}

/// The canonical form of a MIME header's name: `subject` is `Subject`, `message-ID` is `Message-Id`.
fn canonical(name: &str) -> String {
    let mut upper = true;
    let canonical = |c: char| {
        let out = if upper {
            c.to_ascii_uppercase()
        } else {
            c.to_ascii_lowercase()
        };
        upper = c == '-';
        out
    };
    name.chars().map(canonical).collect()
}

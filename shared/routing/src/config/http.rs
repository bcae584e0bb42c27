//! `http_config`: how a receiver is reached.

use super::raw::{Pairs, Url};
use super::validate::{Checked, Scope};
use parapet_http_client::{HttpClient, OAuth2, SecretSource, Tls, Transport};
use parapet_model::quote;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

#[derive(Debug, Default, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpConfig {
    authorization: Option<Spanned<Authorization>>,
    basic_auth: Option<Spanned<BasicAuth>>,
    oauth2: Option<Spanned<OAuth2Config>>,
    bearer_token: Option<Spanned<SecretSource>>,
    bearer_token_file: Option<Spanned<String>>,
    http_headers: Option<Pairs<HeaderValues>>,
    tls_config: Option<Spanned<TlsConfig>>,
    follow_redirects: Option<bool>,
    enable_http2: Option<bool>,
    pub(super) proxy_url: Option<Spanned<SecretSource>>,
    no_proxy: Option<Spanned<String>>,
    proxy_from_environment: Option<Spanned<bool>>,
    proxy_connect_header: Option<Pairs<Vec<SecretSource>>>,
}

impl HttpConfig {
    /// Whether it sets the `Authorization` header by its main way.
    pub(super) fn has_authorization(&self) -> bool {
        self.authorization.is_some()
    }
}

#[derive(Debug, Default, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
struct Authorization {
    #[serde(rename = "type")]
    scheme: Option<String>,
    credentials: SecretSource,
    credentials_file: String,
    credentials_ref: Option<Spanned<String>>,
}

#[derive(Debug, Default, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
struct BasicAuth {
    username: SecretSource,
    username_file: String,
    username_ref: Option<Spanned<String>>,
    password: SecretSource,
    password_file: String,
    password_ref: Option<Spanned<String>>,
}

#[derive(Debug, Default, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
struct HeaderValues {
    values: Vec<SecretSource>,
    secrets: Vec<SecretSource>,
    files: Vec<String>,
}

#[derive(Debug, Default, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsConfig {
    ca: SecretSource,
    ca_file: String,
    ca_ref: Option<Spanned<String>>,
    cert: SecretSource,
    cert_file: String,
    cert_ref: Option<Spanned<String>>,
    key: SecretSource,
    key_file: String,
    key_ref: Option<Spanned<String>>,
    server_name: String,
    insecure_skip_verify: bool,
    min_version: Option<Spanned<String>>,
    max_version: Option<Spanned<String>>,
}

#[derive(Debug, Default, Clone, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
struct OAuth2Config {
    client_id: String,
    client_secret: SecretSource,
    client_secret_file: String,
    client_secret_ref: Option<Spanned<String>>,
    scopes: Vec<String>,
    token_url: Option<Url>,
    endpoint_params: BTreeMap<String, String>,
    grant_type: Option<Spanned<String>>,
    tls_config: Option<Spanned<TlsConfig>>,
    proxy_url: Option<Spanned<SecretSource>>,
    no_proxy: Option<Spanned<String>>,
    proxy_from_environment: Option<Spanned<bool>>,
    proxy_connect_header: Option<Pairs<Vec<SecretSource>>>,
}

/// The four fields about a proxy, wherever they stand.
struct ProxyFields {
    proxy_url: Option<Spanned<SecretSource>>,
    no_proxy: Option<Spanned<String>>,
    from_environment: Option<Spanned<bool>>,
    headers: Option<Pairs<Vec<SecretSource>>>,
}

impl Scope<'_> {
    /// Reads an `http_config`.
    pub(super) fn http(&self, raw: HttpConfig) -> Checked<HttpClient> {
        let mut client = HttpClient::default();
        self.credentials(&raw, &mut client)?;
        for (name, values) in raw.http_headers.map(|pairs| pairs.0).unwrap_or_default() {
            if !parapet_http_client::is_header_name(&name.value) {
                let message = format!("{} is not the name of a header", quote(&name.value));
                return self.at(name.referenced).fail(message);
            }
            let files = values.files.iter().map(|path| self.file(path));
            let all = values.values.into_iter().chain(values.secrets).chain(files);
            client.headers.extend(all.map(|value| (name.value.clone(), value)));
        }
        client.transport = self.proxy(ProxyFields {
            proxy_url: raw.proxy_url,
            no_proxy: raw.no_proxy,
            from_environment: raw.proxy_from_environment,
            headers: raw.proxy_connect_header,
        })?;
        client.transport.tls = self.tls(raw.tls_config)?;
        client.transport.follow_redirects = raw.follow_redirects.unwrap_or(true);
        client.transport.enable_http2 = raw.enable_http2.unwrap_or(true);
        Ok(client)
    }

    fn credentials(&self, raw: &HttpConfig, client: &mut HttpClient) -> Checked<()> {
        let token_place = raw.bearer_token.as_ref().map(|token| token.referenced);
        let token_place = token_place.or(raw.bearer_token_file.as_ref().map(|file| file.referenced));
        let bearer = self.at(token_place.unwrap_or(self.place)).one_of(
            "bearer_token",
            raw.bearer_token.clone().map(|token| token.value).unwrap_or_default(),
            raw.bearer_token_file
                .as_ref()
                .map(|file| file.value.as_str())
                .unwrap_or_default(),
        )?;
        if let Some(token) = bearer {
            let place = self.at(token_place.unwrap_or(self.place));
            if raw.basic_auth.is_some() || raw.oauth2.is_some() {
                let message = "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured; remove one";
                return place.fail(message);
            }
            if raw.authorization.is_some() {
                return place.fail("authorization is not compatible with bearer_token & bearer_token_file; remove one");
            }
            client.authorization = Some(("Bearer".to_owned(), token));
        }
        if let Some(Spanned {
            value: authorization,
            referenced,
            ..
        }) = raw.authorization.clone()
        {
            let place = self.at(referenced);
            if raw.basic_auth.is_some() || raw.oauth2.is_some() {
                return place.fail("at most one of basic_auth, oauth2 & authorization must be configured; remove one");
            }
            self.no_reference("credentials", authorization.credentials_ref.as_ref())?;
            let credentials = place.one_of(
                "authorization credentials",
                authorization.credentials,
                &authorization.credentials_file,
            )?;
            let scheme = authorization.scheme.unwrap_or_else(|| "Bearer".to_owned());
            let scheme = if scheme.trim().is_empty() {
                "Bearer"
            } else {
                scheme.trim()
            };
            if scheme.eq_ignore_ascii_case("basic") {
                return place.fail("authorization type cannot be set to \"basic\", use \"basic_auth\" instead");
            }
            client.authorization = Some((scheme.to_owned(), credentials.unwrap_or_default()));
        }
        if let Some(Spanned {
            value: basic,
            referenced,
            ..
        }) = raw.basic_auth.clone()
        {
            let place = self.at(referenced);
            if raw.oauth2.is_some() {
                return place.fail("at most one of basic_auth, oauth2 & authorization must be configured; remove one");
            }
            self.no_reference("username", basic.username_ref.as_ref())?;
            self.no_reference("password", basic.password_ref.as_ref())?;
            let user = place.one_of("basic_auth username", basic.username, &basic.username_file)?;
            let password = place.one_of("basic_auth password", basic.password, &basic.password_file)?;
            client.basic_auth = Some((user.unwrap_or_default(), password.unwrap_or_default()));
        }
        if let Some(oauth2) = raw.oauth2.clone() {
            client.oauth2 = Some(Box::new(self.oauth2(oauth2)?));
        }
        Ok(())
    }

    fn oauth2(&self, raw: Spanned<OAuth2Config>) -> Checked<OAuth2> {
        let (place, raw) = (self.at(raw.referenced), raw.value);
        if raw.client_id.is_empty() {
            return place.fail("oauth2 client_id must be configured; write client_id: ID");
        }
        let Some(Url(SecretSource::Text(token_url))) = raw.token_url else {
            return place.fail("oauth2 token_url must be configured; write token_url: URL");
        };
        if let Some(grant) = raw
            .grant_type
            .filter(|grant| !matches!(grant.value.as_str(), "" | "client_credentials"))
        {
            return self
                .at(grant.referenced)
                .unsupported("a grant_type other than client_credentials");
        }
        self.no_reference("client_secret", raw.client_secret_ref.as_ref())?;
        let secret = place.one_of("oauth2 client_secret", raw.client_secret, &raw.client_secret_file)?;
        let mut transport = self.proxy(ProxyFields {
            proxy_url: raw.proxy_url,
            no_proxy: raw.no_proxy,
            from_environment: raw.proxy_from_environment,
            headers: raw.proxy_connect_header,
        })?;
        transport.tls = self.tls(raw.tls_config)?;
        Ok(OAuth2 {
            client_id: raw.client_id,
            client_secret: secret.unwrap_or_default(),
            scopes: raw.scopes,
            token_url: token_url.expose().to_owned(),
            endpoint_params: raw.endpoint_params,
            transport,
        })
    }

    /// Reads a `tls_config`.
    pub(super) fn tls(&self, raw: Option<Spanned<TlsConfig>>) -> Checked<Tls> {
        let Some(Spanned {
            value: raw, referenced, ..
        }) = raw
        else {
            return Ok(Tls::default());
        };
        let place = self.at(referenced);
        for (name, reference) in [("ca", &raw.ca_ref), ("cert", &raw.cert_ref), ("key", &raw.key_ref)] {
            self.no_reference(name, reference.as_ref())?;
        }
        let ca = place.one_of("ca", raw.ca, &raw.ca_file)?;
        let cert = place.one_of("cert", raw.cert, &raw.cert_file)?;
        let key = place.one_of("key", raw.key, &raw.key_file)?;
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) => {
                let message =
                    "exactly one of key or key_file must be configured when a client certificate is configured";
                return place.fail(message);
            }
            (None, Some(_)) => {
                let message = "exactly one of cert or cert_file must be configured when a client key is configured";
                return place.fail(message);
            }
        };
        let version = |written: Option<Spanned<String>>| match written {
            None => Ok(String::new()),
            Some(version) if matches!(version.value.as_str(), "TLS12" | "TLS13") => Ok(version.value),
            Some(version) if matches!(version.value.as_str(), "TLS10" | "TLS11") => {
                let message = format!(
                    "{} is not spoken, TLS 1.2 is the oldest; write TLS12 or TLS13",
                    version.value
                );
                self.at(version.referenced).fail(message)
            }
            Some(version) => self
                .at(version.referenced)
                .fail(format!("unknown TLS version: {}; write TLS12 or TLS13", version.value)),
        };
        Ok(Tls {
            ca,
            identity,
            server_name: raw.server_name,
            insecure_skip_verify: raw.insecure_skip_verify,
            min_version: version(raw.min_version)?,
            max_version: version(raw.max_version)?,
        })
    }

    fn proxy(&self, fields: ProxyFields) -> Checked<Transport> {
        let url = fields.proxy_url.filter(|url| !url.value.is_empty());
        let from_environment = fields.from_environment.is_some_and(|written| written.value);
        if let Some(no_proxy) = fields.no_proxy.as_ref().filter(|no_proxy| !no_proxy.value.is_empty()) {
            let place = self.at(no_proxy.referenced);
            if from_environment {
                return place.fail("if proxy_from_environment is configured, no_proxy must not be configured");
            }
            if url.is_none() {
                return place.fail("if no_proxy is configured, proxy_url must also be configured");
            }
        }
        if let Some(url) = url.as_ref().filter(|_| from_environment) {
            let message = "if proxy_from_environment is configured, proxy_url must not be configured";
            return self.at(url.referenced).fail(message);
        }
        if let Some(written) = &url
            && let Some(text) = written.value.text()
            && let Some((scheme, _)) = text.split_once("://")
            && !matches!(scheme, "http" | "https")
        {
            let what = format!("a proxy_url with the scheme {scheme}, other than http and https");
            return self.at(written.referenced).unsupported(&what);
        }
        let mut headers = Vec::new();
        for (name, values) in fields.headers.map(|pairs| pairs.0).unwrap_or_default() {
            if url.is_none() && !from_environment {
                let message = "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured";
                return self.at(name.referenced).fail(message);
            }
            headers.extend(values.into_iter().map(|value| (name.value.clone(), value)));
        }
        Ok(Transport {
            proxy_url: url.map(|url| url.value),
            no_proxy: fields.no_proxy.map(|no_proxy| no_proxy.value).unwrap_or_default(),
            proxy_from_environment: from_environment,
            proxy_headers: headers,
            ..Transport::default()
        })
    }

    /// `*_ref` names a secret of a manager that Alertmanager itself has none of.
    fn no_reference(&self, name: &str, written: Option<&Spanned<String>>) -> Checked<()> {
        match written.filter(|written| !written.value.is_empty()) {
            None => Ok(()),
            Some(reference) => self.at(reference.referenced).fail(format!(
                "{name}_ref has no secret manager to refer to; write {name}: secret://NAME"
            )),
        }
    }
}

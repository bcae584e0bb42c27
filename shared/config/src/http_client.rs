//! How requests to targets and to discovery are authenticated and which way they take (`HTTPClientConfig` of
//! Prometheus' common library).

use crate::error::{Fault, Position};
use crate::fields::Fields;
use crate::yaml::{Node, Value};
use parapet_http_client::{HttpClient, OAuth2, Reference, SecretSource, Tls, Transport, is_header_name};
use parapet_model::quote;
use std::ops::Range;
use std::path::Path;

/// The fields of the client, which stand among those of the section that it belongs to.
pub(crate) const FIELDS: [&str; 13] = [
    "basic_auth",
    "authorization",
    "oauth2",
    "bearer_token",
    "bearer_token_file",
    "tls_config",
    "follow_redirects",
    "enable_http2",
    "proxy_url",
    "no_proxy",
    "proxy_from_environment",
    "proxy_connect_header",
    "http_headers",
];

const PROXY_FIELDS: [&str; 4] = [
    "proxy_url",
    "no_proxy",
    "proxy_from_environment",
    "proxy_connect_header",
];

/// Headers that `http_headers` may not set (`reservedHeaders` of Prometheus).
pub(crate) const RESERVED_HEADERS: [&str; 18] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-prometheus-scrape-timeout-seconds",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// Where secrets stand in the file, and which directory files are named from.
#[derive(Debug)]
pub(crate) struct Secrets<'a> {
    pub(crate) directory: &'a Path,
    /// The places of secrets, which `/api/v1/status/config` does not show.
    pub(crate) ranges: Vec<Range<usize>>,
}

impl Secrets<'_> {
    /// A value that is a secret.
    pub(crate) fn text(&mut self, fields: &Fields<'_>, name: &str) -> Result<SecretSource, Fault> {
        fields
            .get(name)
            .map_or(Ok(SecretSource::default()), |node| self.node(node))
    }

    fn node(&mut self, node: &Node) -> Result<SecretSource, Fault> {
        let source = SecretSource::new(node.text()?);
        if !source.is_empty() {
            self.ranges.push(node.bytes.clone());
        }
        Ok(source)
    }

    /// A file, named from the configuration's directory.
    pub(crate) fn file(&self, path: &str) -> SecretSource {
        SecretSource::Kept(Reference::File(self.path(path)))
    }

    /// The path of a file that the configuration names.
    pub(crate) fn path(&self, path: &str) -> String {
        self.directory.join(path).to_string_lossy().into_owned()
    }

    /// A value and the file that holds it: one at most. `what` is what both are of, for messages.
    fn one_of(
        &mut self,
        fields: &Fields<'_>,
        what: &str,
        name: &str,
        secret: bool,
    ) -> Result<Option<SecretSource>, Fault> {
        let value = if secret {
            self.text(fields, name)?
        } else {
            SecretSource::new(fields.text(name)?.unwrap_or_default())
        };
        let file_field = format!("{name}_file");
        let file = fields.text(&file_field)?.unwrap_or_default();
        let reference = format!("{name}_ref");
        if fields.get(&reference).is_some_and(|node| !node.is_empty()) {
            let hint = format!("{what} {reference} has no secret manager to refer to; write {name}: secret://NAME");
            return Err(Fault::new(fields.position(&reference), hint));
        }
        match (value.is_empty(), file.is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Ok(Some(value)),
            (true, false) => Ok(Some(self.file(file))),
            (false, false) => Err(Fault::new(
                fields.position(&file_field),
                format!("at most one of {what} {name} & {file_field} must be configured; remove one"),
            )),
        }
    }
}

/// Reads the client of a section.
pub(crate) fn read(fields: &Fields<'_>, secrets: &mut Secrets<'_>) -> Result<HttpClient, Fault> {
    let mut client = HttpClient {
        transport: transport(fields, secrets)?,
        ..HttpClient::default()
    };
    client.transport.follow_redirects = fields.boolean("follow_redirects")?.unwrap_or(true);
    client.transport.enable_http2 = fields.boolean("enable_http2")?.unwrap_or(true);
    credentials(fields, secrets, &mut client)?;
    client.headers = headers(fields, secrets)?;
    Ok(client)
}

fn credentials(fields: &Fields<'_>, secrets: &mut Secrets<'_>, client: &mut HttpClient) -> Result<(), Fault> {
    let bearer = match (
        secrets.text(fields, "bearer_token")?,
        fields.text("bearer_token_file")?.unwrap_or_default(),
    ) {
        (token, "") => Some(token).filter(|token| !token.is_empty()),
        (token, file) if token.is_empty() => Some(secrets.file(file)),
        _ => {
            return Err(Fault::new(
                fields.position("bearer_token"),
                "at most one of bearer_token & bearer_token_file must be configured; remove one",
            ));
        }
    };
    let (basic, authorization, oauth2) = (
        fields.get("basic_auth"),
        fields.get("authorization"),
        fields.get("oauth2"),
    );
    let bearer_field = if fields.get("bearer_token").is_some() {
        "bearer_token"
    } else {
        "bearer_token_file"
    };
    if bearer.is_some() && authorization.is_some() {
        return Err(Fault::new(
            fields.position(bearer_field),
            "authorization is not compatible with bearer_token & bearer_token_file; keep authorization",
        ));
    }
    if bearer.is_some() && (basic.is_some() || oauth2.is_some()) {
        return Err(Fault::new(
            fields.position(bearer_field),
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
        ));
    }
    for (second, is_there) in [
        (
            "authorization",
            authorization.is_some() && (basic.is_some() || oauth2.is_some()),
        ),
        ("oauth2", oauth2.is_some() && basic.is_some()),
    ] {
        if is_there {
            return Err(Fault::new(
                fields.position(second),
                "at most one of basic_auth, oauth2 & authorization must be configured",
            ));
        }
    }
    client.authorization = bearer.map(|token| ("Bearer".to_owned(), token));
    if let Some(node) = authorization {
        let known = ["type", "credentials", "credentials_file", "credentials_ref"];
        let section = Fields::read(node, "authorization", &known, &[])?;
        let kind = section.text("type")?.unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("basic") {
            return Err(Fault::new(
                section.position("type"),
                "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
            ));
        }
        let kind = if kind.is_empty() { "Bearer" } else { kind }.to_owned();
        let credentials = secrets.one_of(&section, "authorization", "credentials", true)?;
        client.authorization = Some((kind, credentials.unwrap_or_default()));
    }
    if let Some(node) = basic {
        let known = [
            "username",
            "username_file",
            "username_ref",
            "password",
            "password_file",
            "password_ref",
        ];
        let section = Fields::read(node, "basic_auth", &known, &[])?;
        let username = secrets.one_of(&section, "basic_auth", "username", false)?;
        let password = secrets.one_of(&section, "basic_auth", "password", true)?;
        client.basic_auth = Some((username.unwrap_or_default(), password.unwrap_or_default()));
    }
    if let Some(node) = oauth2 {
        client.oauth2 = Some(Box::new(read_oauth2(node, secrets)?));
    }
    Ok(())
}

fn read_oauth2(node: &Node, secrets: &mut Secrets<'_>) -> Result<OAuth2, Fault> {
    let own = [
        "client_id",
        "client_secret",
        "client_secret_file",
        "client_secret_ref",
        "scopes",
        "token_url",
        "endpoint_params",
        "grant_type",
        "tls_config",
    ];
    let unsupported = [
        "client_certificate_key_id",
        "client_certificate_key",
        "client_certificate_key_file",
        "client_certificate_key_ref",
        "signature_algorithm",
        "iss",
        "audience",
        "claims",
    ];
    let fields = Fields::read(node, "oauth2", &[&own[..], &PROXY_FIELDS].concat(), &unsupported)?;
    let required = |name: &str| match fields.text(name)?.unwrap_or_default() {
        "" => Err(Fault::new(fields.at, format!("oauth2 {name} must be configured"))),
        text => Ok(text.to_owned()),
    };
    let client_id = required("client_id")?;
    let client_secret = secrets.one_of(&fields, "oauth2", "client_secret", true)?;
    let token_url = required("token_url")?;
    let grant = fields.text("grant_type")?.unwrap_or_default();
    if !matches!(grant, "" | "client_credentials") {
        let what = format!(
            "grant_type {} is not supported yet; write client_credentials",
            quote(grant)
        );
        return Err(Fault::new(fields.position("grant_type"), what));
    }
    let scopes = fields.list("scopes")?.iter().map(|node| node.text().map(str::to_owned));
    let endpoint_params = match fields.get("endpoint_params") {
        Some(node) => pairs(node, "endpoint_params")?
            .iter()
            .map(|(name, value)| Ok((name.text()?.to_owned(), value.text()?.to_owned())))
            .collect::<Result<_, Fault>>()?,
        None => Default::default(),
    };
    Ok(OAuth2 {
        client_id,
        client_secret: client_secret.unwrap_or_default(),
        scopes: scopes.collect::<Result<_, Fault>>()?,
        token_url,
        endpoint_params,
        transport: transport(&fields, secrets)?,
    })
}

/// TLS and the proxy.
fn transport(fields: &Fields<'_>, secrets: &mut Secrets<'_>) -> Result<Transport, Fault> {
    let tls = match fields.get("tls_config") {
        Some(node) => read_tls(node, secrets)?,
        None => Tls::default(),
    };
    let proxy_url = secrets.text(fields, "proxy_url")?;
    let from_environment = fields.boolean("proxy_from_environment")?.unwrap_or(false);
    let no_proxy = fields.text("no_proxy")?.unwrap_or_default();
    let refuse = |name: &str, what: &str| Err(Fault::new(fields.position(name), what));
    if from_environment && !proxy_url.is_empty() {
        return refuse(
            "proxy_url",
            "if proxy_from_environment is configured, proxy_url must not be configured",
        );
    }
    if from_environment && !no_proxy.is_empty() {
        return refuse(
            "no_proxy",
            "if proxy_from_environment is configured, no_proxy must not be configured",
        );
    }
    if proxy_url.is_empty() && !no_proxy.is_empty() {
        return refuse(
            "no_proxy",
            "if no_proxy is configured, proxy_url must also be configured",
        );
    }
    if let Some((scheme, _)) = proxy_url.text().and_then(|text| text.split_once("://"))
        && !matches!(scheme, "http" | "https")
    {
        let what = format!("a proxy_url with the scheme {scheme} is not supported; write http or https");
        return refuse("proxy_url", &what);
    }
    let mut proxy_headers = Vec::new();
    if let Some(node) = fields.get("proxy_connect_header") {
        if proxy_url.is_empty() && !from_environment {
            return refuse(
                "proxy_connect_header",
                "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
            );
        }
        for (name, values) in pairs(node, "proxy_connect_header")? {
            for value in values.list("a header")? {
                proxy_headers.push((name.text()?.to_owned(), secrets.node(value)?));
            }
        }
    }
    Ok(Transport {
        tls,
        proxy_url: Some(proxy_url).filter(|url| !url.is_empty()),
        no_proxy: no_proxy.to_owned(),
        proxy_from_environment: from_environment,
        proxy_headers,
        ..Transport::default()
    })
}

pub(crate) fn read_tls(node: &Node, secrets: &mut Secrets<'_>) -> Result<Tls, Fault> {
    let known = [
        "ca",
        "ca_file",
        "ca_ref",
        "cert",
        "cert_file",
        "cert_ref",
        "key",
        "key_file",
        "key_ref",
        "server_name",
        "insecure_skip_verify",
        "min_version",
        "max_version",
    ];
    let fields = Fields::read(node, "tls_config", &known, &[])?;
    let ca = secrets.one_of(&fields, "tls_config", "ca", false)?;
    let cert = secrets.one_of(&fields, "tls_config", "cert", false)?;
    let key = secrets.one_of(&fields, "tls_config", "key", true)?;
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (cert, _) => {
            let (missing, there) = if cert.is_some() {
                ("key", "certificate")
            } else {
                ("cert", "key")
            };
            return Err(Fault::new(
                node.at,
                format!(
                    "exactly one of {missing} or {missing}_file must be configured when a client {there} is configured"
                ),
            ));
        }
    };
    let version = |name: &str| match fields.text(name)?.unwrap_or_default() {
        text @ ("" | "TLS12" | "TLS13") => Ok(text.to_owned()),
        text @ ("TLS10" | "TLS11") => Err(Fault::new(
            fields.position(name),
            format!("{text} is not supported, TLS 1.2 is the oldest; write TLS12 or TLS13"),
        )),
        text => Err(Fault::new(
            fields.position(name),
            format!("unknown TLS version: {text}; write TLS12 or TLS13"),
        )),
    };
    Ok(Tls {
        ca,
        identity,
        server_name: fields.text("server_name")?.unwrap_or_default().to_owned(),
        insecure_skip_verify: fields.boolean("insecure_skip_verify")?.unwrap_or(false),
        min_version: version("min_version")?,
        max_version: version("max_version")?,
    })
}

fn headers(fields: &Fields<'_>, secrets: &mut Secrets<'_>) -> Result<Vec<(String, SecretSource)>, Fault> {
    let mut out = Vec::new();
    let Some(node) = fields.get("http_headers") else {
        return Ok(out);
    };
    for (key, header) in pairs(node, "http_headers")? {
        let name = key.text()?;
        check_header(name, key.at)?;
        let header = Fields::read(header, "http_headers", &["values", "secrets", "files"], &[])?;
        for value in header.list("values")? {
            out.push((name.to_owned(), SecretSource::new(value.text()?)));
        }
        for value in header.list("secrets")? {
            out.push((name.to_owned(), secrets.node(value)?));
        }
        for path in header.list("files")? {
            out.push((name.to_owned(), secrets.file(path.text()?)));
        }
    }
    Ok(out)
}

fn check_header(name: &str, at: Position) -> Result<(), Fault> {
    if !is_header_name(name) {
        return Err(Fault::new(at, format!("{} is not the name of a header", quote(name))));
    }
    if RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(Fault::new(at, format!("setting header {} is not allowed", quote(name))));
    }
    Ok(())
}

/// The pairs of a mapping.
pub(crate) fn pairs<'a>(node: &'a Node, name: &str) -> Result<&'a [(Node, Node)], Fault> {
    match &node.value {
        Value::Mapping(pairs) => Ok(pairs),
        _ => Err(Fault::new(
            node.at,
            format!("{name} must be a mapping of names to values, this is {}", node.kind()),
        )),
    }
}

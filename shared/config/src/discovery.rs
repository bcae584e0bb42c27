//! `*_sd_configs`: where targets are found that the configuration does not name.

use crate::error::Fault;
use crate::fields::Fields;
use crate::http_client::{self, Secrets};
use crate::yaml::{Node, Value};
use parapet_http_client::{HttpClient, SecretSource};
use parapet_model::quote;
use std::collections::BTreeMap;

mod aws;
mod dns;
mod kubernetes;

pub use aws::{AwsAccess, AwsRole, AwsSd};
pub use dns::{DnsRecord, DnsSd};
pub use kubernetes::{KubernetesAttach, KubernetesRole, KubernetesSd, KubernetesSelector};

/// One way in which a job finds targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovery {
    /// The same as long as the configuration of this discovery is the same.
    pub id: String,
    /// Where it looks.
    pub mechanism: Mechanism,
    /// How requests are authenticated and which way they take.
    pub http: HttpClient,
    /// Milliseconds between refreshes.
    pub refresh_interval_ms: i64,
}

/// Where targets are found.
#[derive(Clone, Debug, PartialEq)]
pub enum Mechanism {
    /// `file_sd_configs`: paths, of which the last part may have a `*`.
    File(Vec<String>),
    /// `http_sd_configs`: a URL.
    Http(String),
    /// `consul_sd_configs`
    Consul(Box<ConsulSd>),
    /// `kubernetes_sd_configs`
    Kubernetes(Box<KubernetesSd>),
    /// `dns_sd_configs`
    Dns(DnsSd),
    /// `ec2_sd_configs`, `ecs_sd_configs`, `lightsail_sd_configs`, `aws_sd_configs`, `cloudmap_sd_configs`
    Aws(Box<AwsSd>),
}

impl Mechanism {
    /// Its name in the configuration, without `_sd_configs`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Http(_) => "http",
            Self::Consul(_) => "consul",
            Self::Kubernetes(_) => "kubernetes",
            Self::Dns(_) => "dns",
            Self::Aws(config) => config.role.name(),
        }
    }
}

/// An element of `consul_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields of Prometheus.
pub struct ConsulSd {
    pub server: String,
    pub scheme: String,
    pub path_prefix: String,
    pub datacenter: String,
    pub namespace: String,
    pub partition: String,
    pub tag_separator: String,
    pub allow_stale: bool,
    pub services: Vec<String>,
    pub tags: Vec<String>,
    pub node_meta: BTreeMap<String, String>,
    pub filter: String,
    pub health_filter: String,
    /// Sent as `X-Consul-Token`.
    pub token: SecretSource,
}

/// The fields of a scrape config that are read here.
pub(crate) const FIELDS: [&str; 10] = [
    "file_sd_configs",
    "http_sd_configs",
    "consul_sd_configs",
    "kubernetes_sd_configs",
    "dns_sd_configs",
    "ec2_sd_configs",
    "ecs_sd_configs",
    "lightsail_sd_configs",
    "cloudmap_sd_configs",
    "aws_sd_configs",
];

/// Reads every discovery of a job.
pub(crate) fn read(fields: &Fields<'_>, job: &str, secrets: &mut Secrets<'_>) -> Result<Vec<Discovery>, Fault> {
    let mut out = Vec::new();
    for field in FIELDS {
        for node in fields.list(field)? {
            if matches!(node.value, Value::Null) {
                let what = format!("empty or null section in {field}; remove it");
                return Err(Fault::new(node.at, what));
            }
            let mut discovery = match field {
                "file_sd_configs" => file(node, secrets)?,
                "http_sd_configs" => http(node, secrets)?,
                "consul_sd_configs" => consul(node, secrets)?,
                "kubernetes_sd_configs" => kubernetes::read(node, secrets)?,
                "dns_sd_configs" => dns::read(node)?,
                _ => aws::read(field, node, secrets)?,
            };
            // What is said of secrets is where they are kept, or that they are.
            let said = format!("{job}\0{:?}\0{:?}", discovery.mechanism, discovery.http);
            discovery.id = format!("{:016x}", xxhash_rust::xxh3::xxh3_64(said.as_bytes()));
            out.push(discovery);
        }
    }
    Ok(out)
}

fn interval(fields: &Fields<'_>, default_ms: i64) -> Result<i64, Fault> {
    Ok(fields
        .duration_ms("refresh_interval")?
        .filter(|ms| *ms > 0)
        .unwrap_or(default_ms))
}

fn discovery(mechanism: Mechanism, http: HttpClient, refresh_interval_ms: i64) -> Discovery {
    Discovery {
        id: String::new(),
        mechanism,
        http,
        refresh_interval_ms,
    }
}

pub(crate) fn texts(nodes: &[Node]) -> Result<Vec<String>, Fault> {
    nodes.iter().map(|node| node.text().map(str::to_owned)).collect()
}

fn file(node: &Node, secrets: &Secrets<'_>) -> Result<Discovery, Fault> {
    let fields = Fields::read(node, "file_sd_configs", &["files", "refresh_interval"], &[])?;
    let files = fields.list("files")?;
    if files.is_empty() {
        return Err(Fault::new(
            node.at,
            "file service discovery config must contain at least one path name",
        ));
    }
    let mut patterns = Vec::new();
    for file in files {
        let path = file.text()?;
        let ending = path.rsplit_once('.').map(|(_, ending)| ending);
        let known = matches!(ending, Some("json" | "yml" | "yaml" | "JSON" | "YML" | "YAML"));
        if !known || path.split_once('*').is_some_and(|(_, rest)| rest.contains('/')) {
            let what = format!(
                "path name {} is not valid for file discovery; end it with .json, .yml or .yaml, and write * in its last \
                 part alone",
                quote(path)
            );
            return Err(Fault::new(file.at, what));
        }
        patterns.push(secrets.path(path));
    }
    let refresh_ms = interval(&fields, 300_000)?;
    Ok(discovery(Mechanism::File(patterns), HttpClient::default(), refresh_ms))
}

fn http(node: &Node, secrets: &mut Secrets<'_>) -> Result<Discovery, Fault> {
    let known = [&["url", "refresh_interval"][..], &http_client::FIELDS].concat();
    let fields = Fields::read(node, "http_sd_configs", &known, &[])?;
    let refuse = |what: &str| Err(Fault::new(fields.position("url"), what));
    let url = fields.text("url")?.unwrap_or_default();
    match url.split_once("://") {
        _ if url.is_empty() => return refuse("URL is missing"),
        Some(("http" | "https", rest)) if rest.starts_with('/') || rest.is_empty() => {
            return refuse("host is missing in URL");
        }
        Some(("http" | "https", _)) => {}
        _ => return refuse("URL scheme must be 'http' or 'https'"),
    }
    let client = http_client::read(&fields, secrets)?;
    Ok(discovery(
        Mechanism::Http(url.to_owned()),
        client,
        interval(&fields, 60_000)?,
    ))
}

fn consul(node: &Node, secrets: &mut Secrets<'_>) -> Result<Discovery, Fault> {
    let own = [
        "server",
        "path_prefix",
        "token",
        "datacenter",
        "namespace",
        "partition",
        "tag_separator",
        "scheme",
        "username",
        "password",
        "allow_stale",
        "refresh_interval",
        "services",
        "tags",
        "node_meta",
        "filter",
        "health_filter",
    ];
    let fields = Fields::read(
        node,
        "consul_sd_configs",
        &[&own[..], &http_client::FIELDS].concat(),
        &[],
    )?;
    let text =
        |name: &str, default: &str| -> Result<String, Fault> { Ok(fields.text(name)?.unwrap_or(default).to_owned()) };
    let server = text("server", "localhost:8500")?;
    if server.trim().is_empty() {
        return Err(Fault::new(
            fields.position("server"),
            "consul SD configuration requires a server address",
        ));
    }
    let mut client = http_client::read(&fields, secrets)?;
    let (username, password) = (
        SecretSource::new(text("username", "")?),
        secrets.text(&fields, "password")?,
    );
    if !username.is_empty() || !password.is_empty() {
        if client.basic_auth.is_some() {
            return Err(Fault::new(
                fields.position("username"),
                "at most one of consul SD configuration username and password and basic auth can be configured",
            ));
        }
        client.basic_auth = Some((username, password));
    }
    let token = secrets.text(&fields, "token")?;
    if !token.is_empty() && (client.authorization.is_some() || client.oauth2.is_some()) {
        return Err(Fault::new(
            fields.position("token"),
            "at most one of consul SD token, authorization, or oauth2 can be configured",
        ));
    }
    let config = ConsulSd {
        server,
        scheme: text("scheme", "http")?,
        path_prefix: text("path_prefix", "")?,
        datacenter: text("datacenter", "")?,
        namespace: text("namespace", "")?,
        partition: text("partition", "")?,
        tag_separator: text("tag_separator", ",")?,
        allow_stale: fields.boolean("allow_stale")?.unwrap_or(true),
        services: texts(fields.list("services")?)?,
        tags: texts(fields.list("tags")?)?,
        node_meta: match fields.get("node_meta") {
            Some(node) => http_client::pairs(node, "node_meta")?
                .iter()
                .map(|(name, value)| Ok((name.text()?.to_owned(), value.text()?.to_owned())))
                .collect::<Result<_, Fault>>()?,
            None => BTreeMap::new(),
        },
        filter: text("filter", "")?,
        health_filter: text("health_filter", "")?,
        token,
    };
    Ok(discovery(
        Mechanism::Consul(Box::new(config)),
        client,
        interval(&fields, 30_000)?,
    ))
}

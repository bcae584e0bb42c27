//! The module file of blackbox_exporter: how targets are probed.

use crate::error::{ConfigError, Fault};
use crate::fields::Fields;
use crate::http_client::{self, Secrets, pairs, read_tls};
use crate::yaml::{self, Node};
use parapet_http_client::{HttpClient, Tls};
use parapet_model::{go_regex, quote};
use regex::Regex;
use std::collections::BTreeMap;
use std::path::Path;

mod dns;
mod http;

pub use dns::{DnsProbe, RecordRules};
pub use http::{Compression, HeaderRule, HttpProbe};

/// A way to probe.
#[derive(Clone, Debug)]
pub struct Module {
    /// For the whole probe, milliseconds; 0 leaves it to the scrape's own.
    pub timeout_ms: u64,
    /// What is done.
    pub prober: Prober,
}

/// What a module does.
#[derive(Clone, Debug)]
pub enum Prober {
    /// A request, and rules for its answer.
    Http(Box<HttpProbe>),
    /// A connection, and a conversation over it.
    Tcp(Box<TcpProbe>),
    /// An echo request.
    Icmp(IcmpProbe),
    /// A question to a name server, and rules for its answer.
    Dns(Box<DnsProbe>),
    /// The health check of gRPC.
    Grpc(Box<GrpcProbe>),
}

/// Which of a target's addresses is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Whether IPv6 is preferred to IPv4.
    pub ip6: bool,
    /// Whether the other kind will do.
    pub fallback: bool,
}

/// `tcp`
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The fields of blackbox_exporter.
pub struct TcpProbe {
    pub addresses: Addresses,
    pub source_ip_address: String,
    pub query_response: Vec<QueryResponse>,
    pub tls: bool,
    pub tls_config: Tls,
}

/// A step of a conversation: what is awaited, then what is said, then whether TLS begins.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The fields of blackbox_exporter.
pub struct QueryResponse {
    pub expect: Option<Regex>,
    pub expect_bytes: String,
    pub labels: Vec<(String, String)>,
    pub send: String,
    pub starttls: bool,
}

/// `icmp`
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The fields of blackbox_exporter.
pub struct IcmpProbe {
    pub addresses: Addresses,
    pub source_ip_address: String,
    pub payload_size: usize,
    pub ttl: u8,
}

/// `grpc`
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The fields of blackbox_exporter.
pub struct GrpcProbe {
    pub addresses: Addresses,
    pub service: String,
    pub tls: bool,
    pub tls_config: Tls,
    pub metadata: Vec<(String, String)>,
}

/// The modules by name.
#[derive(Clone, Debug, Default)]
pub struct Modules(pub BTreeMap<String, Module>);

/// The longest payload of an echo request.
const MAX_PAYLOAD_BYTES: u64 = 65_000;

impl Modules {
    /// Reads a module file.
    ///
    /// # Errors
    /// [`ConfigError`] at the first fault.
    pub fn parse(path: &str, text: &str) -> Result<Self, ConfigError> {
        let directory = Path::new(path).parent().unwrap_or(Path::new(""));
        read(text, directory).map_err(|fault| fault.in_file(path))
    }
}

fn read(text: &str, directory: &Path) -> Result<Modules, Fault> {
    let root = yaml::parse(text)?;
    let fields = Fields::read(&root, "the module file", &["modules"], &[])?;
    let mut secrets = Secrets {
        directory,
        ranges: Vec::new(),
    };
    let mut modules = BTreeMap::new();
    if let Some(node) = fields.get("modules") {
        for (key, node) in pairs(node, "modules")? {
            modules.insert(key.text()?.to_owned(), module(node, &mut secrets)?);
        }
    }
    Ok(Modules(modules))
}

fn module(node: &Node, secrets: &mut Secrets<'_>) -> Result<Module, Fault> {
    let known = ["prober", "timeout", "http", "tcp", "icmp", "dns", "grpc"];
    let fields = Fields::read(node, "a module", &known, &["unix", "websocket"])?;
    // The sections of other probers are read too: their mistakes are mistakes.
    let section = |name: &str| fields.get(name).unwrap_or(&EMPTY);
    let mut http = fields.get("http").map(|node| http::read(node, secrets)).transpose()?;
    let mut dns = fields.get("dns").map(dns::read).transpose()?;
    let (tcp, icmp) = (tcp(section("tcp"), secrets)?, icmp(section("icmp"))?);
    let grpc = grpc(section("grpc"), secrets)?;
    if let Some(dns) = &mut dns {
        dns.tls_config = tls(fields.get("dns"), secrets)?;
    }
    let name = fields.text("prober")?.unwrap_or_default();
    let prober = match name {
        "http" => Prober::Http(Box::new(match http.take() {
            Some(http) => http,
            None => http::read(&EMPTY, secrets)?,
        })),
        "tcp" => Prober::Tcp(Box::new(tcp)),
        "icmp" => Prober::Icmp(icmp),
        "dns" => match dns.take() {
            Some(dns) => Prober::Dns(Box::new(dns)),
            None => return Err(Fault::new(fields.at, "query name must be set for DNS module")),
        },
        "grpc" => Prober::Grpc(Box::new(grpc)),
        "unix" | "websocket" => {
            let what = format!("prober {} is not supported yet", quote(name));
            return Err(Fault::new(fields.position("prober"), what));
        }
        _ => {
            let what = format!("prober '{name}' is not valid; write http, tcp, icmp, dns or grpc");
            return Err(Fault::new(fields.position("prober"), what));
        }
    };
    Ok(Module {
        timeout_ms: fields.duration_ms("timeout")?.unwrap_or_default().unsigned_abs(),
        prober,
    })
}

/// A section that is not written.
static EMPTY: Node = Node::empty();

/// `tls_config` of a section that has one.
fn tls(section: Option<&Node>, secrets: &mut Secrets<'_>) -> Result<Tls, Fault> {
    let Some(section) = section else {
        return Ok(Tls::default());
    };
    for (key, node) in pairs(section, "a section")? {
        if key.text()? == "tls_config" {
            return read_tls(node, secrets);
        }
    }
    Ok(Tls::default())
}

/// `preferred_ip_protocol` and `ip_protocol_fallback`. As in blackbox_exporter, what is neither ip6 nor empty is ip4.
fn addresses(fields: &Fields<'_>) -> Result<Addresses, Fault> {
    let written = fields.text("preferred_ip_protocol")?.unwrap_or_default();
    if !matches!(written, "" | "ip4" | "ip6") {
        let what = format!("preferred_ip_protocol {} is neither ip4 nor ip6", quote(written));
        return Err(Fault::new(fields.position("preferred_ip_protocol"), what));
    }
    Ok(Addresses {
        ip6: written != "ip4",
        fallback: fields.boolean("ip_protocol_fallback")?.unwrap_or(true),
    })
}

fn source(fields: &Fields<'_>) -> Result<String, Fault> {
    let text = fields.text("source_ip_address")?.unwrap_or_default();
    if !text.is_empty() && text.parse::<std::net::IpAddr>().is_err() {
        let what = format!("source_ip_address {} is not an address", quote(text));
        return Err(Fault::new(fields.position("source_ip_address"), what));
    }
    Ok(text.to_owned())
}

fn regex(node: &Node) -> Result<Regex, Fault> {
    let pattern = node.text()?;
    go_regex(pattern).map_err(|error| {
        let what = format!("{} is not a regular expression: {error}", quote(pattern));
        Fault::new(node.at, what)
    })
}

fn tcp(node: &Node, secrets: &mut Secrets<'_>) -> Result<TcpProbe, Fault> {
    let known = [
        "preferred_ip_protocol",
        "ip_protocol_fallback",
        "source_ip_address",
        "query_response",
        "tls",
        "tls_config",
    ];
    let fields = Fields::read(node, "tcp", &known, &[])?;
    let mut query_response = Vec::new();
    for node in fields.list("query_response")? {
        query_response.push(step(node)?);
    }
    Ok(TcpProbe {
        addresses: addresses(&fields)?,
        source_ip_address: source(&fields)?,
        query_response,
        tls: fields.boolean("tls")?.unwrap_or(false),
        tls_config: match fields.get("tls_config") {
            Some(node) => read_tls(node, secrets)?,
            None => Tls::default(),
        },
    })
}

fn step(node: &Node) -> Result<QueryResponse, Fault> {
    let known = ["expect", "expect_bytes", "labels", "send", "starttls"];
    let fields = Fields::read(node, "query_response", &known, &[])?;
    let expect = fields.get("expect").map(regex).transpose()?;
    let text = |name: &str| -> Result<String, Fault> { Ok(fields.text(name)?.unwrap_or_default().to_owned()) };
    let expect_bytes = text("expect_bytes")?;
    if expect.is_some() && !expect_bytes.is_empty() {
        let what = "expect and expect_bytes are mutually exclusive";
        return Err(Fault::new(fields.position("expect_bytes"), what));
    }
    let mut labels = Vec::new();
    for label in fields.list("labels")? {
        let label = Fields::read(label, "labels", &["name", "value"], &[])?;
        let part = |name: &str| -> Result<String, Fault> { Ok(label.text(name)?.unwrap_or_default().to_owned()) };
        labels.push((part("name")?, part("value")?));
    }
    Ok(QueryResponse {
        expect,
        expect_bytes,
        labels,
        send: text("send")?,
        starttls: fields.boolean("starttls")?.unwrap_or(false),
    })
}

fn icmp(node: &Node) -> Result<IcmpProbe, Fault> {
    let known = [
        "preferred_ip_protocol",
        "ip_protocol_fallback",
        "source_ip_address",
        "payload_size",
        "dont_fragment",
        "ttl",
    ];
    let fields = Fields::read(node, "icmp", &known, &[])?;
    let payload = fields.unsigned("payload_size")?.unwrap_or_default();
    if payload > MAX_PAYLOAD_BYTES {
        let what = format!("payload_size is over {MAX_PAYLOAD_BYTES} bytes");
        return Err(Fault::new(fields.position("payload_size"), what));
    }
    if fields.boolean("dont_fragment")?.unwrap_or(false) {
        let what = "dont_fragment is not supported yet; remove it";
        return Err(Fault::new(fields.position("dont_fragment"), what));
    }
    let ttl = fields.unsigned("ttl")?.unwrap_or(64);
    let ttl = u8::try_from(ttl).map_err(|_| Fault::new(fields.position("ttl"), "\"ttl\" cannot exceed 255"))?;
    Ok(IcmpProbe {
        addresses: addresses(&fields)?,
        source_ip_address: source(&fields)?,
        payload_size: usize::try_from(payload).unwrap_or_default(),
        ttl,
    })
}

fn grpc(node: &Node, secrets: &mut Secrets<'_>) -> Result<GrpcProbe, Fault> {
    let known = [
        "service",
        "tls",
        "tls_config",
        "preferred_ip_protocol",
        "ip_protocol_fallback",
        "metadata",
    ];
    let fields = Fields::read(node, "grpc", &known, &[])?;
    let mut metadata = Vec::new();
    if let Some(node) = fields.get("metadata") {
        for (key, values) in pairs(node, "metadata")? {
            for value in values.list("metadata")? {
                metadata.push((key.text()?.to_ascii_lowercase(), value.text()?.to_owned()));
            }
        }
    }
    Ok(GrpcProbe {
        addresses: addresses(&fields)?,
        service: fields.text("service")?.unwrap_or_default().to_owned(),
        tls: fields.boolean("tls")?.unwrap_or(false),
        tls_config: match fields.get("tls_config") {
            Some(node) => read_tls(node, secrets)?,
            None => Tls::default(),
        },
        metadata,
    })
}

/// A client without what a probe cannot do.
fn client(fields: &Fields<'_>, secrets: &mut Secrets<'_>) -> Result<HttpClient, Fault> {
    let client = http_client::read(fields, secrets)?;
    for (name, used) in [
        ("oauth2", client.oauth2.is_some()),
        ("proxy_url", client.transport.proxy_url.is_some()),
        ("proxy_from_environment", client.transport.proxy_from_environment),
    ] {
        if used {
            let what = format!("{} in http is not supported yet; remove it", quote(name));
            return Err(Fault::new(fields.position(name), what));
        }
    }
    Ok(client)
}

//! `dns_sd_configs`

use super::{Discovery, Mechanism, discovery, interval, texts};
use crate::error::Fault;
use crate::fields::Fields;
use crate::yaml::Node;
use parapet_http_client::HttpClient;
use parapet_model::quote;

/// A kind of DNS record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Their names in the DNS.
pub enum DnsRecord {
    A,
    Aaaa,
    Srv,
    Mx,
    Ns,
}

/// An element of `dns_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSd {
    /// What is asked for; each is a group of targets.
    pub names: Vec<String>,
    /// The kind of record.
    pub record: DnsRecord,
    /// The port of every target; `SRV` records have their own.
    pub port: u16,
}

pub(super) fn read(node: &Node) -> Result<Discovery, Fault> {
    let known = ["names", "refresh_interval", "type", "port"];
    let fields = Fields::read(node, "dns_sd_configs", &known, &[])?;
    let names = texts(fields.list("names")?)?;
    if names.is_empty() {
        let what = "DNS-SD config must contain at least one SRV record name";
        return Err(Fault::new(fields.position("names"), what));
    }
    let written = fields.text("type")?.unwrap_or("SRV");
    let record = match written.to_ascii_uppercase().as_str() {
        "A" => DnsRecord::A,
        "AAAA" => DnsRecord::Aaaa,
        "SRV" => DnsRecord::Srv,
        "MX" => DnsRecord::Mx,
        "NS" => DnsRecord::Ns,
        _ => {
            let what = format!(
                "invalid DNS-SD records type {}; write SRV, A, AAAA, MX or NS",
                quote(written)
            );
            return Err(Fault::new(fields.position("type"), what));
        }
    };
    let port = fields.port("port")?.unwrap_or_default();
    if port == 0 && record != DnsRecord::Srv {
        let what = "a port is required in DNS-SD configs for all record types except SRV";
        return Err(Fault::new(node.at, what));
    }
    let config = DnsSd { names, record, port };
    Ok(discovery(
        Mechanism::Dns(config),
        HttpClient::default(),
        interval(&fields, 30_000)?,
    ))
}

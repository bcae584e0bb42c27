//! `dns_sd_configs`: what is asked of name servers, and the targets that records are (`discovery/dns` of Prometheus).

use crate::join_host_port;
use parapet_config::{DnsRecord, DnsSd, TargetGroup};
use parapet_model::Labels;
use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The largest answer that is asked for over UDP, bytes.
const UDP_BYTES: u16 = 4096;

/// Where the machine asks: `/etc/resolv.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// The name servers in order.
    pub servers: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
}

impl Resolver {
    /// Reads `resolv.conf` (`ClientConfigFromReader` of Go's `miekg/dns`). What is no address of a server is none.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut resolver = Self {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
        };
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default();
            match keyword {
                "nameserver" => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    resolver
                        .servers
                        .extend(address.map(|address| SocketAddr::new(address, 53)));
                }
                "domain" => resolver.search = words.next().map(str::to_owned).into_iter().collect(),
                "search" => resolver.search = words.map(str::to_owned).collect(),
                "options" => {
                    for ndots in words.filter_map(|word| word.strip_prefix("ndots:")?.parse::<usize>().ok()) {
                        // The most that resolvers take.
                        resolver.ndots = ndots.min(15);
                    }
                }
                _ => {}
            }
        }
        resolver
    }

    /// The names to ask for in order (`NameList`): one with a final dot as it is; one with enough dots itself first,
    /// then with each search domain; one with few dots last.
    #[must_use]
    pub fn names(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let labels = name.split('.').filter(|label| !label.is_empty()).count();
        let itself = format!("{name}.");
        let searched = self.search.iter().map(|domain| {
            let domain = domain.trim_matches('.');
            if domain.is_empty() {
                itself.clone()
            } else {
                format!("{name}.{domain}.")
            }
        });
        let mut names: Vec<String> = searched.collect();
        let at = if labels > self.ndots { 0 } else { names.len() };
        names.insert(at, itself);
        names
    }
}

/// The message that asks for the records of a name. Over UDP it says how long an answer may be.
///
/// # Errors
/// Where the name is none of the DNS.
pub fn question(name: &str, record: DnsRecord, id: u16, over_udp: bool) -> Result<Vec<u8>, String> {
    let kind = match record {
        DnsRecord::A => TYPE::A,
        DnsRecord::Aaaa => TYPE::AAAA,
        DnsRecord::Srv => TYPE::SRV,
        DnsRecord::Mx => TYPE::MX,
        DnsRecord::Ns => TYPE::NS,
    };
    let invalid = |error: simple_dns::SimpleDnsError| format!("{name} is no name of the DNS: {error}");
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name.trim_end_matches('.')).map_err(invalid)?;
    let question = Question::new(name, kind.into(), CLASS::IN.into(), false);
    packet.questions.push(question);
    if over_udp {
        *packet.opt_mut() = Some(OPT {
            opt_codes: Vec::new(),
            udp_packet_size: UDP_BYTES,
            version: 0,
        });
    }
    packet.build_bytes_vec().map_err(invalid)
}

/// A record that is a target, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A machine by its address.
    Address(IpAddr),
    /// A service: its host, with a final dot, and port.
    Srv(String, u16),
    /// A mail server, with a final dot.
    Mx(String),
    /// A name server, with a final dot.
    Ns(String),
}

/// What a name server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The name is there; records of other kinds are left out.
    Found(Vec<Record>),
    /// There is no such name.
    NoSuchName,
    /// The answer is longer than the way that it took allows: ask over TCP.
    Truncated,
    /// Another server may know: the code of the answer.
    Failed(String),
}

/// Reads an answer to the question `id`.
///
/// # Errors
/// Where it is no answer to that.
pub fn reply(id: u16, message: &[u8]) -> Result<Reply, String> {
    let packet = Packet::parse(message).map_err(|error| format!("an answer that is none of the DNS: {error}"))?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return Err("an answer to another question".to_owned());
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Ok(Reply::Truncated);
    }
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Ok(Reply::NoSuchName),
        code => return Ok(Reply::Failed(format!("{code:?}"))),
    }
    let rooted = |name: &Name<'_>| format!("{name}.");
    let records = packet.answers.iter().filter_map(|answer| match &answer.rdata {
        RData::A(a) => Some(Record::Address(Ipv4Addr::from(a.address).into())),
        RData::AAAA(a) => Some(Record::Address(Ipv6Addr::from(a.address).into())),
        RData::SRV(srv) => Some(Record::Srv(rooted(&srv.target), srv.port)),
        RData::MX(mx) => Some(Record::Mx(rooted(&mx.exchange))),
        RData::NS(ns) => Some(Record::Ns(rooted(ns))),
        _ => None,
    });
    Ok(Reply::Found(records.collect()))
}

/// The group of a name, from its records.
#[must_use]
pub fn targets(config: &DnsSd, name: &str, records: &[Record]) -> TargetGroup {
    let targets = records.iter().map(|record| {
        let (mut srv, mut srv_port, mut mx, mut ns) = ("", String::new(), "", "");
        let address = match record {
            Record::Address(address) => join_host_port(&address.to_string(), config.port),
            Record::Srv(host, port) => {
                (srv, srv_port) = (host, port.to_string());
                join_host_port(host.trim_end_matches('.'), port)
            }
            Record::Mx(host) => {
                mx = host;
                join_host_port(host.trim_end_matches('.'), config.port)
            }
            Record::Ns(host) => {
                ns = host;
                join_host_port(host.trim_end_matches('.'), config.port)
            }
        };
        Labels::from_pairs([
            ("__address__", address.as_str()),
            ("__meta_dns_name", name),
            ("__meta_dns_srv_record_target", srv),
            ("__meta_dns_srv_record_port", srv_port.as_str()),
            ("__meta_dns_mx_record_target", mx),
            ("__meta_dns_ns_record_target", ns),
        ])
    });
    TargetGroup {
        source: name.to_owned(),
        targets: targets.collect(),
        labels: Labels::empty(),
    }
}

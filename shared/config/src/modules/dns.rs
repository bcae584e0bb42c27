//! `dns` of a module.

use super::{Addresses, addresses, regex, source};
use crate::error::Fault;
use crate::fields::Fields;
use crate::yaml::Node;
use parapet_http_client::Tls;
use parapet_model::quote;
use regex::Regex;

/// Rules for the records of a section of an answer.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)] // The fields of blackbox_exporter.
pub struct RecordRules {
    pub fail_if_matches: Vec<Regex>,
    pub fail_if_all_match: Vec<Regex>,
    pub fail_if_not_matches: Vec<Regex>,
    pub fail_if_none_matches: Vec<Regex>,
}

/// `dns`
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The fields of blackbox_exporter.
pub struct DnsProbe {
    pub addresses: Addresses,
    pub source_ip_address: String,
    /// TCP, with or without TLS; else UDP.
    pub tcp: bool,
    pub dns_over_tls: bool,
    pub tls_config: Tls,
    pub query_name: String,
    /// The number of the record's type.
    pub query_type: u16,
    /// The number of its class.
    pub query_class: u16,
    pub recursion_desired: bool,
    /// The numbers of the codes.
    pub valid_rcodes: Vec<u16>,
    pub answer: RecordRules,
    pub authority: RecordRules,
    pub additional: RecordRules,
}

/// Types of records by name.
const TYPES: [(&str, u16); 28] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("HINFO", 13),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("KEY", 25),
    ("AAAA", 28),
    ("LOC", 29),
    ("SRV", 33),
    ("NAPTR", 35),
    ("CERT", 37),
    ("DNAME", 39),
    ("DS", 43),
    ("SSHFP", 44),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("NSEC3", 50),
    ("TLSA", 52),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("CAA", 257),
    ("ANY", 255),
];

const CLASSES: [(&str, u16); 5] = [("IN", 1), ("CH", 3), ("HS", 4), ("NONE", 254), ("ANY", 255)];

const CODES: [(&str, u16); 11] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
];

pub(super) fn read(node: &Node) -> Result<DnsProbe, Fault> {
    let known = [
        "preferred_ip_protocol",
        "ip_protocol_fallback",
        "dns_over_tls",
        "tls_config",
        "source_ip_address",
        "transport_protocol",
        "query_class",
        "query_name",
        "query_type",
        "recursion_desired",
        "valid_rcodes",
        "validate_answer_rrs",
        "validate_authority_rrs",
        "validate_additional_rrs",
    ];
    let fields = Fields::read(node, "dns", &known, &[])?;
    let query_name = fields.text("query_name")?.unwrap_or_default();
    if query_name.is_empty() {
        return Err(Fault::new(fields.at, "query name must be set for DNS module"));
    }
    let number = |name: &str, table: &[(&str, u16)], default: u16| -> Result<u16, Fault> {
        let written = fields.text(name)?.unwrap_or_default();
        if written.is_empty() {
            return Ok(default);
        }
        let found = table.iter().find(|(known, _)| *known == written);
        found.map(|(_, number)| *number).ok_or_else(|| {
            let what = format!("{} '{written}' is not valid", name.replace('_', " "));
            Fault::new(fields.position(name), what)
        })
    };
    let mut valid_rcodes = Vec::new();
    for code in fields.list("valid_rcodes")? {
        let written = code.text()?;
        let found = CODES.iter().find(|(known, _)| *known == written);
        let what = || format!("rcode {} is not valid; write NOERROR, NXDOMAIN, …", quote(written));
        valid_rcodes.push(found.ok_or_else(|| Fault::new(code.at, what()))?.1);
    }
    if valid_rcodes.is_empty() {
        valid_rcodes.push(0);
    }
    let transport = fields.text("transport_protocol")?.unwrap_or_default();
    if !matches!(transport, "" | "udp" | "tcp") {
        let what = format!("transport_protocol {} is neither udp nor tcp", quote(transport));
        return Err(Fault::new(fields.position("transport_protocol"), what));
    }
    let dns_over_tls = fields.boolean("dns_over_tls")?.unwrap_or(false);
    if dns_over_tls && transport != "tcp" {
        let what = "dns_over_tls needs transport_protocol: tcp";
        return Err(Fault::new(fields.position("dns_over_tls"), what));
    }
    Ok(DnsProbe {
        addresses: addresses(&fields)?,
        source_ip_address: source(&fields)?,
        tcp: transport == "tcp",
        dns_over_tls,
        tls_config: Tls::default(),
        query_name: query_name.to_owned(),
        query_type: number("query_type", &TYPES, 255)?,
        query_class: number("query_class", &CLASSES, 1)?,
        recursion_desired: fields.boolean("recursion_desired")?.unwrap_or(true),
        valid_rcodes,
        answer: rules(&fields, "validate_answer_rrs")?,
        authority: rules(&fields, "validate_authority_rrs")?,
        additional: rules(&fields, "validate_additional_rrs")?,
    })
}

fn rules(fields: &Fields<'_>, name: &str) -> Result<RecordRules, Fault> {
    let Some(node) = fields.get(name) else {
        return Ok(RecordRules::default());
    };
    let known = [
        "fail_if_matches_regexp",
        "fail_if_all_match_regexp",
        "fail_if_not_matches_regexp",
        "fail_if_none_matches_regexp",
    ];
    let fields = Fields::read(node, name, &known, &[])?;
    let list = |name: &str| -> Result<Vec<Regex>, Fault> { fields.list(name)?.iter().map(regex).collect() };
    Ok(RecordRules {
        fail_if_matches: list(known[0])?,
        fail_if_all_match: list(known[1])?,
        fail_if_not_matches: list(known[2])?,
        fail_if_none_matches: list(known[3])?,
    })
}

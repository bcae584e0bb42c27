//! Questions to name servers, and rules for the records of their answers.

use crate::Report;
use parapet_config::modules::{DnsProbe, RecordRules};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, ResourceRecord};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Registers the gauges that every probe of the DNS has.
pub fn register(report: &mut Report) {
    report.labelled("probe_dns_duration_seconds", "Duration of DNS request by phase");
    for phase in ["resolve", "connect", "request"] {
        report.add("probe_dns_duration_seconds", &[("phase", phase)], 0.0);
    }
    for (name, help) in [
        (
            "probe_dns_answer_rrs",
            "Returns number of entries in the answer resource record list",
        ),
        (
            "probe_dns_authority_rrs",
            "Returns number of entries in the authority resource record list",
        ),
        (
            "probe_dns_additional_rrs",
            "Returns number of entries in the additional resource record list",
        ),
        (
            "probe_dns_query_succeeded",
            "Displays whether or not the query was executed successfully",
        ),
    ] {
        report.gauge(name, help);
    }
}

/// The message that asks.
///
/// # Errors
/// Where the name is none of the DNS.
pub fn question(module: &DnsProbe, id: u16) -> Result<Vec<u8>, String> {
    let mut packet = Packet::new_query(id);
    if module.recursion_desired {
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    let name = Name::new(module.query_name.trim_end_matches('.'))
        .map_err(|error| format!("{} is no name of the DNS: {error}", module.query_name))?;
    let mut message = packet.build_bytes_vec().map_err(|error| error.to_string())?;
    // One question, written out: there are types that the library does not ask for.
    message[5] = 1;
    for label in name.as_bytes() {
        message.push(label.len() as u8);
        message.extend(label);
    }
    message.push(0);
    message.extend(module.query_type.to_be_bytes());
    message.extend(module.query_class.to_be_bytes());
    Ok(message)
}

/// Tells of an answer and judges it.
pub fn judge(module: &DnsProbe, id: u16, message: &[u8], report: &mut Report) -> bool {
    let packet = match Packet::parse(message) {
        Ok(packet) if packet.id() == id && packet.has_flags(PacketFlag::RESPONSE) => packet,
        Ok(_) => {
            report.say("An answer to another question");
            return false;
        }
        Err(error) => {
            report.say(format!("Error while reading the answer: {error}"));
            return false;
        }
    };
    // What says how long answers may be is a record too.
    let additional = packet.additional_records.len() + usize::from(packet.opt().is_some());
    report.set("probe_dns_answer_rrs", packet.answers.len() as f64);
    report.set("probe_dns_authority_rrs", packet.name_servers.len() as f64);
    report.set("probe_dns_additional_rrs", additional as f64);
    report.set("probe_dns_query_succeeded", 1.0);
    if module.query_type == 6 {
        report.gauge("probe_dns_serial", "Returns the serial number of the zone");
        for answer in &packet.answers {
            if let RData::SOA(soa) = &answer.rdata {
                report.set("probe_dns_serial", f64::from(soa.serial));
            }
        }
    }
    let code = u16::from(message.get(3).copied().unwrap_or_default() & 0x0f);
    if !module.valid_rcodes.contains(&code) {
        report.say(format!(
            "Rcode {code} is not one of the valid rcodes {:?}",
            module.valid_rcodes
        ));
        return false;
    }
    for (section, records, rules) in [
        ("Answer", &packet.answers, &module.answer),
        ("Authority", &packet.name_servers, &module.authority),
        ("Additional", &packet.additional_records, &module.additional),
    ] {
        let texts: Vec<String> = records.iter().map(text).collect();
        if let Err(what) = are_valid(&texts, rules) {
            report.say(format!("{section} RRs validation failed: {what}"));
            return false;
        }
    }
    true
}

/// Whether records are as they have to be (`validRRs` of blackbox_exporter).
fn are_valid(records: &[String], rules: &RecordRules) -> Result<(), String> {
    if records.is_empty() {
        for (rules, name) in [
            (&rules.fail_if_not_matches, "fail_if_not_matches_regexp"),
            (&rules.fail_if_none_matches, "fail_if_none_matches_regexp"),
        ] {
            if !rules.is_empty() {
                return Err(format!("{name} specified but no RRs returned"));
            }
        }
    }
    let (mut all, mut any) = (true, false);
    for record in records {
        if let Some(regex) = rules.fail_if_matches.iter().find(|regex| regex.is_match(record)) {
            return Err(format!("{record:?} matched regexp {regex}"));
        }
        all &= rules.fail_if_all_match.iter().all(|regex| regex.is_match(record));
        if let Some(regex) = rules.fail_if_not_matches.iter().find(|regex| !regex.is_match(record)) {
            return Err(format!("{record:?} did not match regexp {regex}"));
        }
        any |= rules.fail_if_none_matches.iter().any(|regex| regex.is_match(record));
    }
    // As there, against the name: what fails is that not all match. Without records, all do.
    if !rules.fail_if_all_match.is_empty() && !all {
        return Err("not all RRs matched regexp".to_owned());
    }
    if !rules.fail_if_none_matches.is_empty() && !any {
        return Err("none of the RRs matched any regexp".to_owned());
    }
    Ok(())
}

/// A record as zone files write it, with tabs between the fields (`String` of Go's `miekg/dns`). Records of kinds that
/// are rare are written as bytes (RFC 3597).
fn text(record: &ResourceRecord<'_>) -> String {
    let rooted = |name: &Name<'_>| format!("{name}.");
    let class = match record.class {
        CLASS::IN => "IN",
        CLASS::CH => "CH",
        CLASS::HS => "HS",
        _ => "CLASS",
    };
    let (kind, data) = match &record.rdata {
        RData::A(a) => ("A".to_owned(), Ipv4Addr::from(a.address).to_string()),
        RData::AAAA(a) => ("AAAA".to_owned(), Ipv6Addr::from(a.address).to_string()),
        RData::NS(name) => ("NS".to_owned(), rooted(name)),
        RData::CNAME(name) => ("CNAME".to_owned(), rooted(name)),
        RData::PTR(name) => ("PTR".to_owned(), rooted(name)),
        RData::MX(mx) => ("MX".to_owned(), format!("{} {}", mx.preference, rooted(&mx.exchange))),
        RData::SRV(srv) => (
            "SRV".to_owned(),
            format!("{} {} {} {}", srv.priority, srv.weight, srv.port, rooted(&srv.target)),
        ),
        RData::SOA(soa) => (
            "SOA".to_owned(),
            format!(
                "{} {} {} {} {} {} {}",
                rooted(&soa.mname),
                rooted(&soa.rname),
                soa.serial,
                soa.refresh,
                soa.retry,
                soa.expire,
                soa.minimum
            ),
        ),
        RData::TXT(_) => ("TXT".to_owned(), txt(record)),
        other => {
            let number = u16::from(other.type_code());
            (format!("TYPE{number}"), format!("\\# {}", bytes(record).len()))
        }
    };
    format!("{}\t{}\t{class}\t{kind}\t{data}", rooted(&record.name), record.ttl)
}

/// What a record holds, as it is sent.
fn bytes(record: &ResourceRecord<'_>) -> Vec<u8> {
    let mut packet = Packet::new_reply(0);
    let mut bare = record.clone();
    bare.name = Name::new_unchecked("");
    packet.answers.push(bare);
    // A header of 12 bytes, the root's name, type, class, ttl and length.
    packet
        .build_bytes_vec()
        .map_or_else(|_| Vec::new(), |whole| whole[(12 + 1 + 10).min(whole.len())..].to_vec())
}

/// The texts of a TXT record, each in quotation marks.
fn txt(record: &ResourceRecord<'_>) -> String {
    let (data, mut at, mut parts) = (bytes(record), 0, Vec::new());
    while let Some(length) = data.get(at) {
        let end = (at + 1 + usize::from(*length)).min(data.len());
        let mut part = String::from("\"");
        for byte in &data[at + 1..end] {
            match byte {
                b'"' | b'\\' => {
                    part.push('\\');
                    part.push(char::from(*byte));
                }
                b' '..=b'~' => part.push(char::from(*byte)),
                _ => part.push_str(&format!("\\{byte:03}")),
            }
        }
        part.push('"');
        parts.push(part);
        at = end;
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_config::modules::{Modules, Prober};
    use simple_dns::rdata::{A, MX, SOA, TXT};

    fn module(dns: &str) -> DnsProbe {
        let text = format!("modules: {{m: {{prober: dns, dns: {{query_name: example.com, {dns}}}}}}}");
        match Modules::parse("b.yml", &text).unwrap().0["m"].prober.clone() {
            Prober::Dns(probe) => *probe,
            other => panic!("{other:?}"),
        }
    }

    fn answer(records: Vec<RData<'static>>) -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        let record = |rdata| ResourceRecord::new(Name::new_unchecked("example.com"), CLASS::IN, 60, rdata);
        packet.answers = records.into_iter().map(record).collect();
        packet.build_bytes_vec_compressed().unwrap()
    }

    #[test]
    fn questions() {
        let message = question(&module("query_type: MX, recursion_desired: false"), 7).unwrap();
        let packet = Packet::parse(&message).unwrap();
        assert_eq!(packet.questions.len(), 1);
        assert_eq!(packet.questions[0].qname.to_string(), "example.com");
        assert!(!packet.has_flags(PacketFlag::RECURSION_DESIRED));
        // A type that the library does not know.
        let message = question(&module("query_type: TLSA"), 7).unwrap();
        assert_eq!(message[message.len() - 4..], [0, 52, 0, 1]);
    }

    #[test]
    fn records_as_zone_files_write_them() {
        let mut txt = TXT::new();
        txt.add_string("a \"b\"").unwrap();
        txt.add_string("c").unwrap();
        let message = answer(vec![
            RData::A(A { address: 0x0a00_0001 }),
            RData::MX(MX {
                preference: 10,
                exchange: Name::new_unchecked("mx.example.com"),
            }),
            RData::TXT(txt),
        ]);
        let packet = Packet::parse(&message).unwrap();
        let texts: Vec<String> = packet.answers.iter().map(text).collect();
        assert_eq!(
            texts,
            [
                "example.com.\t60\tIN\tA\t10.0.0.1",
                "example.com.\t60\tIN\tMX\t10 mx.example.com.",
                "example.com.\t60\tIN\tTXT\t\"a \\\"b\\\"\" \"c\"",
            ]
        );
    }

    #[test]
    fn rules_for_records() {
        let a = || {
            answer(vec![
                RData::A(A { address: 0x0a00_0001 }),
                RData::A(A { address: 0x0a00_0002 }),
            ])
        };
        for (dns, message, want) in [
            ("query_type: A", a(), true),
            (
                "validate_answer_rrs: {fail_if_matches_regexp: ['10.0.0.2']}",
                a(),
                false,
            ),
            ("validate_answer_rrs: {fail_if_all_match_regexp: ['10.0.0']}", a(), true),
            (
                "validate_answer_rrs: {fail_if_all_match_regexp: ['10.0.0.2']}",
                a(),
                false,
            ),
            (
                "validate_answer_rrs: {fail_if_not_matches_regexp: ['10.0.0.2']}",
                a(),
                false,
            ),
            (
                "validate_answer_rrs: {fail_if_none_matches_regexp: ['10.0.0.2']}",
                a(),
                true,
            ),
            (
                "validate_answer_rrs: {fail_if_none_matches_regexp: ['zzz']}",
                a(),
                false,
            ),
            (
                "validate_answer_rrs: {fail_if_not_matches_regexp: ['x']}",
                answer(vec![]),
                false,
            ),
            (
                "validate_authority_rrs: {fail_if_none_matches_regexp: ['zzz']}",
                a(),
                false,
            ),
            ("valid_rcodes: [NXDOMAIN]", a(), false),
        ] {
            let mut report = Report::default();
            assert_eq!(
                judge(&module(dns), 7, &message, &mut report),
                want,
                "{dns} {:?}",
                report.log()
            );
            assert_eq!(report.value("probe_dns_query_succeeded", &[]), Some(1.0));
        }
        let mut report = Report::default();
        let soa = RData::SOA(SOA {
            mname: Name::new_unchecked("ns"),
            rname: Name::new_unchecked("me"),
            serial: 2024,
            refresh: 1,
            retry: 2,
            expire: 3,
            minimum: 4,
        });
        assert!(judge(&module("query_type: SOA"), 7, &answer(vec![soa]), &mut report));
        assert_eq!(report.value("probe_dns_serial", &[]), Some(2024.0));
        assert!(
            !judge(&module("query_type: A"), 8, &a(), &mut report),
            "another question"
        );
        for length in 0..a().len() {
            judge(&module("query_type: A"), 7, &a()[..length], &mut Report::default());
        }
    }
}

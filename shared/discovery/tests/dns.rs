//! Names of the DNS, as servers answer and resolvers search.
#![allow(clippy::unwrap_used)]

use parapet_config::{DnsRecord, DnsSd};
use parapet_discovery::dns::{self, Record, Reply, Resolver};
use simple_dns::rdata::{A, AAAA, CNAME, MX, NS, RData, SRV};
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord, TYPE};

#[test]
fn resolvers_search() {
    let text = "# of the machine\nnameserver 10.0.0.2\nnameserver fd00::2\nnameserver nobody\nsearch svc.cluster.local. \
                corp\noptions ndots:2 timeout:1 ndots:x\n";
    let resolver = Resolver::read(text);
    let servers: Vec<String> = resolver.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["10.0.0.2:53", "[fd00::2]:53"]);
    for (name, want) in [
        ("a", &["a.svc.cluster.local.", "a.corp.", "a."][..]),
        ("a.b", &["a.b.svc.cluster.local.", "a.b.corp.", "a.b."]),
        ("a.b.c", &["a.b.c.", "a.b.c.svc.cluster.local.", "a.b.c.corp."]),
        ("a.", &["a."]),
    ] {
        assert_eq!(resolver.names(name), want, "{name}");
    }
    assert_eq!(Resolver::read("").names("a.b"), ["a.b."]);
    assert_eq!(Resolver::read("search a b\ndomain c").names("x"), ["x.c.", "x."]);
}

#[test]
fn questions_are_read_by_servers() {
    let message = dns::question("_http._tcp.example.com.", DnsRecord::Srv, 7, true).unwrap();
    let packet = Packet::parse(&message).unwrap();
    assert_eq!((packet.id(), packet.questions.len()), (7, 1));
    assert_eq!(packet.questions[0].qname.to_string(), "_http._tcp.example.com");
    assert_eq!(packet.questions[0].qtype, TYPE::SRV.into());
    assert!(packet.has_flags(PacketFlag::RECURSION_DESIRED));
    assert_eq!(packet.opt().unwrap().udp_packet_size, 4096);
    let message = dns::question("a.", DnsRecord::Ns, 7, false).unwrap();
    assert!(Packet::parse(&message).unwrap().opt().is_none());
    let long = "a".repeat(64);
    let error = dns::question(&long, DnsRecord::A, 7, true).unwrap_err();
    assert!(error.contains("is no name of the DNS"), "{error}");
}

fn answer(records: Vec<RData<'static>>, flags: PacketFlag, code: RCODE) -> Vec<u8> {
    let mut packet = Packet::new_reply(7);
    packet.set_flags(flags);
    *packet.rcode_mut() = code;
    packet.answers = records
        .into_iter()
        .map(|rdata| ResourceRecord::new(Name::new_unchecked("x"), CLASS::IN, 60, rdata))
        .collect();
    packet.build_bytes_vec_compressed().unwrap()
}

#[test]
fn records_are_targets() {
    let name = Name::new_unchecked;
    let message = answer(
        vec![
            RData::CNAME(CNAME(name("y"))),
            RData::A(A { address: 0x0a00_0001 }),
            RData::AAAA(AAAA { address: 1 }),
            RData::SRV(SRV {
                priority: 1,
                weight: 2,
                port: 9100,
                target: name("s.example"),
            }),
            RData::MX(MX {
                preference: 1,
                exchange: name("m.example"),
            }),
            RData::NS(NS(name("n.example"))),
        ],
        PacketFlag::empty(),
        RCODE::NoError,
    );
    let Reply::Found(records) = dns::reply(7, &message).unwrap() else {
        panic!("not found")
    };
    assert_eq!(records[2], Record::Srv("s.example.".to_owned(), 9100));
    let config = DnsSd {
        names: vec!["x".to_owned()],
        record: DnsRecord::A,
        port: 80,
    };
    let group = dns::targets(&config, "x", &records);
    assert_eq!(group.source, "x");
    let shown: Vec<String> = group.targets.iter().map(ToString::to_string).collect();
    // What is empty is no label.
    assert_eq!(
        shown,
        [
            r#"{__address__="10.0.0.1:80", __meta_dns_name="x"}"#,
            r#"{__address__="[::1]:80", __meta_dns_name="x"}"#,
            r#"{__address__="s.example:9100", __meta_dns_name="x", __meta_dns_srv_record_port="9100", __meta_dns_srv_record_target="s.example."}"#,
            r#"{__address__="m.example:80", __meta_dns_mx_record_target="m.example.", __meta_dns_name="x"}"#,
            r#"{__address__="n.example:80", __meta_dns_name="x", __meta_dns_ns_record_target="n.example."}"#,
        ]
    );
}

#[test]
fn what_servers_say_beside_records() {
    let plain = PacketFlag::empty();
    assert_eq!(
        dns::reply(7, &answer(vec![], plain, RCODE::NoError)),
        Ok(Reply::Found(vec![]))
    );
    assert_eq!(
        dns::reply(7, &answer(vec![], plain, RCODE::NameError)),
        Ok(Reply::NoSuchName)
    );
    assert_eq!(
        dns::reply(7, &answer(vec![], PacketFlag::TRUNCATION, RCODE::NoError)),
        Ok(Reply::Truncated)
    );
    let failed = dns::reply(7, &answer(vec![], plain, RCODE::ServerFailure));
    assert_eq!(failed, Ok(Reply::Failed("ServerFailure".to_owned())));
    assert!(dns::reply(8, &answer(vec![], plain, RCODE::NoError)).is_err());
    let question = dns::question("a", DnsRecord::A, 7, true).unwrap();
    assert!(dns::reply(7, &question).is_err(), "a question is no answer");
    let whole = answer(vec![RData::A(A { address: 1 })], plain, RCODE::NoError);
    for length in 0..whole.len() {
        assert!(dns::reply(7, &whole[..length]).is_err(), "{length}");
    }
}

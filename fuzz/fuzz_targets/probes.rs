//! What a target of a probe answers: messages of the DNS, certificates, headers, bodies, states of gRPC, echoes; and a
//! file of modules. The first byte chooses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_config::modules::{DnsProbe, HttpProbe, Modules, Prober};
use parapet_exposition::{Format, Limits, Parser};
use parapet_probe::certificate::{Certificate, TlsState};
use parapet_probe::{Report, dns, echo, grpc, http};
use std::sync::LazyLock;

static MODULES: LazyLock<(Vec<DnsProbe>, HttpProbe)> = LazyLock::new(|| {
    let rules = "{fail_if_matches_regexp: [a+], fail_if_not_matches_regexp: ['.*'], fail_if_all_match_regexp: [b], fail_if_none_matches_regexp: ['']}";
    let text = format!(
        "modules:\n  a: {{prober: dns, dns: {{query_name: a.b, query_type: SOA}}}}\n  b: {{prober: dns, dns: {{query_name: a.b, query_type: ANY, validate_answer_rrs: {rules}, validate_authority_rrs: {rules}, validate_additional_rrs: {rules}}}}}\n  c: {{prober: http, http: {{fail_if_body_matches_regexp: ['a(b|c)+d'], fail_if_body_not_matches_regexp: ['.'], fail_if_header_matches: [{{header: X, regexp: '^a*$'}}], fail_if_header_not_matches: [{{header: X, regexp: '.'}}]}}}}\n"
    );
    let modules = Modules::parse("b.yml", &text).expect("the modules are sound");
    let (mut names, mut pages) = (Vec::new(), None);
    for name in ["a", "b", "c"] {
        match &modules.0[name].prober {
            Prober::Dns(module) => names.push(*module.clone()),
            Prober::Http(module) => pages = Some(module.clone()),
            _ => {}
        }
    }
    (names, *pages.expect("it is there"))
});

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let (names, pages) = &*MODULES;
    let text = String::from_utf8_lossy(body);
    let mut report = Report::default();
    match choice % 7 {
        0 => {
            let id = body.get(..2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
            for module in names {
                let mut report = Report::default();
                dns::register(&mut report);
                dns::judge(module, id, body, &mut report);
                reads(&report);
            }
        }
        1 => {
            // One after the other, as a chain.
            let pieces = body.split(|byte| *byte == 0xff).chain([body]);
            let presented: Vec<Certificate> = pieces.filter_map(Certificate::read).collect();
            let state = TlsState {
                roots: Some(presented.clone()),
                presented,
                version: "TLS 1.3",
                cipher: "c".to_owned(),
            };
            state.tell(&mut report, true, true);
        }
        2 => {
            http::is_valid_body(pages, body, &mut report);
            http::are_valid_headers(pages, |_| vec![body], &mut report);
            let _ = http::last_modified(&text);
        }
        3 => {
            let state = grpc::state(body);
            grpc::register(&mut report);
            grpc::tell(&mut report, body.first().copied().unwrap_or_default().into(), state);
            let _ = grpc::check(&text);
        }
        4 => {
            let request = echo::request(std::net::Ipv4Addr::LOCALHOST.into(), 1, 2, 8);
            let _ = echo::is_reply(&request, body, *choice & 8 == 0);
            if let Some((packet, _)) = echo::without_header(body) {
                assert!(packet.len() <= body.len());
            }
        }
        5 => {
            let module = DnsProbe {
                query_name: text.into_owned(),
                ..names[0].clone()
            };
            if let Ok(question) = dns::question(&module, 7) {
                assert!(question.len() < 300);
            }
        }
        _ => match Modules::parse("d/b.yml", &text) {
            Ok(_) => {}
            Err(error) => assert!(error.line >= 1 && error.column >= 1 && !error.message.is_empty()),
        },
    }
    reads(&report);
});

/// A page of a probe can be scraped.
fn reads(report: &Report) {
    let page = report.render();
    let limits = Limits::default();
    let mut parser = Parser::new(page.as_bytes(), Format::PrometheusText, &limits);
    while parser.next_entry().unwrap_or_else(|error| panic!("{error}\n{page}")).is_some() {}
}

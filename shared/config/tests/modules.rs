//! The module file of blackbox_exporter: what is taken, and how mistakes are told.
#![allow(clippy::unwrap_used)]

use parapet_config::modules::{Compression, Modules, Prober};

#[test]
fn modules_and_their_defaults() {
    let text = "
modules:
  web:
    prober: http
    timeout: 5s
    http:
      valid_http_versions: [HTTP/1.1, HTTP/2.0]
      no_follow_redirects: true
      compression: gzip
      headers: {Accept-Encoding: 'br;q=0.5, gzip'}
      basic_auth: {username: u, password: p}
      tls_config: {insecure_skip_verify: true}
      body_size_limit: 1MB
  mail: {prober: tcp, tcp: {query_response: [{expect: '^220', send: 'EHLO x'}, {starttls: true}]}}
  ping: {prober: icmp, timeout: 1s, icmp: {preferred_ip_protocol: ip4, ip_protocol_fallback: false}}
  name: {prober: dns, dns: {query_name: example.com, query_type: SOA, valid_rcodes: [NXDOMAIN]}}
  health: {prober: grpc, grpc: {service: s, metadata: {X-A: [b, c]}}}
";
    let Modules(modules) = Modules::parse("b.yml", text).unwrap();
    let Prober::Http(http) = &modules["web"].prober else {
        panic!("not http")
    };
    assert_eq!((modules["web"].timeout_ms, http.method.as_str()), (5_000, "GET"));
    assert_eq!(
        (http.compression, http.body_size_limit_bytes),
        (Some(Compression::Gzip), 1 << 20)
    );
    assert!(!http.client.transport.follow_redirects && http.client.transport.enable_http2);
    assert!(http.client.basic_auth.is_some() && http.addresses.ip6 && http.addresses.fallback);
    let Prober::Tcp(tcp) = &modules["mail"].prober else {
        panic!("not tcp")
    };
    assert!(tcp.query_response[1].starttls && tcp.query_response[0].expect.is_some());
    let Prober::Icmp(icmp) = &modules["ping"].prober else {
        panic!("not icmp")
    };
    assert_eq!(
        (icmp.addresses.ip6, icmp.addresses.fallback, icmp.ttl),
        (false, false, 64)
    );
    let Prober::Dns(dns) = &modules["name"].prober else {
        panic!("not dns")
    };
    assert_eq!((dns.query_type, dns.query_class, dns.recursion_desired), (6, 1, true));
    assert_eq!(dns.valid_rcodes, [3]);
    let Prober::Grpc(grpc) = &modules["health"].prober else {
        panic!("not grpc")
    };
    assert_eq!(grpc.metadata.len(), 2);
}

#[test]
fn mistakes_have_a_place() {
    for (module, want) in [
        (
            "{prober: htp}",
            "b.yml:1:15: prober 'htp' is not valid; write http, tcp, icmp, dns or grpc",
        ),
        ("{}", "b.yml:1:14: prober '' is not valid"),
        ("{prober: unix}", "prober \"unix\" is not supported yet"),
        (
            "{prober: http, htp: {}}",
            "unknown field \"htp\" in a module; did you mean \"http\"?",
        ),
        (
            "{prober: http, http: {method: GET, mehtod: x}}",
            "did you mean \"method\"?",
        ),
        (
            "{prober: http, http: {fail_if_body_matches_regexp: ['(']}}",
            "is not a regular expression",
        ),
        (
            "{prober: http, http: {body: a, body_file: b}}",
            "setting body and body_file both are not allowed",
        ),
        (
            "{prober: http, http: {valid_status_codes: [two]}}",
            "\"two\" is not a status code",
        ),
        (
            "{prober: http, http: {compression: gzip, headers: {Accept-Encoding: deflate}}}",
            "invalid configuration \"Accept-Encoding: deflate\", \"compression: gzip\"",
        ),
        (
            "{prober: http, http: {enable_http3: true}}",
            "enable_http3 is not supported yet",
        ),
        (
            "{prober: http, http: {fail_if_body_json_matches_cel: 'true'}}",
            "\"fail_if_body_json_matches_cel\" in http is not supported yet; remove it",
        ),
        (
            "{prober: http, http: {proxy_url: 'http://p'}}",
            "\"proxy_url\" in http is not supported yet",
        ),
        (
            "{prober: http, http: {fail_if_header_matches: [{regexp: a}]}}",
            "header name must be set for HTTP header matchers",
        ),
        ("{prober: dns}", "query name must be set for DNS module"),
        (
            "{prober: dns, dns: {query_name: a, query_type: B}}",
            "query type 'B' is not valid",
        ),
        (
            "{prober: dns, dns: {query_name: a, dns_over_tls: true}}",
            "dns_over_tls needs transport_protocol: tcp",
        ),
        ("{prober: icmp, icmp: {ttl: 256}}", "\"ttl\" cannot exceed 255"),
        (
            "{prober: icmp, icmp: {preferred_ip_protocol: ip5}}",
            "is neither ip4 nor ip6",
        ),
        (
            "{prober: tcp, tcp: {query_response: [{expect: a, expect_bytes: b}]}}",
            "expect and expect_bytes are mutually exclusive",
        ),
        // A mistake in the section of another prober is one.
        (
            "{prober: icmp, tcp: {source_ip_address: x}}",
            "source_ip_address \"x\" is not an address",
        ),
    ] {
        let error = Modules::parse("b.yml", &format!("modules: {{m: {module}}}")).unwrap_err();
        assert!(error.to_string().contains(want), "{module}: {error}");
    }
}

//! Probes of servers on this machine.
#![allow(clippy::unwrap_used)]

use parapet_config::modules::Modules;
use parapet_ports::memory::MemoryPorts;
use parapet_ports::{ConfigFiles, Http, HttpOptions, HttpRequest, HttpResponse, NoSecrets, SourceFile};
use parapet_probe::Report;
use parapet_prober::{Prober, Question, WithProbes};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that says `says` to everybody, after a first read where it listens first; then `then`, for ever.
async fn server(listens: bool, says: &'static [u8], then: Option<&'static [u8]>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                if listens {
                    let _request = stream.read(&mut buffer).await.unwrap();
                }
                stream.write_all(says).await.unwrap();
                while let Some(more) = then {
                    if stream.write_all(more).await.is_err() {
                        break;
                    }
                }
                // Until the other side has heard it.
                while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
            });
        }
    });
    address
}

/// A prober of a module file.
fn prober(text: &str) -> Prober {
    let file = SourceFile {
        path: "b.yml".to_owned(),
        text: text.to_owned(),
    };
    let files = ConfigFiles {
        probes: Some(file),
        version: "1".to_owned(),
        ..ConfigFiles::default()
    };
    let memory = MemoryPorts::new(0, files);
    let ports = memory.ports;
    Prober::new(ports.config, Arc::new(NoSecrets), ports.entropy)
}

async fn probe(module: &str, target: &str, timeout: Duration) -> Report {
    let text = format!("modules: {{m: {module}}}");
    let modules = Modules::parse("b.yml", &text).unwrap();
    let module = modules.0["m"].clone();
    let prober = prober(&text);
    let question = Question {
        target,
        hostname: "",
        timeout,
    };
    prober.probe(&module, question).await
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn http_and_its_limits() {
    let good: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let address = server(true, good, None).await;
    let report = probe(
        "{prober: http, http: {fail_if_body_not_matches_regexp: [hel+o]}}",
        &address,
        LONG,
    )
    .await;
    for (name, value) in [
        ("probe_success", 1.0),
        ("probe_http_status_code", 200.0),
        ("probe_http_content_length", 5.0),
        ("probe_http_uncompressed_body_length", 5.0),
        ("probe_http_version", 1.1),
        ("probe_ip_protocol", 4.0),
        ("probe_failed_due_to_regex", 0.0),
    ] {
        assert_eq!(report.value(name, &[]), Some(value), "{name} {:?}", report.log());
    }
    // A body without an end: cut off at the limit of the module, or with the time of the probe.
    let head: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
    let endless = server(true, head, Some(&[b'a'; 65_536])).await;
    let limited = probe("{prober: http, http: {body_size_limit: 1MB}}", &endless, LONG).await;
    assert_eq!(limited.value("probe_success", &[]), Some(0.0));
    assert_eq!(
        limited.value("probe_http_uncompressed_body_length", &[]),
        Some(1_048_576.0)
    );
    let timed = probe("{prober: http}", &endless, Duration::from_millis(100)).await;
    assert_eq!(timed.value("probe_success", &[]), Some(0.0));
    assert_eq!(timed.value("probe_http_status_code", &[]), Some(200.0));
    assert!(timed.log().last().unwrap().contains("did not end"), "{:?}", timed.log());
    // No HTTP at all.
    let other = server(true, b"SSH-2.0-x\r\n", None).await;
    let report = probe("{prober: http}", &other, LONG).await;
    assert_eq!(report.value("probe_success", &[]), Some(0.0));
    assert_eq!(report.value("probe_http_status_code", &[]), Some(0.0));
}

#[tokio::test]
async fn redirects_are_counted_to_their_end() {
    let around: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n";
    let address = server(true, around, None).await;
    let report = probe("{prober: http}", &address, LONG).await;
    assert_eq!(report.value("probe_http_redirects", &[]), Some(11.0));
    let kept = "{prober: http, http: {follow_redirects: false, valid_status_codes: [302]}}";
    let report = probe(kept, &address, LONG).await;
    assert_eq!(report.value("probe_http_redirects", &[]), Some(1.0));
    assert_eq!(report.value("probe_success", &[]), Some(1.0));
}

#[tokio::test]
async fn conversations_over_tcp() {
    let address = server(false, b"220 mail.example ready\r\n", None).await;
    let module =
        "{prober: tcp, tcp: {query_response: [{expect: '^220 (\\S+)', labels: [{name: host, value: '${1}'}]}]}}";
    let report = probe(module, &address, LONG).await;
    assert_eq!(report.value("probe_success", &[]), Some(1.0), "{:?}", report.log());
    assert_eq!(
        report.value("probe_expect_info", &[("host", "mail.example")]),
        Some(1.0)
    );
    for (module, failed) in [(
        "{prober: tcp, tcp: {query_response: [{expect_bytes: '221'}]}}",
        "probe_failed_due_to_bytes",
    )] {
        let report = probe(module, &address, LONG).await;
        assert_eq!(report.value(failed, &[]), Some(1.0), "{module}");
    }
    // A line without an end is given up.
    let endless = server(false, b"", Some(&[b'a'; 65_536])).await;
    let report = probe("{prober: tcp, tcp: {query_response: [{expect: x}]}}", &endless, LONG).await;
    assert_eq!(report.value("probe_success", &[]), Some(0.0));
    assert!(
        report.log().last().unwrap().contains("token too long"),
        "{:?}",
        report.log()
    );
    let report = probe("{prober: tcp}", "nobody", LONG).await;
    assert_eq!(report.value("probe_success", &[]), Some(0.0));
}

#[tokio::test]
async fn who_is_not_there() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    for prober in ["http", "tcp", "grpc"] {
        let report = probe(&format!("{{prober: {prober}}}"), &address, LONG).await;
        assert_eq!(report.value("probe_success", &[]), Some(0.0), "{prober}");
        assert!(report.log().last().unwrap().contains("refused"), "{:?}", report.log());
    }
    let report = probe("{prober: grpc}", &address, LONG).await;
    assert_eq!(report.value("probe_grpc_status_code", &[]), Some(14.0));
    let dns = "{prober: dns, dns: {query_name: a, transport_protocol: tcp}}";
    let report = probe(dns, &address, LONG).await;
    assert_eq!(report.value("probe_dns_query_succeeded", &[]), Some(0.0));
}

/// An HTTP client that must not be asked.
#[derive(Debug)]
struct Outside;

#[async_trait::async_trait]
impl Http for Outside {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, parapet_ports::Error> {
        panic!("{} went out", request.url)
    }
}

fn scrape(url: &str) -> HttpRequest {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-prometheus-scrape-timeout-seconds", "10".parse().unwrap());
    HttpRequest {
        method: http::Method::GET,
        url: url.to_owned(),
        headers,
        body: bytes::Bytes::new(),
        timeout: Duration::from_secs(10),
        body_limit_bytes: 1 << 20,
        memory: None,
        options: HttpOptions::default(),
    }
}

#[tokio::test]
async fn scrapes_of_the_own_process_are_probed_and_refusals_tell_why() {
    let good: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let address = server(true, good, None).await;
    let text = "modules: {m: {prober: http}, t: {prober: tcp}}";
    let client = WithProbes::new(Arc::new(Outside), Arc::new(prober(text)));
    for module in ["m", "t"] {
        let url = format!("http://probe.parapet.internal/probe?module={module}&target={address}");
        let answer = client.call(scrape(&url)).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.headers["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(text.contains("\nprobe_success 1\n"), "{text}");
    }
    for (path, reason) in [
        ("probe?module=x&target=a", "Unknown module \"x\""),
        ("probe?module=m", "Target parameter is missing"),
        ("metrics", "probe.parapet.internal answers /probe and nothing else"),
    ] {
        let error = client
            .call(scrape(&format!("http://probe.parapet.internal/{path}")))
            .await;
        assert_eq!(error.unwrap_err().chain(), reason);
    }
    let mut small = scrape(&format!(
        "http://probe.parapet.internal/probe?module=m&target={address}"
    ));
    small.body_limit_bytes = 10;
    assert_eq!(
        client.call(small).await.unwrap_err().chain(),
        "body size limit exceeded"
    );
    let none = MemoryPorts::new(0, ConfigFiles::default()).ports;
    let none = Prober::new(none.config, Arc::new(NoSecrets), none.entropy);
    let client = WithProbes::new(Arc::new(Outside), Arc::new(none));
    let error = client
        .call(scrape("http://probe.parapet.internal/probe?target=a"))
        .await;
    assert!(error.unwrap_err().chain().contains("config/blackbox.yml"));
}

#[tokio::test]
async fn a_module_file_that_does_not_read_is_told_with_its_place() {
    use axum::body::Body;
    use tower::ServiceExt as _;
    let router = parapet_prober::router(Arc::new(prober("modules: {m: {prober: smoke}}")));
    let request = http::Request::get("/probe?module=m&target=a")
        .body(Body::empty())
        .unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 500);
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains("b.yml:1:"), "{text}");
}

//! HTTP requests by TLS with certificates of their own, and through proxies.

use crate::servers::{CA, CLIENT, acceptor, http_server, proxy};
use base64::Engine as _;
use parapet_function_kit::ReqwestHttp;
use parapet_ports::{Error, Http as _, HttpOptions, HttpRequest};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::rustls::ALL_VERSIONS;
use tokio_rustls::rustls::version::{TLS12, TLS13};

async fn get(url: String, options: HttpOptions) -> Result<String, Error> {
    let request = HttpRequest {
        method: http::Method::GET,
        url,
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        timeout: Duration::from_secs(20),
        body_limit_bytes: 0,
        memory: None,
        options,
    };
    let answer = ReqwestHttp::new().unwrap().call(request).await?;
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}

fn trusting() -> HttpOptions {
    HttpOptions {
        ca: Some(CA.to_owned()),
        ..HttpOptions::default()
    }
}

#[tokio::test]
async fn trusts_and_shows_certificates() {
    let (address, heads) = http_server(Some(acceptor(ALL_VERSIONS, true))).await;
    let (certificate, key) = CLIENT;
    let own = HttpOptions {
        identity: Some((certificate.to_owned(), key.to_owned())),
        ..trusting()
    };
    let url = || format!("https://localhost:{}/hook", address.port());
    assert_eq!(get(url(), own.clone()).await.unwrap(), "here");
    // Without its own certificate; without the authority's; a name that the server's certificate has not.
    get(url(), trusting()).await.unwrap_err();
    let strange = HttpOptions {
        ca: None,
        ..own.clone()
    };
    let error = get(url(), strange.clone()).await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("issuer"), "{error}");
    let careless = HttpOptions {
        insecure_skip_verify: true,
        ..strange
    };
    assert_eq!(get(url(), careless).await.unwrap(), "here");
    assert_eq!(heads.lock().unwrap().len(), 2);
    let nonsense = HttpOptions {
        identity: Some(("nonsense".to_owned(), "nonsense".to_owned())),
        ..own
    };
    let error = get(url(), nonsense).await.unwrap_err();
    assert_eq!(error.to_string(), "cert and key are not PEM");
}

#[tokio::test]
async fn keeps_to_the_versions_of_tls() {
    let versions = |min: &str, max: &str| HttpOptions {
        tls_min_version: min.to_owned(),
        tls_max_version: max.to_owned(),
        ..trusting()
    };
    let (old, _) = http_server(Some(acceptor(&[&TLS12], false))).await;
    let (new, _) = http_server(Some(acceptor(&[&TLS13], false))).await;
    let url = |port: u16| format!("https://localhost:{port}/");
    for (address, options, works) in [
        (old, versions("", ""), true),
        (old, versions("TLS12", "TLS12"), true),
        (old, versions("TLS13", ""), false),
        (new, versions("TLS13", "TLS13"), true),
        (new, versions("", "TLS12"), false),
    ] {
        let got = get(url(address.port()), options.clone()).await;
        assert_eq!(got.is_ok(), works, "{options:?}: {got:?}");
    }
}

#[tokio::test]
async fn goes_through_a_proxy_and_past_it() {
    let (address, _) = http_server(None).await;
    let (proxy_address, heads) = proxy(address).await;
    let proxied = |no_proxy: &str| HttpOptions {
        proxy_url: Some(format!("http://me:pw@{proxy_address}")),
        no_proxy: no_proxy.to_owned(),
        ..HttpOptions::default()
    };
    let seen = || std::mem::take(&mut *heads.lock().unwrap());
    let pair = base64::engine::general_purpose::STANDARD.encode("me:pw");
    assert_eq!(
        get("http://hook.example.org/x".to_owned(), proxied("")).await.unwrap(),
        "here"
    );
    let head = seen().concat();
    assert!(head.starts_with("GET http://hook.example.org/x HTTP/1.1\r\n"), "{head}");
    assert!(
        head.to_lowercase()
            .contains(&format!("proxy-authorization: basic {}", pair.to_lowercase())),
        "{head}"
    );
    // Hosts that are reached directly: by name, by address, by network, with their subdomains.
    let direct = format!("http://127.0.0.1:{}/x", address.port());
    for no_proxy in ["127.0.0.1", "example.org,127.0.0.0/8", "*"] {
        assert_eq!(
            get(direct.clone(), proxied(no_proxy)).await.unwrap(),
            "here",
            "{no_proxy}"
        );
        assert_eq!(seen(), Vec::<String>::new(), "{no_proxy}");
    }
    let name = "http://hook.example.org/x".to_owned();
    assert_eq!(
        get(name.clone(), proxied("other.org,hook.example.com")).await.unwrap(),
        "here"
    );
    assert_eq!(seen().len(), 1);
    get(name, proxied(".example.org")).await.unwrap_err();
    assert_eq!(seen(), Vec::<String>::new());
}

#[tokio::test]
async fn tunnels_tls_through_a_proxy() {
    let (address, heads) = http_server(Some(acceptor(ALL_VERSIONS, false))).await;
    let (proxy_address, connects) = proxy(address).await;
    let options = HttpOptions {
        proxy_url: Some(format!("http://{proxy_address}")),
        proxy_headers: vec![("X-Team".to_owned(), "ops".to_owned())],
        ..trusting()
    };
    assert_eq!(
        get("https://mail.example.org/x".to_owned(), options).await.unwrap(),
        "here"
    );
    let connect = connects.lock().unwrap().concat();
    assert!(
        connect.starts_with("CONNECT mail.example.org:443 HTTP/1.1\r\n"),
        "{connect}"
    );
    assert!(connect.to_lowercase().contains("x-team: ops"), "{connect}");
    // The headers for the proxy are for the proxy.
    let head = heads.lock().unwrap().concat();
    assert!(
        head.starts_with("GET /x HTTP/1.1\r\n") && !head.to_lowercase().contains("x-team"),
        "{head}"
    );
}

#[tokio::test]
async fn a_server_may_be_asked_by_another_name() {
    let named = |name: &str| HttpOptions {
        tls_server_name: name.to_owned(),
        ..trusting()
    };
    let (address, heads) = http_server(Some(acceptor(ALL_VERSIONS, false))).await;
    let url = format!("https://127.0.0.1:{}/hook", address.port());
    let by_address = get(url, named("mail.example.org")).await;
    assert_eq!(by_address.unwrap(), "here");
    // The name is of the certificate alone: the server is told the host of the URL.
    let head = heads.lock().unwrap()[0].to_lowercase();
    assert!(
        head.contains(&format!("host: 127.0.0.1:{}\r\n", address.port())),
        "{head}"
    );
    let by_localhost = format!("https://localhost:{}/hook", address.port());
    let error = get(by_localhost, named("other.example.org")).await.unwrap_err();
    assert!(error.to_string().contains("other.example.org"), "{error}");
}

/// Serves `piece` for ever, or once and then nothing; what it could send is counted.
async fn endless(piece: &'static [u8], head: &'static str, once: bool) -> (String, Arc<AtomicU64>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, sent) = (
        format!("http://{}/", listener.local_addr().unwrap()),
        Arc::new(AtomicU64::new(0)),
    );
    let counted = sent.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                let _request = stream.read(&mut [0; 4096]).await.unwrap();
                stream.write_all(head.as_bytes()).await.unwrap();
                while stream.write_all(piece).await.is_ok() {
                    counted.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    if once {
                        std::future::pending::<()>().await;
                    }
                }
            });
        }
    });
    (url, sent)
}

#[tokio::test]
async fn bodies_without_an_end_cost_no_more_than_their_limits() {
    let request = |url: &str, limit, timeout| HttpRequest {
        method: http::Method::GET,
        url: url.to_owned(),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        timeout,
        body_limit_bytes: limit,
        memory: None,
        options: HttpOptions::default(),
    };
    let client = ReqwestHttp::new().unwrap();
    const PIECE: &[u8] = &[b'a'; 65_536];
    let plain = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n";
    let (url, sent) = endless(PIECE, plain, false).await;
    let error = client.call(request(&url, 1_000_000, Duration::from_secs(20))).await;
    assert_eq!(error.unwrap_err().to_string(), "body size limit exceeded");
    // What is beyond the limit fits into what the kernel keeps between the two.
    assert!(sent.load(Ordering::Relaxed) < 20_000_000, "{sent:?}");
    // A server that begins and says no more is given up when its time is over.
    let (url, _) = endless(b"a", plain, true).await;
    let error = client.call(request(&url, 0, Duration::from_millis(200))).await;
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("context deadline exceeded"), "{error}");
    // So is one whose head never ends.
    let (url, sent) = endless(
        b"X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        "HTTP/1.1 200 OK\r\n",
        false,
    )
    .await;
    client
        .call(request(&url, 0, Duration::from_secs(20)))
        .await
        .unwrap_err();
    assert!(sent.load(Ordering::Relaxed) < 20_000_000, "{sent:?}");
}

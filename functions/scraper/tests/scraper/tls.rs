//! `tls_config` over real connections, from the configuration to what is stored.

use crate::world::World;
use parapet_function_kit::ReqwestHttp;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

const CA: &str = include_str!("../../../../shared/function-kit/tests/tls/ca.pem");
const CERTIFICATE: &str = include_str!("../../../../shared/function-kit/tests/tls/server.pem");
const KEY: &str = include_str!("../../../../shared/function-kit/tests/tls/server.key");

/// A target whose certificate is for mail.example.org, localhost and 127.0.0.1.
async fn target() -> SocketAddr {
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let _request = stream.read(&mut [0; 4096]).await?;
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: 4\r\n\
                              Connection: close\r\n\r\na 1\n";
                stream.write_all(answer.as_bytes()).await?;
                stream.shutdown().await
            });
        }
    });
    address
}

#[tokio::test]
async fn a_target_is_asked_for_its_certificate_by_server_name() {
    let address = target().await;
    for (server_name, reason) in [
        ("mail.example.org", ""),
        ("other.example.org", "other.example.org"),
        ("", ""),
    ] {
        let indented = CA.replace('\n', "\n      ");
        let text = format!(
            "scrape_configs:\n- job_name: j\n  scrape_interval: 15s\n  scheme: https\n  tls_config:\n    server_name: \
             '{server_name}'\n    ca: |\n      {indented}\n  static_configs: [{{targets: ['{address}']}}]\n"
        );
        let mut world = World::new(&text);
        world.ports.http = Arc::new(ReqwestHttp::new().unwrap());
        world.restart();
        world.scrape(0).await;
        let state = parapet_scraper::read_targets(world.ports.table.as_ref()).await.unwrap();
        let error = &state.values().next().unwrap().last_error;
        let up = world.values(&format!(r#"up{{instance="{address}", job="j"}}"#));
        assert_eq!(
            up,
            [if reason.is_empty() { "1" } else { "0" }],
            "{server_name}: {error}"
        );
        assert!(error.contains(reason), "{server_name}: {error}");
        assert_eq!(error.is_empty(), reason.is_empty(), "{error}");
    }
}

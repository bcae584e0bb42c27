//! The servers: TLS with certificates of `../tls`, SMTP, HTTP, an HTTP proxy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, crypto};

pub const CA: &str = include_str!("../tls/ca.pem");
pub const CLIENT: (&str, &str) = (include_str!("../tls/client.pem"), include_str!("../tls/client.key"));
const SERVER: (&str, &str) = (include_str!("../tls/server.pem"), include_str!("../tls/server.key"));

/// A server's side of TLS; `asks` for a client's certificate or not.
pub fn acceptor(versions: &[&'static SupportedProtocolVersion], asks: bool) -> TlsAcceptor {
    let certificates = |pem: &str| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .map(Result::unwrap)
            .collect()
    };
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in certificates(CA) {
        roots.add(certificate).unwrap();
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap();
    let builder = if asks {
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_slice(SERVER.1.as_bytes()).unwrap();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(certificates(SERVER.0), key).unwrap()))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A mail server that takes one connection.
pub struct Smtp {
    /// Where it listens; its port is chosen.
    pub host: &'static str,
    /// What it can do before TLS, and after.
    pub extensions: (&'static [&'static str], &'static [&'static str]),
    /// How it speaks TLS, and whether at once.
    pub tls: Option<(TlsAcceptor, bool)>,
    /// A command, and what it is answered instead of being obeyed.
    pub refuses: Option<(&'static str, &'static str)>,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            host: "127.0.0.1",
            extensions: (&[], &[]),
            tls: None,
            refuses: None,
        }
    }
}

/// The challenge of RFC 2195's example.
const CHALLENGE: &str = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";

impl Smtp {
    /// Its port, and what it was told when the connection has ended: commands, answers to challenges, the message.
    pub async fn serve(self) -> (u16, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind((self.host, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = tokio::spawn(async move {
            let mut told = Vec::new();
            let (stream, _) = listener.accept().await.unwrap();
            // A connection that breaks ends the story; the test says whether it should have.
            let _ = self.converse(stream, &mut told).await;
            told
        });
        (port, told)
    }

    async fn converse(self, stream: TcpStream, told: &mut Vec<String>) -> std::io::Result<()> {
        let mut secure = false;
        let mut stream: BufReader<Box<dyn Stream>> = BufReader::new(Box::new(stream));
        if let Some((acceptor, true)) = &self.tls {
            stream = BufReader::new(Box::new(acceptor.accept(stream.into_inner()).await?));
            secure = true;
        }
        stream.write_all(b"220 mail.example.org ESMTP\r\n").await?;
        loop {
            let line = read_line(&mut stream).await?;
            told.push(line.clone());
            let verb = line.split(' ').next().unwrap_or_default();
            if let Some((_, answer)) = self.refuses.filter(|(command, _)| line.starts_with(command)) {
                stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
                continue;
            }
            let answer = match verb {
                "EHLO" => {
                    let extensions = if secure { self.extensions.1 } else { self.extensions.0 };
                    let lines = extensions.iter().map(|extension| format!("250-{extension}\r\n"));
                    format!("250-mail.example.org\r\n{}250 8BITMIME", lines.collect::<String>())
                }
                "STARTTLS" => {
                    stream.write_all(b"220 go ahead\r\n").await?;
                    let (acceptor, _) = self.tls.as_ref().unwrap();
                    stream = BufReader::new(Box::new(acceptor.accept(stream.into_inner()).await?));
                    secure = true;
                    continue;
                }
                "AUTH" => {
                    let challenges: &[&str] = match line.split(' ').nth(1) {
                        Some("CRAM-MD5") => &[CHALLENGE],
                        Some("LOGIN") => &["VXNlcm5hbWU6", "UGFzc3dvcmQ6"],
                        _ => &[],
                    };
                    for challenge in challenges {
                        stream.write_all(format!("334 {challenge}\r\n").as_bytes()).await?;
                        told.push(read_line(&mut stream).await?);
                    }
                    "235 welcome".to_owned()
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let mut message = String::new();
                    while !message.ends_with("\r\n.\r\n") {
                        if stream.read_line(&mut message).await? == 0 {
                            return Ok(());
                        }
                    }
                    told.push(message);
                    "250 taken".to_owned()
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await?;
                    return Ok(());
                }
                _ => "250 ok".to_owned(),
            };
            stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
    }
}

async fn read_line(stream: &mut BufReader<Box<dyn Stream>>) -> std::io::Result<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}

/// The head of an HTTP message.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// What servers and proxies were asked.
pub type Heads = Arc<Mutex<Vec<String>>>;

/// An HTTP server, by TLS where there is an acceptor, that answers 200 `here` to everything.
pub async fn http_server(tls: Option<TlsAcceptor>) -> (SocketAddr, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Heads::default());
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, seen) = (tls.clone(), seen.clone());
            tokio::spawn(async move {
                let mut stream: Box<dyn Stream> = match tls {
                    Some(tls) => Box::new(tls.accept(stream).await?),
                    None => Box::new(stream),
                };
                let head = head(&mut stream).await?;
                seen.lock().unwrap().push(head);
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhere")
                    .await?;
                stream.shutdown().await
            });
        }
    });
    (address, heads)
}

/// An HTTP proxy: whatever host a request names, it is `upstream` that answers.
pub async fn proxy(upstream: SocketAddr) -> (SocketAddr, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Heads::default());
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                let head = head(&mut stream).await?;
                seen.lock().unwrap().push(head.clone());
                let mut upstream = TcpStream::connect(upstream).await?;
                if head.starts_with("CONNECT ") {
                    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                } else {
                    upstream.write_all(head.as_bytes()).await?;
                }
                tokio::io::copy_bidirectional(&mut stream, &mut upstream).await
            });
        }
    });
    (address, heads)
}

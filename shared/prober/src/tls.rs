//! Connections that are encrypted, and what is known of them.

use crate::Prober;
use parapet_http_client::Tls;
use parapet_probe::certificate::{Certificate, TlsState};
use std::sync::{Arc, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, RootCertStore, SignatureScheme,
};

/// How to connect: what a module says, with its certificates read.
pub(crate) struct Client {
    config: ClientConfig,
    roots: Option<Vec<Certificate>>,
}

/// The authorities of the machine, read once.
fn machine_roots() -> &'static [CertificateDer<'static>] {
    static ROOTS: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    ROOTS.get_or_init(|| rustls_native_certs::load_native_certs().certs)
}

/// The ciphers in Go's order, which is what a server that follows the client's sees.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    let rank = |name: &str| match name {
        name if name.contains("AES_128_GCM") => 0,
        name if name.contains("AES_256_GCM") => 1,
        _ => 2,
    };
    provider
        .cipher_suites
        .sort_by_key(|suite| rank(&format!("{:?}", suite.suite())));
    Arc::new(provider)
}

impl Client {
    /// Reads what a module's `tls_config` names; `protocols` are offered in order.
    pub(crate) async fn new(prober: &Prober, tls: &Tls, protocols: &[&str]) -> Result<Self, String> {
        let provider = provider();
        let all: &[_] = match (tls.min_version.as_str(), tls.max_version.as_str()) {
            ("TLS13", _) => &[&TLS13],
            (_, "TLS12") => &[&TLS12],
            _ => &[&TLS13, &TLS12],
        };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(all)
            .map_err(|error| error.to_string())?;
        let read = async |source| prober.secret(source).await.map_err(|error| error.chain());
        let roots = match &tls.ca {
            Some(ca) => {
                let text = read(ca).await?;
                let found = CertificateDer::pem_slice_iter(text.expose().as_bytes());
                let found: Result<Vec<_>, _> = found.collect();
                found.map_err(|error| format!("ca is not PEM: {error}"))?
            }
            None => machine_roots().to_vec(),
        };
        let (builder, roots) = if tls.insecure_skip_verify {
            let verifier = Arc::new(AnyCertificate(provider));
            (builder.dangerous().with_custom_certificate_verifier(verifier), None)
        } else {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(roots.iter().cloned());
            let known = roots.iter().filter_map(|der| Certificate::read(der)).collect();
            (builder.with_root_certificates(store), Some(known))
        };
        let mut config = match &tls.identity {
            Some((certificate, key)) => {
                let (certificate, key) = (read(certificate).await?, read(key).await?);
                let chain = CertificateDer::pem_slice_iter(certificate.expose().as_bytes());
                let chain: Result<Vec<_>, _> = chain.collect();
                let chain = chain.map_err(|error| format!("cert is not PEM: {error}"))?;
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes());
                let key = key.map_err(|_| "key is not PEM".to_owned())?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| error.to_string())?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Self { config, roots })
    }

    /// Encrypts a connection to a server by its name.
    pub(crate) async fn connect(
        self,
        name: &str,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, TlsState), String> {
        let server =
            ServerName::try_from(name.to_owned()).map_err(|_| format!("{name} is not the name of a server"))?;
        let connector = TlsConnector::from(Arc::new(self.config));
        let stream = connector
            .connect(server, stream)
            .await
            .map_err(|error| error.to_string())?;
        let (_, connection) = stream.get_ref();
        let presented = connection.peer_certificates().unwrap_or_default();
        let cipher = connection.negotiated_cipher_suite();
        let cipher = cipher.map(|suite| format!("{:?}", suite.suite())).unwrap_or_default();
        let state = TlsState {
            presented: presented.iter().filter_map(|der| Certificate::read(der)).collect(),
            roots: self.roots,
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
                Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
                _ => "unknown",
            },
            cipher: cipher.replace("TLS13_", "TLS_"),
        };
        Ok((stream, state))
    }
}

/// Takes any certificate; that the server has its key is checked all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

//! [`Mailer`] by `lettre`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lettre::address::Envelope;
use lettre::transport::smtp;
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, Identity, TlsParameters, TlsVersion,
};
use lettre::transport::smtp::commands::Ehlo;
use lettre::transport::smtp::extension::ClientId;
use parapet_ports::{Error, Kind, MailCredentials, MailRequest, Mailer};

/// A client that connects anew for each message.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmtpMailer;

#[async_trait::async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: MailRequest) -> Result<(), Error> {
        tokio::time::timeout(mail.timeout, converse(&mail))
            .await
            .unwrap_or_else(|_| {
                let message = format!("the mail server did not answer within {:?}", mail.timeout);
                Err(Error::new(Kind::Unavailable, message))
            })
    }
}

/// Whatever the server or the network refuses may pass by itself: Alertmanager tries each of them again.
fn failed(what: &str) -> impl FnOnce(smtp::Error) -> Error {
    let message = format!("cannot {what}");
    move |error| Error::new(Kind::Unavailable, message).with_source(error)
}

fn unavailable(message: impl Into<String>) -> Error {
    Error::new(Kind::Unavailable, message)
}

async fn converse(mail: &MailRequest) -> Result<(), Error> {
    let address = |text: &String| {
        text.parse()
            .map_err(|_| Error::new(Kind::Invalid, format!("{text} is not an email address")))
    };
    let to = mail.to.iter().map(address).collect::<Result<_, _>>()?;
    let envelope = Envelope::new(Some(address(&mail.from)?), to)
        .map_err(|error| Error::new(Kind::Invalid, "the message has no receiver").with_source(error))?;
    let hello = ClientId::Domain(if mail.hello.is_empty() {
        "localhost".to_owned()
    } else {
        mail.hello.clone()
    });
    let tls = if mail.implicit_tls || mail.require_tls {
        Some(tls(mail)?)
    } else {
        None
    };
    let first = tls.clone().filter(|_| mail.implicit_tls);
    let server = (mail.host.as_str(), mail.port);
    let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(mail.timeout), &hello, first, None)
        .await
        .map_err(failed("connect to the mail server"))?;
    if let Some(tls) = tls.filter(|_| !mail.implicit_tls) {
        if !connection.can_starttls() {
            return Err(unavailable(format!(
                "'require_tls' is true (default) but \"{}:{}\" does not advertise the STARTTLS extension",
                mail.host, mail.port
            )));
        }
        let upgraded = connection.starttls(tls, &hello).await;
        upgraded.map_err(failed("send STARTTLS command"))?;
    }
    if let Some(credentials) = &mail.credentials {
        log_in(&mut connection, credentials, &mail.host, &hello).await?;
    }
    let sent = connection.send(&envelope, &mail.message).await;
    sent.map_err(failed("send the message"))?;
    // The message is taken; a farewell that fails changes nothing.
    let _ = connection.quit().await;
    Ok(())
}

/// How to log in, what to say first and what to each question.
#[derive(Debug, PartialEq, Eq)]
enum Mechanism {
    CramMd5,
    Plain,
    Login,
}

impl Mechanism {
    /// The first of those that the server offers, in its order, for which there is a password: Alertmanager's choice.
    fn choose(offered: &str, credentials: &MailCredentials) -> Result<Self, Error> {
        let mut faults = Vec::new();
        for name in offered.split_whitespace() {
            let (mechanism, password, what) = match name {
                "CRAM-MD5" => (Self::CramMd5, &credentials.secret, "secret (auth_secret)"),
                "PLAIN" => (Self::Plain, &credentials.password, "password (auth_password)"),
                "LOGIN" => (Self::Login, &credentials.password, "password (auth_password)"),
                _ => {
                    faults.push(format!("unknown auth mechanism: {name}"));
                    continue;
                }
            };
            if !password.is_empty() {
                return Ok(mechanism);
            }
            faults.push(format!("missing {what} for {name} auth mechanism"));
        }
        Err(unavailable(format!("find auth mechanism: {}", faults.join("; "))))
    }
}

/// Logs in where the server asks for it.
async fn log_in(
    connection: &mut AsyncSmtpConnection,
    credentials: &MailCredentials,
    host: &str,
    hello: &ClientId,
) -> Result<(), Error> {
    // Asked once more, since the client keeps only those mechanisms of the answer that it has itself.
    let greeting = connection.command(Ehlo::new(hello.clone())).await;
    let greeting = greeting.map_err(failed("send EHLO command"))?;
    let mut lines = greeting.message();
    let Some(offered) = lines.find_map(|line| line.strip_prefix("AUTH ")) else {
        return Ok(());
    };
    let mechanism = Mechanism::choose(offered, credentials)?;
    let (name, first) = match mechanism {
        Mechanism::CramMd5 => ("CRAM-MD5", None),
        Mechanism::Login => ("LOGIN", None),
        Mechanism::Plain => {
            // As Go's client: a password goes unencrypted nowhere but to this machine.
            if !connection.is_encrypted() && !["localhost", "127.0.0.1", "::1"].contains(&host) {
                return Err(unavailable("PLAIN auth: unencrypted connection"));
            }
            let MailCredentials {
                identity,
                username,
                password,
                ..
            } = credentials;
            ("PLAIN", Some(format!("{identity}\0{username}\0{password}")))
        }
    };
    let refused = |error| failed(&format!("log in by {name}"))(error);
    let command = match first {
        Some(answer) => format!("AUTH {name} {}\r\n", STANDARD.encode(answer)),
        None => format!("AUTH {name}\r\n"),
    };
    let mut said = connection.command(command).await.map_err(refused)?;
    while said.has_code(334) {
        let question = said.first_word().unwrap_or_default();
        let question = STANDARD.decode(question).unwrap_or_default();
        let Some(answer) = answer(&mechanism, credentials, &question) else {
            return Err(unavailable(format!("log in by {name}: unexpected server challenge")));
        };
        let command = format!("{}\r\n", STANDARD.encode(answer));
        said = connection.command(command).await.map_err(refused)?;
    }
    Ok(())
}

fn answer(mechanism: &Mechanism, credentials: &MailCredentials, question: &[u8]) -> Option<String> {
    match mechanism {
        Mechanism::Plain => None,
        Mechanism::Login => match question.to_ascii_lowercase().as_slice() {
            b"username:" => Some(credentials.username.clone()),
            b"password:" => Some(credentials.password.clone()),
            _ => None,
        },
        // RFC 2195.
        Mechanism::CramMd5 => {
            let mut mac = Hmac::<md5::Md5>::new_from_slice(credentials.secret.as_bytes()).ok()?;
            mac.update(question);
            let digest = mac.finalize().into_bytes();
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            Some(format!("{} {digest}", credentials.username))
        }
    }
}

fn tls(mail: &MailRequest) -> Result<TlsParameters, Error> {
    let invalid = |what: &'static str| move |error: smtp::Error| Error::new(Kind::Invalid, what).with_source(error);
    let name = if mail.server_name.is_empty() {
        &mail.host
    } else {
        &mail.server_name
    };
    let mut parameters = TlsParameters::builder(name.clone());
    if let Some(ca) = &mail.options.ca {
        let certificate = Certificate::from_pem(ca.as_bytes()).map_err(invalid("ca is not PEM"))?;
        // Only these are trusted.
        parameters = parameters
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate);
    }
    if let Some((certificate, key)) = &mail.options.identity {
        let der = first_certificate(certificate)
            .ok_or_else(|| Error::new(Kind::Invalid, "cert is not PEM: it holds no CERTIFICATE"))?;
        let identity = Identity::from_pem(&der, key.as_bytes());
        parameters = parameters.identify_with(identity.map_err(invalid("key is not PEM"))?);
    }
    if mail.options.tls_min_version == "TLS13" {
        parameters = parameters.set_min_tls_version(TlsVersion::Tlsv13);
    }
    parameters
        .dangerous_accept_invalid_certs(mail.options.insecure_skip_verify)
        .dangerous_accept_invalid_hostnames(mail.options.insecure_skip_verify)
        .build()
        .map_err(invalid("cannot set up TLS"))
}

/// The first certificate of a PEM text: the client takes one, and takes it as DER, whatever its function's name says.
fn first_certificate(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
}

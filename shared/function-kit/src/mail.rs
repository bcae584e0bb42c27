//! [`Mailer`] by `lettre`.

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Identity, Tls, TlsParameters, TlsVersion};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use parapet_ports::{Error, Kind, MailRequest, Mailer};

/// A client that connects anew for each message.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmtpMailer;

#[async_trait::async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: MailRequest) -> Result<(), Error> {
        let address = |text: &String| {
            text.parse()
                .map_err(|_| Error::new(Kind::Invalid, format!("{text} is not an email address")))
        };
        let to = mail.to.iter().map(address).collect::<Result<_, _>>()?;
        let envelope = Envelope::new(Some(address(&mail.from)?), to)
            .map_err(|error| Error::new(Kind::Invalid, "the message has no receiver").with_source(error))?;
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mail.host)
            .port(mail.port)
            .timeout(Some(mail.timeout))
            .tls(tls(&mail)?);
        if !mail.hello.is_empty() {
            transport = transport.hello_name(ClientId::Domain(mail.hello.clone()));
        }
        if let Some((user, password)) = &mail.credentials {
            transport = transport
                .credentials(Credentials::new(user.clone(), password.clone()))
                .authentication(vec![Mechanism::Plain, Mechanism::Login]);
        }
        let sent = tokio::time::timeout(mail.timeout, transport.build().send_raw(&envelope, &mail.message)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let kind = if error.is_permanent() {
                    Kind::Invalid
                } else {
                    Kind::Unavailable
                };
                Err(Error::new(kind, "the mail server did not take the message").with_source(error))
            }
            Err(_) => Err(Error::new(
                Kind::Unavailable,
                format!("the mail server did not answer within {:?}", mail.timeout),
            )),
        }
    }
}

fn tls(mail: &MailRequest) -> Result<Tls, Error> {
    if !mail.implicit_tls && !mail.require_tls {
        return Ok(Tls::None);
    }
    let invalid = |what: &'static str| {
        move |error: lettre::transport::smtp::Error| Error::new(Kind::Invalid, what).with_source(error)
    };
    let name = if mail.server_name.is_empty() {
        &mail.host
    } else {
        &mail.server_name
    };
    let mut parameters = TlsParameters::builder(name.clone());
    if let Some(ca) = &mail.options.ca {
        let certificate = Certificate::from_pem(ca.as_bytes()).map_err(invalid("ca is not PEM"))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    if let Some((certificate, key)) = &mail.options.identity {
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes());
        parameters = parameters.identify_with(identity.map_err(invalid("cert and key are not PEM"))?);
    }
    if mail.options.tls_min_version == "TLS13" {
        parameters = parameters.set_min_tls_version(TlsVersion::Tlsv13);
    }
    let parameters = parameters
        .dangerous_accept_invalid_certs(mail.options.insecure_skip_verify)
        .build()
        .map_err(invalid("cannot set up TLS"))?;
    Ok(if mail.implicit_tls {
        Tls::Wrapper(parameters)
    } else {
        Tls::Required(parameters)
    })
}

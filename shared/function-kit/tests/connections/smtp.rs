//! Mail.

use crate::servers::{CA, CLIENT, Smtp, acceptor};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parapet_function_kit::SmtpMailer;
use parapet_ports::{Error, HttpOptions, Kind, MailCredentials, MailRequest, Mailer as _};
use std::time::Duration;
use tokio_rustls::rustls::ALL_VERSIONS;
use tokio_rustls::rustls::version::TLS12;

fn mail(port: u16) -> MailRequest {
    MailRequest {
        host: "127.0.0.1".to_owned(),
        port,
        hello: "parapet.example.org".to_owned(),
        implicit_tls: false,
        require_tls: false,
        server_name: String::new(),
        options: HttpOptions::default(),
        credentials: None,
        from: "alerts@example.org".to_owned(),
        to: vec!["ops@example.org".to_owned(), "night@example.org".to_owned()],
        message: b"Subject: s\r\n\r\n.a line that begins with a dot\r\n".to_vec(),
        timeout: Duration::from_secs(20),
    }
}

fn credentials(password: &str, secret: &str) -> Option<MailCredentials> {
    Some(MailCredentials {
        identity: String::new(),
        username: "tim".to_owned(),
        password: password.to_owned(),
        secret: secret.to_owned(),
    })
}

fn trusting(options: HttpOptions) -> HttpOptions {
    HttpOptions {
        ca: Some(CA.to_owned()),
        ..options
    }
}

/// Sends, and what the server was told.
async fn send(server: Smtp, change: impl FnOnce(MailRequest) -> MailRequest) -> (Result<(), Error>, Vec<String>) {
    let (port, told) = server.serve().await;
    let sent = SmtpMailer.send(change(mail(port))).await;
    (sent, told.await.unwrap())
}

fn error(sent: Result<(), Error>) -> String {
    let error = sent.unwrap_err();
    // Alertmanager tries again whatever a server refuses.
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    error.chain()
}

#[tokio::test]
async fn a_message_in_the_clear() {
    // Nobody is asked to log in: credentials stay unsaid.
    let (sent, told) = send(Smtp::default(), |mail| MailRequest {
        credentials: credentials("p", ""),
        ..mail
    })
    .await;
    sent.unwrap();
    assert_eq!(
        told,
        [
            "EHLO parapet.example.org",
            "EHLO parapet.example.org",
            "MAIL FROM:<alerts@example.org>",
            "RCPT TO:<ops@example.org>",
            "RCPT TO:<night@example.org>",
            "DATA",
            "Subject: s\r\n\r\n..a line that begins with a dot\r\n\r\n.\r\n",
            "QUIT",
        ]
    );
    let (sent, told) = send(Smtp::default(), |mail| MailRequest {
        hello: String::new(),
        ..mail
    })
    .await;
    sent.unwrap();
    assert_eq!(told[0], "EHLO localhost");
}

#[tokio::test]
async fn logs_in_by_the_first_way_for_which_there_is_a_password() {
    // The server's order, the password and the secret; then what the server is told.
    let plain = format!("AUTH PLAIN {}", STANDARD.encode("\0tim\0p"));
    let login = ["AUTH LOGIN", &STANDARD.encode("tim"), &STANDARD.encode("p")].map(str::to_owned);
    // RFC 2195's example.
    let digest = STANDARD.encode("tim b913a602c7eda7a495b4e6e7334d3890");
    let cram = ["AUTH CRAM-MD5".to_owned(), digest];
    let secret = "tanstaaftanstaaf";
    let cases: [(&'static [&'static str], &str, &str, Vec<String>); 6] = [
        (&["AUTH PLAIN LOGIN CRAM-MD5"], "p", secret, vec![plain.clone()]),
        (&["AUTH LOGIN PLAIN"], "p", "", login.to_vec()),
        (&["AUTH CRAM-MD5 PLAIN"], "p", secret, cram.to_vec()),
        (&["AUTH CRAM-MD5 PLAIN"], "p", "", vec![plain.clone()]),
        (&["AUTH PLAIN LOGIN CRAM-MD5"], "", secret, cram.to_vec()),
        (&["SIZE 100", "AUTH GSSAPI PLAIN"], "p", "", vec![plain]),
    ];
    for (extensions, password, secret, expected) in cases {
        let server = Smtp {
            extensions: (extensions, &[]),
            ..Smtp::default()
        };
        let (sent, told) = send(server, |mail| MailRequest {
            credentials: credentials(password, secret),
            ..mail
        })
        .await;
        sent.unwrap();
        assert_eq!(told[2..2 + expected.len()], expected, "{extensions:?}");
        assert_eq!(told[2 + expected.len()], "MAIL FROM:<alerts@example.org>");
    }
    let server = Smtp {
        extensions: (&["AUTH PLAIN"], &[]),
        ..Smtp::default()
    };
    let (sent, told) = send(server, |mail| MailRequest {
        credentials: credentials("p", "").map(|credentials| MailCredentials {
            identity: "team".to_owned(),
            ..credentials
        }),
        ..mail
    })
    .await;
    sent.unwrap();
    assert_eq!(told[2], format!("AUTH PLAIN {}", STANDARD.encode("team\0tim\0p")));
}

#[tokio::test]
async fn says_why_it_cannot_log_in() {
    let offered = |extensions: &'static [&'static str]| Smtp {
        extensions: (extensions, &[]),
        ..Smtp::default()
    };
    let (sent, _) = send(offered(&["AUTH GSSAPI CRAM-MD5"]), |mail| MailRequest {
        credentials: credentials("p", ""),
        ..mail
    })
    .await;
    assert_eq!(
        error(sent),
        "find auth mechanism: unknown auth mechanism: GSSAPI; missing secret (auth_secret) for CRAM-MD5 auth mechanism"
    );
    // Go's client, and so Alertmanager, says a password in the clear to this machine alone.
    let elsewhere = Smtp {
        host: "127.0.0.2",
        ..offered(&["AUTH PLAIN"])
    };
    let (sent, told) = send(elsewhere, |mail| MailRequest {
        host: "127.0.0.2".to_owned(),
        credentials: credentials("p", ""),
        ..mail
    })
    .await;
    assert_eq!(
        (error(sent).as_str(), told.len()),
        ("PLAIN auth: unencrypted connection", 2)
    );
    let refusing = Smtp {
        refuses: Some(("AUTH", "535 5.7.8 no such user")),
        ..offered(&["AUTH PLAIN"])
    };
    let (sent, _) = send(refusing, |mail| MailRequest {
        credentials: credentials("p", ""),
        ..mail
    })
    .await;
    let error = error(sent);
    assert!(
        error.starts_with("cannot log in by PLAIN") && error.contains("no such user"),
        "{error}"
    );
    assert!(!error.contains(&STANDARD.encode("\0tim\0p")), "{error}");
}

#[tokio::test]
async fn upgrades_to_tls_before_anything_is_said() {
    let server = || Smtp {
        extensions: (&["STARTTLS"], &["AUTH PLAIN"]),
        tls: Some((acceptor(ALL_VERSIONS, false), false)),
        ..Smtp::default()
    };
    let secure = |mail: MailRequest| MailRequest {
        require_tls: true,
        credentials: credentials("p", ""),
        options: trusting(HttpOptions::default()),
        ..mail
    };
    let (sent, told) = send(server(), secure).await;
    sent.unwrap();
    assert_eq!(told[..2], ["EHLO parapet.example.org", "STARTTLS"]);
    assert!(
        told[4].starts_with("AUTH PLAIN ") && told.last().unwrap() == "QUIT",
        "{told:?}"
    );

    // Another name than the server's certificate has; the one that is told; any.
    let (sent, told) = send(server(), |mail| MailRequest {
        server_name: "other.example.org".to_owned(),
        ..secure(mail)
    })
    .await;
    assert!(error(sent).starts_with("cannot send STARTTLS command"));
    assert_eq!(told.len(), 2);
    let (sent, _) = send(server(), |mail| MailRequest {
        server_name: "mail.example.org".to_owned(),
        ..secure(mail)
    })
    .await;
    sent.unwrap();
    let careless = HttpOptions {
        insecure_skip_verify: true,
        ..HttpOptions::default()
    };
    let (sent, _) = send(server(), |mail| MailRequest {
        server_name: "other.example.org".to_owned(),
        options: careless,
        ..secure(mail)
    })
    .await;
    sent.unwrap();

    // The system's authorities do not know the test's; a server of old TLS is refused where TLS13 is asked for.
    let (sent, _) = send(server(), |mail| MailRequest {
        options: HttpOptions::default(),
        ..secure(mail)
    })
    .await;
    assert!(error(sent).starts_with("cannot send STARTTLS command"));
    let old = Smtp {
        tls: Some((acceptor(&[&TLS12], false), false)),
        ..server()
    };
    let newest = HttpOptions {
        tls_min_version: "TLS13".to_owned(),
        ..HttpOptions::default()
    };
    let (sent, _) = send(old, |mail| MailRequest {
        options: trusting(newest),
        ..secure(mail)
    })
    .await;
    assert!(error(sent).starts_with("cannot send STARTTLS command"));

    let (sent, told) = send(Smtp::default(), secure).await;
    let error = error(sent);
    assert!(
        error.starts_with("'require_tls' is true (default) but \"127.0.0.1:")
            && error.ends_with("\" does not advertise the STARTTLS extension"),
        "{error}"
    );
    assert_eq!(told, ["EHLO parapet.example.org"]);
}

#[tokio::test]
async fn begins_with_tls_and_shows_its_certificate() {
    let server = || Smtp {
        tls: Some((acceptor(ALL_VERSIONS, true), true)),
        ..Smtp::default()
    };
    let own = |mail: MailRequest, identity: Option<(&str, &str)>| MailRequest {
        implicit_tls: true,
        // As Alertmanager: nothing is left to upgrade.
        require_tls: true,
        options: trusting(HttpOptions {
            identity: identity.map(|(certificate, key)| (certificate.to_owned(), key.to_owned())),
            ..HttpOptions::default()
        }),
        ..mail
    };
    let (sent, told) = send(server(), |mail| own(mail, Some(CLIENT))).await;
    sent.unwrap();
    assert_eq!(
        (told[0].as_str(), told.last().unwrap().as_str()),
        ("EHLO parapet.example.org", "QUIT")
    );
    let (sent, told) = send(server(), |mail| own(mail, None)).await;
    assert!(error(sent).starts_with("cannot connect to the mail server"));
    assert!(told.is_empty(), "{told:?}");
    // What will never be a certificate is a fault of the configuration.
    let (port, _told) = server().serve().await;
    let wrong = SmtpMailer
        .send(own(mail(port), Some(("nonsense", CLIENT.1))))
        .await
        .unwrap_err();
    assert_eq!(
        (wrong.kind(), wrong.to_string().as_str()),
        (Kind::Invalid, "cert is not PEM: it holds no CERTIFICATE")
    );
}

#[tokio::test]
async fn tells_what_a_server_refused() {
    for (command, answer) in [
        ("MAIL", "451 4.3.0 try again later"),
        ("RCPT TO:<night", "550 5.1.1 no such mailbox"),
        ("DATA", "554 5.7.1 spam"),
    ] {
        let server = Smtp {
            refuses: Some((command, answer)),
            ..Smtp::default()
        };
        let (sent, _) = send(server, |mail| mail).await;
        let error = error(sent);
        assert!(
            error.starts_with("cannot send the message") && error.contains(&answer[4..]),
            "{error}"
        );
    }
    let (port, told) = Smtp::default().serve().await;
    told.abort();
    let _ = told.await;
    assert!(error(SmtpMailer.send(mail(port)).await).starts_with("cannot connect to the mail server"));
}

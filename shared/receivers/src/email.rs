//! Email: a message of a plain and an HTML part.

use crate::exchange::{Exchange, RenderError, hex};
use crate::go_time;
use crate::mail::{Mail, MailCredentials};
use parapet_routing::Secret;
use parapet_routing::config::{Email, Transport};
use sha2::{Digest as _, Sha256};

/// The longest line of quoted-printable text.
const MAX_LINE: usize = 76;

/// What fits into one encoded word besides `=?utf-8?q?` and `?=` (RFC 2047: 75 characters).
const MAX_WORD: usize = 75 - 12;

/// Who sends a message to whom.
pub(crate) struct Envelope {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
}

pub(crate) fn envelope(settings: &Email, exchange: &Exchange<'_>) -> Result<Envelope, RenderError> {
    let from = exchange.text("from", &settings.from)?;
    let to = exchange.text("to", &settings.to)?;
    match &addresses(&from)?[..] {
        [one] => Ok(Envelope {
            from: one.clone(),
            to: addresses(&to)?,
        }),
        other => {
            let message = format!("must be exactly one 'from' address (got: {})", other.len());
            Err(RenderError::Invalid(message))
        }
    }
}

pub(crate) fn mail(settings: &Email, exchange: &Exchange<'_>) -> Result<Mail, RenderError> {
    let envelope = envelope(settings, exchange)?;
    let credentials = if settings.auth_username.is_empty() {
        None
    } else {
        Some(MailCredentials {
            identity: settings.auth_identity.clone(),
            username: settings.auth_username.clone(),
            password: Secret::new(exchange.secret(&settings.auth_password)?),
            secret: Secret::new(exchange.secret(&settings.auth_secret)?),
        })
    };
    let transport = Transport {
        tls: settings.tls.clone(),
        ..Transport::default()
    };
    Ok(Mail {
        host: settings.smarthost.host.clone(),
        port: settings.smarthost.port.clone(),
        hello: settings.hello.clone(),
        implicit_tls: settings.implicit_tls,
        require_tls: settings.require_tls,
        connection: exchange.connection(&transport)?,
        credentials,
        from: envelope.from,
        to: envelope.to,
        message: message(settings, exchange)?.into_bytes(),
    })
}

/// Headers and body, lines ending in CR LF.
pub(crate) fn message(settings: &Email, exchange: &Exchange<'_>) -> Result<String, RenderError> {
    let at_ms = exchange.notification.flush_id;
    let identity = hex(&Sha256::digest(exchange.context.dedup_key.as_bytes()));
    let mut out = String::new();
    for (name, text) in &settings.headers {
        out.push_str(&format!(
            "{name}: {}\r\n",
            encode_header(&exchange.text("headers", text)?)
        ));
    }
    if !settings.headers.contains_key("Message-Id") {
        let url = exchange.context.external_url;
        let host = url
            .split_once("://")
            .map_or(url, |(_, rest)| rest)
            .split(['/', ':'])
            .next()
            .unwrap_or_default();
        let host = if host.is_empty() { "localhost" } else { host };
        // Of the delivery, so that a repeated one is known as such.
        out.push_str(&format!("Message-Id: <{}@{host}>\r\n", &identity[..32]));
    }
    if settings.threading.enabled {
        let day = if settings.threading.thread_by_date == "none" {
            String::new()
        } else {
            go_time::format(at_ms)[..10].to_owned()
        };
        let root = format!("<alert-{}-{day}@alertmanager>", &exchange.key_hash()[..16]);
        out.push_str(&format!("References: {root}\r\nIn-Reply-To: {root}\r\n"));
    }
    let boundary = &identity[..60];
    out.push_str(&format!("Date: {}\r\n", go_time::rfc1123(at_ms)));
    out.push_str(&format!(
        "Content-Type: multipart/alternative;  boundary={boundary}\r\nMIME-Version: 1.0\r\n\r\n"
    ));
    let mut separator = format!("--{boundary}\r\n");
    let mut part = |kind: &str, body: &str| {
        out.push_str(&separator);
        out.push_str(&format!(
            "Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/{kind}; charset=UTF-8\r\n\r\n"
        ));
        out.push_str(&quoted_printable(body));
        separator = format!("\r\n--{boundary}\r\n");
    };
    if !settings.text.is_empty() {
        part("plain", &exchange.text("text", &settings.text)?);
    }
    // What is preferred comes last (RFC 2046, section 5.1.4).
    if !settings.html.is_empty() {
        part("html", &exchange.engine.html("html", &settings.html)?);
    }
    out.push_str(&format!("\r\n--{boundary}--\r\n"));
    Ok(out)
}

/// The addresses of a list such as `Ops <ops@example.org>, dev@example.org`.
fn addresses(list: &str) -> Result<Vec<String>, RenderError> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in list.chars() {
        let part = parts.last_mut();
        match c {
            ',' if !quoted => {
                parts.push(String::new());
                continue;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        if let Some(part) = part {
            part.push(c);
        }
    }
    let address = |part: &String| {
        let part = part.trim();
        let address = match part.rsplit_once('<') {
            Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default().trim(),
            None => part,
        };
        let good = address
            .rsplit_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        let bare = |c: char| c.is_whitespace() || c == '<' || c == '>';
        if !good || address.chars().any(bare) || part.chars().any(char::is_control) {
            return Err(RenderError::Invalid(format!(
                "{} is not an email address",
                parapet_model::quote(part)
            )));
        }
        Ok(address.to_owned())
    };
    parts.iter().map(address).collect()
}

/// `mime.QEncoding.Encode("utf-8", …)`: encoded words where a text is not plain.
fn encode_header(text: &str) -> String {
    if text.chars().all(|c| matches!(c, ' '..='~' | '\t')) {
        return text.to_owned();
    }
    let (mut out, mut length) = ("=?utf-8?q?".to_owned(), 0);
    for c in text.chars() {
        let encoded = match c {
            ' ' => "_".to_owned(),
            '!'..='~' if !"=?_".contains(c) => c.to_string(),
            _ => c
                .encode_utf8(&mut [0; 4])
                .bytes()
                .map(|byte| format!("={byte:02X}"))
                .collect(),
        };
        if length + encoded.len() > MAX_WORD {
            out.push_str("?= =?utf-8?q?");
            length = 0;
        }
        length += encoded.len();
        out.push_str(&encoded);
    }
    out + "?="
}

/// `mime/quotedprintable.Writer`: lines of at most 76 characters, line ends as CR LF, no white space at a line's end.
fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push_str("\r\n");
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut width = 0;
        for (at, byte) in line.bytes().enumerate() {
            let is_space = byte == b' ' || byte == b'\t';
            let plain = is_space || (b'!'..=b'~').contains(&byte) && byte != b'=';
            let last = at + 1 == line.len();
            let needed = if plain && !(is_space && last) { 1 } else { 3 };
            // A white space at the end first took room as itself.
            let limit = MAX_LINE - 1;
            if width + needed > limit && !(is_space && last && width < limit && limit - width >= 3) {
                out.push_str("=\r\n");
                width = 0;
            }
            if needed == 1 {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("={byte:02X}"));
            }
            width += needed;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        let list = addresses("ops@example.org, \"Night, Shift\" <night@example.org>").unwrap();
        assert_eq!(list, ["ops@example.org", "night@example.org"]);
        for bad in [
            "",
            "ops",
            "ops@",
            "a b@example.org",
            "Ops <ops@example.org",
            "a@b\r\nRCPT TO:<x@y>",
        ] {
            assert!(addresses(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn encodes_as_go_does() {
        assert_eq!(encode_header("[FIRING:1] plain"), "[FIRING:1] plain");
        assert_eq!(encode_header("¡Hola, señor!"), "=?utf-8?q?=C2=A1Hola,_se=C3=B1or!?=");
        assert_eq!(quoted_printable("a = b\nü \r\nx"), "a =3D b\r\n=C3=BC=20\r\nx");
        let long = quoted_printable(&"x".repeat(80));
        assert_eq!(long, format!("{}=\r\n{}", "x".repeat(75), "x".repeat(5)));
    }
}

//! A connection, and a conversation over it.

use crate::{MAX_BODY_BYTES, Prober, address, split, tls};
use parapet_config::modules::{QueryResponse, TcpProbe};
use parapet_model::expand_go;
use parapet_probe::Report;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The longest line (`bufio.MaxScanTokenSize` of Go).
const MAX_LINE_BYTES: usize = 64 << 10;

/// One way or the other; `None` while it changes.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A conversation: the stream, and what was read of it and not looked at.
struct Conversation {
    stream: Option<Stream>,
    read: Vec<u8>,
    total: u64,
}

impl Conversation {
    /// Reads on; whether there was more.
    async fn more(&mut self) -> Result<bool, String> {
        let mut chunk = [0; 4096];
        let length = match &mut self.stream {
            Some(Stream::Plain(stream)) => stream.read(&mut chunk).await,
            Some(Stream::Tls(stream)) => stream.read(&mut chunk).await,
            None => Ok(0),
        };
        let length = length.map_err(|error| format!("Error reading from connection: {error}"))?;
        self.read.extend_from_slice(&chunk[..length]);
        self.total += length as u64;
        if self.total > MAX_BODY_BYTES {
            return Err(format!("Error reading from connection: over {MAX_BODY_BYTES} bytes"));
        }
        Ok(length > 0)
    }

    /// The next line without its end; `None` at the end of the stream.
    async fn line(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some(at) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=at).collect();
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                return Ok(Some(String::from_utf8_lossy(line).into_owned()));
            }
            if self.read.len() >= MAX_LINE_BYTES {
                return Err("Error reading from connection: bufio.Scanner: token too long".to_owned());
            }
            if !self.more().await? {
                let rest = std::mem::take(&mut self.read);
                let rest = rest.strip_suffix(b"\r").unwrap_or(&rest);
                return Ok((!rest.is_empty()).then(|| String::from_utf8_lossy(rest).into_owned()));
            }
        }
    }

    async fn send(&mut self, text: &str) -> Result<(), String> {
        let sent = match &mut self.stream {
            Some(Stream::Plain(stream)) => stream.write_all(text.as_bytes()).await,
            Some(Stream::Tls(stream)) => match stream.write_all(text.as_bytes()).await {
                Ok(()) => stream.flush().await,
                failed => failed,
            },
            None => Ok(()),
        };
        sent.map_err(|error| format!("Failed to send: {error}"))
    }
}

pub(crate) async fn probe(
    prober: &Prober,
    module: &TcpProbe,
    target: &str,
    hostname: &str,
    report: &mut Report,
) -> bool {
    match run(prober, module, target, hostname, report).await {
        Ok(()) => true,
        Err(what) => {
            report.say(what);
            false
        }
    }
}

async fn run(
    prober: &Prober,
    module: &TcpProbe,
    target: &str,
    hostname: &str,
    report: &mut Report,
) -> Result<(), String> {
    let (host, port) =
        split(target).ok_or_else(|| format!("Error splitting target address and port: {target} has no port"))?;
    let chosen = address::choose(host, module.addresses, report).await;
    let (ip, _) = chosen.ok_or("Error dialing TCP: the address is not known")?;
    let stream = address::connect(SocketAddr::new(ip, port), &module.source_ip_address).await;
    let stream = stream.map_err(|error| format!("Error dialing TCP: {error}"))?;
    let mut conversation = Conversation {
        stream: Some(Stream::Plain(stream)),
        read: Vec::new(),
        total: 0,
    };
    // As in Go's, a name of its own is asked for before that of the target.
    let names = [module.tls_config.server_name.as_str(), hostname, host];
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    if module.tls {
        let state = encrypt(prober, module, name, &mut conversation).await;
        let state = state.map_err(|what| format!("Error dialing TCP: {what}"))?;
        register(report);
        state.tell(report, true, false);
    } else {
        register(report);
    }
    report.say("Successfully dialed");
    for step in &module.query_response {
        answer(step, &mut conversation, report).await?;
        if step.starttls {
            let state = encrypt(prober, module, name, &mut conversation).await;
            let state = state.map_err(|what| format!("TLS Handshake (client) failed: {what}"))?;
            state.tell(report, true, false);
        }
    }
    Ok(())
}

fn register(report: &mut Report) {
    report.gauge("probe_failed_due_to_regex", "Indicates if probe failed due to regex");
    report.gauge("probe_failed_due_to_bytes", "Indicates if probe failed due to bytes");
}

async fn encrypt(
    prober: &Prober,
    module: &TcpProbe,
    name: &str,
    conversation: &mut Conversation,
) -> Result<parapet_probe::certificate::TlsState, String> {
    let client = tls::Client::new(prober, &module.tls_config, &[]).await?;
    let Some(Stream::Plain(stream)) = conversation.stream.take() else {
        return Err("the connection is encrypted already".to_owned());
    };
    let (stream, state) = client.connect(name, stream).await?;
    conversation.stream = Some(Stream::Tls(Box::new(stream)));
    // What was read before is not of the encrypted stream.
    conversation.read.clear();
    Ok(state)
}

/// One step, but for `starttls`.
async fn answer(step: &QueryResponse, conversation: &mut Conversation, report: &mut Report) -> Result<(), String> {
    let mut send = step.send.clone();
    if let Some(regex) = &step.expect {
        let matched = loop {
            match conversation.line().await? {
                Some(line) if regex.is_match(&line) => break line,
                Some(line) => report.say(format!("Read line {line:?}")),
                None => {
                    report.set("probe_failed_due_to_regex", 1.0);
                    return Err(format!("Regexp {regex} did not match"));
                }
            }
        };
        report.set("probe_failed_due_to_regex", 0.0);
        if let Some(captures) = regex.captures(&matched) {
            send = expand_go(&send, regex, &captures);
            if !step.labels.is_empty() {
                report.labelled("probe_expect_info", "Explicit content matched");
                let labels: Vec<(&str, String)> = step
                    .labels
                    .iter()
                    .map(|(name, value)| (name.as_str(), expand_go(value, regex, &captures)))
                    .collect();
                let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
                report.add("probe_expect_info", &labels, 1.0);
            }
        }
    }
    if !step.expect_bytes.is_empty() {
        let expected = step.expect_bytes.as_bytes();
        while conversation.read.len() < expected.len() {
            if !conversation.more().await? {
                return Err("Read less data than expected".to_owned());
            }
        }
        let found: Vec<u8> = conversation.read.drain(..expected.len()).collect();
        if found != expected {
            report.set("probe_failed_due_to_bytes", 1.0);
            return Err("Bytes did not match".to_owned());
        }
        report.set("probe_failed_due_to_bytes", 0.0);
    }
    if send.is_empty() {
        return Ok(());
    }
    conversation.send(&format!("{send}\n")).await
}

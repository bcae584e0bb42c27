//! The syslog listener: RFC 5424 and RFC 3164 over TCP, messages with their lengths before them or each on a line.
//!
//! Syslog has no answers: what was read is queued before more is read, so that a sender waits where the queue does.

use crate::run::pump::pause;
use anyhow::Context as _;
use chrono_tz::Tz;
use parapet_logs::LogRecord;
use parapet_logs::inputs::syslog::{frames, parse};
use parapet_model::Labels;
use parapet_ports::Ports;
use parapet_store::logs::{LogBatch, RawLogs, send_logs};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections at one time; others wait to be accepted.
const MAX_CONNECTIONS: usize = 512;
/// A longer message is cut.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// A connection with a message that is longer than this ends.
const MAX_BUFFER_BYTES: usize = 1024 * 1024;
/// How much is read at once.
const READ_BYTES: usize = 256 * 1024;
/// The wait before lines that could not be queued are tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A socket that listens for syslog.
#[derive(Debug)]
pub(crate) struct Syslog {
    listener: TcpListener,
    /// The zone of times that say none.
    zone: Tz,
}

impl Syslog {
    pub(crate) async fn bind(address: SocketAddr, zone: Tz) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}; choose another --syslog.listen-address"))?;
        Ok(Self { listener, zone })
    }

    /// Takes connections until told to stop, then ends those that are open.
    pub(crate) async fn run(self, ports: Ports, stop: watch::Receiver<bool>) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let (mut connections, mut stopped) = (JoinSet::new(), stop.clone());
        while !*stopped.borrow() {
            let Ok(permit) = permits.clone().acquire_owned().await else {
                break;
            };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stopped.changed() => break,
            };
            while connections.try_join_next().is_some() {}
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a syslog connection was not accepted");
                    pause(PAUSE).await;
                    continue;
                }
            };
            let receiver = Receiver {
                ports: ports.clone(),
                zone: self.zone,
                connection: format!(
                    "syslog-{:016x}{:016x}",
                    ports.entropy.next_u64(),
                    ports.entropy.next_u64()
                ),
                batches: 0,
            };
            let stop = stop.clone();
            connections.spawn(async move {
                if let Err(error) = receiver.serve(stream, stop).await {
                    tracing::warn!(%peer, %error, "a syslog connection broke");
                }
                drop(permit);
            });
        }
        while connections.join_next().await.is_some() {}
    }
}

/// One connection.
struct Receiver {
    ports: Ports,
    zone: Tz,
    /// Nobody sends again what was read: each batch is one of its own.
    connection: String,
    batches: u64,
}

impl Receiver {
    async fn serve(
        mut self,
        mut stream: impl AsyncRead + Unpin,
        mut stop: watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        let mut buffer: Vec<u8> = Vec::new();
        let mut read = vec![0; READ_BYTES];
        loop {
            let count = tokio::select! {
                count = stream.read(&mut read) => count?,
                _ = stop.changed() => return Ok(()),
            };
            if count == 0 {
                break;
            }
            buffer.extend_from_slice(&read[..count]);
            let (messages, taken) = frames(&buffer, MAX_MESSAGE_BYTES);
            let messages: Vec<Vec<u8>> = messages.into_iter().map(<[u8]>::to_vec).collect();
            buffer.drain(..taken);
            self.queue(messages).await;
            if buffer.len() > MAX_BUFFER_BYTES {
                let text = format!("a message of more than {MAX_BUFFER_BYTES} bytes");
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
            }
        }
        // The last message may lack its line break, or some of its length.
        let last = without_length(&buffer).trim_ascii_end();
        if !last.is_empty() {
            self.queue(vec![last.to_vec()]).await;
        }
        Ok(())
    }

    /// Queues messages, however often it has to be tried.
    async fn queue(&mut self, messages: Vec<Vec<u8>>) {
        if messages.is_empty() {
            return;
        }
        let received_ns = self.ports.clock.now_ms().saturating_mul(1_000_000);
        let stream = Labels::from_pairs([("job", "syslog")]);
        let records = messages.iter().zip(0..).map(|(message, number)| LogRecord {
            stream: stream.clone(),
            // Those without a time keep their order.
            ..parse(message, received_ns + number, self.zone)
        });
        let records: Vec<LogRecord> = records.collect();
        metrics::counter!("parapet_log_lines_received_total", "way" => "syslog").increment(records.len() as u64);
        let batch = LogBatch {
            id: format!("{}-{}", self.connection, self.batches),
            tenant: parapet_store::tenant::DEFAULT.to_owned(),
            lines: RawLogs {
                path: String::new(),
                received_ns,
                records,
            },
        };
        self.batches += 1;
        while let Err(error) = send_logs(&self.ports, vec![batch.clone()]).await {
            tracing::error!(error = error.chain(), "syslog lines could not be queued; trying again");
            pause(PAUSE).await;
        }
    }
}

/// A message without the length before it.
fn without_length(message: &[u8]) -> &[u8] {
    let digits = message.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match message[digits..].strip_prefix(b" ") {
        Some(rest) if digits > 0 && rest.starts_with(b"<") => rest,
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::memory::MemoryPorts;
    use parapet_ports::{ConfigFiles, Queue, QueueReader as _};

    async fn lines(sent: &[u8]) -> Vec<(String, String, String)> {
        let memory = MemoryPorts::new(1_700_000_000_000, ConfigFiles::default());
        let receiver = Receiver {
            ports: memory.ports.clone(),
            zone: Tz::UTC,
            connection: "syslog-1".to_owned(),
            batches: 0,
        };
        let (_sender, stop) = watch::channel(false);
        let _ = receiver.serve(sent, stop).await;
        let mut lines = Vec::new();
        for message in memory.queues.receive(Queue::Logs, 10, 0).await.unwrap() {
            for parcel in parapet_store::envelope::open::<RawLogs>(&message.message.body).unwrap() {
                let raw = parcel.payload(memory.ports.objects.as_ref()).await.unwrap();
                lines.extend(raw.records.iter().map(|record| {
                    assert_eq!(record.stream.get("job"), Some("syslog"));
                    (
                        record.host.to_string(),
                        record.service.to_string(),
                        record.message().into_owned(),
                    )
                }));
            }
        }
        lines
    }

    #[tokio::test]
    async fn both_framings() {
        let first = "<165>1 2023-11-14T22:13:20Z h1 app 1 - - it works";
        let sent = format!(
            "{} {first}<13>Nov 14 22:13:20 h2 cron[7]: ran\n<13>last, without its end",
            first.len()
        );
        let of = |host: &str, service: &str, message: &str| (host.to_owned(), service.to_owned(), message.to_owned());
        assert_eq!(
            lines(sent.as_bytes()).await,
            [
                of("h1", "app", "it works"),
                of("h2", "cron", "ran"),
                of("", "", "last, without its end")
            ]
        );
    }

    #[tokio::test]
    async fn noise_is_kept_and_nothing_breaks() {
        assert!(lines(b"").await.is_empty());
        assert_eq!(lines(b"\xff\x00\n").await.len(), 1);
        assert_eq!(lines(b"99999 <1>short").await[0].2, "short");
        let long = [b"9999999 <1>".to_vec(), vec![b'x'; 2 * MAX_BUFFER_BYTES]].concat();
        assert!(lines(&long).await.is_empty(), "the connection ends");
    }
}

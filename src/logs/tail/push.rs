//! Pushes of lines, tried until they are taken.

use crate::query::client::Client;
use anyhow::Context as _;
use bytes::Bytes;
use http::{StatusCode, header};
use parapet_model::Labels;
use parapet_ports::HttpResponse;
use parapet_protobuf::{put_bytes, put_key, put_varint};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The longest that is waited before a push is tried again.
const MAX_WAIT: Duration = Duration::from_secs(30);

pub(super) struct Pusher {
    pub(super) client: Client,
    pub(super) labels: BTreeMap<String, String>,
}

/// What a server's answer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Taken,
    /// Some lines, or all, are refused for good.
    Refused(String),
    /// The push is too large as a whole.
    Split,
    /// Again, after so long.
    Again(String, Option<Duration>),
}

fn verdict(response: &HttpResponse) -> Verdict {
    let text = String::from_utf8_lossy(&response.body).trim().to_owned();
    let reason = format!("{}: {text}", response.status);
    let after = response.headers.get(header::RETRY_AFTER);
    let after = after
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    match response.status {
        status if status.is_success() => Verdict::Taken,
        StatusCode::PAYLOAD_TOO_LARGE => Verdict::Split,
        StatusCode::TOO_MANY_REQUESTS => Verdict::Again(reason, after),
        status if status.is_server_error() => Verdict::Again(reason, after),
        _ => Verdict::Refused(reason),
    }
}

impl Pusher {
    /// Pushes lines until the server has taken them, or refused them for good, which is said.
    pub(super) fn push(&mut self, path: &Path, time_ns: i64, lines: &[Vec<u8>]) -> anyhow::Result<()> {
        let body = self.body(path, time_ns, lines)?;
        let mut wait = Duration::from_millis(500);
        loop {
            let answer = self
                .client
                .post(&["loki", "api", "v1", "push"], "application/x-protobuf", body.clone());
            let verdict = answer.map_or_else(
                |error| Verdict::Again(format!("{error:#}"), None),
                |answer| verdict(&answer),
            );
            match verdict {
                Verdict::Taken => return Ok(()),
                Verdict::Refused(reason) => {
                    say(&format!(
                        "{}: of {}: {reason}",
                        path.display(),
                        super::super::lines(lines.len() as u64)
                    ));
                    return Ok(());
                }
                Verdict::Split if lines.len() > 1 => {
                    let (first, second) = lines.split_at(lines.len() / 2);
                    self.push(path, time_ns, first)?;
                    return self.push(path, time_ns + offset(first.len()), second);
                }
                Verdict::Split => {
                    say(&format!(
                        "{}: a line is too long for the server and is left out",
                        path.display()
                    ));
                    return Ok(());
                }
                Verdict::Again(reason, after) => {
                    let pause = after.unwrap_or(wait).min(MAX_WAIT);
                    say(&format!("{reason}; trying again in {} ms", pause.as_millis()));
                    std::thread::sleep(pause);
                    wait = (wait * 2).min(MAX_WAIT);
                }
            }
        }
    }

    /// The push, in protobuf: it takes lines byte for byte, whether they are UTF-8 or not. The same lines at the same time
    /// are the same bytes.
    fn body(&self, path: &Path, time_ns: i64, lines: &[Vec<u8>]) -> anyhow::Result<Bytes> {
        let mut labels = self.labels.clone();
        labels.insert("filename".to_owned(), path.display().to_string());
        let mut stream = Vec::new();
        put_bytes(&mut stream, 1, Labels::from_pairs(labels).to_string().as_bytes());
        for (number, line) in lines.iter().enumerate() {
            // A nanosecond apart, so that they keep their order.
            put_bytes(&mut stream, 2, &entry(time_ns + offset(number), line));
        }
        let mut push = Vec::with_capacity(stream.len() + 8);
        put_bytes(&mut push, 1, &stream);
        let body = parapet_remote_write::snappy_encode(&push).context("lines do not compress")?;
        Ok(body.into())
    }
}

/// A line with its time: `timestamp { seconds = 1, nanos = 2 } = 1`, `line = 2`.
fn entry(time_ns: i64, line: &[u8]) -> Vec<u8> {
    let mut timestamp = Vec::new();
    for (field, number) in [
        (1, time_ns.div_euclid(1_000_000_000)),
        (2, time_ns.rem_euclid(1_000_000_000)),
    ] {
        put_key(&mut timestamp, field, 0);
        put_varint(&mut timestamp, number.cast_unsigned());
    }
    let mut entry = Vec::with_capacity(line.len() + 24);
    put_bytes(&mut entry, 1, &timestamp);
    put_bytes(&mut entry, 2, line);
    entry
}

fn offset(lines: usize) -> i64 {
    i64::try_from(lines).unwrap_or_default()
}

#[allow(clippy::print_stderr)]
pub(super) fn say(text: &str) {
    eprintln!("parapet: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_keeps_every_byte() {
        let manner = crate::query::client::Manner::default();
        let url = "http://127.0.0.1:9".parse().unwrap();
        let pusher = Pusher {
            client: Client::new("--url", &url, &manner).unwrap(),
            labels: BTreeMap::from([("app".to_owned(), "a\"b".to_owned())]),
        };
        let lines: Vec<Vec<u8>> = vec![b"caf\xe9".to_vec(), "caf\u{e9}".into(), vec![0xff, 0, 0xfe]];
        let body = pusher
            .body(Path::new("/x.log"), 1_700_000_000_000_000_001, &lines)
            .unwrap();
        let records = parapet_logs::inputs::loki::parse_protobuf(&body, 1_000).unwrap();
        let found: Vec<Vec<u8>> = records.iter().map(|record| record.raw.to_vec()).collect();
        assert_eq!(found, lines);
        assert_eq!(records[2].timestamp_ns, 1_700_000_000_000_000_003);
        assert_eq!(records[0].stream.get("app"), Some("a\"b"));
        assert_eq!(records[0].stream.get("filename"), Some("/x.log"));
    }

    #[test]
    fn what_answers_ask_for() {
        let answer = |status: u16, retry_after: Option<&str>| {
            let mut headers = http::HeaderMap::new();
            headers.extend(retry_after.map(|after| (header::RETRY_AFTER, after.parse().unwrap())));
            verdict(&HttpResponse {
                status: StatusCode::from_u16(status).unwrap(),
                headers,
                body: "why".into(),
            })
        };
        assert_eq!(answer(204, None), Verdict::Taken);
        assert_eq!(answer(413, None), Verdict::Split);
        assert!(matches!(answer(400, None), Verdict::Refused(reason) if reason.ends_with("why")));
        assert!(matches!(answer(429, Some("7")), Verdict::Again(_, Some(after)) if after.as_secs() == 7));
        assert!(matches!(answer(503, None), Verdict::Again(_, None)));
    }
}

//! Pushes of lines, tried until they are taken.

use crate::query::client::Client;
use http::{StatusCode, header};
use parapet_ports::HttpResponse;
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
    pub(super) fn push(&mut self, path: &Path, time_ns: i64, lines: &[String]) -> anyhow::Result<()> {
        let body = self.body(path, time_ns, lines);
        let mut wait = Duration::from_millis(500);
        loop {
            let answer = self.client.post_json(&["loki", "api", "v1", "push"], body.clone());
            let verdict = answer.map_or_else(
                |error| Verdict::Again(format!("{error:#}"), None),
                |answer| verdict(&answer),
            );
            match verdict {
                Verdict::Taken => return Ok(()),
                Verdict::Refused(reason) => {
                    say(&format!("{}: lines were refused: {reason}", path.display()));
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

    /// The push: the same lines at the same time are the same bytes.
    fn body(&self, path: &Path, time_ns: i64, lines: &[String]) -> String {
        let mut stream = self.labels.clone();
        stream.insert("filename".to_owned(), path.display().to_string());
        let values: Vec<[String; 2]> = lines
            .iter()
            .enumerate()
            // A nanosecond apart, so that they keep their order.
            .map(|(number, line)| [(time_ns + offset(number)).to_string(), line.clone()])
            .collect();
        serde_json::json!({"streams": [{"stream": stream, "values": values}]}).to_string()
    }
}

fn offset(lines: usize) -> i64 {
    i64::try_from(lines).unwrap_or_default()
}

#[allow(clippy::print_stderr)]
fn say(text: &str) {
    eprintln!("parapet: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

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

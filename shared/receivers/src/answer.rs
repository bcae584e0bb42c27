//! What a receiver's answer means.

use crate::go_time;

/// The longest wait that an answer can ask for, milliseconds: beyond it the next flush of the group speaks anyway.
const MAX_RETRY_AFTER_MS: i64 = 15 * 60_000;

/// How much of an answer's body is shown in an error.
const SHOWN_BODY_CHARS: usize = 200;

/// What a receiver answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The header `Content-Type`.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What became of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver took the notification.
    Sent,
    /// It may take it later.
    Retry {
        /// What it answered; no secret in it.
        error: String,
        /// How long it asks to be left alone, milliseconds; `None` where it does not say.
        after_ms: Option<i64>,
    },
    /// It will never take it.
    Permanent {
        /// What it answered; no secret in it.
        error: String,
    },
}

pub(crate) fn permanent(error: String) -> Verdict {
    Verdict::Permanent { error }
}

/// Reads a status code: 2xx is success, 5xx, 429 and 408 pass by themselves, the rest does not (`notify.Retrier` of
/// Alertmanager, which retries 5xx and per receiver 429, and the documentation of the receivers).
pub(crate) fn generic(answer: &Answer, now_ms: i64) -> Verdict {
    with_details(answer, &shown(&answer.body), now_ms)
}

/// As [`generic`], with what the answer says of itself.
pub(crate) fn with_details(answer: &Answer, details: &str, now_ms: i64) -> Verdict {
    let status = answer.status;
    let error = match (status, details) {
        (200..=299, _) => return Verdict::Sent,
        (_, "") => format!("unexpected status code {status}"),
        _ => format!("unexpected status code {status}: {details}"),
    };
    match status {
        408 | 429 | 500..=599 => Verdict::Retry {
            error,
            after_ms: answer.retry_after.as_deref().and_then(|text| wait_ms(text, now_ms)),
        },
        _ => Verdict::Permanent { error },
    }
}

/// The beginning of a body, on one line.
pub(crate) fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN_BODY_CHARS)]);
    let text: String = text.trim().chars().take(SHOWN_BODY_CHARS).collect();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `Retry-After`: seconds or a date, at most [`MAX_RETRY_AFTER_MS`].
fn wait_ms(text: &str, now_ms: i64) -> Option<i64> {
    let wait = match text.trim().parse::<i64>() {
        Ok(seconds) => seconds.checked_mul(1000)?,
        Err(_) => go_time::parse_http_date(text)?.checked_sub(now_ms)?,
    };
    Some(wait.clamp(0, MAX_RETRY_AFTER_MS))
}

/// Takes a URL out of an error's text: clients like to name what they could not reach, and the path of a webhook is
/// a secret. Host and port stay, since they tell what is wrong.
#[must_use]
pub fn redact(text: &str, url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let mut out = text.replace(url, &format!("{scheme}://{host}/<secret>"));
    for secret in [path, path.trim_start_matches('/'), path.trim_matches('/')] {
        if secret.trim_matches('/').len() > 1 {
            out = out.replace(secret, "/<secret>");
        }
    }
    if let Some((user, _)) = authority.rsplit_once('@') {
        out = out.replace(user, "<secret>");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classifies() {
        let now = 784_111_777_000;
        let verdict = |status, after: Option<&str>| {
            let answer = Answer {
                status,
                retry_after: after.map(str::to_owned),
                ..Answer::default()
            };
            generic(&answer, now)
        };
        let retry = |status, after_ms| Verdict::Retry {
            error: format!("unexpected status code {status}"),
            after_ms,
        };
        for status in [200, 204] {
            assert_eq!(verdict(status, None), Verdict::Sent);
        }
        for status in [302, 400, 404] {
            assert_eq!(
                verdict(status, None),
                permanent(format!("unexpected status code {status}"))
            );
        }
        assert_eq!(verdict(429, Some("7")), retry(429, Some(7000)));
        assert_eq!(verdict(429, Some("-7")), retry(429, Some(0)));
        assert_eq!(verdict(429, Some("999999999")), retry(429, Some(MAX_RETRY_AFTER_MS)));
        assert_eq!(
            verdict(503, Some("Sun, 06 Nov 1994 08:49:40 GMT")),
            retry(503, Some(3000))
        );
        assert_eq!(verdict(503, Some("soon")), retry(503, None));
        assert_eq!(verdict(500, None), retry(500, None));
    }

    #[test]
    fn redacts_urls() {
        let url = "https://bob:pw@hooks.slack.com/services/T0/B0/XXX";
        for text in [
            "connection to https://bob:pw@hooks.slack.com/services/T0/B0/XXX refused",
            "error for url (/services/T0/B0/XXX)",
            "hooks.slack.com: bob:pw no, services/T0/B0/XXX",
        ] {
            let shown = redact(text, url);
            assert!(!shown.contains("XXX") && !shown.contains("pw"), "{shown}");
        }
        assert_eq!(
            redact("connection to http://h:1/ refused", "http://h:1/"),
            "connection to http://h:1/<secret> refused"
        );
    }
}

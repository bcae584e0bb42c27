//! What a receiver's answer means.

use crate::go_time;
use parapet_routing::IntegrationKind;

/// The longest wait that an answer can ask for, milliseconds: beyond it the next flush of the group speaks anyway.
const MAX_RETRY_AFTER_MS: i64 = 15 * 60_000;

/// How much of an answer's body is shown in an error.
const SHOWN_BODY_CHARS: usize = 200;

/// What an answer means.
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

/// Reads an answer: 2xx is success, 5xx, 429 and 408 pass by themselves, the rest does not
/// (`notify.Retrier` of Alertmanager, which retries 5xx alone, and the documentation of the receivers).
///
/// `retry_after` and `content_type` are the headers of these names; `now_ms` is for a `Retry-After` that is a date.
#[must_use]
pub fn classify(
    kind: &IntegrationKind,
    status: u16,
    retry_after: Option<&str>,
    content_type: Option<&str>,
    body: &[u8],
    now_ms: i64,
) -> Verdict {
    let shown = shown(body);
    match status {
        200..=299 => match kind {
            IntegrationKind::Webhook(_) => Verdict::Sent,
            IntegrationKind::Slack(_) => classify_slack(content_type, body, &shown),
        },
        408 | 429 | 500..=599 => Verdict::Retry {
            error: unexpected(status, &shown),
            after_ms: retry_after.and_then(|text| wait_ms(text, now_ms)),
        },
        _ => Verdict::Permanent {
            error: unexpected(status, &shown),
        },
    }
}

/// Slack answers errors with status 200: as plain text to incoming webhooks, as JSON in its API.
fn classify_slack(content_type: Option<&str>, body: &[u8], shown: &str) -> Verdict {
    if !content_type.is_some_and(|kind| kind.starts_with("application/json")) {
        return if body == b"ok" {
            Verdict::Sent
        } else {
            Verdict::Permanent {
                error: format!("received an error response from Slack: {shown}"),
            }
        };
    }
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(answer) if answer["ok"] == true => Verdict::Sent,
        Ok(answer) => {
            let error = answer["error"].as_str().unwrap_or_default();
            Verdict::Permanent {
                error: format!("error response from Slack: {error}"),
            }
        }
        Err(_) => Verdict::Retry {
            error: format!("could not read JSON response: {shown}"),
            after_ms: None,
        },
    }
}

fn unexpected(status: u16, shown: &str) -> String {
    if shown.is_empty() {
        format!("unexpected status code {status}")
    } else {
        format!("unexpected status code {status}: {shown}")
    }
}

/// The beginning of a body, on one line.
fn shown(body: &[u8]) -> String {
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
    use parapet_routing::config::Webhook;
    use parapet_routing::{Secret, parse};

    fn webhook() -> IntegrationKind {
        IntegrationKind::Webhook(Webhook {
            url: Secret::new("http://x/"),
            max_alerts: 0,
        })
    }

    fn slack() -> IntegrationKind {
        let text = "route: {receiver: r}\nreceivers: [{name: r, slack_configs: [{api_url: 'http://x/'}]}]";
        parse("a.yml", text)
            .unwrap()
            .receivers
            .remove(0)
            .integrations
            .remove(0)
            .kind
    }

    #[test]
    fn classifies() {
        let retry =
            |after_ms| move |verdict: &Verdict| matches!(verdict, Verdict::Retry { after_ms: a, .. } if *a == after_ms);
        let sent = |verdict: &Verdict| *verdict == Verdict::Sent;
        let permanent = |verdict: &Verdict| matches!(verdict, Verdict::Permanent { .. });
        let now = 784_111_777_000;
        let check = |kind: &IntegrationKind, status, after, mime, body: &str, good: &dyn Fn(&Verdict) -> bool| {
            let verdict = classify(kind, status, after, mime, body.as_bytes(), now);
            assert!(good(&verdict), "{status} {after:?} {body}: {verdict:?}");
        };
        let (hook, slack) = (webhook(), slack());
        check(&hook, 200, None, None, "", &sent);
        check(&hook, 204, None, None, "", &sent);
        check(&hook, 302, None, None, "", &permanent);
        check(&hook, 400, None, None, "no", &permanent);
        check(&hook, 404, None, None, "", &permanent);
        check(&hook, 429, Some("7"), None, "", &retry(Some(7000)));
        check(&hook, 429, Some("-7"), None, "", &retry(Some(0)));
        check(
            &hook,
            429,
            Some("999999999"),
            None,
            "",
            &retry(Some(MAX_RETRY_AFTER_MS)),
        );
        check(
            &hook,
            503,
            Some("Sun, 06 Nov 1994 08:49:40 GMT"),
            None,
            "",
            &retry(Some(3000)),
        );
        check(&hook, 503, Some("soon"), None, "", &retry(None));
        check(&hook, 500, None, None, "", &retry(None));
        check(&slack, 200, None, Some("text/html"), "ok", &sent);
        check(&slack, 200, None, Some("text/html"), "no_text", &permanent);
        check(
            &slack,
            200,
            None,
            Some("application/json; charset=utf-8"),
            r#"{"ok":true}"#,
            &sent,
        );
        check(
            &slack,
            200,
            None,
            Some("application/json"),
            r#"{"ok":false,"error":"x"}"#,
            &permanent,
        );
        check(&slack, 200, None, Some("application/json"), "{", &retry(None));
        check(&slack, 429, Some("30"), None, "", &retry(Some(30_000)));
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
